"""TensorFlow and Keras to TFLite, by TensorFlow's own converter."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.convert import tflite_file
from edgekit.convert.options import ConvertOptions
from edgekit.convert.registry import converter
from edgekit.convert.trained_ranges import require_scales
from edgekit.errors import ConversionError
from edgekit.sources.tensorflow_ranges import frozen
from edgekit.verify.tolerance import Tolerance

if TYPE_CHECKING:
    from edgekit.sources.tensorflow import TensorFlowSource


@converter(
    source="tensorflow",
    target="tflite",
    extra="tensorflow",
    requires={"tensorflow": "tensorflow", "ai_edge_litert": "ai-edge-litert"},
    tested={"tensorflow": ">=2.21,<2.22", "keras": ">=3.15,<3.16"},
    tolerance=Tolerance(sqnr_db=90),
    dynamic_batch=True,
    keeps_ranges=True,
    known_gaps=("no dynamic batch with recurrent layers", "no operators that need Select TF"),
)
def tensorflow_to_tflite(source: TensorFlowSource, options: ConvertOptions, output: Path) -> None:
    """Convert a concrete function to TFLite's builtin operators; quantized only where training has done it."""
    import tensorflow as tf

    if options.dynamic_batch and source.is_recurrent():
        raise ConversionError(
            "convert to tflite with --dynamic batch",
            "the model has recurrent layers or loops, which TFLite keeps at one batch size",
            "leave --dynamic off, or tflite out of --to",
        )
    # TensorFlow's graphs cannot hold every name, TFLite's signatures can: the user's are written afterwards.
    inputs = {name: f"input_{index}" for index, name in enumerate(options.inputs)}
    outputs = {name: f"output_{index}" for index, name in enumerate(options.outputs)}
    function = source.concrete_function(inputs, outputs, dynamic_batch=options.dynamic_batch)
    # Ranges that are none are refused here with a word of what is wrong.
    trained = source.trained_scales() if source.quantized else set()
    lite = _converter(source, function, integer_io=options.integer_io)
    lite.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    try:
        content = lite.convert()
    except Exception as error:
        refused = _refusal(source, error)
        if refused is None:
            raise
        raise refused from error
    output.write_bytes(content)
    if trained:
        require_scales("tflite", trained, output)
    tflite_file.rewrite(
        output,
        inputs={inputs[name]: theirs for name, theirs in options.inputs.items()},
        outputs={outputs[name]: theirs for name, theirs in options.outputs.items()},
    )


def _converter(source: TensorFlowSource, function: Any, *, integer_io: bool) -> Any:
    import tensorflow as tf

    if not source.quantized:
        return tf.lite.TFLiteConverter.from_concrete_functions([function], _tracked(source, function))
    # The converter reads ranges from constants only.
    lite = tf.lite.TFLiteConverter.from_concrete_functions([frozen(function)], tf.Module())
    # Without samples it quantizes by the ranges that it finds, and weights that have none by their own.
    lite.optimizations = [tf.lite.Optimize.DEFAULT]
    if integer_io:
        lite.inference_input_type = lite.inference_output_type = tf.int8
    return lite


def _tracked(source: TensorFlowSource, function: Any) -> Any:
    """An object that holds the function's variables: the converter saves them with it."""
    import tensorflow as tf

    holder = tf.Module()
    holder.variables_of_function = list(function.graph.variables)
    if not source.is_keras3 and isinstance(source.native, tf.__internal__.tracking.AutoTrackable):
        holder.native = source.native
    return holder


def _refusal(source: TensorFlowSource, error: BaseException) -> ConversionError | None:
    """The operators that TFLite lacks, and their layers."""
    text = str(error)
    if "TensorListReserve" in text:
        layers = source.layers_of("While") + source.layers_of("StatelessWhile")
        where = f" (layer {', '.join(layers[:3])})" if layers else ""
        return ConversionError(
            "convert to tflite",
            f"its recurrent layer was saved with an open batch, operator TensorListReserve{where}",
            "convert the .keras file that it was made from, or save it with keras.Input(batch_size=1, …)",
        )
    found = re.search(r"(?:Flex|Custom) ops: ([\w, ]+)", text)
    if found is None:
        return None
    operators = [name.strip().removeprefix("Flex") for name in found.group(1).split(",")]
    layers = [layer for operator in operators for layer in source.layers_of(operator)]
    where = f" (layer {', '.join(layers[:3])}{' …' if layers[3:] else ''})" if layers else ""
    return ConversionError(
        "convert to tflite",
        f"TFLite has no builtin for operator {', '.join(operators)}{where}",
        "replace that layer, or leave the target out: no file is made that needs TensorFlow's own kernels (Select TF)",
    )
