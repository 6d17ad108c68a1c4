"""A pytest plugin that runs coremltools' own tests against edgekit's Core ML reference.

``pytest -p coreml_conformance.plugin --rootdir COREMLTOOLS COREMLTOOLS/converters/mil/mil/ops/tests`` with
``benchmarks/`` on the path. The tests stay where the wheel put them. The plugin answers for Core ML, presents macOS
where the tests' helpers ask for it, makes every case independent of those before it (its own random seed), and writes
one JSON line a case to the file named by ``EDGEKIT_CONFORMANCE_LOG``.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import random
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("INCLUDE_MIL_FP32_UNIT_TESTS", "1")

from coreml_conformance.cases import Case, Names, pick
from coreml_conformance.proxy import ModelProxy
from edgekit.convert.coreml_file import import_coremltools

coremltools = import_coremltools(*os.environ.get("EDGEKIT_CONFORMANCE_FRAMEWORKS", "torch").split(","))

for name in ("_deps", "models.model", "models.utils"):
    importlib.import_module(f"coremltools.{name}")

# The first macOS on which none of the tests of this wheel skips itself as too old.
_MACOS = tuple(int(part) for part in os.environ.get("EDGEKIT_CONFORMANCE_MACOS", "15.2").split("."))

coremltools._deps._IS_MACOS = True
coremltools.models.model._MLModelProxy = ModelProxy
for module in (coremltools.models.utils, coremltools.models.model, coremltools.utils):
    for name, answer in (("_is_macos", lambda: True), ("_macos_version", lambda: _MACOS)):
        if hasattr(module, name):
            setattr(module, name, answer)

if "torch" in sys.modules:
    # These set a seed when they are first imported: before any file has its own.
    importlib.import_module("coremltools.converters.mil.testing_reqs")

_CASE = pytest.StashKey[Case]()
_BEFORE = pytest.StashKey[tuple[int, int, float]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """What is to run."""
    group = parser.getgroup("coreml conformance")
    group.addoption("--conformance-plan", help="with --collect-only: write the cases to this file, one JSON line each")
    group.addoption("--conformance-cases", help="run the cases listed in this file, one id a line")
    group.addoption("--conformance-slice", type=int, help="run this many float32 cases of every test function")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Name the cases; keep those that are asked for."""
    names = Names()
    for item in items:
        item.stash[_CASE] = names.case(item.nodeid, getattr(getattr(item, "callspec", None), "params", {}))
    cases = [item.stash[_CASE] for item in items]
    plan, listed, slices = (config.getoption(f"conformance_{name}") for name in ("plan", "cases", "slice"))
    if plan:
        Path(plan).write_text("".join(json.dumps(vars(case)) + "\n" for case in cases), encoding="utf-8")
    if listed:
        wanted = set(Path(listed).read_text(encoding="utf-8").splitlines())
    elif slices:
        wanted = {case.id for case in pick(cases, each=slices)}
    else:
        return
    config.hook.pytest_deselected(items=[item for item in items if item.stash[_CASE].id not in wanted])
    items[:] = [item for item in items if item.stash[_CASE].id in wanted]


def pytest_collectstart(collector: pytest.Collector) -> None:
    """Give every file its own random numbers: some draw parameters from them."""
    if isinstance(collector, pytest.Module):
        _seed(collector.nodeid)


def pytest_runtestloop() -> None:
    """Leave what is loaded by now out of garbage collection.

    coremltools collects garbage after every conversion: three quarters of a small case's time.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Say which case begins, in case it ends the process; give it its own random numbers."""
    case = item.stash[_CASE]
    log = os.environ.get("EDGEKIT_CONFORMANCE_LOG")
    if log:
        Path(log + ".current").write_text(case.id, encoding="utf-8")
    _seed(case.id)
    ModelProxy.look, ModelProxy.seen = case.precision != "float16", set()
    item.stash[_BEFORE] = (ModelProxy.asked, ModelProxy.predictions, time.monotonic())


def _seed(name: str) -> None:
    seed = zlib.crc32(name.encode())
    random.seed(seed)
    np.random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Write a case's line."""
    outcome: Any = yield
    report = outcome.get_result()
    log = os.environ.get("EDGEKIT_CONFORMANCE_LOG")
    if not log or not (call.when == "call" or (call.when == "setup" and not report.passed)):
        return
    asked, predictions, started = item.stash[_BEFORE]
    message = ""
    if isinstance(report.longrepr, tuple):
        message = str(report.longrepr[2])
    elif call.excinfo:
        message = f"{call.excinfo.type.__name__}: {call.excinfo.value}"
    elif report.failed:
        message = str(report.longrepr)
    line = {
        **vars(item.stash[_CASE]),
        "outcome": report.outcome,
        "expected_failure": hasattr(report, "wasxfail") or "XPASS(strict)" in message,
        "asked": ModelProxy.asked - asked,
        "predictions": ModelProxy.predictions - predictions,
        "seen": sorted(ModelProxy.seen),
        "seconds": round(time.monotonic() - started, 3),
        "message": message[:2000],
    }
    with Path(log).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
