"""FunctionTransformer of the functions that are known by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.mathematics.elementary import expm1, log1p
from edgekit.classical.registry import Context, rule
from edgekit.errors import ConversionError

# numpy's functions that torch has, by torch's name; and the others.
_SAME = {
    np.absolute: "abs",
    np.fabs: "abs",
    np.negative: "neg",
    np.square: "square",
    np.sqrt: "sqrt",
    np.exp: "exp",
    np.log: "log",
    np.sin: "sin",
    np.cos: "cos",
    np.tanh: "tanh",
    np.floor: "floor",
    np.ceil: "ceil",
    np.sign: "sign",
}
_OTHER: dict[Any, Callable[[Any], Any]] = {
    np.positive: lambda x: x,
    # Core ML's own reciprocal, which is also what 1 / x becomes there, is 1 / (x + 1e-4).
    np.reciprocal: lambda x: torch.ones_like(x) / x,
    np.expm1: expm1,
    np.log1p: log1p,
    np.log2: lambda x: torch.log(x) * (1 / math.log(2)),
    np.log10: lambda x: torch.log(x) * (1 / math.log(10)),
    np.degrees: lambda x: x * (180 / math.pi),
    np.rad2deg: lambda x: x * (180 / math.pi),
    np.radians: lambda x: x * (math.pi / 180),
    np.deg2rad: lambda x: x * (math.pi / 180),
}


@rule("FunctionTransformer")
def function_transformer(estimator: Any, context: Context) -> Any:
    """``func(X)``: nothing, or a function of numpy that has a counterpart."""
    if estimator.func is None:
        return fitted(_unchanged, columns=context.columns)
    return applied(estimator.func, estimator.kw_args or {}, "convert a FunctionTransformer")


def applied(function: Any, arguments: Mapping[str, Any], asked: str) -> Any:
    """The module that applies a function of numpy to every number.

    Raises:
        ConversionError: it has no counterpart.
    """
    known = isinstance(function, np.ufunc) and function in (_SAME | _OTHER)
    if not known or arguments:
        name = getattr(function, "__name__", repr(function))
        what = f"func={name}" + (f" with kw_args={arguments}" if arguments else "")
        names = ", ".join(f"numpy.{function.__name__}" for function in _SAME | _OTHER)
        why = f"{what} is Python that edgekit does not translate"
        raise ConversionError(asked, why, f"use one of {names}, or apply it outside the model")
    named = _SAME.get(function)
    return fitted(_applied, function=getattr(torch, named) if named else _OTHER[function])


def _unchanged(model: Any, x: Any) -> Answers:
    del model
    return {"transformed": x}


def _applied(model: Any, x: Any) -> Answers:
    return {"transformed": model.function(x)}
