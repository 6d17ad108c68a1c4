"""What is run of Apple's suite, and what it has to reach."""

from __future__ import annotations

from dataclasses import dataclass

_OPS = "converters/mil/mil/ops/tests"
_TORCH = "converters/mil/frontend/torch/test/test_torch_ops.py"
# Pipelines of ML Programs: evaluated with torch, which the second environment has not.
_PROGRAMS = "test/pipeline/test_pipeline.py::TestMakePipeline"


@dataclass(frozen=True)
class Suite:
    """Tests that run in one environment.

    Attributes:
        name: short name.
        gate: the gate that its results count for.
        paths: files and folders inside coremltools' package.
        frameworks: what coremltools may import.
        macos: the version of macOS that the tests see.
        sample: how many float32 cases are drawn; zero for every case.
        without: the beginning of the ids of cases that another suite runs.
        classical: whether it runs in the second environment.
        limit: seconds after which a case has failed. pytest-timeout ends what runs Python; a process that is still busy
            with the same case after twice that long is ended from outside.
    """

    name: str
    gate: str
    paths: tuple[str, ...]
    frameworks: tuple[str, ...] = ("torch",)
    macos: str = "15.2"
    sample: int = 0
    without: str = ""
    classical: bool = False
    limit: int = 120


@dataclass(frozen=True)
class Gate:
    """What has to be reached.

    Attributes:
        title: what it is about.
        share: how many of the float32 cases that predicted have to pass.
        cases: how many float32 cases have to predict at least.
    """

    title: str
    share: float
    cases: int


GATES = {
    "ops": Gate("operations", 0.99, 5400),
    "torch": Gate("PyTorch operations, a sample", 0.97, 1700),
    "classical": Gate("scikit-learn, XGBoost and pipelines", 0.98, 80),
    # The few cases of each function that every change is tested with. Functions whose cases fail for a known reason
    # weigh more among so few; no other case may fail.
    "slice": Gate("operations, a slice", 0.98, 360),
}

SUITES = (
    # Some of them ask TensorFlow what it would answer.
    Suite("ops", "ops", (_OPS,), ("torch", "tensorflow")),
    Suite("torch", "torch", (_TORCH,), sample=2000),
    Suite("pipeline", "classical", (_PROGRAMS,)),
    Suite(
        "sklearn",
        "classical",
        ("test/sklearn_tests", "test/pipeline"),
        ("sklearn",),
        without=_PROGRAMS,
        classical=True,
        # A few cases try every combination of a model's options.
        limit=900,
    ),
    # From macOS 10.16 on most of them skip themselves for a fault of the system; their expectations stand.
    Suite(
        "xgboost",
        "classical",
        ("test/xgboost_tests",),
        ("sklearn", "xgboost"),
        macos="10.15",
        classical=True,
        # Some train for every combination of a model's options.
        limit=2400,
    ),
)
