"""Trees as one module, laid out in the way that suits a format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.trees.layouts import gemm, lookup, operator, traversal
from edgekit.classical.trees.tree import Ensemble, Tree
from edgekit.errors import ConversionError
from edgekit.signature import Array

_LAYOUTS: dict[str, Any] = {"traversal": traversal, "gemm": gemm, "lookup": lookup, "operator": operator}


def forest(
    trees: Sequence[Tree], before: Sequence[Any] = (), *, wide: bool = False, groups: Sequence[int] | None = None
) -> Any:
    """The module of trees: see :func:`leaf_values` and :func:`summed`.

    Every float32 row takes the branches of the original: thresholds are the largest float32 not above the original's.

    Args:
        trees: their values all of one number of outputs.
        before: fitted rising scalers that the rows have not passed; categories are told of the raw rows.
        wide: whether the original compares in float64 what ``before`` gives, rather than rounded to float32.
        groups: of trees of one output, the sum that each adds to, in rising order; None: all add to one.

    Raises:
        ConversionError: there are more nodes than float32 can count.
    """
    count = sum(len(tree.feature) for tree in trees)
    if count >= 2**24:
        raise ConversionError("convert trees", f"they have {count} nodes, and float32 counts to {2**24}")
    ensemble = Ensemble(trees, before, wide=wide)
    targets = np.tile(np.arange(ensemble.outputs), (len(trees), 1)) if groups is None else np.array(groups)[:, None]
    sizes = np.bincount(targets[:, 0])
    model = fitted(
        _sum,
        ensemble=ensemble,
        targets=targets.tolist(),
        # Trees stand group by group: where the groups are of one size, no more than a sum along an axis.
        equal=groups is None or bool((sizes == sizes[0]).all()),
        members=None if groups is None else np.repeat(np.eye(len(sizes)), sizes, axis=0),
        **ensemble.columns.constants(),
    )
    _lay_out(model, "traversal", {})
    return model


def leaf_values(model: Any, x: Any) -> Any:
    """The values of the leaves that rows fall into, shape [n, trees, outputs]."""
    if model.layout == "operator":
        count, outputs = len(model.targets), model.ensemble.outputs
        return _by_operator(model, x, np.arange(count * outputs)).reshape(-1, count, outputs)
    values, axis = _leaf_values(model, x)
    return values if axis == 1 else values.transpose(0, 1)


def summed(model: Any, x: Any) -> Any:
    """The sum over the trees of :func:`leaf_values`, shape [n, outputs]; with groups, by group: [n, groups]."""
    if model.layout == "operator":
        return _by_operator(model, x, np.array(model.targets))
    values, axis = _leaf_values(model, x)
    if model.members is None:
        return values.sum(dim=axis)
    count, groups = model.members.shape
    if not model.equal:
        return (values[:, :, 0] if axis == 1 else values[:, :, 0].transpose(0, 1)) @ model.members
    if axis == 1:
        return values.reshape(-1, groups, count // groups).sum(dim=2)
    return values.reshape(groups, count // groups, -1).sum(dim=1).transpose(0, 1)


def _leaf_values(model: Any, x: Any) -> tuple[Any, int]:
    layout = _LAYOUTS[model.layout]
    return layout.leaf_values(model.tables, model.ensemble.columns.given(model, x)), layout.TREES


def _by_operator(model: Any, x: Any, targets: Array) -> Any:
    return operator.summed(model.tables, model.ensemble.columns.signed(model, x), targets)


def _sum(model: Any, x: Any) -> Answers:
    return {"prediction": summed(model, x)}


def forests(module: Any) -> Iterator[Any]:
    """The modules of trees inside a module."""
    for part in module.modules():
        if isinstance(getattr(part, "ensemble", None), Ensemble) and hasattr(part, "layout"):
            yield part


def lay_out(module: Any, layout: str, **settings: Any) -> None:
    """Lay out all trees inside a module.

    Args:
        module: a built model.
        layout: ``traversal`` (any format), ``operator`` (ONNX) or ``lookup`` (TFLite).
        settings: the layout's own; see its ``constants``.
    """
    for part in list(forests(module)):
        _lay_out(part, layout, settings)


def _lay_out(model: Any, layout: str, settings: dict[str, Any]) -> None:
    model.layout = layout
    model.tables = fitted(None, **_LAYOUTS[layout].constants(model.ensemble, **settings))
