"""Quantizers of Core ML packages: compressed weights, by coremltools."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgekit.quantize.calibration import Calibration
from edgekit.quantize.registry import Quantizer, quantizer
from edgekit.quantize.schemes import SCHEMES, Palette, Pruned

# Below, the table or the scales take more room than is saved.
_LEAST_WEIGHTS = 1024


def _linear() -> tuple[Callable[..., Any], Any]:
    from coremltools.optimize import coreml

    return coreml.linear_quantize_weights, coreml.OpLinearQuantizerConfig(
        mode="linear_symmetric", dtype="int8", weight_threshold=_LEAST_WEIGHTS
    )


def _palette(bits: int) -> Callable[[], tuple[Callable[..., Any], Any]]:
    def chosen() -> tuple[Callable[..., Any], Any]:
        from coremltools.optimize import coreml

        return coreml.palettize_weights, coreml.OpPalettizerConfig(
            mode="kmeans", nbits=bits, weight_threshold=_LEAST_WEIGHTS
        )

    return chosen


def _sparse(percent: int) -> Callable[[], tuple[Callable[..., Any], Any]]:
    def chosen() -> tuple[Callable[..., Any], Any]:
        from coremltools.optimize import coreml

        return coreml.prune_weights, coreml.OpMagnitudePrunerConfig(
            target_sparsity=percent / 100, weight_threshold=_LEAST_WEIGHTS
        )

    return chosen


def _compressing(chosen: Callable[[], tuple[Callable[..., Any], Any]]) -> Quantizer:
    def compress(model: Path, output: Path, _: Calibration | None) -> int:
        """Compress the weights of an ML Program; Core ML widens them where it runs.

        Returns the number of weights that are compressed.
        """
        import coremltools
        from coremltools.optimize.coreml import OptimizationConfig

        function, config = chosen()
        loaded = coremltools.models.MLModel(str(model), skip_model_load=True)
        made = function(loaded, OptimizationConfig(global_config=config))
        made.save(str(output))
        return sum(
            operation.type.startswith("constexpr_")
            for program in made.get_spec().mlProgram.functions.values()
            for block in program.block_specializations.values()
            for operation in block.operations
        )

    return compress


quantizer("coreml", "int8-weights")(_compressing(_linear))
for _scheme in SCHEMES.values():
    if isinstance(_scheme, Palette):
        quantizer("coreml", _scheme.name)(_compressing(_palette(_scheme.bits)))
    elif isinstance(_scheme, Pruned):
        quantizer("coreml", _scheme.name)(_compressing(_sparse(_scheme.percent)))
