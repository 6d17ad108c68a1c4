"""Kernels' approximate feature maps against scikit-learn."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from agreement import assert_agrees, assert_exports
from sklearn.datasets import load_digits, load_wine
from sklearn.kernel_approximation import (
    AdditiveChi2Sampler,
    Nystroem,
    PolynomialCountSketch,
    RBFSampler,
    SkewedChi2Sampler,
)

from edgekit.classical import build
from edgekit.errors import ConversionError
from edgekit.signature import Array

WINE = load_wine(return_X_y=True)[0]
SCALED = (WINE - WINE.mean(axis=0)) / WINE.std(axis=0)
DIGITS = load_digits(return_X_y=True)[0][:300] / 16.0


@pytest.mark.parametrize("data", [SCALED, DIGITS], ids=["wine", "digits"])
@pytest.mark.parametrize(
    "sampler",
    [
        RBFSampler(random_state=0),
        RBFSampler(gamma=0.1, n_components=7, random_state=0),
        RBFSampler(gamma="scale", random_state=0),
        PolynomialCountSketch(degree=1, random_state=0, n_components=10),
        PolynomialCountSketch(random_state=0, n_components=37),
        PolynomialCountSketch(degree=3, gamma=0.3, coef0=2.0, random_state=0, n_components=64),
    ],
    ids=repr,
)
def test_random_maps(sampler: Any, data: Array) -> None:
    rows = np.concatenate([data[:50], np.zeros((1, data.shape[1]))])
    assert_agrees(sampler.fit(data), rows, sqnr_db=110)


@pytest.mark.parametrize("data", [WINE, DIGITS], ids=["wine", "digits"])
@pytest.mark.parametrize(
    "sampler",
    [
        SkewedChi2Sampler(random_state=0),
        SkewedChi2Sampler(skewedness=0.1, n_components=9, random_state=0),
        AdditiveChi2Sampler(sample_steps=1),
        AdditiveChi2Sampler(),
        AdditiveChi2Sampler(sample_steps=3),
        AdditiveChi2Sampler(sample_steps=4, sample_interval=0.3),
    ],
    ids=repr,
)
def test_maps_of_histograms(sampler: Any, data: Array) -> None:
    rows = np.concatenate([data[:50], np.zeros((1, data.shape[1]))])
    assert_agrees(sampler.fit(data), rows, sqnr_db=110)


@pytest.mark.parametrize("kernel", ["linear", "poly", "rbf", "sigmoid", "cosine", "laplacian", "chi2"])
def test_nystroem(kernel: str) -> None:
    nystroem = Nystroem(kernel, n_components=20, random_state=0, **({"degree": 2} if kernel == "poly" else {}))
    assert_agrees(nystroem.fit(DIGITS), DIGITS[:60])


@pytest.mark.parametrize("kernel", ["linear", "cosine"])
def test_nystroem_of_points_that_depend_on_each_other(kernel: str) -> None:
    assert_agrees(Nystroem(kernel, n_components=60, random_state=0).fit(WINE), WINE, sqnr_db=110)


def test_nystroem_takes_settings_of_kernel_params() -> None:
    assert_agrees(Nystroem("rbf", kernel_params={"gamma": 0.02}, n_components=10, random_state=0).fit(DIGITS), DIGITS)
    both = Nystroem("rbf", gamma=0.1, kernel_params={"gamma": 9.0}, n_components=10, random_state=0)
    assert_agrees(both.fit(DIGITS), DIGITS)


def test_nystroem_refuses_functions() -> None:
    with pytest.raises(ConversionError, match="Python function"):
        build(Nystroem(lambda a, b: float(a @ b), n_components=5).fit(DIGITS))


@pytest.mark.parametrize(
    "sampler",
    [
        RBFSampler(gamma=0.1, random_state=0),
        AdditiveChi2Sampler(sample_steps=3),
        SkewedChi2Sampler(random_state=0, n_components=9),
        PolynomialCountSketch(degree=3, coef0=2.0, random_state=0, n_components=37),
        Nystroem("rbf", n_components=20, random_state=0),
    ],
    ids=lambda sampler: type(sampler).__name__,
)
def test_exports(sampler: Any, tmp_path: Path) -> None:
    assert_exports(sampler.fit(DIGITS), DIGITS[:6], tmp_path)
