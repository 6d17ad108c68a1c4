"""Packages with several functions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coreml_packages import converter, save, wanted

from edgekit.coreml_reference import Model, open_model
from edgekit.errors import InputError

torch = pytest.importorskip("torch")
pytest.importorskip("coremltools")
X = np.random.default_rng(0).standard_normal((2, 5)).astype(np.float32)


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, Any]:
    """Two functions of other interfaces in one package, with the torch modules behind them."""
    ct = converter()
    folder = tmp_path_factory.mktemp("functions")
    torch.manual_seed(0)
    small, wide = torch.nn.Linear(5, 300), torch.nn.Linear(7, 200)
    options = {"minimum_deployment_target": ct.target.iOS18}
    first = save(small, torch.zeros(2, 5), folder / "first.mlpackage", **options)
    second = save(wide, torch.zeros(4, 7), folder / "second.mlpackage", **options)
    description = ct.utils.MultiFunctionDescriptor()
    description.add_function(str(first), src_function_name="main", target_function_name="small")
    description.add_function(str(second), src_function_name="main", target_function_name="wide")
    description.default_function_name = "wide"
    ct.utils.save_multifunction(description, str(folder / "m.mlpackage"))
    return folder / "m.mlpackage", small, wide


def answer(model: Model, x: Any) -> Any:
    return model.predict({"x": x})["output"]


def test_a_function_is_chosen_by_name(several: tuple[Path, Any, Any]) -> None:
    path, small, wide = several
    one = open_model(path, function="small")
    assert [feature.shape for feature in one.inputs] == [(2, 5)]
    np.testing.assert_allclose(answer(one, X), wanted(small, X), atol=1e-5)
    other = open_model(path, function="wide")
    x = np.ones((4, 7), np.float32)
    assert [feature.shape for feature in other.inputs] == [(4, 7)]
    np.testing.assert_allclose(answer(other, x), wanted(wide, x), atol=1e-5)


def test_without_a_name_it_is_the_default_one(several: tuple[Path, Any, Any]) -> None:
    path, _, wide = several
    x = np.ones((4, 7), np.float32)
    np.testing.assert_allclose(answer(open_model(path), x), wanted(wide, x), atol=1e-5)


def test_functions_are_listed_and_an_unknown_one_is_refused(several: tuple[Path, Any, Any]) -> None:
    path, _, _ = several
    assert sorted(open_model(path).functions) == ["small", "wide"]
    with pytest.raises(InputError, match=r"function 'main' of .*: there is none; it has .*small"):
        open_model(path, function="main")


def test_a_package_of_one_function_has_main(tmp_path: Path) -> None:
    path = save(torch.nn.Linear(5, 3), torch.zeros(2, 5), tmp_path / "m.mlpackage")
    assert open_model(path).functions == ("main",)
    np.testing.assert_array_equal(answer(open_model(path, function="main"), X), answer(open_model(path), X))
    with pytest.raises(InputError, match="there is none; it has main"):
        open_model(path, function="other")
