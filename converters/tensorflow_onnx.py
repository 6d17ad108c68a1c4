"""TensorFlow and Keras to ONNX, by tf2onnx."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.convert.onnx_file import MAX_IR_VERSION
from edgekit.convert.options import ConvertOptions
from edgekit.convert.registry import converter
from edgekit.errors import ConversionError
from edgekit.quantize.onnx import INLINE_BYTES
from edgekit.verify.tolerance import Tolerance

if TYPE_CHECKING:
    from edgekit.sources.tensorflow import TensorFlowSource

# The lowest that serves (onnxruntime 1.10), and the one that has tf2onnx's last operators (onnxruntime 1.14).
_OPSETS = (15, 18)


@converter(
    source="tensorflow",
    target="onnx",
    extra="tensorflow",
    requires={"tensorflow": "tensorflow", "tf2onnx": "tf2onnx", "onnx": "onnx"},
    tested={"tensorflow": ">=2.21,<2.22", "keras": ">=3.15,<3.16", "tf2onnx": "==1.17.*", "onnx": ">=1.23,<1.24"},
    tolerance=Tolerance(sqnr_db=90),
    dynamic_batch=True,
    known_gaps=("no lookup tables",),
)
def tensorflow_to_onnx(source: TensorFlowSource, options: ConvertOptions, output: Path) -> None:
    """Freeze the concrete function and convert its graph, in the lowest opset that has its operators."""
    import onnx

    function = source.concrete_function(options.inputs, options.outputs, dynamic_batch=options.dynamic_batch)
    large = source.weight_bytes() > INLINE_BYTES
    opset = _OPSETS[0]
    model = _converted(function, opset, large=large)
    if _unsupported(model, opset):
        opset = _OPSETS[1]
        model = _converted(function, opset, large=large)
    strange = _unsupported(model, opset)
    if strange:
        operator, node = strange
        why = f"tf2onnx has no counterpart for operator {operator} (layer {node.rpartition('/')[0] or node})"
        raise ConversionError("convert to onnx", why, "replace that layer, or leave the target out")
    model.graph.doc_string = model.doc_string = ""
    model.ir_version = min(model.ir_version, MAX_IR_VERSION)
    _name_batch(source, options, model)
    if large:
        onnx.save(model, output, save_as_external_data=True, location=f"{output.name}.data")
    else:
        onnx.save(model, output)


class _Given:
    """A concrete function where tf2onnx expects a ``tf.function`` that makes one."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def get_concrete_function(self) -> Any:
        return self.function


def _converted(function: Any, opset: int, *, large: bool) -> Any:
    import onnx
    import tf2onnx

    if not large:
        model, _ = tf2onnx.convert.from_function(_Given(function), (), opset=opset, custom_op_handlers=_HANDLERS)
        return model
    with tempfile.TemporaryDirectory() as folder, _numpy_product():
        # tf2onnx writes a large model as a zip file of the graph and one file a weight.
        archive = Path(folder) / "model.zip"
        tf2onnx.convert.from_function(
            _Given(function),
            (),
            opset=opset,
            custom_op_handlers=_HANDLERS,
            large_model=True,
            output_path=str(archive),
        )
        with zipfile.ZipFile(archive) as members:
            members.extractall(folder)
        return onnx.load(Path(folder) / "__MODEL_PROTO.onnx")


@contextmanager
def _numpy_product() -> Iterator[None]:
    """``numpy.product``, which numpy 2 dropped and tf2onnx 1.17 still calls where it handles large models."""
    absent = not hasattr(np, "product")
    if absent:
        vars(np)["product"] = np.prod
    try:
        yield
    finally:
        if absent:
            del vars(np)["product"]


def _erfc(context: Any, node: Any, name: str, _: Any) -> None:
    """``Erfc(x)`` as ``1 - Erf(x)``: Keras's exact GELU uses it, and tf2onnx does not have it."""
    from onnx.helper import tensor_dtype_to_np_dtype

    shapes, dtypes = node.output_shapes, node.output_dtypes
    one = context.make_const(f"{name}/one", np.array(1, tensor_dtype_to_np_dtype(dtypes[0])))
    erf = context.make_node("Erf", node.input[:1], shapes=shapes, dtypes=dtypes)
    context.remove_node(name)
    terms = [one.output[0], erf.output[0]]
    context.make_node("Sub", terms, name=name, outputs=node.output, shapes=shapes, dtypes=dtypes)


_HANDLERS: dict[str, tuple[Any, list[Any]]] = {"Erfc": (_erfc, [])}


def _unsupported(model: Any, opset: int) -> tuple[str, str] | None:
    """The first node that is no ONNX operator: tf2onnx leaves in TensorFlow's own what it cannot convert."""
    import onnx

    graphs = [model.graph]
    while graphs:
        for node in graphs.pop().node:
            if node.domain in {"", "ai.onnx"} and not onnx.defs.has(node.op_type, opset, ""):
                return node.op_type, node.name
            graphs.extend(attribute.g for attribute in node.attribute if attribute.HasField("g"))
    return None


def _name_batch(source: TensorFlowSource, options: ConvertOptions, model: Any) -> None:
    """Call the open batch dimension ``batch`` instead of tf2onnx's numbers."""
    if not options.dynamic_batch:
        return
    opened = {options.inputs[spec.name] for spec in source.signature.inputs if spec.shape[:1] == (None,)}
    opened |= {options.outputs[spec.name] for spec in source.signature.outputs if spec.shape[:1] == (None,)}
    for value in (*model.graph.input, *model.graph.output):
        dimensions = value.type.tensor_type.shape.dim
        if value.name in opened and dimensions:
            dimensions[0].dim_param = "batch"
