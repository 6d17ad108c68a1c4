"""States: several calls with one, several states at once, and whose memory it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.convert.coreml_file import import_coremltools
from edgekit.coreml_reference import open_model
from edgekit.coreml_reference.context import Kept
from edgekit.coreml_reference.model import Model
from edgekit.coreml_reference.registry import kernels
from edgekit.errors import ExecutionError, InputError

pytest.importorskip("coremltools")
pytest.importorskip("torch")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``kept`` grows by x at every call; ``last`` becomes x. The outputs are both, and ``kept`` as it was."""
    ct = import_coremltools("torch")
    from coremltools.converters.mil import Builder as mb
    from coremltools.converters.mil import mil

    half = mil.types.fp16
    given = {
        "x": mb.placeholder((2, 3), half),
        "kept": mb.state_tensor_placeholder((2, 3), half),
        "last": mb.state_tensor_placeholder((2, 3), half),
    }
    with mil.Function(given, opset_version=ct.target.iOS18) as function:
        v = function.inputs
        before = mb.read_state(input=v["kept"])
        after = mb.coreml_update_state(state=v["kept"], value=mb.add(x=before, y=v["x"]))
        last = mb.coreml_update_state(state=v["last"], value=v["x"])
        function.set_outputs(
            [mb.identity(x=one, name=name) for one, name in ((before, "before"), (after, "after"), (last, "newest"))]
        )
    program = mil.Program()
    program.add_function("main", function)
    model = ct.convert(
        program,
        convert_to="mlprogram",
        minimum_deployment_target=ct.target.iOS18,
        pass_pipeline=ct.PassPipeline.EMPTY,
        skip_model_load=True,
    )
    package = tmp_path_factory.mktemp("states") / "states.mlpackage"
    model.save(str(package))
    return package


@pytest.fixture
def model(path: Path) -> Model:
    return open_model(path)


def fill(value: float) -> Any:
    return {"x": np.full((2, 3), value, np.float16)}


def test_a_state_lives_on_between_calls(model: Model) -> None:
    state = model.new_state()
    assert {name: one.value.tolist() for name, one in state.items()} == {"kept": [[0] * 3] * 2, "last": [[0] * 3] * 2}
    seen = [model.predict(fill(value), state) for value in (1.0, 2.0, 4.0)]
    assert [one["before"][0, 0] for one in seen] == [0, 1, 3]
    assert [one["after"][0, 0] for one in seen] == [1, 3, 7]
    assert state["kept"].value.tolist() == [[7] * 3] * 2
    assert state["last"].value.tolist() == [[4] * 3] * 2


def test_sessions_do_not_share_states(model: Model) -> None:
    one, other = model.new_state(), model.new_state()
    model.predict(fill(1.0), one)
    assert model.predict(fill(1.0), other)["after"][0, 0] == 1
    # Without a state every call begins with zeros.
    assert [model.predict(fill(1.0))["after"][0, 0] for _ in range(2)] == [1, 1]


def test_states_are_rounded_to_half_precision(model: Model) -> None:
    state = model.new_state()
    model.predict(fill(2048.0), state)
    assert model.predict(fill(1.0), state)["after"][0, 0] == 2048
    state["kept"].value = np.full((2, 3), 0.1, np.float32)
    assert model.predict(fill(0.0), state)["before"][0, 0] == np.float16(0.1)


@pytest.mark.parametrize("precision", ["strict", "relaxed"])
def test_a_state_does_not_follow_what_the_caller_does_with_an_input(path: Path, precision: str) -> None:
    model = open_model(path, precision=precision)
    state, given = model.new_state(), fill(5.0)
    found = model.predict(given, state)
    given["x"][...] = 9
    found["newest"][...] = 9
    assert state["last"].value.tolist() == [[5] * 3] * 2


def test_a_state_that_does_not_fit_is_refused(model: Model) -> None:
    state = model.new_state()
    with pytest.raises(InputError, match="run without state 'last'"):
        model.predict(fill(1.0), {"kept": state["kept"]})
    with pytest.raises(InputError, match="run with state 'more'"):
        model.predict(fill(1.0), {**state, "more": state["kept"]})
    with pytest.raises(InputError, match=r"\[3, 2\]"):
        model.predict(fill(1.0), {**state, "kept": Kept(np.zeros((3, 2), np.float32))})


def test_what_is_no_state_is_refused() -> None:
    with pytest.raises(ExecutionError, match="the operand is a ndarray"):
        kernels()["read_state"].call(input=np.zeros(3))
    with pytest.raises(ExecutionError, match=r"shape \[2\], the value \[3\]"):
        kernels()["write_state"].call(input=Kept(np.zeros(2)), data=np.zeros(3))
