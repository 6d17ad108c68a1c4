"""Counters of a process and of those that it started."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from edgekit.bench.family import Family, below

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the counters are Linux's")
# It starts a process that computes for a while and waits, as a browser starts the one that runs a page.
PARENT = """
import sys
from subprocess import PIPE, Popen
child = Popen([sys.executable, "-c", sys.argv[1], "--type=renderer"], stdin=PIPE, stdout=PIPE)
print(child.pid, child.stdout.readline().decode(), flush=True)
sys.stdin.read()
child.stdin.close()
child.wait()
"""
CHILD = """
import sys, time
begin = time.process_time()
while time.process_time() - begin < 0.3: pass
print("done", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def watched() -> Family:
    return Family(os.getpid())


@pytest.fixture
def grandchild(watched: Family) -> Iterator[int]:
    del watched  # before it starts
    command = [sys.executable, "-c", PARENT, CHILD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        yield int(parent.stdout.readline().split()[0])
        assert parent.stdin is not None
        parent.stdin.close()
        parent.wait(10)


def test_a_grandchild_belongs_to_the_family(watched: Family, grandchild: int) -> None:
    assert grandchild in below(os.getpid())
    conditions = watched.since()
    assert conditions["cpu_seconds"] >= 0.25
    assert conditions["seconds"] > 0
    # It is told since it was last asked.
    assert watched.since()["cpu_seconds"] < 0.25


def test_the_page_is_the_process_that_says_so(watched: Family, grandchild: int) -> None:
    del grandchild
    now, most = watched.page_bytes("VmRSS"), watched.page_bytes("VmHWM")
    assert now is not None
    assert most is not None
    assert 1e6 < now <= most < 1e9


def test_without_a_page(watched: Family) -> None:
    assert watched.page_bytes("VmRSS") is None
