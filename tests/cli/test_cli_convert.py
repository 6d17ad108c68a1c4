"""`edgekit convert` and what can be done with what it makes, by the real command on tiny models."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Answer, edgekit

ROW = {"target", "scheme", "file", "bytes", "convert_seconds", "call_ms", "verdict"}
VERDICT = {
    "passed", "executed_by", "samples", "synthetic_samples", "sqnr_db", "cosine", "max_abs_error",
    "max_abs_error_relative", "label_agreement", "tolerance", "tolerance_that_passes", "outputs",
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("converted")


@pytest.fixture(scope="module")
def converted(models: Path, folder: Path) -> Answer:
    """A PyTorch network in two formats and two schemes, on five samples."""
    return edgekit(
        "convert", models / "net.pt2", "--to", "onnx,tflite", "--quantize", "float16", "--allow-slower",
        "--samples", models / "good.npz",
        "--output-name", "probabilities", "-o", "net.edge", "--json", cwd=folder,
    )  # fmt: skip


def rows(answer: Answer) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["target"], row["scheme"]): row for row in json.loads(answer.out)["artifacts"]}


def test_json_is_the_contracts_document(converted: Answer) -> None:
    assert converted.code == 0, converted.err
    document = json.loads(converted.out)
    assert document.keys() == {"schema", "bundle", "artifacts", "failed"}
    assert (document["schema"], document["bundle"], document["failed"]) == (1, "net.edge", [])
    for row in document["artifacts"]:
        assert row.keys() >= ROW
        assert row["verdict"].keys() >= VERDICT
        assert row["verdict"]["outputs"].keys() == {"probabilities"}


def test_every_artifact_was_executed_and_passed(converted: Answer) -> None:
    made = rows(converted)
    assert list(made) == [("onnx", "float32"), ("onnx", "float16"), ("tflite", "float32"), ("tflite", "float16")]
    for (target, scheme), row in made.items():
        verdict = row["verdict"]
        assert verdict["passed"] is True
        assert verdict["samples"] == 5
        assert verdict["synthetic_samples"] is False
        assert verdict["executed_by"].startswith({"onnx": "onnxruntime ", "tflite": "litert "}[target])
        assert verdict["sqnr_db"] > (90 if scheme == "float32" else 50)
        assert row["call_ms"] > 0
        assert row["file"] == f"{target}/{scheme}.{target}"


def test_messages_are_not_on_stdout(converted: Answer) -> None:
    assert converted.out.startswith("{")
    assert "error" not in converted.err
    assert "onnx: load the model" in converted.err


def test_bundle_says_the_same(converted: Answer, folder: Path) -> None:
    manifest = edgekit("inspect", "net.edge", "--json", cwd=folder)
    assert manifest.code == 0, manifest.err
    found = json.loads(manifest.out)
    assert {(row["target"], row["scheme"]) for row in found["artifacts"]} == set(rows(converted))
    assert found["source"]["framework"] == "torch"
    assert found["source"]["file"] == "net.pt2"
    assert [spec["name"] for spec in found["signature"]["outputs"]] == ["probabilities"]


def test_inspect_shows_people_the_same(converted: Answer, folder: Path) -> None:
    shown = edgekit("inspect", "net.edge", cwd=folder)
    assert shown.code == 0
    for part in (
        "from torch: net.pt2",
        "inputs: x: float32[1, 4]",
        "5 from good.npz",
        "passed",
        "tflite",
        "onnxruntime",
    ):
        assert part in shown.out


@pytest.mark.parametrize(("target", "scheme"), [("onnx", "float32"), ("tflite", "float32"), ("tflite", "float16")])
def test_run_gives_the_recorded_answers(
    target: str, scheme: str, converted: Answer, folder: Path, models: Path
) -> None:
    name = f"{target}-{scheme}.npz"
    answer = edgekit(
        "run", "net.edge", "-s", models / "good.npz", "--target", target, "--scheme", scheme, "-o", name, cwd=folder
    )
    assert answer.code == 0, answer.err
    with np.load(folder / name) as written:
        given = written["probabilities"]
    # The factory's own network, by numpy: seed 0 gives these weights, saved beside it.
    import torch

    state = torch.load(models / "state.pt", weights_only=True)
    weight, bias = state["fc.weight"].numpy(), state["fc.bias"].numpy()
    with np.load(models / "good.npz") as samples:
        wanted = np.maximum(samples["x"] @ weight.T + bias, 0)
    np.testing.assert_allclose(given, wanted, atol=1e-6 if scheme == "float32" else 2e-3)


def test_run_json(converted: Answer, folder: Path, models: Path) -> None:
    answer = edgekit("run", "net.edge", "-s", models / "good.npz", "--target", "onnx", "--json", cwd=folder)
    document = json.loads(answer.out)
    assert document["artifact"] == "onnx/float32"
    assert document["samples"] == 5
    assert document["outputs"]["probabilities"]["shape"] == [5, 6]
    assert np.shape(document["outputs"]["probabilities"]["values"]) == (5, 6)


def test_verify_against_the_recording(converted: Answer, folder: Path) -> None:
    answer = edgekit("verify", "net.edge", "--json", cwd=folder)
    assert answer.code == 0, answer.err
    assert [row["verdict"]["passed"] for row in json.loads(answer.out)["artifacts"]] == [True] * 4


def test_verify_against_the_original(converted: Answer, folder: Path, models: Path) -> None:
    arguments = ("--against", models / "net.pt2", "--output-name", "probabilities", "--samples", models / "good.npz")
    answer = edgekit("verify", "net.edge", *arguments, "--target", "onnx", "--scheme", "float32", cwd=folder)
    assert answer.code == 0, answer.err
    assert "passed" in answer.out


def test_verify_fails_at_a_tolerance_that_is_too_strict(converted: Answer, folder: Path) -> None:
    answer = edgekit("verify", "net.edge", "--tolerance", "sqnr_db=200", "--scheme", "float16", cwd=folder)
    assert answer.code == 1
    assert "FAILED" in answer.out
    assert "tflite float16:" in answer.err


def test_failed_verdict_exits_1_and_stays_out_of_the_bundle(models: Path, tmp_path: Path) -> None:
    answer = edgekit(
        "convert", models / "net.onnx", "--quantize", "float16", "--allow-slower",
        "--tolerance", "sqnr_db=120", "--samples",
        models / "good.npz", "--json", cwd=tmp_path,
    )  # fmt: skip
    assert answer.code == 1
    document = json.loads(answer.out)
    assert [(one["target"], one["scheme"]) for one in document["failed"]] == [("onnx", "float16")]
    assert "--tolerance sqnr_db=" in document["failed"][0]["error"]
    by_scheme = {row["scheme"]: row for row in document["artifacts"]}
    assert by_scheme["float16"]["file"] is None
    inside = json.loads(edgekit("inspect", "net.edge", "--json", cwd=tmp_path).out)
    assert [row["scheme"] for row in inside["artifacts"]] == ["float32"]


def test_factory_that_prints_leaves_stdout_to_the_document(models: Path, tmp_path: Path) -> None:
    shape = ("--input-shape", "x=1,4")
    (tmp_path / "factories.py").write_bytes((models / "factories.py").read_bytes())
    made = edgekit("convert", "factories:chatty", *shape, "--json", "-o", "net.edge", cwd=tmp_path)
    assert made.code == 0, made.err
    assert json.loads(made.out)["bundle"] == "net.edge"
    # Here the factory runs in the command's own process.
    again = edgekit("verify", "net.edge", "--against", "factories:chatty", *shape, "--json", cwd=tmp_path)
    assert again.code == 0, again.err
    assert json.loads(again.out)["artifacts"][0]["verdict"]["passed"] is True
    assert "a factory that talks" in again.err


def test_random_samples_are_called_random(models: Path, tmp_path: Path) -> None:
    answer = edgekit("convert", models / "net.onnx", "--quiet", cwd=tmp_path)
    assert answer.code == 0
    assert "(random)" in answer.out
    assert "give --samples for a verdict on real input" in answer.err
    assert "onnx:" not in answer.err


def test_unpacked_bundle(models: Path, tmp_path: Path) -> None:
    answer = edgekit("convert", models / "net.onnx", "--unpacked", "-o", "folder.edge", cwd=tmp_path)
    assert answer.code == 0, answer.err
    assert (tmp_path / "folder.edge" / "manifest.json").is_file()
    assert edgekit("verify", "folder.edge", cwd=tmp_path).code == 0


def test_names_with_markup_accents_and_spaces(models: Path, tmp_path: Path) -> None:
    name = "[red]modèle 模型[bold] :key:"
    (tmp_path / f"{name}.onnx").write_bytes((models / "net.onnx").read_bytes())
    answer = edgekit("convert", f"{name}.onnx", cwd=tmp_path, env={"PYTHONIOENCODING": "ascii", "LC_ALL": "C"})
    assert answer.code == 0, answer.err
    assert f"wrote {name}.edge" in answer.err
    shown = edgekit("inspect", f"{name}.edge", cwd=tmp_path)
    assert name in shown.out
    assert f"from onnx: {name}.onnx" in shown.out


def test_home_is_not_needed(models: Path, tmp_path: Path) -> None:
    answer = edgekit("convert", models / "net.onnx", cwd=tmp_path, env={"HOME": None})
    assert answer.code == 0, answer.err


def test_report_is_one_html_file(models: Path, tmp_path: Path) -> None:
    answer = edgekit("convert", models / "net.onnx", "--report", "r.html", cwd=tmp_path)
    assert answer.code == 0, answer.err
    assert "<html" in (tmp_path / "r.html").read_text(encoding="utf-8")
    assert {path.name for path in tmp_path.iterdir()} == {"net.edge", "r.html"}
