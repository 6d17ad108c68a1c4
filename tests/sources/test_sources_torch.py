"""PyTorch's files and live objects as sources."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.errors import InputError
from edgekit.sources import LoadRequest, open_source, wrap_object

torch = pytest.importorskip("torch")
nn = torch.nn
X = np.linspace(-1, 1, 8, dtype="f4").reshape(2, 4)


class Network(nn.Module):  # type: ignore[name-defined,misc]
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.linear = nn.BatchNorm1d(4), nn.Linear(4, 3)

    def forward(self, x):  # type: ignore[no-untyped-def]
        return self.linear(self.norm(x))


def network() -> Any:
    torch.manual_seed(0)
    model = Network()
    with torch.no_grad():
        model.norm.running_mean += 0.5
    return model


@pytest.fixture
def want() -> np.ndarray[Any, Any]:
    with torch.no_grad():
        return network().eval()(torch.from_numpy(X)).numpy()  # type: ignore[no-any-return]


def answer(model: str | Path, **said: Any) -> np.ndarray[Any, Any]:
    source = open_source(LoadRequest(str(model), **{"example": {"x": X}, "dynamic": ("batch",), **said}))
    return source.predict({"x": X})["output_0"]


def refusal(model: str | Path, **said: Any) -> str:
    with pytest.raises(InputError) as caught:
        open_source(LoadRequest(str(model), **{"example": {"x": X}, **said}))
    return str(caught.value)


def test_an_exported_program_with_an_open_batch(tmp_path: Path, want: Any) -> None:
    program = torch.export.export(
        network().eval(), (torch.zeros(2, 4),), dynamic_shapes={"x": {0: torch.export.Dim("n", min=1)}}
    )
    torch.export.save(program, tmp_path / "m.pt2")
    np.testing.assert_allclose(answer(tmp_path / "m.pt2"), want, atol=1e-6)
    source = open_source(LoadRequest(str(tmp_path / "m.pt2"), dynamic=("batch",)))
    assert [str(spec) for spec in (*source.signature.inputs, *source.signature.outputs)] == [
        "x: float32[N, 4]", "output_0: float32[N, 3]",
    ]  # fmt: skip
    assert (source.provenance.file, len(source.provenance.sha256 or "")) == ("m.pt2", 64)


@pytest.mark.parametrize("kind", ["traced", "scripted"])
def test_torchscript(tmp_path: Path, want: Any, kind: str) -> None:
    model = network().eval()
    script = torch.jit.script(model) if kind == "scripted" else torch.jit.trace(model, torch.zeros(2, 4))
    script.save(str(tmp_path / "m.pt"))
    np.testing.assert_allclose(answer(tmp_path / "m.pt"), want, atol=1e-6)


def test_torchscript_saved_in_training_answers_in_evaluation(tmp_path: Path, want: Any) -> None:
    torch.jit.script(network()).save(str(tmp_path / "m.pt"))
    np.testing.assert_allclose(answer(tmp_path / "m.pt"), want, atol=1e-6)


@pytest.fixture
def factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "nets_of_torch.py").write_text(
        "import torch\n"
        "class Network(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.norm, self.linear = torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 3)\n"
        "    def forward(self, x):\n"
        "        return self.linear(self.norm(x))\n"
        "def build():\n    return Network()\n"
        "def needs(size):\n    return Network()\n"
        "constant = 3\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "nets_of_torch", raising=False)
    return "nets_of_torch:build"


def test_a_factory_with_safetensors(factory: str, want: Any) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    safetensors.save_file(network().state_dict(), "w.safetensors")
    np.testing.assert_allclose(answer(factory, weights="w.safetensors"), want, atol=1e-6)
    assert "weights alone say nothing of the network" in refusal("w.safetensors")
    Path("w.safetensors").write_bytes(Path("w.safetensors").read_bytes()[:40])
    assert "truncated or not a safetensors file" in refusal(factory, weights="w.safetensors")


@pytest.mark.parametrize("nested", [None, "state_dict", "model_state_dict", "model"])
def test_a_factory_with_a_state_dict(factory: str, want: Any, nested: str | None) -> None:
    state = network().state_dict()
    torch.save({nested: state, "epoch": 3} if nested else state, "w.pt")
    np.testing.assert_allclose(answer(factory, weights="w.pt"), want, atol=1e-6)


def as_saved_on_cuda(path: Path) -> None:
    """The same checkpoint as a machine with a GPU writes it: each storage's location says cuda:0."""
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            if name.endswith("data.pkl"):
                # BINUNICODE, its length, its text.
                assert content.count(b"X\x03\x00\x00\x00cpu") == 1
            archive.writestr(name, content.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0"))


def test_a_state_dict_saved_on_cuda(factory: str, want: Any) -> None:
    torch.save(network().state_dict(), "w.pt")
    as_saved_on_cuda(Path("w.pt"))
    if not torch.cuda.is_available():
        with pytest.raises(RuntimeError, match="CUDA"):
            torch.load("w.pt")
    np.testing.assert_allclose(answer(factory, weights="w.pt"), want, atol=1e-6)


def test_a_module_saved_whole_on_cuda_needs_trust(factory: str, want: Any, tmp_path: Path) -> None:
    import importlib

    model = importlib.import_module("nets_of_torch").build()
    model.load_state_dict(network().state_dict())
    torch.save(model, "whole.pt")
    as_saved_on_cuda(Path("whole.pt"))
    assert "unpickling runs code; if you trust its origin, add --trust" in refusal("whole.pt")
    np.testing.assert_allclose(answer("whole.pt", trust=True), want, atol=1e-6)


def test_loading_without_trust_runs_nothing(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "ran",)

    torch.save({"w": Evil()}, tmp_path / "m.pt")
    for said in ({}, {"weights": str(tmp_path / "m.pt")}):
        refusal(tmp_path / "m.pt" if not said else "torch.nn:Identity", **said)
    assert not (tmp_path / "ran").exists()


def test_wrong_weights_say_which(factory: str) -> None:
    state = network().state_dict()
    del state["linear.bias"]
    state["head.bias"] = torch.zeros(3)
    state["linear.weight"] = torch.zeros(5, 4)
    torch.save(state, "w.pt")
    message = refusal(factory, weights="w.pt")
    assert (
        "1 missing (linear.bias); 1 unknown (head.bias); "
        "1 of another shape (linear.weight is [5, 4], the network's [3, 4])" in message
    )


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("nets_of_torch:absent", "nets_of_torch has no callable 'absent'; it has: Network, build, needs"),
        ("nets_of_torch:constant", "nets_of_torch has no callable 'constant'"),
        ("nets_of_torch:needs", "needs() raised TypeError"),
        ("no_such_nets:build", "no module named 'no_such_nets'"),
        ("gone.pt2", "no such file or folder"),
    ],
)
def test_wrong_factories_and_paths(factory: str, model: str, message: str) -> None:
    assert message in refusal(model)


@pytest.mark.parametrize("suffix", [".pt", ".pt2", ".pth"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04" + b"\0" * 50, b"\x80\x02}q\x00.", b"hello"])
def test_damaged_files(tmp_path: Path, suffix: str, content: bytes) -> None:
    (tmp_path / f"m{suffix}").write_bytes(content)
    assert refusal(tmp_path / f"m{suffix}").startswith(f"load {tmp_path / f'm{suffix}'}: ")


def test_a_truncated_file_of_each_kind(tmp_path: Path) -> None:
    torch.export.save(torch.export.export(network().eval(), (torch.zeros(2, 4),)), tmp_path / "a.pt2")
    torch.jit.script(network().eval()).save(str(tmp_path / "b.pt"))
    torch.save(network().state_dict(), tmp_path / "c.pt")
    assert "a state dict holds weights and no network; give the code too" in refusal(tmp_path / "c.pt")
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
        assert refusal(path).startswith(f"load {path}: ")


# --- live objects


def test_predict_changes_neither_inputs_nor_earlier_answers() -> None:
    class Counting(nn.Module):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("seen", torch.zeros(1, 4))

        def forward(self, x):  # type: ignore[no-untyped-def]
            self.seen += x
            return self.seen, x.add_(1)

    source = wrap_object(Counting(), LoadRequest("m", shapes={"x": (1, 4)}))
    source.module.seen.zero_()
    x = np.ones((1, 4), "f4")
    x.setflags(write=False)
    first = source.predict({"x": x})["output_0"]
    source.predict({"x": x})
    assert first.tolist() == [[1, 1, 1, 1]]
    assert x.tolist() == [[1, 1, 1, 1]]


def test_a_failure_of_forward_says_what_it_was_given() -> None:
    with pytest.raises(
        InputError, match=r"run m on x: float32\[1, 5\]: mat1 and mat2|run m on x: float32\[1, 5\]: .*4"
    ):
        wrap_object(Network().eval(), LoadRequest("m", shapes={"x": (1, 5)}))


def test_text_is_refused() -> None:
    with pytest.raises(InputError, match="torch has no tensors of string"):
        wrap_object(Network(), LoadRequest("m", example={"x": np.array([["a"]])}))


def test_outputs_that_are_no_tensors_are_refused_and_the_mode_given_back() -> None:
    class Number(nn.Module):  # type: ignore[name-defined,misc]
        def forward(self, x):  # type: ignore[no-untyped-def]
            return {"y": x, "loss": 3.0}

    model = Number()
    with pytest.raises(InputError, match="output loss: it is a float, not a tensor"):
        wrap_object(model, LoadRequest("m", shapes={"x": (1, 5)}))
    assert model.training


def test_an_object_of_no_framework_is_refused() -> None:
    with pytest.raises(InputError, match="convert an object of type dict: it is no model of a known framework"):
        wrap_object({}, LoadRequest("m"))


def test_edgekit_imports_no_framework() -> None:
    frameworks = "{'torch', 'tensorflow', 'onnx', 'coremltools'}"
    code = f"import sys, edgekit.sources, edgekit.convert; print(sorted({frameworks} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
