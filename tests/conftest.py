"""What every test shares: what may not be skipped, and which warnings of the vendors are let pass."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

# On the machine that holds every framework nothing may be skipped for want of one.
REQUIRE_ALL = os.environ.get("EDGEKIT_REQUIRE_ALL") == "1"
# What a test says that is skipped for want of a package, of the data that benchmarks read, or of a program.
MISSING = ("could not import", "make benchmark-data", "make test-parts")

# A vendor's own deprecations are not ours to make good; each by its exact words.
VENDOR_WARNINGS = (
    # torch 2.13 deprecates TorchScript, which is Core ML's only way in that takes recurrent layers.
    r"ignore:.*torch\.jit\..*is deprecated:DeprecationWarning",
    r"ignore:.*torch\.jit\..*is not supported in Python 3\.14:DeprecationWarning",
    # coremltools leaves the removal of its temporary package to the garbage collector.
    r"ignore:Implicitly cleaning up <TemporaryDirectory:ResourceWarning",
    # torch's own recurrent and transformer layers, exported and traced: their weights' views, their checks of shapes.
    r"ignore:The tensor attributes? self\.model.*assigned during export:UserWarning",
    r"ignore:Converting a tensor to a Python",
    # coremltools reads the sizes of such layers from arrays of one element.
    r"ignore:Conversion of an array with ndim > 0 to a scalar is deprecated:DeprecationWarning",
    # torch.export looks at the gradients of weights that a recurrent layer has put together.
    r"ignore:The \.grad attribute of a Tensor that is not a leaf:UserWarning",
    # … and unrolls its steps with a check of its own that it deprecates.
    r"ignore:_check_is_size will be removed:FutureWarning",
    # What a scripted layer asks of its own constants.
    r"ignore:Pred is a Python constant:UserWarning",
    # torch.export copies tree specifications through a class that it deprecates itself.
    r"ignore:.*isinstance\(treespec, LeafSpec\).*is deprecated:FutureWarning",
)


def pytest_configure(config: pytest.Config) -> None:
    for warning in VENDOR_WARNINGS:
        config.addinivalue_line("filterwarnings", warning)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    report = yield
    return _demanded(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    report = yield
    return _demanded(report)


def _demanded(report: Any) -> Any:
    """A part that is skipped because a package or data is missing, as a failure where all are promised."""
    if REQUIRE_ALL and report.outcome == "skipped" and any(words in str(report.longrepr) for words in MISSING):
        report.outcome = "failed"
    return report


@pytest.fixture(scope="session", autouse=True)
def _short_looks() -> None:
    """Quantized files are timed for a tenth of what users get: tests ask which way it goes only where that is plain."""
    from edgekit.verify import speed

    speed._GLANCE, speed._SECONDS = speed._GLANCE / 10, speed._SECONDS / 10


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that a user installs, built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    root = Path(__file__).parent.parent
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(root)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    (built,) = folder.glob("*.whl")
    return built
