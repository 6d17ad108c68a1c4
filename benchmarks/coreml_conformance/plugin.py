"""A pytest plugin that runs coremltools' own tests against edgekit's Core ML reference.

``pytest -p coreml_conformance.plugin --pyargs coremltools.converters.mil.mil.ops.tests`` with ``benchmarks/`` on the
path. The tests stay where the wheel put them. The plugin answers for Core ML, presents macOS where the tests' helpers
ask for it, and writes one JSON line a case to the file named by ``EDGEKIT_CONFORMANCE_LOG``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("INCLUDE_MIL_FP32_UNIT_TESTS", "1")

from coreml_conformance.proxy import ModelProxy
from edgekit.convert.coreml_file import import_coremltools

coremltools = import_coremltools(*os.environ.get("EDGEKIT_CONFORMANCE_FRAMEWORKS", "torch").split(","))

import coremltools._deps
import coremltools.models.model
import coremltools.models.utils

_MACOS = (15, 0)

coremltools._deps._IS_MACOS = True
coremltools.models.model._MLModelProxy = ModelProxy
for module in (coremltools.models.utils, coremltools.models.model, coremltools.utils):
    for name, answer in (("_is_macos", lambda: True), ("_macos_version", lambda: _MACOS)):
        if hasattr(module, name):
            setattr(module, name, answer)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Count a case's predictions and write its line."""
    outcome: Any = yield
    report = outcome.get_result()
    if call.when == "setup":
        item.stash[_BEFORE] = ModelProxy.predictions
    if call.when == "call" or (call.when == "setup" and not report.passed):
        line = {
            "id": item.nodeid,
            "outcome": report.outcome,
            "predictions": ModelProxy.predictions - item.stash[_BEFORE],
            "message": str(call.excinfo.value)[:2000] if call.excinfo and report.failed else "",
        }
        log = os.environ.get("EDGEKIT_CONFORMANCE_LOG")
        if log:
            with Path(log).open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")


_BEFORE = pytest.StashKey[int]()
