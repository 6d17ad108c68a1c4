"""Quantizers of Core ML packages that compress weights or halve precision, by coremltools."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.coreml_reference.program import TensorType
from edgekit.errors import ConversionError, missing
from edgekit.quantize.calibration import Calibration
from edgekit.quantize.coreml_layers import functions, input_counts, operations
from edgekit.quantize.registry import Quantizer, quantizer
from edgekit.quantize.schemes import SCHEMES, Palette, Pruned

# Below, the table or the scales take more room than is saved.
LEAST_WEIGHTS = 1024
# The specification versions whose operations a scheme needs.
IOS15, IOS16, IOS17, IOS18 = 6, 7, 8, 9
# Weights of four bits that share a scale; where inputs do not divide, so many at least.
_BLOCK, _LEAST_BLOCK = 32, 16
# coremltools' function, the settings of all weights, and those of single ones by name.
_Chosen = tuple[Callable[..., Any], Any, Mapping[str, Any]]


def _linear(_: Path) -> _Chosen:
    from coremltools.optimize import coreml

    return coreml.linear_quantize_weights, eight_bits(LEAST_WEIGHTS), {}


def eight_bits(least: int) -> Any:
    """Settings of coremltools: weights of more elements than that in int8, a scale a channel."""
    from coremltools.optimize import coreml

    return coreml.OpLinearQuantizerConfig(mode="linear_symmetric", dtype="int8", weight_threshold=least)


def _four_bits(model: Path) -> _Chosen:
    """Blocks of 32; of the largest size up to that which divides a weight's inputs; or a scale a channel."""
    from coremltools.optimize import coreml

    def blocks(size: int) -> Any:
        shared = {"granularity": "per_block", "block_size": size} if size else {"granularity": "per_channel"}
        return coreml.OpLinearQuantizerConfig(
            mode="linear_symmetric", dtype="int4", weight_threshold=LEAST_WEIGHTS, **shared
        )

    sizes = {name: _block(count) for name, count in input_counts(model).items()}
    single = {name: blocks(size) for name, size in sizes.items() if size != _BLOCK}
    return coreml.linear_quantize_weights, blocks(_BLOCK), single


def _block(inputs: int) -> int:
    """How many of so many inputs share a scale; 0 for all of them."""
    if inputs <= _BLOCK:
        return 0
    return next((size for size in range(_BLOCK, _LEAST_BLOCK - 1, -1) if inputs % size == 0), 0)


def _palette(bits: int) -> Callable[[Path], _Chosen]:
    def chosen(_: Path) -> _Chosen:
        from coremltools.optimize import coreml

        config = coreml.OpPalettizerConfig(mode="kmeans", nbits=bits, weight_threshold=LEAST_WEIGHTS)
        return coreml.palettize_weights, config, {}

    return chosen


def _sparse(percent: int) -> Callable[[Path], _Chosen]:
    def chosen(_: Path) -> _Chosen:
        from coremltools.optimize import coreml

        config = coreml.OpMagnitudePrunerConfig(target_sparsity=percent / 100, weight_threshold=LEAST_WEIGHTS)
        return coreml.prune_weights, config, {}

    return chosen


def _compressing(chosen: Callable[[Path], _Chosen], version: int = IOS16) -> Quantizer:
    def compress(model: Path, output: Path, _: Calibration | None) -> int:
        """Compress the weights of an ML Program; Core ML widens them where it runs.

        Returns the number of weights that are compressed.
        """
        loaded, spec = _loaded(model)
        from coremltools.models import MLModel
        from coremltools.optimize.coreml import OptimizationConfig

        function, config, single = chosen(model)
        # coremltools reads every operation as this version has it, and writes it so.
        spec.specificationVersion = max(spec.specificationVersion, version)
        loaded = MLModel(spec, weights_dir=loaded.weights_dir, skip_model_load=True)
        with zero_channels():
            made = function(loaded, OptimizationConfig(global_config=config, op_name_configs=dict(single)))
        made.save(str(output))
        return sum(operation.type.startswith("constexpr_") for operation in operations(output))

    return compress


quantizer("coreml", "int8-weights")(_compressing(_linear))
quantizer("coreml", "int4-weights")(_compressing(_four_bits, IOS18))
for _scheme in SCHEMES.values():
    if isinstance(_scheme, Palette):
        # A table of eight numbers came with iOS 18.
        _version = IOS18 if _scheme.bits == 3 else IOS16
        quantizer("coreml", _scheme.name)(_compressing(_palette(_scheme.bits), _version))
    elif isinstance(_scheme, Pruned):
        quantizer("coreml", _scheme.name)(_compressing(_sparse(_scheme.percent)))


@quantizer("coreml", "float16")
def float16(model: Path, output: Path, _: Calibration | None) -> int:
    """Weights and arithmetic in half precision; inputs and outputs stay what they are.

    For files whose converter is not there to ask. Returns the number of operations now in half precision.
    """

    def halve(program: Any) -> None:
        import coremltools
        from coremltools.converters.mil.mil.passes.pass_registry import PASS_REGISTRY

        # Which has to come first: casts are kept by the names of what they cast.
        PASS_REGISTRY["common::dedup_op_and_var_names"](program)
        # A classifier's list of labels has no dtype, over which coremltools stumbles.
        coremltools.transform.FP16ComputePrecision(lambda operation: operation.op_type != "classify").apply(program)

    had = _halves(model)
    rewrite(model, output, halve, IOS15)
    return _halves(output) - had


def _halves(model: Path) -> int:
    return sum(
        isinstance(one.type, TensorType) and one.type.dtype == "fp16" and operation.type not in {"const", "cast"}
        for operation in operations(model)
        for one in operation.outputs
    )


def rewrite(model: Path, output: Path, change: Callable[[Any], None], version: int) -> None:
    """Write an ML Program anew with a change in coremltools' own representation of it.

    Args:
        model: the package.
        output: the new one.
        change: makes it to the program (``coremltools.converters.mil.Program``), in place.
        version: the oldest specification version that has the operations needed; a newer model keeps its own.

    Raises:
        ConversionError: no ML Program.
    """
    loaded, spec = _loaded(model)
    from coremltools.converters.mil.converter import mil_convert
    from coremltools.converters.mil.frontend.milproto.load import load

    version = max(spec.specificationVersion, version)
    program = load(spec, version, loaded.weights_dir)
    change(program)
    made = mil_convert(
        program,
        convert_to="mlprogram",
        convert_from="milinternal",
        specification_version=version,
        compute_units=loaded.compute_unit,
        model_description=spec.description,
        skip_model_load=True,
    )
    made.save(str(output))


def zero_channels() -> AbstractContextManager[None]:
    """For while coremltools finds scales: it divides channels of zeros by theirs, zero, and zeros they stay."""
    return np.errstate(divide="ignore", invalid="ignore")


def _loaded(model: Path) -> tuple[Any, Any]:
    """A package as coremltools reads it, and its specification.

    Raises:
        ConversionError: no ML Program, or one of several functions.
        MissingDependencyError: coremltools is not installed.
    """
    names = sorted(functions(model))
    if len(names) > 1:
        why = f"it has the functions {', '.join(names)}, and coremltools quantizes packages of one"
        raise ConversionError(f"quantize {model.name}", why, "quantize each before they are put together")
    # The converters', which import this package.
    from edgekit.convert.coreml_file import import_coremltools

    try:
        coremltools = import_coremltools("torch")
    except ImportError as error:
        raise missing("quantize a Core ML model", "coremltools", "coreml") from error
    loaded = coremltools.models.MLModel(str(model), skip_model_load=True)
    return loaded, loaded.get_spec()
