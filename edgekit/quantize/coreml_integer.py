"""The quantizer of Core ML packages to integer arithmetic, with ranges from edgekit's own evaluator.

coremltools' linear_quantize_activations asks Core ML for the values, so that it works on macOS only; holds ranges in
half precision, so that from 65504 on there are none; and fails on programs with loops.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.coreml_reference.interface import to_feature
from edgekit.coreml_reference.model import ProgramModel, open_model
from edgekit.coreml_reference.program import Operation
from edgekit.quantize.calibration import Calibration
from edgekit.quantize.coreml import IOS17, LEAST_WEIGHTS, eight_bits, rewrite, zero_channels
from edgekit.quantize.coreml_layers import Layer, functions, layers_of, operations
from edgekit.quantize.ranges import Spread
from edgekit.quantize.registry import quantizer
from edgekit.signature import Array

# Whatever goes in, no more and no less comes out: samples would cut off what they happen not to reach.
_KNOWN = {"softmax", "sigmoid", "hard_sigmoid"}


@dataclass(frozen=True)
class Integers:
    """What integers stand for an activation: zero for zero, as Apple's own quantizers have it.

    Attributes:
        scale: the step from one to the next.
        signed: from -127 to 127, else from 0 to 255.
    """

    scale: float
    signed: bool

    @staticmethod
    def of(low: float, high: float) -> Integers:
        """The integers of a range."""
        signed = low < 0
        scale = max(-low, high) / (127 if signed else 255)
        # A tensor of zeros, or of numbers next to them, has no step that float32 holds well.
        return Integers(scale if scale > float(np.finfo(np.float32).tiny) else 1.0, signed)


@quantizer("coreml", "int8")
def int8(model: Path, output: Path, calibration: Calibration | None) -> int:
    """Activations in 8 bits, as pairs of quantize and dequantize, and weights in int8, a scale a channel (iOS 17).

    Rounded is what convolutions, linear layers, sums and pools take and give. Returns the number of layers whose
    activations and weights are both in 8 bits.
    """
    if calibration is None:
        raise ValueError("int8 is calibrated")
    opened = _opened(model)
    function = opened.evaluator.function
    chosen = [
        layer
        for layer in layers_of(function)
        if layer.name not in calibration.skip and (calibration.only is None or layer.name in calibration.only)
    ]
    wanted = {name for layer in chosen for name in (*layer.takes, layer.gives) if name}
    integers = {name: one for name, one in _integers(opened, calibration).items() if name in wanted}

    def round_all(program: Any) -> None:
        _round_activations(program.functions[function.name], integers)
        _round_weights(program, layers_of(function), chosen, calibration)

    rewrite(model, output, round_all, IOS17)
    return _rounded(output)


def layers(model: Path) -> list[str]:
    """The layers of a file that ``int8`` can leave in float one by one: its products with weights, by their names."""
    return [layer.name for layer in layers_of(_opened(model).evaluator.function) if layer.weight]


def _opened(model: Path) -> ProgramModel:
    functions(model)  # which refuses what is no ML Program
    opened = open_model(model)
    if not isinstance(opened, ProgramModel):
        raise TypeError(type(opened).__name__)
    return opened


def _integers(opened: ProgramModel, calibration: Calibration) -> dict[str, Integers]:
    """The integers of every activation that a layer takes or gives."""
    function = opened.evaluator.function
    if "coreml" not in calibration.seen:
        wanted = {name for layer in layers_of(function) for name in (*layer.takes, layer.gives) if name}
        calibration.seen["coreml"] = spreads(opened, wanted, calibration)
    bounded = {one.name for step in function.block.operations if step.type in _KNOWN for one in step.outputs}
    return {
        name: Integers.of(*((0.0, 1.0) if name in bounded else spread.range(calibration.method)))
        for name, spread in calibration.seen["coreml"].items()
        if spread.count
    }


def spreads(opened: ProgramModel, wanted: Collection[str], runs: Iterable[Mapping[str, Array]]) -> dict[str, Spread]:
    """The spread of the values that activations take, by name; no more than one sample's are ever held.

    Args:
        opened: the model.
        wanted: the activations' names in the program.
        runs: inputs by name, a sample at a time.
    """
    found = {name: Spread() for name in wanted}

    def see(operation: Operation, results: tuple[Any, ...]) -> None:
        for declared, values in zip(operation.outputs, results, strict=True):
            if declared.name in found:
                found[declared.name].add(np.asarray(values))

    for run in runs:
        for name in found.keys() & run.keys():
            found[name].add(run[name])
        opened.predict({one.name: to_feature(one, run[one.name]) for one in opened.inputs}, observer=see)
    return found


def _round_activations(function: Any, integers: Mapping[str, Integers]) -> None:
    """Put a quantize and a dequantize before an activation's first reader, and have all readers take that."""
    from coremltools.converters.mil.mil import Builder, types

    readers: dict[Any, list[Any]] = {}
    for operation in function.operations:
        for value in dict.fromkeys(operation.get_flattened_inputs()):
            if value.name in integers:
                readers.setdefault(value, []).append(operation)
    with function:
        for value, those in readers.items():
            chosen = integers[value.name]
            scale = np.dtype(types.nptype_from_builtin(value.dtype)).type(chosen.scale)
            kind = "int8" if chosen.signed else "uint8"
            coded = Builder.quantize(input=value, scale=scale, output_dtype=kind, before_op=those[0])
            rounded = Builder.dequantize(input=coded, scale=scale, before_op=those[0])
            function.replace_uses_of_var_after_op(
                # To the last reader, and not beyond: an output of the model stays what it is.
                anchor_op=rounded.op, end_op=those[-1], old_var=value, new_var=rounded,
            )  # fmt: skip


def _round_weights(program: Any, every: Iterable[Layer], chosen: Iterable[Layer], calibration: Calibration) -> None:
    """The chosen layers' weights in int8, and what else has many, unless single layers were asked for."""
    from coremltools.converters.mil.mil.passes.graph_pass import PassOption
    from coremltools.converters.mil.mil.passes.pass_registry import PASS_REGISTRY
    from coremltools.optimize.coreml import OptimizationConfig

    config = OptimizationConfig(
        global_config=eight_bits(LEAST_WEIGHTS) if calibration.only is None else None,
        # Layers of integers have integer weights, however few.
        op_name_configs={one.weight: None for one in every} | {one.weight: eight_bits(0) for one in chosen},
    )
    change = PASS_REGISTRY["compression::linear_quantize_weights"]
    change.set_options([PassOption("config", config)])
    with zero_channels():
        change(program)


def _rounded(model: Path) -> int:
    """How many layers take rounded activations and weights."""
    kinds = {operation.name: operation.type for operation in operations(model)}
    rounded = {one.name for step in operations(model) if step.type == "dequantize" for one in step.outputs}
    return sum(
        layer.takes[0] in rounded and kinds[layer.weight].startswith("constexpr_")
        for function in functions(model).values()
        for layer in layers_of(function)
        if layer.weight
    )
