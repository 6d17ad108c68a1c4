"""Programs that are odd inside: found when they are opened, each with one clear message."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from handmade import FLOAT32, INT32, add, program_of, save_program, set_value, tensor_type

from edgekit.coreml_reference import open_model
from edgekit.errors import EdgekitError, ExecutionError, InputError, UnsupportedError

X = np.ones((1, 4), np.float32)


def block(model: Any) -> Any:
    return model.mlProgram.functions[0].value.block_specializations[0].value


def bad(tmp_path: Path, change: Callable[[Any], object], kind: type[EdgekitError] = InputError) -> str:
    """The message with which a changed program is refused when it is opened."""
    model, weights = program_of()
    change(model)
    with pytest.raises(kind) as caught:
        open_model(save_program((model, weights), tmp_path / "m.mlpackage"))
    assert caught.value.asked
    assert caught.value.next_step
    return str(caught.value)


def test_the_program_as_it_is_answers(tmp_path: Path) -> None:
    model = open_model(save_program(program_of(), tmp_path / "m.mlpackage"))
    np.testing.assert_array_equal(model.predict({"x": -X})["y"], [[0, 1, 2, 3]])


def test_an_operation_that_is_not_covered(tmp_path: Path) -> None:
    message = bad(tmp_path, lambda m: setattr(block(m).operations[2], "type", "hologram"), UnsupportedError)
    assert "execute hologram in layer 'y': the operation is not covered" in message
    message = bad(tmp_path / "2", lambda m: setattr(block(m).operations[2], "type", "custom_layer"), UnsupportedError)
    assert "custom_layer" in message


def test_a_parameter_that_is_not_covered_or_missing(tmp_path: Path) -> None:
    def more(model: Any) -> None:
        set_value(block(model).operations[1].inputs.add(key="gain").value.arguments.add().value, 2.0)

    assert "its parameter 'gain' is not covered" in bad(tmp_path, more, UnsupportedError)

    def less(model: Any) -> None:
        del block(model).operations[1].inputs[1]

    assert "mul in layer 'product': its parameter 'y' is missing" in bad(tmp_path / "2", less)

    def empty(model: Any) -> None:
        del block(model).operations[1].inputs[1].value.arguments[:]

    assert "its parameter 'y' has no value" in bad(tmp_path / "3", empty)


def test_a_parameter_of_another_kind(tmp_path: Path) -> None:
    def concat(model: Any) -> None:
        block(model).operations[2].type = "softmax"
        set_value(block(model).operations[2].inputs.add(key="axis").value.arguments.add().value, [1, 2])

    model, weights = program_of()
    concat(model)
    opened = open_model(save_program((model, weights), tmp_path / "m.mlpackage"))
    with pytest.raises(ExecutionError, match="softmax in layer 'y': its parameter 'axis'"):
        opened.predict({"x": X})


@pytest.mark.parametrize("name", ["nothing", "y", "product", ""])
def test_a_name_that_refers_to_nothing_before_it(tmp_path: Path, name: str) -> None:
    """Also to a later value, or to its own: there are no cycles."""

    def change(model: Any) -> None:
        block(model).operations[1].inputs[0].value.arguments[0].name = name

    assert f"mul in layer 'product': its 'x' {name!r} is not defined before it" in bad(tmp_path, change)


def test_a_value_defined_twice(tmp_path: Path) -> None:
    def change(model: Any) -> None:
        block(model).operations[2].outputs[0].name = "product"

    assert "value 'product' is defined twice" in bad(tmp_path, change)

    def shadow(model: Any) -> None:
        block(model).operations[1].outputs[0].name = "x"

    assert "value 'x' is defined twice" in bad(tmp_path / "2", shadow)


def test_outputs_that_are_not_there(tmp_path: Path) -> None:
    assert "has no outputs" in bad(tmp_path / "1", lambda m: block(m).ClearField("outputs"))
    assert "its output 'z' is not defined" in bad(tmp_path / "2", lambda m: block(m).outputs.append("z"))
    assert "output 'z' stands in its description only" in bad(
        tmp_path / "3", lambda m: setattr(m.description.output[0], "name", "z")
    )


def test_inputs_that_differ_from_the_description(tmp_path: Path) -> None:
    assert "input 'a' stands in its description and not in its program" in bad(
        tmp_path / "1", lambda m: setattr(m.description.input[0], "name", "a")
    )
    assert "input 'z' stands in its program and not in its description" in bad(
        tmp_path / "2", lambda m: setattr(m.mlProgram.functions[0].value.inputs.add(), "name", "z")
    )

    def larger(model: Any) -> None:
        model.description.input[0].type.multiArrayType.shape[1] = 5

    assert "'x' is described as [1, 5], the program has fp32 [1, 4]" in bad(tmp_path / "3", larger)

    def state(model: Any) -> None:
        tensor_type(model.mlProgram.functions[0].value.inputs[0].type.stateType.wrappedType, (1, 4))

    assert "'x' is described as array" in bad(tmp_path / "4", state)

    def image(model: Any) -> None:
        model.description.input[0].type.imageType.width = 4

    assert "'x' is described as [1, 3, 0, 4]" in bad(tmp_path / "5", image)


def test_functions_that_are_not_there(tmp_path: Path) -> None:
    assert "open function 'main'" in bad(tmp_path / "1", lambda m: m.mlProgram.ClearField("functions"))

    def opset(model: Any) -> None:
        model.mlProgram.functions[0].value.opset = "CoreML99"

    assert "it has no block for opset CoreML99" in bad(tmp_path / "2", opset)


def constant(change: Callable[[Any], object]) -> Callable[[Any], object]:
    """A program in which w stands in the text, and that changes it."""

    def apply(model: Any) -> None:
        value = block(model).operations[0].attributes[1].value
        value.Clear()
        set_value(value, np.arange(4.0))
        change(value)

    return apply


def test_constants_that_are_not_what_they_say(tmp_path: Path) -> None:
    tensors = {
        "3 elements for shape [4]": lambda v: v.immediateValue.tensor.floats.values.pop(),
        "0 elements for shape [4]": lambda v: v.immediateValue.ClearField("tensor"),
        "floats for elements of type int32": lambda v: setattr(v.type.tensorType, "dataType", INT32),
        "element type 99 is unknown": lambda v: setattr(v.type.tensorType, "dataType", 99),
        "1 sizes for rank 2": lambda v: setattr(v.type.tensorType, "rank", 2),
        "elements for shape [4611686018427387904]": lambda v: setattr(
            v.type.tensorType.dimensions[0].constant, "size", 2**62
        ),
        "bytes": lambda v: setattr(v.immediateValue.tensor.bytes, "values", b"12345"),
    }
    for number, (message, change) in enumerate(tensors.items()):
        found = bad(tmp_path / str(number), constant(change))
        assert message in found or "missing value" in found


def test_weights_of_another_kind(tmp_path: Path) -> None:
    def half(model: Any) -> None:
        block(model).operations[0].attributes[1].value.type.tensorType.dataType = 10

    assert "it holds 4 of fp32, the program says fp16 [4]" in bad(tmp_path, half)

    def more(model: Any) -> None:
        block(model).operations[0].attributes[1].value.type.tensorType.dimensions[0].constant.size = 2**40

    assert "the program says fp32 [1099511627776]" in bad(tmp_path / "2", more)


def test_a_result_that_is_not_what_the_program_declares(tmp_path: Path) -> None:
    """A kernel and a program that disagree are found out; whichever is wrong, the answer would be."""
    model, weights = program_of()
    tensor_type(block(model).operations[1].outputs[0].type, (1, 1, 4), FLOAT32)
    block(model).operations[1].outputs[0].type.tensorType.ClearField("dimensions")
    tensor_type(block(model).operations[1].outputs[0].type, (4, 1), FLOAT32)
    opened = open_model(save_program((model, weights), tmp_path / "m.mlpackage"))
    with pytest.raises(
        ExecutionError, match=r"mul in layer 'product': shape \[1, 4\], the program declares fp32 \[4, 1\]"
    ):
        opened.predict({"x": X})


def test_more_memory_than_there_is(tmp_path: Path) -> None:
    """An enormous result is refused like any failure of an operation."""
    model, weights = program_of()
    add(block(model), "tile", "huge", (2**20, 2**22), x="%product", reps=[2**20, 2**20])
    opened = open_model(save_program((model, weights), tmp_path / "m.mlpackage"))
    with pytest.raises(ExecutionError, match="tile in layer 'huge'"):
        opened.predict({"x": X})
