"""The one call: what it gives, what it leaves behind, what it refuses before any work."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgekit
from edgekit.bundle import Bundle
from edgekit.convert.request import ConvertRequest
from edgekit.errors import EdgekitError, InputError, StorageError

torch = pytest.importorskip("torch")

X = np.random.default_rng(0).standard_normal((5, 4)).astype("f4")


def network() -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))


def convert(output: Path, **said: Any) -> Any:
    return edgekit.convert(network(), "onnx", **{"samples": X, "output": output, **said})


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return convert(tmp_path_factory.mktemp("pipeline") / "m.edge")


def test_the_row(result: Any) -> None:
    (row,) = result.artifacts
    assert list(row) == ["target", "scheme", "file", "bytes", "convert_seconds", "call_ms", "verdict"]
    assert (row["target"], row["scheme"], row["file"]) == ("onnx", "float32", "onnx/float32.onnx")
    assert row["bytes"] > 8 * 4 * 4
    assert row["call_ms"] > 0
    assert row["verdict"]["executed_by"].startswith("onnxruntime ")
    assert row["verdict"]["samples"] == 5
    assert row["verdict"]["synthetic_samples"] is False
    data = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert data == {"schema": 1, "bundle": str(result.bundle), "artifacts": [row], "failed": []}


def test_nothing_is_left_beside_the_bundle(result: Any) -> None:
    assert [path.name for path in result.bundle.parent.iterdir()] == ["m.edge"]


def test_the_manifest(result: Any) -> None:
    manifest = Bundle.open(result.bundle).manifest
    assert manifest.source["framework"] == "torch"
    assert (manifest.samples["count"], manifest.samples["golden"], manifest.samples["origin"]) == (5, 5, "arrays")


def test_the_verb_is_a_function_however_it_is_reached(result: Any, tmp_path: Path) -> None:
    # Importing the package edgekit.convert puts it in the place of the function.
    from edgekit import convert as named
    from edgekit.convert import convert as inner

    for number, verb in enumerate((edgekit.convert, named, inner)):
        assert verb(network(), "onnx", samples=X, output=tmp_path / f"{number}.edge")
    assert edgekit.convert.ConvertResult is type(result)


def test_random_samples_are_said(tmp_path: Path) -> None:
    made = convert(tmp_path / "m.edge", samples=None, input_shapes={"input": (1, 4)}, seed=7)
    assert made.artifacts[0]["verdict"]["synthetic_samples"] is True
    assert Bundle.open(made.bundle).manifest.samples["origin"] == "random, seed 7"


def test_a_missed_tolerance_is_not_in_the_bundle(tmp_path: Path) -> None:
    made = convert(
        tmp_path / "m.edge", quantize="float16", allow_slower=True, tolerance={"sqnr_db": 100}, keep_failed=True
    )
    assert (made.exit_code, bool(made)) == (1, False)
    assert [(row["scheme"], row["file"]) for row in made.artifacts] == [
        ("float32", "onnx/float32.onnx"),
        ("float16", None),
    ]
    assert [a.scheme for a in Bundle.open(made.bundle).artifacts] == ["float32"]
    message = str(made.failed[0].error)
    assert message.startswith("verify onnx float16: output_0: ")
    bound = message.split("--tolerance ")[1].split(",", maxsplit=1)[0].removeprefix("sqnr_db=")
    assert (made.work / "onnx" / "float16.onnx").exists()
    # What the advice says really helps.
    again = convert(tmp_path / "n.edge", quantize="float16", allow_slower=True, tolerance={"sqnr_db": float(bound)})
    assert again


def test_where_nothing_passes_there_is_no_bundle(tmp_path: Path) -> None:
    made = convert(tmp_path / "m.edge", tolerance={"sqnr_db": 400})
    assert (made.exit_code, made.bundle) == (1, None)
    assert not (tmp_path / "m.edge").exists()
    assert sorted(path.name for path in made.work.iterdir()) == ["logs"]


def test_a_model_that_answers_at_random_is_refused(tmp_path: Path) -> None:
    class Noisy(torch.nn.Module):  # type: ignore[name-defined,misc]
        def forward(self, x):  # type: ignore[no-untyped-def]
            return x + torch.rand_like(x)

    with pytest.raises(InputError, match="output 'output_0' differs on the same input"):
        edgekit.convert(Noisy(), "onnx", samples=X, output=tmp_path / "m.edge")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"to": "onnx,pdf"}, "target 'pdf': there is no such thing; targets: onnx, tflite, coreml"),
        ({"to": ""}, "no target: nothing to do; targets: onnx, tflite, coreml"),
        ({"quantize": "int3"}, "scheme 'int3': there is no such thing; schemes: float32, float16"),
        ({"only": True}, "--only: it leaves float32 out"),
        ({"layout": "nchw"}, "layout 'nchw': there is no such thing; layouts: nhwc"),
        ({"layout": "nhwc"}, "--layout nhwc: no input is an image (four dimensions, float): input: float32[1, 4]"),
        ({"dynamic": "time"}, "dynamic dimension 'time'"),
        ({"tolerance": {"psnr": 3}}, "tolerance 'psnr': no such metric"),
        ({"threads": 0}, "--threads 0: at least one thread is needed"),
        ({"input_shapes": {"input": (0, 4)}}, "sizes are positive"),
        ({"samples": {"y": X}}, "input 'y': the model takes input"),
        ({"samples": X[:, :3]}, "run Sequential on input: float32[1, 3]"),
        ({"samples": np.full((2, 4), np.nan, "f4")}, "NaN"),
        ({"samples": [1, 2]}, "samples of type list: not arrays"),
        ({"output": "m.onnx"}, "a bundle is written, not a single model file"),
        ({"output": "no/such/m.edge"}, "no"),
    ],
)
def test_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: dict[str, Any], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        edgekit.convert(network(), **{"to": "onnx", "samples": X, "output": "m.edge", **said})
    assert message in str(caught.value)
    assert caught.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_an_existing_bundle_is_kept_without_force(result: Any) -> None:
    before = result.bundle.read_bytes()
    with pytest.raises(InputError, match="exist"):
        convert(result.bundle)
    assert result.bundle.read_bytes() == before


@pytest.mark.skipif(sys.platform != "linux", reason="a full device is Linux's")
def test_a_full_disk_is_a_storage_error_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("edgekit.convert.pipeline.assemble", full)
    with pytest.raises(StorageError, match="No space left on device"):
        convert(tmp_path / "m.edge")
    assert list(tmp_path.iterdir()) == []


def test_existing_model_files_become_bundles(result: Any, tmp_path: Path) -> None:
    bundle = Bundle.open(result.bundle)
    (tmp_path / "m.onnx").write_bytes(bundle.model_bytes(bundle.artifacts[0]))
    made = edgekit.convert(tmp_path / "m.onnx", "onnx", samples={"input": X}, output=tmp_path / "again.edge")
    assert made
    assert made.artifacts[0]["verdict"]["identical"] is True
    with pytest.raises(InputError, match="convert onnx to tflite: there is no such route; from onnx there are: onnx"):
        edgekit.convert(tmp_path / "m.onnx", "tflite", samples={"input": X}, output=tmp_path / "t.edge")


def test_several_targets_side_by_side_from_a_factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "side_nets.py").write_text(
        "from torch import manual_seed, nn\n"
        "def build():\n    manual_seed(0)\n    return nn.Sequential(nn.Linear(4, 8), nn.Softmax(-1))\n"
    )
    np.savez(tmp_path / "s.npz", input=X)
    monkeypatch.chdir(tmp_path)
    events: list[str] = []
    made = edgekit.convert(
        "side_nets:build", ["tflite", "onnx"], samples="s.npz", quantize="float16", allow_slower=True, layout=None,
        output="m.edge",
        event=lambda target, step, _: events.append(target),
    )  # fmt: skip
    assert [(row["target"], row["scheme"]) for row in made.artifacts] == [
        ("tflite", "float32"), ("tflite", "float16"), ("onnx", "float32"), ("onnx", "float16"),
    ]  # fmt: skip
    assert {"tflite", "onnx"} <= set(events)
    assert sorted(path.name for path in tmp_path.glob("m.edge*")) == ["m.edge"]


def test_a_request_survives_json() -> None:
    request = ConvertRequest(
        "m:f", ("onnx", "tflite"), ("float32", "float16"), "s.npz", {"a": [1]}, dynamic=("batch",),
        input_names=("a", "b"),
        shapes={"a": (1, 2)}, dtypes={"a": "int64"}, tolerance={"sqnr_db": 3.0}, threads=2,
    )  # fmt: skip
    assert ConvertRequest.from_json(json.loads(json.dumps(request.to_json()))) == request


def test_what_vendors_print_goes_to_the_log() -> None:
    code = (
        "import numpy as np, torch, edgekit, sys, tempfile, pathlib\n"
        "folder = pathlib.Path(tempfile.mkdtemp())\n"
        "assert edgekit.convert(torch.nn.Linear(4, 3), 'tflite', samples=np.ones((1, 4), 'f4'),"
        " output=folder / 'm.edge')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""


def test_errors_cross_processes() -> None:
    error = InputError("a", "b", "c")
    again = EdgekitError.from_json(json.loads(json.dumps(error.to_json())))
    assert (type(again), str(again)) == (InputError, str(error))


def test_sparse_samples_are_refused_with_what_to_do() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(InputError, match=r"they are sparse; give samples\.toarray"):
        edgekit.convert("model.onnx", to="onnx", samples=sparse.csr_matrix([[1.0]]))
