"""PyTorch models after quantization-aware training: their own scales stand in the file, and integers are multiplied."""

from __future__ import annotations

import copy
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

import edgekit
from edgekit.convert.request import ConvertRequest
from edgekit.convert.trained_ranges import require_scales
from edgekit.errors import ConversionError, InputError
from edgekit.samples import RawSamples
from edgekit.signature import Array
from edgekit.tune import tune

torch = pytest.importorskip("torch")
pytest.importorskip("torchao")
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("litert_torch")

DIGITS, LABELS = load_digits(return_X_y=True)
IMAGES = (DIGITS / 16).astype(np.float32).reshape(-1, 1, 8, 8)
SAMPLES = IMAGES[1200:1260]


class Network(torch.nn.Module):  # type: ignore[name-defined,misc]
    """A small convolutional network, between the stubs that torch.ao.quantization wants."""

    def __init__(self) -> None:
        super().__init__()
        quantization = torch.ao.quantization
        self.quant, self.dequant = quantization.QuantStub(), quantization.DeQuantStub()
        self.conv, self.bn, self.relu = torch.nn.Conv2d(1, 8, 3, padding=1), torch.nn.BatchNorm2d(8), torch.nn.ReLU()
        self.fc, self.relu2 = torch.nn.Linear(512, 32), torch.nn.ReLU()
        self.out = torch.nn.Linear(32, 10)

    def forward(self, x):  # type: ignore[no-untyped-def]
        x = self.relu(self.bn(self.conv(self.quant(x)))).flatten(1)
        return self.dequant(self.out(self.relu2(self.fc(x))))


def trained(module: Any, steps: int = 25) -> Any:
    """A few steps on handwritten digits: weights and ranges that no seed alone gives."""
    optimizer = torch.optim.Adam(module.parameters(), 3e-3)
    x, y = torch.from_numpy(IMAGES[:600]), torch.from_numpy(LABELS[:600])
    for _ in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(module(x), y).backward()
        optimizer.step()
    return module


def network(seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return Network().train()


def eager(backend: str = "qnnpack") -> Any:
    """torch.ao.quantization's own way: fake quantization as modules, batch normalization inside the layer."""
    quantization = torch.ao.quantization
    module = network()
    module.qconfig = quantization.get_default_qat_qconfig(backend)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates it in favour of torchao
        module = quantization.fuse_modules_qat(module, [["conv", "bn", "relu"], ["fc", "relu2"]])
        return trained(quantization.prepare_qat(module)).eval()


def prepared_program(kind: str) -> Any:
    """torchao's way, up to the end of training."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torchao.quantization.pt2e.quantize_pt2e import prepare_qat_pt2e

        quantizer: Any
        if kind == "signed":
            from torchao.testing.pt2e._xnnpack_quantizer import XNNPACKQuantizer, get_symmetric_quantization_config

            quantizer = XNNPACKQuantizer()
            quantizer.set_global(get_symmetric_quantization_config(is_per_channel=True, is_qat=True))
        else:
            from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

            quantizer = x86.X86InductorQuantizer()
            quantizer.set_global(x86.get_default_x86_inductor_quantization_config(is_qat=True))
        batch = ({0: torch.export.Dim("batch")},)
        program = torch.export.export(network(), (torch.from_numpy(IMAGES[:2]),), dynamic_shapes=batch)
        return trained(prepare_qat_pt2e(program.module(), quantizer))


def converted_program(kind: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torchao.quantization.pt2e import move_exported_model_to_eval
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e

        module = move_exported_model_to_eval(prepared_program(kind))
        return torch.export.export(convert_pt2e(module), (torch.from_numpy(IMAGES[:1]),))


@pytest.fixture(scope="module")
def programs() -> dict[str, Any]:
    return {kind: converted_program(kind) for kind in ("signed", "unsigned")}


def own_scales(program: Any) -> set[float]:
    """Of a program's activations and weights, read from its graph and its buffers."""
    module, found = program.module(), set()
    for node in module.graph.nodes:
        if "quantized_decomposed.dequantize" in str(node.target):
            scale = node.args[1]
            found |= {scale} if isinstance(scale, float) else set(getattr(module, scale.target).tolist())
    return {float(np.float32(one)) for one in found}


def file_scales(bundle: Path, target: str) -> set[float]:
    """Of all that a file holds or computes in integers."""
    opened = edgekit.Bundle.open(bundle)
    content = bytes(opened.model_bytes(opened.artifact(target, "int8")))
    if target == "onnx":
        graph = onnx.load_from_string(content).graph
        held = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
        rounding = [node for node in graph.node if node.op_type in {"QuantizeLinear", "DequantizeLinear"}]
        return {float(one) for node in rounding for one in held[node.input[1]].reshape(-1)}
    from ai_edge_litert.interpreter import Interpreter

    details = Interpreter(model_content=content).get_tensor_details()
    return {float(one) for detail in details for one in detail["quantization_parameters"]["scales"]}


def operators(bundle: Path, target: str, tmp_path: Path) -> Counter[str]:
    """What the runtime executes of a file."""
    opened = edgekit.Bundle.open(bundle)
    content = bytes(opened.model_bytes(opened.artifact(target, "int8")))
    if target == "onnx":
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath, options.log_severity_level = str(tmp_path / "optimized.onnx"), 4
        onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        return Counter(node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node)
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content)
    dtypes = {detail["index"]: np.dtype(detail["dtype"]).name for detail in interpreter.get_tensor_details()}
    return Counter(f"{op['op_name']} {dtypes[op['outputs'][0]]}" for op in interpreter._get_ops_details())


def decibels(row: dict[str, Any]) -> float:
    """The SQNR of an artifact, infinite where every output is the original's to the bit."""
    verdict = row["verdict"]
    return float("inf") if verdict["identical"] else float(verdict["sqnr_db"])


def check(result: Any, path: Path, target: str, scales: set[float]) -> None:
    """One artifact, int8, with every trained scale to the bit and answers that hardly differ."""
    assert result, str(result)
    (row,) = result.artifacts
    assert row["scheme"] == "int8"
    assert decibels(row) > 45
    assert "ranges and weights as training left them" in row["verdict"]["notes"]
    assert len(scales) >= 7  # three layers' weights and what they take and give, at least
    assert scales <= file_scales(path, target)
    assert edgekit.load(path, target=target).self_test()


@pytest.mark.parametrize(("kind", "target"), [("signed", "onnx"), ("signed", "tflite"), ("unsigned", "onnx")])
def test_torchaos_programs(kind: str, target: str, programs: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "m.edge"
    result = edgekit.convert(programs[kind], target, samples=SAMPLES, quantize="int8", output=path)
    check(result, path, target, own_scales(programs[kind]))
    if kind == "signed":  # the other quantizer leaves what follows its layers in float
        wanted = {"QLinearConv": 1, "QGemm": 2} if target == "onnx" else {"FULLY_CONNECTED int8": 2}
        ran = operators(path, target, tmp_path)
        assert {name: ran[name] for name in wanted} == wanted, ran


def test_a_layer_that_would_become_float_is_no_int8(programs: dict[str, Any], tmp_path: Path) -> None:
    # Its last layer gives reals: TFLite's converter would widen the weights, and lose their scales.
    result = edgekit.convert(programs["unsigned"], "tflite", samples=SAMPLES, output=tmp_path / "m.edge")
    (failure,) = result.failed
    assert isinstance(failure.error, ConversionError)
    assert str(failure.error).startswith("keep the trained ranges in tflite: the file lacks 10 of ")
    assert result.bundle is None


def test_a_saved_program_through_worker_processes(programs: dict[str, Any], tmp_path: Path) -> None:
    torch.export.save(programs["signed"], tmp_path / "net.pt2")
    path = tmp_path / "m.edge"
    result = edgekit.convert(tmp_path / "net.pt2", "onnx", samples=SAMPLES, output=path)
    check(result, path, "onnx", own_scales(programs["signed"]))


@pytest.mark.parametrize("target", ["onnx", "tflite"])
def test_fake_quantize_modules(target: str, tmp_path: Path) -> None:
    model = eager()
    before = copy.deepcopy(model.state_dict())
    fakes = [part for part in model.modules() if isinstance(part, torch.ao.quantization.FakeQuantizeBase)]
    scales = {float(one) for fake in fakes for one in fake.scale.reshape(-1)}
    path = tmp_path / "m.edge"
    result = edgekit.convert(model, target, samples=SAMPLES, output=path)
    check(result, path, target, scales)
    ran = operators(path, target, tmp_path)
    wanted = {"QLinearConv": 1, "QGemm": 2} if target == "onnx" else {"FULLY_CONNECTED int8": 2}
    assert {name: ran[name] for name in wanted} == wanted, ran
    # The user's model counts ranges again, and has counted nothing meanwhile.
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_nearer_than_ranges_from_samples(programs: dict[str, Any], tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = trained(network()).eval()
    found = edgekit.convert(
        plain, "onnx", samples=IMAGES[1200:1400], quantize="int8", only=True, allow_slower=True,
        output=tmp_path / "plain.edge",
    )  # fmt: skip
    kept = edgekit.convert(programs["signed"], "onnx", samples=SAMPLES, output=tmp_path / "kept.edge")
    (one,), (other,) = found.artifacts, kept.artifacts
    assert decibels(other) > decibels(one) + 3


def test_a_file_of_integers_says_so_and_sessions_speak_reals(programs: dict[str, Any], tmp_path: Path) -> None:
    program = programs["signed"]
    first = next(n for n in program.graph.nodes if str(n.target) == "quantized_decomposed.quantize_per_tensor.default")
    path = tmp_path / "m.edge"
    result = edgekit.convert(program, "tflite", samples=SAMPLES, integer_io=True, output=path)
    assert result, str(result)
    (binding,) = edgekit.Bundle.open(path).artifact("tflite", "int8").inputs
    assert binding.quantization is not None
    assert (binding.quantization.scale, binding.quantization.zero_point) == first.args[1:3]
    session = edgekit.load(path)
    (name,), (answer,) = session.signature.input_names, session.signature.output_names
    wanted: Array = program.module()(torch.from_numpy(IMAGES[:1])).detach().numpy()
    assert session.run({name: IMAGES[:1]})[answer].argmax() == wanted.argmax()


def test_what_else_is_asked_of_such_a_model_is_refused(programs: dict[str, Any], tmp_path: Path) -> None:
    why = "the model was quantized in training"
    asked: list[tuple[dict[str, Any], str]] = [
        ({"quantize": "float16"}, f"--quantize float16: {why}: its files are int8"),
        ({"calibration": "x.npz"}, f"--calibration: {why}"),
        ({"ranges": "entropy"}, f"--ranges: {why}"),
        ({"to": "coreml"}, f"convert torch to coreml: {why}, and torch → coreml would lose its ranges"),
        ({"integer_io": True}, "--integer-io for onnx"),
    ]
    for options, message in asked:
        with pytest.raises(InputError, match=message):
            edgekit.convert(
                programs["signed"], **{"to": "onnx", "samples": SAMPLES, "output": tmp_path / "m.edge", **options}
            )
    labels = tmp_path / "y.npy"
    np.save(labels, LABELS[:600])
    request = ConvertRequest("net", ("onnx",), metric="accuracy", labels=str(labels))
    given = RawSamples({"": IMAGES[:600]}, "nameless", "an array")
    with pytest.raises(InputError, match=f"try it in float32: {why}"):
        tune(request, tmp_path / "t.edge", drop=0.02, native=programs["signed"], given=given)


def test_models_in_the_midst_of_it_are_refused(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"samples": SAMPLES, "output": tmp_path / "m.edge"}
    with pytest.raises(InputError, match=r"prepared .* and not converted; call torchao's convert_pt2e"):
        edgekit.convert(prepared_program("signed"), "onnx", **asked)
    # torch's default for x86 keeps to 7 bits.
    with pytest.raises(InputError, match="it rounds activations to 0 … 127"):
        edgekit.convert(eager("x86"), "onnx", **asked)
    model = eager()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.backends.quantized.engine = "qnnpack"
        own = torch.ao.quantization.convert(model)
    with pytest.raises(InputError, match="give the trained model as it was before that call"):
        edgekit.convert(own, "onnx", **asked)


def test_a_file_without_a_trained_scale_is_refused(programs: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "m.edge"
    assert edgekit.convert(programs["signed"], ["onnx", "tflite"], samples=SAMPLES, unpacked=True, output=path)
    scales = own_scales(programs["signed"])
    for target, suffix in (("onnx", "onnx"), ("tflite", "tflite")):
        file = path / target / f"int8.{suffix}"
        require_scales(target, scales, file)
        with pytest.raises(ConversionError, match=f"the file lacks 1 of {len(scales) + 1} trained scales, such as 0.5"):
            require_scales(target, {*scales, 0.5}, file)
