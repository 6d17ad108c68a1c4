"""Encoders of categories: which known value a number is, and what stands for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, Columns, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.registry import Context, rule
from edgekit.errors import ConversionError
from edgekit.signature import Array

# What stands for a missing value among the categories: no data hold the smallest float32.
_MISSING = float(np.finfo(np.float32).min)
# What no number is equal to: scikit-learn refuses infinities, and texts' positions begin at -1.
_NEVER = float(np.inf)


@rule("OneHotEncoder")
def one_hot_encoder(estimator: Any, context: Context) -> Any:
    """One output a category (or a group of infrequent ones), less the dropped: ``OneHotEncoder.transform``."""
    codes, missing = _codes(estimator, context.columns)
    drops = estimator._drop_idx_after_grouping
    groups = [_groups(estimator, index) for index in range(len(codes))]
    grouped = [_mapping(estimator, index) is not None for index in range(len(codes))]
    places: list[tuple[int, int]] = []
    for index, own in enumerate(groups):
        dropped = None if drops is None else drops[index]
        places += [(index, group) for group in range(max(own) + 1) if group != dropped]
    owner = np.array([index for index, _ in places], np.int64)
    if not any(grouped):
        given = np.array([codes[index][group] for index, group in places])
        return fitted(_one_hot, source=owner, codes=given, missing=missing)
    source, flat = _flat(codes)
    group = np.concatenate(groups)
    values = np.array([(source == index) & (group == own) for index, own in places]).T
    joins = estimator.handle_unknown in ("infrequent_if_exist", "warn")
    unknown = np.array([joins and grouped[index] and own == max(groups[index]) for index, own in places])
    return _lookup(source, flat, owner, values.astype(float), unknown.astype(float), missing=missing)


@rule("OrdinalEncoder")
def ordinal_encoder(estimator: Any, context: Context) -> Any:
    """Each category's position, ``encoded_missing_value`` or ``unknown_value``: ``OrdinalEncoder.transform``."""
    codes, missing = _codes(estimator, context.columns)
    source, flat = _flat(codes)
    values = np.zeros((len(flat), len(codes)))
    for index in range(len(codes)):
        own = _groups(estimator, index).astype(float)
        if index in estimator._missing_indices:
            own[estimator._missing_indices[index]] = estimator.encoded_missing_value
        values[source == index, index] = own
    # NaN times 0 is NaN: what is missing and stays so is put in afterwards.
    stays = np.isnan(values).any(axis=0)
    unknown = estimator.unknown_value if estimator.handle_unknown == "use_encoded_value" else 0
    return _lookup(
        source,
        flat,
        np.arange(len(codes)),
        np.nan_to_num(values),
        np.full(len(codes), unknown, np.float64),
        missing=missing,
        stays=stays if stays.any() else None,
    )


@rule("TargetEncoder")
def target_encoder(estimator: Any, context: Context) -> Any:
    """``encodings_`` of the category, ``target_mean_`` of one that is unknown: ``TargetEncoder.transform``."""
    codes, missing = _codes(estimator, context.columns)
    source, flat = _flat(codes)
    means = np.atleast_1d(np.asarray(estimator.target_mean_, np.float64))
    owner = np.repeat(np.arange(len(codes)), len(means))
    values = np.zeros((len(flat), len(owner)))
    for output, encoding in enumerate(estimator.encodings_):
        values[source == owner[output], output] = encoding
    return _lookup(source, flat, owner, values, np.tile(means, len(codes)), missing=missing)


def _lookup(source: Array, codes: Array, owner: Array, values: Array, unknown: Array, **constants: Any) -> Any:
    """Outputs each of which tells of one column: a value for each of its categories, and one for all else."""
    return fitted(
        _looked_up,
        source=source,
        codes=codes,
        values=values,
        members=(source[:, None] == owner[None, :]).astype(float),
        # Core ML's converter takes no NaN among constants.
        unknown=None if np.isnan(unknown).any() else unknown,
        **{"stays": None, **constants},
    )


def _groups(estimator: Any, index: int) -> Array:
    """Each category's position once the infrequent ones are one; a missing value's last where it is none of them."""
    positions = np.arange(len(estimator.categories_[index]))
    mapping = _mapping(estimator, index)
    if mapping is not None:
        positions[: len(mapping)] = mapping
    return positions


def _mapping(estimator: Any, index: int) -> Array | None:
    mapping: Array | None = estimator._default_to_infrequent_mappings[index] if estimator._infrequent_enabled else None
    return mapping


def _flat(codes: list[Array]) -> tuple[Array, Array]:
    """The column of every category of all columns, and its code."""
    return np.repeat(np.arange(len(codes)), [len(own) for own in codes]), np.concatenate(codes)


def _codes(estimator: Any, columns: Columns) -> tuple[list[Array], bool]:
    """Each column's categories as the numbers that they are in float32, and whether one is a missing value.

    Raises:
        ConversionError: of text where nothing tells its positions, or two that are one number in float32.
    """
    # An unknown value is refused by the original, or it must not pass for the known one next to it.
    refused = getattr(estimator, "handle_unknown", "ignore") == "error"
    asked = f"convert a {type(estimator).__name__}"
    codes = []
    for index, categories in enumerate(estimator.categories_):
        texts = columns[index] if columns else None
        if texts is not None:
            position = {text: float(at) for at, text in enumerate(texts)}
            codes.append(np.array([position.get(one, _NEVER) for one in categories]))
            continue
        if any(isinstance(one, str | bytes) for one in categories):
            raise ConversionError(asked, f"column {index} is text, and it is not given as such", "")
        codes.append(_of_numbers(categories, exact=np.asarray(categories).dtype.kind not in "iub" and not refused))
        finite = codes[-1][np.isfinite(codes[-1])]
        if len(np.unique(finite)) < len(finite):
            why = f"categories of column {index} are the same number in float32"
            raise ConversionError(asked, why, "give the column smaller numbers")
    return codes, any(bool((own == _MISSING).any()) for own in codes)


def _of_numbers(categories: Any, *, exact: bool) -> Array:
    wide = np.array([np.nan if one is None else float(one) for one in categories])
    near = wide.astype(np.float32).astype(np.float64)
    codes = np.where((near == wide) | (not exact), near, _NEVER)
    return np.where(np.isnan(wide), _MISSING, codes)


def _hits(model: Any, x: Any) -> Any:
    if model.missing:
        x = torch.where(torch.isnan(x), _MISSING, x)
    return (x.index_select(1, model.source) == model.codes).to(x.dtype)


def _one_hot(model: Any, x: Any) -> Answers:
    return {"transformed": _hits(model, x)}


def _looked_up(model: Any, x: Any) -> Answers:
    hits = _hits(model, x)
    value = hits @ model.values
    unknown = torch.full_like(value, float("nan")) if model.unknown is None else model.unknown
    value = torch.where(hits @ model.members > 0, value, unknown)
    if model.stays is not None:
        value = torch.where(torch.isnan(x) & model.stays, x, value)
    return {"transformed": value}
