"""The ranges of a TFLite file's tensors over samples, counted by ai-edge-quantizer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.quantize.calibration import Calibration

# What lies beyond stands for infinity: bfloat16's largest numbers, with which some graphs pad and mask. The library
# leaves such values out where it sees them one by one.
_INFINITE = 3e38


def ranges_of(model: Path, calibration: Calibration) -> dict[str, Any]:
    """The least and largest value of each tensor over all samples, by its name, as the library takes them.

    ai-edge-quantizer's own choice is a moving average over the samples, which cuts off the extremes of most of them: a
    layer of random inputs then keeps 12 dB, whatever the number of bits.

    Args:
        model: the float32 file.
        calibration: the samples.
    """
    from ai_edge_quantizer.calibrator import CalibrationMode

    if _subgraphs(model) == 1:
        # The runtime counts while it computes: 4 to 13 times as fast.
        found = _counted(model, calibration, CalibrationMode.CALIBRATION_PROFILER_BASED)
        if all(abs(float(range_[side])) < _INFINITE for range_ in found.values() for side in ("min", "max")):
            return _shaped(model, found)
    # Tensor by tensor, which also sees into loops and branches, and past infinities.
    return _counted(model, calibration, CalibrationMode.CALIBRATION_PRESERVE_ALL_TENSORS)


def _counted(model: Path, calibration: Calibration, mode: Any) -> dict[str, Any]:
    from ai_edge_quantizer import calibrator, recipe, recipe_manager
    from ai_edge_quantizer.utils.qsv_utils import min_max_update

    manager = recipe_manager.RecipeManager()
    # All that any scheme could ask for.
    manager.load_quantization_recipe(recipe.static_wi8_ai8())
    found = calibrator.Calibrator(str(model), num_threads=1, mode=mode, qsv_update_func=min_max_update)
    found.calibrate({_signature_of(model): calibration}, manager)
    ranges: dict[str, Any] = found.get_model_qsvs()
    return ranges


def _shaped(model: Path, found: Mapping[str, Any]) -> dict[str, Any]:
    """The ranges with as many dimensions as their tensors, which decide the shapes of the scales in the file."""
    from ai_edge_litert import schema_py_generated as schema

    graph = schema.Model.GetRootAs(model.read_bytes(), 0).Subgraphs(0)
    tensors = [graph.Tensors(place) for place in range(graph.TensorsLength())]
    ranks = {tensor.Name().decode(): tensor.ShapeLength() for tensor in tensors}
    return {
        name: {side: np.asarray(end, np.float32).reshape((1,) * ranks[name]) for side, end in range_.items()}
        for name, range_ in found.items()
    }


def _subgraphs(model: Path) -> int:
    from ai_edge_litert import schema_py_generated as schema

    return int(schema.Model.GetRootAs(model.read_bytes(), 0).SubgraphsLength())


def _signature_of(model: Path) -> str:
    from ai_edge_litert.interpreter import Interpreter

    return str(next(iter(Interpreter(model_path=str(model)).get_signature_list())))
