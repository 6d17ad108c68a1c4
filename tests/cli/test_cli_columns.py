"""`--columns` of `edgekit convert` and `edgekit verify`, and what the other commands make of such a bundle."""

import json
from pathlib import Path

import pytest
from command import edgekit


@pytest.fixture
def folder(tmp_path: Path, models: Path) -> Path:
    """A folder with a bundle whose columns are inputs, and rows for it."""
    (tmp_path / "rows.csv").write_text("x2,x0,x1,x3,label\n0.5,1,2,3,9\n-1,0,0.25,7,9\n", encoding="utf-8")
    arguments = ("--columns", "named", "--samples", "rows.csv", "-o", "named.edge")
    answer = edgekit("convert", models / "fitted.skops", *arguments, cwd=tmp_path)
    assert answer.code == 0, answer.err
    return tmp_path


def test_a_bundle_of_named_columns_is_inspected_run_and_verified(folder: Path, models: Path) -> None:
    shown = json.loads(edgekit("inspect", "named.edge", "--json", cwd=folder).out)
    assert [(spec["name"], spec["shape"]) for spec in shown["signature"]["inputs"]] == [
        (f"x{place}", [None, 1]) for place in range(4)
    ]
    assert shown["columns"] == {f"x{place}": [f"x{place}"] for place in range(4)}
    ran = edgekit("run", "named.edge", "--samples", "rows.csv", "--json", cwd=folder)
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["outputs"]["label"]["values"] == [1, 0]
    assert edgekit("verify", "named.edge", cwd=folder).code == 0
    against = ("verify", "named.edge", "--against", models / "fitted.skops", "--samples", "rows.csv")
    assert edgekit(*against, "--columns", "named", cwd=folder).code == 0
    (folder / "matrix.csv").write_text("x0,x1,x2,x3\n1,2,0.5,3\n", encoding="utf-8")
    other = edgekit(*against[:-1], "matrix.csv", "--columns", "matrix", cwd=folder)
    assert other.code == 2
    assert "the original's X: float32[N, 4]; give the original that the bundle was made from" in other.error


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("convert", "fitted.skops", "--columns", "table"), "--columns 'table'"),
        (("convert", "net.onnx", "--columns", "named"), "--columns is for scikit-learn, XGBoost and LightGBM models"),
        (("verify", "net.onnx", "--columns", "named"), "--columns: it belongs to an original"),
    ],
)
def test_what_cannot_be_asked_is_refused(arguments: tuple[str, ...], said: str, models: Path, tmp_path: Path) -> None:
    command, model, *more = arguments
    output = ("-o", tmp_path / "model.edge") if command == "convert" else ()
    answer = edgekit(command, models / model, *more, *output, cwd=tmp_path)
    assert answer.code == 2
    assert said in answer.error


@pytest.mark.parametrize("command", ["convert", "verify"])
def test_help_names_it(command: str, tmp_path: Path) -> None:
    assert "--columns" in edgekit(command, "--help", cwd=tmp_path, env={"COLUMNS": "120"}).out
