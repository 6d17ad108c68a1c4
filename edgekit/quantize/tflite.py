"""Quantizers of TFLite files, by ai-edge-quantizer."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgekit.quantize.calibration import Calibration
from edgekit.quantize.registry import Quantizer, quantizer
from edgekit.quantize.tflite_ranges import ranges_of

# A recipe of ai-edge-quantizer.
_Recipe = Callable[[], Any]


def _float16() -> Any:
    from ai_edge_quantizer import qtyping, recipe_manager

    manager = recipe_manager.RecipeManager()
    manager.add_weight_only_config(
        regex=".*",
        operation_name=qtyping.TFLOperationName.ALL_SUPPORTED,
        num_bits=16,
        algorithm_key="float_casting",
    )
    return manager.get_quantization_recipe()


def _named(name: str) -> _Recipe:
    def recipe() -> Any:
        from ai_edge_quantizer import recipe

        return getattr(recipe, name)()

    return recipe


# What the schemes of a file share: the ranges of all its tensors.
_SEEN = "tflite ranges"
_LAYERS = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "BATCH_MATMUL"}
# Of each scheme: the recipe, and the type whose tensors tell that something was quantized.
_RECIPES: dict[str, tuple[_Recipe, str]] = {
    # Processors without half-precision arithmetic widen the weights once at load.
    "float16": (_float16, "FLOAT16"),
    "int8-dynamic": (_named("dynamic_wi8_afp32"), "INT8"),
    "int8-weights": (_named("weight_only_wi8_afp32"), "INT8"),
    "int4-weights": (_named("weight_only_wi4_afp32"), "INT4"),
    "int8": (_named("static_wi8_ai8"), "INT8"),
    "int16x8": (_named("static_wi8_ai16"), "INT16"),
}


def _by_recipe(scheme: str) -> Quantizer:
    recipe, type_name = _RECIPES[scheme]

    def quantize(model: Path, output: Path, calibration: Calibration | None) -> int:
        """Quantize by the scheme's recipe; inputs and outputs stay in float32 unless integers are asked for.

        Returns the number of tensors now of the scheme's type.
        """
        from ai_edge_quantizer import quantizer as library

        made = library.Quantizer(str(model), recipe())
        ranges = None
        with warnings.catch_warnings():
            # It may keep every tensor of a call in memory, to read the ranges.
            warnings.filterwarnings("ignore", message=".*experimental_preserve_all_tensors", category=UserWarning)
            if calibration is not None:
                if not calibration.integer_io:
                    _keep_interface(made)
                if _SEEN not in calibration.seen:
                    calibration.seen[_SEEN] = ranges_of(model, calibration)
                ranges = calibration.seen[_SEEN]
                _leave(made, model, calibration)
            made.quantize(ranges).export_model(str(output), overwrite=True)
        return _tensors(output, type_name)

    return quantize


for _scheme in _RECIPES:
    quantizer("tflite", _scheme)(_by_recipe(_scheme))


def _keep_interface(made: Any) -> None:
    """Leave inputs and outputs as they are: what calls a model need not know of its scheme."""
    from ai_edge_quantizer import qtyping
    from ai_edge_quantizer.algorithm_manager import AlgorithmName

    for name in (qtyping.TFLOperationName.INPUT, qtyping.TFLOperationName.OUTPUT):
        made.update_quantization_recipe(regex=".*", operation_name=name, algorithm_key=AlgorithmName.NO_QUANTIZE)


def layers(model: Path) -> list[str]:
    """The layers of a file that ``int8`` can leave in float one by one: its products with weights, by their outputs."""
    return [name for kind, name in _operators(model) if kind in _LAYERS]


def _leave(made: Any, model: Path, calibration: Calibration) -> None:
    """Leave out of the recipe the layers that are to stay in float."""
    from ai_edge_quantizer import qtyping
    from ai_edge_quantizer.algorithm_manager import AlgorithmName

    left = set(calibration.skip)
    if calibration.only is not None:
        left |= {name for _, name in _operators(model)} - calibration.only
    for name in sorted(left):
        made.update_quantization_recipe(
            # An operator's scope is the names of its outputs, each with a semicolon behind; names may have some too.
            regex=f"^{re.escape(name)};$",
            operation_name=qtyping.TFLOperationName.ALL_SUPPORTED,
            algorithm_key=AlgorithmName.NO_QUANTIZE,
        )


def _operators(model: Path) -> list[tuple[str, str]]:
    """Each operator's kind and its outputs' names, joined by semicolons."""
    from ai_edge_litert import schema_py_generated as schema

    kinds = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}
    loaded = schema.Model.GetRootAs(model.read_bytes(), 0)
    graph = loaded.Subgraphs(0)
    found = []
    for place in range(graph.OperatorsLength()):
        operator = graph.Operators(place)
        kind = kinds[loaded.OperatorCodes(operator.OpcodeIndex()).BuiltinCode()]
        outputs = [graph.Tensors(operator.Outputs(index)).Name().decode() for index in range(operator.OutputsLength())]
        found.append((kind, ";".join(outputs)))
    return found


def _tensors(path: Path, type_name: str) -> int:
    from ai_edge_litert import schema_py_generated as schema

    wanted = getattr(schema.TensorType, type_name)
    graph = schema.Model.GetRootAs(path.read_bytes(), 0).Subgraphs(0)
    return sum(graph.Tensors(index).Type() == wanted for index in range(graph.TensorsLength()))
