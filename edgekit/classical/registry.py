"""The rules by which estimators become modules, by the estimator's type name."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from edgekit.classical.fitted import Columns
from edgekit.errors import ConversionError
from edgekit.sources.vectorizers import Terms

# Libraries whose types the rules of this package serve; elsewhere the same name may mean something else.
_LIBRARIES = ("sklearn", "xgboost", "lightgbm")


@dataclass(frozen=True)
class Context:
    """What a rule knows beside its estimator.

    Attributes:
        columns: what the columns that the estimator is given stand for; empty where all are numbers.
        before: fitted transformers that the rows have not gone through yet, each of which maps every column by a
            rising function of its own (a scaler): the rule shifts its thresholds by them instead. Only rules that were
            registered with ``shifts=True`` are given any.
        path: where the estimator stands in the whole, by the user's step names.
        terms: of each column of texts that vectorizers read, the terms whose counts are in its place, as many columns
            as there are terms; ``None`` for other columns, empty where there are none such.
    """

    columns: Columns = ()
    before: tuple[Any, ...] = ()
    path: str = ""
    terms: tuple[Terms | None, ...] = ()

    def build(
        self,
        estimator: Any,
        name: str = "",
        *,
        columns: Columns = (),
        before: tuple[Any, ...] = (),
        terms: tuple[Terms | None, ...] | None = None,
    ) -> Any:
        """The module of a part, which is given what the whole is where ``terms`` does not say otherwise."""
        path = f"{self.path}.{name}" if self.path and name else self.path or name
        return build(estimator, Context(columns, before, path, self.terms if terms is None else terms))


Rule = Callable[[Any, Context], Any]


@dataclass(frozen=True)
class _Entry:
    rule: Rule
    shifts: bool
    own: bool


_RULES: dict[str, _Entry] = {}
# Why there is no rule, by the type's name.
_REFUSALS: dict[str, str] = {}


def rule(*names: str, shifts: bool = False) -> Callable[[Rule], Rule]:
    """Register a function as the rule of estimators, by the names of their types.

    Args:
        names: the types' names: ``LinearRegression``.
        shifts: whether the rule takes :attr:`Context.before`.

    Raises:
        ValueError: a name has a rule already.
    """

    def register(function: Rule) -> Rule:
        own = (function.__module__ or "").startswith("edgekit.classical.")
        for name in names:
            if name in _RULES:
                raise ValueError(f"{name} has a rule already: {_RULES[name].rule.__module__}")
            _RULES[name] = _Entry(function, shifts, own)
        return function

    return register


def refuse(*names: str, why: str) -> None:
    """Say why estimators of these types cannot have a rule."""
    _REFUSALS.update(dict.fromkeys(names, why))


def known() -> tuple[str, ...]:
    """The names of all types that have a rule."""
    _load()
    return tuple(sorted(_RULES))


def shifts(estimator: Any) -> bool:
    """Whether the estimator's rule can shift its thresholds by a scaler before it."""
    entry = _find(estimator)
    return entry is not None and entry.shifts


def build(estimator: Any, context: Context | None = None) -> Any:
    """The module that answers as a fitted estimator does; see :func:`edgekit.classical.fitted.fitted`.

    Raises:
        ConversionError: its type has no rule, or its rule cannot take its settings.
    """
    context = context or Context()
    entry = _find(estimator)
    if entry is None:
        raise _unknown(estimator, context.path)
    return entry.rule(estimator, context)


def _find(estimator: Any) -> _Entry | None:
    _load()
    entry = _RULES.get(type(estimator).__name__)
    if entry is not None and entry.own and type(estimator).__module__.partition(".")[0] not in _LIBRARIES:
        return None
    return entry


@cache
def _load() -> None:
    """Import every family's file once."""
    for found in pkgutil.walk_packages([str(Path(__file__).parent)], "edgekit.classical."):
        importlib.import_module(found.name)


def _unknown(estimator: Any, path: str) -> ConversionError:
    name = type(estimator).__name__
    where = f" (step {path})" if path else ""
    if name in _REFUSALS:
        return ConversionError(f"convert a {name}{where}", _REFUSALS[name], "use another estimator in its place")
    return ConversionError(
        f"convert a {name}{where}",
        f"edgekit has no rule for {type(estimator).__module__}.{name}",
        "register one in the same process (docs/classical.md says more)",
        _example(estimator),
    )


def _example(estimator: Any) -> str:
    """A rule to start from, for an estimator that has none."""
    name = type(estimator).__name__
    learned = next((key for key in vars(estimator) if key.endswith("_") and not key.startswith("_")), "coef_")
    kind = (
        "label" if hasattr(estimator, "classes_") else "prediction" if hasattr(estimator, "predict") else "transformed"
    )
    classes = ", classes=estimator.classes_" if kind == "label" else ""
    return f"""\
    import edgekit.classical

    @edgekit.classical.rule("{name}")
    def rule(estimator, context):
        return edgekit.classical.fitted(answer, learned=estimator.{learned}{classes})

    def answer(model, x):  # x: float32 [n, features]; model.learned: a tensor
        return {{"{kind}": …}}  # computed in torch"""
