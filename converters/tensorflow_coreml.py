"""TensorFlow and Keras to Core ML, by coremltools' TensorFlow frontend; recurrent Keras models by way of torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.convert.coreml_file import import_coremltools, program_options, require_dtypes, tensor_type
from edgekit.convert.keras_on_torch import convert_on_torch
from edgekit.convert.options import ConvertOptions
from edgekit.convert.registry import converter
from edgekit.errors import ConversionError
from edgekit.verify.tolerance import Tolerance

if TYPE_CHECKING:
    from edgekit.sources.tensorflow import TensorFlowSource


@converter(
    source="tensorflow",
    target="coreml",
    extra="tensorflow,coreml",
    requires={"tensorflow": "tensorflow", "coremltools": "coremltools"},
    tested={"tensorflow": ">=2.21,<2.22", "keras": ">=3.15,<3.16", "coremltools": "==9.*"},
    tolerance=Tolerance(sqnr_db=90),
    schemes=("float32", "float16"),
    dynamic_batch=True,
    known_gaps=(
        "dynamic batch up to 64, and none with recurrent layers",
        "recurrent layers only in Keras 3 models, and only with torch installed",
        "int64 inputs become int32",
        "no boolean inputs",
    ),
)
def tensorflow_to_coreml(source: TensorFlowSource, options: ConvertOptions, output: Path) -> None:
    """Convert to an ML Program, in the precision of ``options.scheme``, for iOS 15 or the lowest that serves."""
    require_dtypes(source.signature.inputs)
    if source.is_recurrent():
        _convert_recurrent(source, options, output)
        return
    # coremltools reads its names from TensorFlow's graph, which cannot hold every name.
    inputs = {name: f"input_{index}" for index, name in enumerate(options.inputs)}
    outputs = {name: f"output_{index}" for index, name in enumerate(options.outputs)}
    function = source.concrete_function(inputs, outputs, dynamic_batch=options.dynamic_batch)
    coremltools = import_coremltools("tensorflow")
    _register_erfc()
    model = coremltools.convert(
        [function],
        source="tensorflow",
        inputs=[
            tensor_type(
                coremltools,
                spec,
                inputs[spec.name],
                [1 if size is None else size for size in spec.shape],
                dynamic=options.dynamic_batch,
            )
            for spec in source.signature.inputs
        ],
        **program_options(coremltools, options.scheme),
    )
    # A dictionary's values become a graph's outputs in the order of its sorted keys.
    nodes = dict(zip(sorted(outputs.values()), (tensor.op.name for tensor in function.outputs), strict=True))
    spec = model.get_spec()
    names = {inputs[name]: theirs for name, theirs in options.inputs.items()}
    _rename(spec, names | {nodes[outputs[name]]: theirs for name, theirs in options.outputs.items()})
    coremltools.models.MLModel(spec, weights_dir=model.weights_dir, skip_model_load=True).save(str(output))


def _convert_recurrent(source: TensorFlowSource, options: ConvertOptions, output: Path) -> None:
    asked = "convert to coreml"
    if options.dynamic_batch:
        why = "the model has recurrent layers or loops, which become a Core ML program of one batch size"
        raise ConversionError(f"{asked} with --dynamic batch", why, "leave --dynamic off, or coreml out of --to")
    if not source.is_keras3:
        layers = [layer for operator in ("While", "StatelessWhile") for layer in source.layers_of(operator)]
        where = f" (layer {', '.join(layers[:3])})" if layers else ""
        why = f"coremltools cannot convert TensorFlow's loops: operator While{where}"
        raise ConversionError(asked, why, "convert the .keras file that this model was made from, or leave coreml out")
    convert_on_torch(source, options, "coreml", output)


def _register_erfc() -> None:
    """TensorFlow's ``Erfc`` as ``1 - erf``: Keras's exact GELU uses it, and coremltools does not have it."""
    from coremltools.converters.mil import Builder
    from coremltools.converters.mil.frontend.tensorflow.tf_op_registry import register_tf_op

    def Erfc(context: Any, node: Any) -> None:  # noqa: N802 - coremltools registers by the function's name
        erf = Builder.erf(x=context[node.inputs[0]])
        context.add(node.name, Builder.sub(x=1.0, y=erf, name=node.name))

    register_tf_op(Erfc, strict=False)


def _rename(spec: Any, names: Mapping[str, str]) -> None:
    """Rename inputs and outputs in a package's description and program.

    coremltools.utils.rename_feature would let a new name collide with a value inside the program: those step aside.
    """
    taken = set(names.values())

    def new(name: str) -> str:
        return names.get(name, f"{name}__inner" if name in taken else name)

    for feature in (*spec.description.input, *spec.description.output):
        feature.name = new(feature.name)
    for function in spec.mlProgram.functions.values():
        for value in function.inputs:
            value.name = new(value.name)
        blocks = list(function.block_specializations.values())
        while blocks:
            block = blocks.pop()
            block.outputs[:] = [new(name) for name in block.outputs]
            for value in (*block.inputs, *(value for operation in block.operations for value in operation.outputs)):
                value.name = new(value.name)
            for operation in block.operations:
                blocks.extend(operation.blocks)
                for argument in operation.inputs.values():
                    for binding in argument.arguments:
                        if binding.WhichOneof("binding") == "name":
                            binding.name = new(binding.name)
