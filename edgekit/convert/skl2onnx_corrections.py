"""What skl2onnx 1.20 rounds or gets wrong, put right around its own converters while a conversion runs."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np

from edgekit.errors import ConversionError
from edgekit.signature import Array
from edgekit.sources.sklearn_columns import parts

# (scope, operator, container): writes one estimator's nodes into the container.
_Convert = Callable[[Any, Any, Any], None]


@contextmanager
def corrected(model: Any) -> Iterator[None]:
    """skl2onnx's table of converters with the corrections that a model needs, and as it was afterwards."""
    import skl2onnx  # noqa: F401 - fills the table
    from skl2onnx.common._registration import RegisteredConverter
    from skl2onnx.common._registration import _converter_pool as pool

    corrections: dict[str, Callable[[_Convert], _Convert]] = {
        "SklearnLinearClassifier": _binary_linear,
        "SklearnLinearSVC": _binary_linear,
        "SklearnRandomForestClassifier": _summed_votes,
        "SklearnExtraTreesClassifier": _summed_votes,
        "SklearnHistGradientBoostingClassifier": _floored_thresholds,
        "SklearnHistGradientBoostingRegressor": _floored_thresholds,
        "SklearnKBinsDiscretizer": _raised_edges,
        "SklearnPowerTransformer": _power_in_double,
        "SklearnSimpleImputer": _text_as_it_is,
    }
    if any(hasattr(part, "tree_") or hasattr(part, "_predictors") for _, part in parts(model)):
        scalers = ("SklearnScaler", "SklearnRobustScaler", "SklearnMaxAbsScaler", "SklearnMinMaxScaler")
        corrections |= dict.fromkeys(scalers, _in_double)
    before = dict(pool)
    for alias, correct in corrections.items():
        pool[alias] = RegisteredConverter(correct(before[alias]), before[alias].get_allowed_options())
    try:
        yield
    finally:
        pool.update(before)


def _binary_linear(convert: _Convert) -> _Convert:
    """Linear classifiers of two classes, as the logistic regression of the same coefficients.

    LinearDiscriminantAnalysis: skl2onnx's softmax of (-d, d) is expit(2 d), the original's probability is expit(d).
    RidgeClassifier, LinearSVC: it writes one column of scores where ensembles and its own declaration have two.
    """

    def convert_corrected(scope: Any, operator: Any, container: Any) -> None:
        from sklearn.linear_model import LogisticRegression

        op, name = operator.raw_operator, type(operator.raw_operator).__name__
        raw = name in {"RidgeClassifier", "RidgeClassifierCV", "LinearSVC"}
        if len(op.classes_) != 2 or not (raw or name == "LinearDiscriminantAnalysis"):
            convert(scope, operator, container)
            return
        alike = LogisticRegression()
        alike.classes_, alike.coef_ = op.classes_, np.reshape(op.coef_, (1, -1))
        alike.intercept_ = np.broadcast_to(np.ravel(op.intercept_), 1).astype(float)
        stand_in = SimpleNamespace(raw_operator=alike, inputs=operator.inputs, outputs=operator.outputs)
        before = container.options
        container.options = {**(before or {}), id(alike): {"raw_scores": raw}}
        try:
            _logistic()(scope, stand_in, container)
        finally:
            container.options = before

    return convert_corrected


def _logistic() -> _Convert:
    from skl2onnx.operator_converters.linear_classifier import convert_sklearn_linear_classifier

    convert: _Convert = convert_sklearn_linear_classifier
    return convert


def _summed_votes(convert: _Convert) -> _Convert:
    """A forest's votes summed whole and divided once, so that ties are ties.

    skl2onnx stores every vote divided by the number of trees: ten times float32(1 / 20) is not float32(0.5), and a row
    on which the trees are even gets the other label.
    """

    def convert_corrected(scope: Any, operator: Any, container: Any) -> None:
        from onnx import TensorProto, helper

        trees, classes = operator.raw_operator.estimators_, operator.raw_operator.classes_
        total, count, unused = (scope.get_unique_variable_name(name) for name in ("votes", "trees", "unused"))
        label, answer = operator.outputs
        two = len(classes) == 2
        seen = SimpleNamespace(
            raw_operator=operator.raw_operator,
            inputs=operator.inputs,
            outputs=[
                SimpleNamespace(full_name=unused, type=label.type) if two else label,
                SimpleNamespace(full_name=total, type=answer.type),
            ],
            input_full_names=operator.input_full_names,
        )
        convert(scope, seen, container)
        node = container.nodes[-1]
        if node.op_type != "TreeEnsembleClassifier":
            raise ConversionError("convert a forest to onnx", "skl2onnx wrote it in another way", "use skl2onnx 1.20")
        leaves = _leaf_votes([one.tree_ for one in trees])
        kept = [attribute for attribute in node.attribute if attribute.name not in leaves]
        del node.attribute[:]
        node.attribute.extend([*kept, *(helper.make_attribute(name, values) for name, values in leaves.items())])
        container.add_initializer(count, TensorProto.FLOAT, [], [float(len(trees))])
        name = scope.get_unique_operator_name("Div")
        container.add_node("Div", [total, count], answer.full_name, op_version=14, name=name)
        if two:
            # Of two classes the operator compares one with zero or a half, not the two with each other.
            _add_best(scope, container, total, classes, label.full_name)

    return convert_corrected


def _add_best(scope: Any, container: Any, scores: str, classes: Array, label: str) -> None:
    """The class of the highest score, the first of equal ones."""
    from onnx import TensorProto

    best, table = (scope.get_unique_variable_name(name) for name in ("best", "classes"))
    text = classes.dtype.kind in "OU"
    values = [str(one).encode() if text else int(one) for one in classes]
    container.add_initializer(table, TensorProto.STRING if text else TensorProto.INT64, [len(values)], values)
    name = scope.get_unique_operator_name("ArgMax")
    container.add_node("ArgMax", scores, best, op_version=13, name=name, axis=1, keepdims=0)
    name = scope.get_unique_operator_name("Gather")
    container.add_node("Gather", [table, best], label, op_version=13, name=name)


def _leaf_votes(trees: list[Any]) -> dict[str, list[Any]]:
    """The attributes of TreeEnsembleClassifier that say what each leaf votes for each class, undivided."""
    found: dict[str, list[Any]] = {"class_treeids": [], "class_nodeids": [], "class_ids": [], "class_weights": []}
    for index, tree in enumerate(trees):
        nodes = np.flatnonzero(tree.children_left < 0)
        values = tree.value[nodes, 0, :]
        shares = (values / values.sum(axis=1, keepdims=True)).astype(np.float32)
        classes = shares.shape[1]
        found["class_treeids"] += [index] * shares.size
        found["class_nodeids"] += np.repeat(nodes, classes).tolist()
        found["class_ids"] += list(range(classes)) * len(nodes)
        found["class_weights"] += shares.reshape(-1).tolist()
    return found


def _floored_thresholds(convert: _Convert) -> _Convert:
    """Thresholds as the largest float32 not above them: every float32 row then takes the original's branch.

    skl2onnx rounds them to the nearest, and a row between the two turns the other way.
    """

    def convert_corrected(scope: Any, operator: Any, container: Any) -> None:
        op = operator.raw_operator
        stand_in = copy.copy(op)
        stand_in._predictors = [[_floored(predictor) for predictor in one] for one in op._predictors]
        operator.raw_operator, add_node = stand_in, container.add_node

        def add_with_integers(*given: Any, **attributes: Any) -> None:
            # protobuf warns of booleans among integers, and from version 7 on refuses them.
            flags = attributes.get("nodes_missing_value_tracks_true", ())
            add_node(*given, **{**attributes, "nodes_missing_value_tracks_true": [int(flag) for flag in flags]})

        container.add_node = add_with_integers
        try:
            convert(scope, operator, container)
        finally:
            operator.raw_operator, container.add_node = op, add_node

    return convert_corrected


def _floored(predictor: Any) -> Any:
    nodes = predictor.nodes.copy()
    nodes["num_threshold"] = float32_not_above(nodes["num_threshold"])
    stand_in = copy.copy(predictor)
    stand_in.nodes = nodes
    return stand_in


def float32_not_above(values: Array) -> Array:
    """The largest float32 that is not above each float64."""
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    above = single > values
    single[above] = np.nextafter(single[above], np.float32(-np.inf))
    return single


def _raised_edges(convert: _Convert) -> _Convert:
    """Bin edges as the smallest float32 not below them: every float32 value then falls into the original's bin."""

    def convert_corrected(scope: Any, operator: Any, container: Any) -> None:
        op = operator.raw_operator
        operator.raw_operator = copy.copy(op)
        edges = np.empty(len(op.bin_edges_), dtype=object)
        edges[:] = [-float32_not_above(-one).astype(np.float64) for one in op.bin_edges_]
        operator.raw_operator.bin_edges_ = edges
        try:
            convert(scope, operator, container)
        finally:
            operator.raw_operator = op

    return convert_corrected


def _in_double(convert: _Convert) -> _Convert:
    """A scaler that computes in double and rounds once, as the original does in front of trees.

    Trees branch on the last bit of what a scaler gives them.
    """

    def convert_corrected(scope: Any, operator: Any, container: Any) -> None:
        from onnx import TensorProto
        from skl2onnx.common._apply_operation import apply_cast
        from skl2onnx.common.data_types import DoubleTensorType

        wide = DoubleTensorType([None, None])
        taken = SimpleNamespace(full_name=_widened(scope, operator, container), type=wide)
        width = operator.outputs[0].get_second_dimension
        name = scope.get_unique_variable_name("scaled")
        answer = SimpleNamespace(full_name=name, type=wide, get_second_dimension=width)
        convert(scope, SimpleNamespace(raw_operator=operator.raw_operator, inputs=[taken], outputs=[answer]), container)
        apply_cast(scope, name, operator.outputs[0].full_name, container, to=TensorProto.FLOAT)

    return convert_corrected


def _widened(scope: Any, operator: Any, container: Any) -> str:
    """The operator's inputs, side by side, in double."""
    from onnx import TensorProto
    from skl2onnx.common._apply_operation import apply_cast
    from skl2onnx.operator_converters.common import concatenate_variables

    given = operator.inputs[0].full_name
    if len(operator.inputs) > 1:
        given = concatenate_variables(scope, operator.inputs, container)
    name: str = scope.get_unique_variable_name("wide")
    apply_cast(scope, given, name, container, to=TensorProto.DOUBLE)
    return name


def _text_as_it_is(convert: _Convert) -> _Convert:
    """An imputer of text whose missing value is NaN or None: no text tensor holds one, so it changes nothing."""

    def convert_corrected(scope: Any, operator: Any, container: Any) -> None:
        from skl2onnx.common._apply_operation import apply_identity
        from skl2onnx.common.data_types import StringTensorType
        from skl2onnx.operator_converters.common import concatenate_variables

        text = all(isinstance(variable.type, StringTensorType) for variable in operator.inputs)
        if not text or isinstance(operator.raw_operator.missing_values, str):
            convert(scope, operator, container)
            return
        given = operator.inputs[0].full_name
        if len(operator.inputs) > 1:
            given = concatenate_variables(scope, operator.inputs, container)
        apply_identity(scope, given, operator.outputs[0].full_name, container)

    return convert_corrected


def _power_in_double(convert: _Convert) -> _Convert:
    """PowerTransformer by its formula, in double: in float32 the difference x^λ - 1 loses what matters.

    Yeo-Johnson: ((x + 1)^λ - 1) / λ from zero up, -((1 - x)^(2 - λ) - 1) / (2 - λ) below; Box-Cox: (x^λ - 1) / λ;
    logarithms where the exponent is zero.
    """
    del convert

    def convert_corrected(scope: Any, operator: Any, container: Any) -> None:
        from onnx import TensorProto
        from skl2onnx.common._apply_operation import apply_cast

        op = operator.raw_operator
        write = _Writer(scope, container)
        x = _widened(scope, operator, container)
        if op.method == "box-cox":
            y = write.power(x, op.lambdas_)
        else:
            above = write("Add", write("Max", x, 0.0), 1.0)
            below = write("Sub", 1.0, write("Min", x, 0.0))
            # Each half is zero where the other applies.
            y = write("Sub", write.power(above, op.lambdas_), write.power(below, 2 - op.lambdas_))
        if op.standardize:
            y = write("Div", write("Sub", y, op._scaler.mean_), op._scaler.scale_)
        apply_cast(scope, y, operator.outputs[0].full_name, container, to=TensorProto.FLOAT)

    return convert_corrected


class _Writer:
    """Writes nodes on doubles into a container; numbers and arrays become constants."""

    def __init__(self, scope: Any, container: Any) -> None:
        self._scope, self._container = scope, container

    def __call__(self, operator: str, *given: Any) -> str:
        """One node; the name of what it gives."""
        name: str = self._scope.get_unique_variable_name(operator.lower())
        taken = [one if isinstance(one, str) else self._constant(one) for one in given]
        node = self._scope.get_unique_operator_name(operator)
        self._container.add_node(operator, taken, name, op_version=13, name=node)
        return name

    def power(self, base: str, exponent: Array) -> str:
        """(base^exponent - 1) / exponent, column by column; its limit log(base) where the exponent is zero."""
        zero = exponent == 0
        safe = np.where(zero, 1.0, exponent)
        power = self("Div", self("Sub", self("Pow", base, safe), 1.0), safe)
        return self("Where", self._constant(zero), self("Log", base), power) if zero.any() else power

    def _constant(self, value: Any) -> str:
        from onnx import TensorProto

        array = np.asarray(value)
        kind = TensorProto.BOOL if array.dtype == bool else TensorProto.DOUBLE
        name: str = self._scope.get_unique_variable_name("constant")
        self._container.add_initializer(name, kind, array.shape, array.reshape(-1).tolist())
        return name
