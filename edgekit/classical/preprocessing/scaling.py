"""Scalers, each column or row by itself: one subtraction and one multiplication."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.mathematics.exact import split
from edgekit.classical.registry import Context, rule

# `_handle_zeros_in_scale`: what is smaller does not scale.
_TINY = 10 * float(np.finfo(np.float64).eps)


@rule("StandardScaler")
def standard_scaler(estimator: Any, context: Context) -> Any:
    """``(X - mean_) / scale_``: ``StandardScaler.transform``."""
    del context
    return _scaler(
        estimator.mean_ if estimator.with_mean else None,
        estimator.scale_ if estimator.with_std else None,
    )


@rule("RobustScaler")
def robust_scaler(estimator: Any, context: Context) -> Any:
    """``(X - center_) / scale_``: ``RobustScaler.transform``."""
    del context
    return _scaler(
        estimator.center_ if estimator.with_centering else None,
        estimator.scale_ if estimator.with_scaling else None,
    )


@rule("MaxAbsScaler")
def max_abs_scaler(estimator: Any, context: Context) -> Any:
    """``X / scale_``, clipped to [-1, 1] if so set: ``MaxAbsScaler.transform``."""
    del context
    return _scaler(None, estimator.scale_, limits=(-1.0, 1.0) if estimator.clip else None)


@rule("MinMaxScaler")
def min_max_scaler(estimator: Any, context: Context) -> Any:
    """``X * scale_ + min_`` as ``(X - data_min_) * scale_ + feature_range[0]``, which does not cancel."""
    del context
    low, high = (float(end) for end in estimator.feature_range)
    limits = (low, high) if estimator.clip else None
    return _scaler(estimator.data_min_, 1 / np.asarray(estimator.scale_), offset=low, limits=limits)


def _scaler(centre: Any, scale: Any, offset: float = 0.0, limits: tuple[float, float] | None = None) -> Any:
    high, low = split(centre) if centre is not None else (None, None)
    factor = 1 / np.asarray(scale, np.float64) if scale is not None else None
    return fitted(_scaled, high=high, low=low, factor=factor, offset=offset, limits=limits)


def _scaled(model: Any, x: Any) -> Answers:
    value = x
    if model.high is not None:
        value = (value - model.high) - model.low
    if model.factor is not None:
        value = value * model.factor
    if model.offset:
        value = value + model.offset
    if model.limits is not None:
        # Some formats' minimum of NaN and a number is the number.
        value = torch.where(torch.isnan(x), x, torch.clamp(value, *model.limits))
    return {"transformed": value}


@rule("Normalizer")
def normalizer(estimator: Any, context: Context) -> Any:
    """Each row by its norm (l1, l2, max): ``sklearn.preprocessing.normalize``."""
    del context
    return fitted(_normalized, norm=estimator.norm)


def _normalized(model: Any, x: Any) -> Answers:
    largest = torch.amax(torch.abs(x), dim=1, keepdim=True)
    # By the largest first: squares of float32 overflow where float64's do not.
    part = x / torch.where(largest > 0, largest, 1.0)
    if model.norm == "l1":
        norm = torch.sum(torch.abs(part), dim=1, keepdim=True)
    elif model.norm == "l2":
        norm = torch.sqrt(torch.sum(part * part, dim=1, keepdim=True))
    else:
        norm = torch.ones_like(largest)
    scales = norm * largest >= _TINY
    return {"transformed": torch.where(scales, part / torch.where(scales, norm, 1.0), x)}


@rule("KernelCenterer")
def kernel_centerer(estimator: Any, context: Context) -> Any:
    """``K - K_fit_rows_ - mean(K) + K_fit_all_``, in which ``K_fit_all_`` is the mean of ``K_fit_rows_``."""
    del context
    high, low = split(estimator.K_fit_rows_)
    return fitted(_centred_kernel, high=high, low=low)


def _centred_kernel(model: Any, x: Any) -> Answers:
    value = (x - model.high) - model.low
    return {"transformed": value - torch.mean(value, dim=1, keepdim=True)}
