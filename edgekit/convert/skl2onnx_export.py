"""A scikit-learn model to ONNX by skl2onnx, with what it rounds or gets wrong put right."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.convert.options import ConvertOptions
from edgekit.convert.skl2onnx_corrections import corrected
from edgekit.errors import ConversionError
from edgekit.signature import TensorSpec
from edgekit.sources.sklearn_columns import answering, final_of, parts

if TYPE_CHECKING:
    from edgekit.sources.sklearn import SklearnSource

# The lowest opsets in which every supported estimator writes: onnxruntime 1.10 (2021) and later read them.
_OPSETS = {"": 15, "ai.onnx.ml": 3}
_IR_VERSION = 8
# ONNX Runtime's own operators that skl2onnx needs.
_CONTRIBUTED = {"com.microsoft.Tokenizer"}
# scikit-learn's token patterns in the syntax of ONNX Runtime's tokenizer (RE2, ASCII).
_TOKENS = {r"(?u)\b\w\w+\b": "[a-zA-Z0-9_][a-zA-Z0-9_]+", r"(?u)\b\w+\b": "[a-zA-Z0-9_]+", r"\b\w+\b": "[a-zA-Z0-9_]+"}


def by_skl2onnx(source: SklearnSource, options: ConvertOptions, output: Path) -> None:
    """Convert with skl2onnx; outputs are made to have the signature's names, dtypes and shapes.

    Raises:
        ConversionError: skl2onnx has no counterpart for an estimator, or one that is known to be wrong.
    """
    import onnx
    from skl2onnx import convert_sklearn

    model = _convertible(source.estimator)
    asked = f"convert a {type(final_of(model)).__name__} to onnx"
    _refuse_unsupported(model, asked)
    # skl2onnx is given the rows as the estimator takes them, which --columns may ask the file not to do.
    layout = dataclasses.replace(source.layout, kind=source.layout.own)
    types = [(spec.name, _tensor_type(spec)) for spec in layout.specs({name: name for name in layout.inputs})]
    with corrected(model):
        try:
            made = convert_sklearn(
                model, "model", types, target_opset=_OPSETS, options=_options(model, set(source.outputs.values()))
            )
        except ConversionError:
            raise
        except Exception as error:
            raise _named(error, model, asked) from error
    _refuse_foreign(made, asked)
    graph = made.graph
    _fit_inputs(graph, source)
    # skl2onnx keeps the inputs' order, not every name.
    _rename(graph, [options.inputs[spec.name] for spec in source.signature.inputs], set(options.outputs.values()))
    _fit_outputs(graph, source, options)
    _load_anywhere(made)
    onnx.checker.check_model(made)
    onnx.save(made, output)


def _convertible(model: Any) -> Any:
    """The model, copied only where a setting that skl2onnx refuses, and that no answer depends on, must change."""
    if not any(getattr(part, "flatten_transform", False) for _, part in parts(model)):
        return model
    model = copy.deepcopy(model)
    for _, part in parts(model):
        if getattr(part, "flatten_transform", False):
            part.flatten_transform = False
    return model


def _refuse_unsupported(model: Any, asked: str) -> None:
    from skl2onnx import supported_converters  # noqa: F401 - fills the table of operators
    from skl2onnx._supported_operators import sklearn_operator_name_map
    from sklearn.model_selection._search import BaseSearchCV

    structures = {"Pipeline", "ColumnTransformer", "FeatureUnion"}
    for path, part in parts(model):
        name, where = type(part).__name__, f" (step {path})" if path else ""
        known = type(part) in sklearn_operator_name_map or name in structures or isinstance(part, BaseSearchCV)
        if not known and not hasattr(part, "onnx_converter"):
            why = f"skl2onnx has no counterpart for {name}{where}"
            raise ConversionError(asked, why, "replace that estimator, or leave onnx out")
        if name == "FunctionTransformer" and part.func is not None:
            called = getattr(part.func, "__name__", "its function")
            why = f"a FunctionTransformer{where} calls {called}, which is Python"
            raise ConversionError(asked, why, "apply it before the model, or use a transformer of scikit-learn's own")
    for path, part in parts(model):
        why = _wrong(part)
        if why:
            where = f" (step {path})" if path else ""
            raise ConversionError(asked, f"skl2onnx gets a {type(part).__name__}{where} wrong: {why}", "replace it")


def _wrong(part: Any) -> str:
    """What skl2onnx converts without an error, and not to the original's answers."""
    name = type(part).__name__
    if name == "OneVsRestClassifier" and not hasattr(part, "predict_proba"):
        return f"its estimators ({type(part.estimators_[0]).__name__}) have no probabilities"
    if name == "OneVsOneClassifier" and part.classes_.dtype.kind in "OU":
        return "its labels are text"
    if name == "CalibratedClassifierCV" and part.method == "isotonic":
        return "isotonic calibration is rounded to the nearest point"
    if getattr(part, "is_categorical_", None) is not None:
        return "some of its features are categories"
    if name == "StackingClassifier" and len(part.classes_) == 2 and "decision_function" in part.stack_method_:
        return "one of its estimators has no probabilities"
    return ""


def _refuse_foreign(made: Any, asked: str) -> None:
    """Operators of no standard domain, which runtimes may lack (GaussianProcessClassifier's Solve)."""
    foreign = sorted(
        {f"{node.domain}.{node.op_type}" for node in made.graph.node if node.domain not in _OPSETS} - _CONTRIBUTED
    )
    if foreign:
        why = f"skl2onnx writes {', '.join(foreign)}, which ONNX Runtime does not have"
        raise ConversionError(asked, why, "replace that estimator, or leave onnx out")


def _named(error: Exception, model: Any, asked: str) -> ConversionError:
    """The error with the estimator at whose conversion it was raised, and the step that it is."""
    culprit, frame = None, error.__traceback__
    while frame is not None:
        operator = frame.tb_frame.f_locals.get("operator")
        culprit = getattr(operator, "raw_operator", None) or culprit
        frame = frame.tb_next
    steps = [path for path, part in parts(model) if part is culprit and path]
    what = type(culprit).__name__ if culprit is not None else type(final_of(model)).__name__
    text = str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
    where = f" (step {steps[0]})" if steps else ""
    return ConversionError(asked, f"skl2onnx cannot convert {what}{where}: {text}", "replace that estimator")


def _options(model: Any, kinds: set[str]) -> dict[int, dict[str, Any]]:
    """skl2onnx's options: arrays instead of dictionaries, scores as they are instead of squeezed into 0 to 1."""
    from skl2onnx._supported_operators import sklearn_operator_name_map
    from skl2onnx.common._registration import _converter_pool as pool

    def allowed(estimator: Any, wanted: dict[str, bool]) -> dict[str, bool]:
        entry = pool.get(sklearn_operator_name_map.get(type(estimator)))
        known = (entry.get_allowed_options() if entry else None) or ()
        return {name: value for name, value in wanted.items() if name in known}

    wanted = {"zipmap": False, "raw_scores": True} if "scores" in kinds else {"zipmap": False}
    # Without an entry, even an empty one, skl2onnx asks LinearSVC for a zipmap that it has not.
    chosen: dict[int, dict[str, Any]] = {
        id(one): allowed(one, wanted) for one in answering(model) if not hasattr(one, "steps")
    }
    for _, part in parts(model):
        # The scores of two classes have the wrong sign without it, also where an ensemble votes by them.
        if type(part).__name__ in {"SVC", "NuSVC"} and not hasattr(part, "predict_proba"):
            chosen[id(part)] = {"zipmap": False, "raw_scores": True}
        # skl2onnx's own translation of scikit-learn's pattern also takes words of one letter.
        if getattr(part, "token_pattern", None) in _TOKENS:
            chosen[id(part)] = {"tokenexp": _TOKENS[part.token_pattern]}
    return chosen


def _tensor_type(spec: TensorSpec) -> Any:
    from skl2onnx.common import data_types

    kinds = {
        "float32": data_types.FloatTensorType,
        "int64": data_types.Int64TensorType,
        "string": data_types.StringTensorType,
    }
    return kinds[spec.dtype](list(spec.shape))


# The graph's outside: names, shapes and dtypes as the signature has them.


def _fit_inputs(graph: Any, source: SklearnSource) -> None:
    """Put before the graph what makes its inputs of the signature's: columns joined, or a matrix taken apart."""
    from onnx import helper

    if source.layout.kind == source.layout.own:
        return
    dtype = graph.input[0].type.tensor_type.elem_type
    inside = [value.name for value in graph.input]
    # With spaces, which skl2onnx puts in no name.
    given = [f"input {place}" for place in range(len(source.signature.inputs))]
    op = "Split" if source.layout.kind == "matrix" else "Concat"
    del graph.input[:]
    for name, spec in zip(given, source.signature.inputs, strict=True):
        graph.input.append(helper.make_tensor_value_info(name, dtype, list(spec.shape)))
    graph.node.insert(0, helper.make_node(op, given, inside, axis=1))


def _rename(graph: Any, inputs: list[str], outputs: set[str]) -> None:
    """Give the inputs their names in the file, and every other value one that no input or output has."""
    taken = {*inputs, *outputs}
    names = {value.name: name for value, name in zip(graph.input, inputs, strict=True)}

    def renamed(name: str) -> str:
        if name and name not in names:
            names[name] = f"inner_{name}" if name in taken else name
        return names.get(name, name)

    for value in (*graph.input, *graph.output, *graph.initializer):
        value.name = renamed(value.name)
    for node in graph.node:
        node.input[:] = [renamed(name) for name in node.input]
        node.output[:] = [renamed(name) for name in node.output]
    del graph.value_info[:]


def _fit_outputs(graph: Any, source: SklearnSource, options: ConvertOptions) -> None:
    """Replace the graph's outputs by those of the signature."""
    from onnx import TensorProto, helper

    kinds = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64, "string": TensorProto.STRING}
    given = list(graph.output)
    del graph.output[:]
    for index, (name, kind) in enumerate(source.outputs.items()):
        spec = next(one for one in source.signature.outputs if one.name == name)
        if index >= len(given):
            raise ConversionError(f"output {name!r}", f"skl2onnx gives no {kind} for this model", "leave onnx out")
        value, final = given[index], options.outputs[name]
        dtype, steps = value.type.tensor_type.elem_type, []
        if len(spec.shape) == 1:
            steps.append(_to_vector(graph, source, kind, value))
        elif value.type.tensor_type.shape.dim[-1].dim_value not in {0, spec.shape[-1]}:
            # MLPRegressor with several targets: the right numbers, in one column.
            steps.append(_reshape(graph, [-1, spec.shape[-1]]))
        if dtype != kinds[spec.dtype]:
            steps.append(("Cast", [], {"to": kinds[spec.dtype]}))
        current = value.name
        for place, (op, more, attributes) in enumerate(steps or [("Identity", [], {})]):
            result = final if place == max(len(steps), 1) - 1 else f"{final}_vector"
            graph.node.append(helper.make_node(op, [current, *more], [result], **attributes))
            current = result
        graph.output.append(helper.make_tensor_value_info(final, kinds[spec.dtype], list(spec.shape)))


def _to_vector(graph: Any, source: SklearnSource, kind: str, value: Any) -> tuple[str, list[str], dict[str, int]]:
    """The step from what skl2onnx gives to one number a row."""
    from onnx import numpy_helper

    shape = value.type.tensor_type.shape.dim
    # Two columns are one decision with either sign; for LinearSVC skl2onnx declares one and, corrected, gives two.
    two = shape[-1].dim_value == 2 or type(final_of(source.estimator)).__name__ == "LinearSVC"
    if kind == "scores" and two:
        graph.initializer.append(numpy_helper.from_array(np.array(1, np.int64), "decision_column"))
        return "Gather", ["decision_column"], {"axis": 1}
    return _reshape(graph, [-1])


def _reshape(graph: Any, shape: list[Any]) -> tuple[str, list[str], dict[str, int]]:
    from onnx import numpy_helper

    name = f"shape_{len(graph.initializer)}"
    graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), name))
    return "Reshape", [name], {}


def _load_anywhere(made: Any) -> None:
    """One entry a domain, an old format version, and no locale that a device may lack."""
    from onnx import helper

    versions: dict[str, int] = {}
    for entry in made.opset_import:
        versions[entry.domain] = max(entry.version, versions.get(entry.domain, 0))
    # skl2onnx declares the version of the newest node; trees in opset 3's attributes need that said.
    versions = {domain: max(version, _OPSETS.get(domain, 1)) for domain, version in versions.items()}
    del made.opset_import[:]
    for domain, version in versions.items():
        made.opset_import.add(domain=domain, version=version)
    made.ir_version = min(made.ir_version, _IR_VERSION)
    for node in made.graph.node:
        if node.op_type == "StringNormalizer":
            kept = [attribute for attribute in node.attribute if attribute.name != "locale"]
            del node.attribute[:]
            node.attribute.extend([*kept, helper.make_attribute("locale", "C")])
