"""Core ML's schemes: integers whose ranges the reference tells, four bits in blocks, half precision of any package."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

import edgekit
from edgekit.convert.coreml_file import import_coremltools, oldest_system
from edgekit.coreml_reference import open_model
from edgekit.coreml_reference.evaluator import Evaluator
from edgekit.coreml_reference.program import Constant, Name, Operation
from edgekit.errors import ConversionError, InputError
from edgekit.quantize import coreml_integer
from edgekit.quantize.calibration import Calibration
from edgekit.quantize.coreml_layers import functions, input_counts, layers_of, operations
from edgekit.quantize.ranges import METHODS, Spread
from edgekit.quantize.registry import get
from edgekit.samples import Samples

torch = pytest.importorskip("torch")
pytest.importorskip("coremltools")

DIGITS, LABELS = load_digits(return_X_y=True)
IMAGES = (DIGITS / 16).astype(np.float32).reshape(-1, 1, 8, 8)
RANDOM = np.random.default_rng(0)


class Network(torch.nn.Module):  # type: ignore[name-defined,misc]
    """What a convolutional network is made of, with widths that blocks of 32 divide and others."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(1, 48, 3, padding=1)
        self.second = torch.nn.Conv2d(48, 48, 3, padding=1)
        self.normal = torch.nn.BatchNorm2d(48)
        self.narrow = torch.nn.Conv2d(48, 37, 1)
        self.up = torch.nn.ConvTranspose2d(37, 32, 2, stride=2)
        self.last = torch.nn.Linear(32 * 64, 10)

    def forward(self, x):  # type: ignore[no-untyped-def]
        x = torch.relu(self.first(x))
        x = torch.relu(x + self.normal(self.second(x)))
        x = torch.nn.functional.gelu(self.up(torch.relu(self.narrow(x))))
        return self.last(torch.nn.functional.max_pool2d(x, 2).flatten(1))


@pytest.fixture(scope="module")
def network() -> Any:
    torch.manual_seed(0)
    made = Network()
    optimizer = torch.optim.Adam(made.parameters(), 3e-3)
    x, y = torch.from_numpy(IMAGES[:300]), torch.from_numpy(LABELS[:300])
    for _ in range(20):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(made(x), y).backward()
        optimizer.step()
    return made.eval()


def package(module: Any, path: Path, **inputs: tuple[int, ...] | Any) -> Path:
    """A float32 package of a torch module, as its converter writes it."""
    ct = import_coremltools("torch")
    described = [ct.TensorType(name=n, shape=s) if isinstance(s, tuple) else s for n, s in inputs.items()]
    options = {} if path.stem != "classifier" else {"classifier_config": ct.ClassifierConfig(list("abcdefghij"))}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Output, .* has been renamed", UserWarning)
        traced = torch.jit.trace(module.eval(), tuple(torch.rand(one.shape.to_list()) for one in described))
        made = ct.convert(
            traced,
            inputs=described,
            convert_to="mlprogram",
            compute_precision=ct.precision.FLOAT32,
            minimum_deployment_target=ct.target.iOS15,
            skip_model_load=True,
            **options,
        )
    made.save(str(path))
    return path


@pytest.fixture(scope="module")
def plain(network: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package(network, tmp_path_factory.mktemp("plain") / "plain.mlpackage", x=(1, 1, 8, 8))


def calibration(samples: np.ndarray[Any, Any] = IMAGES[400:440], name: str = "x", **given: Any) -> Calibration:
    return Calibration(Samples({name: samples}, batched=True), dict, **given)


def answer(path: Path, **inputs: Any) -> Any:
    return next(iter(open_model(path).predict(inputs).values()))


def sqnr(original: Any, found: Any) -> float:
    return float(10 * np.log10(np.square(original).sum() / np.square(original - found).sum()))


def test_the_command_makes_and_executes_them(network: Any, tmp_path: Path) -> None:
    schemes = ["int8", "int4-weights", "palette3", "float16"]
    result = edgekit.convert(
        network, "coreml", samples=IMAGES[1200:1300], quantize=schemes, output=tmp_path / "m.edge", ranges="percentile"
    )
    assert result, str(result)
    rows = {row["scheme"]: row for row in result.artifacts}
    # Of float32's bytes, and of the signal.
    for scheme, (share, least, most) in {
        "int8": (0.4, 25, 60), "int4-weights": (0.25, 15, 50), "palette3": (0.2, 12, 40), "float16": (0.6, 55, 90)
    }.items():  # fmt: skip
        verdict = rows[scheme]["verdict"]
        assert rows[scheme]["bytes"] < share * rows["float32"]["bytes"], scheme
        assert least < verdict["sqnr_db"] < most, scheme
        assert verdict["executed_by"] == "edgekit Core ML reference"
    assert "ranges by percentile of 50 samples" in rows["int8"]["verdict"]["notes"]
    manifest = edgekit.Bundle.open(tmp_path / "m.edge").manifest
    oldest = {artifact.scheme: artifact.runtimes["Core ML"] for artifact in manifest.artifacts}
    assert oldest == {
        "float32": "iOS 15", "int8": "iOS 17", "int4-weights": "iOS 18", "palette3": "iOS 18", "float16": "iOS 16"
    }  # fmt: skip


def test_activations_between_layers_are_integers(plain: Path, tmp_path: Path) -> None:
    made = tmp_path / "int8.mlpackage"
    assert get("coreml", "int8")(plain, made, calibration()) == 5
    (function,) = functions(made).values()
    by_output = {one.name: operation for operation in function.block.operations for one in operation.outputs}
    for layer in layers_of(function):
        assert {by_output[name].type for name in layer.takes} == {"dequantize"}, layer
    # Rounded once its function is computed, not between a layer and its ReLU.
    kinds = [
        by_output[value.name].type
        for operation in function.block.operations
        if operation.type == "relu"
        for value in operation.inputs["x"]
        if isinstance(value, Name)
    ]
    assert sorted(kinds) == ["add", "conv", "conv"]
    assert by_output[function.block.outputs[0]].type == "linear", "the model's output is not rounded"
    # Pixels have no sign, and reach 1.
    (first,) = [
        one for one in function.block.operations if one.type == "quantize" and one.inputs["input"] == (Name("x"),)
    ]
    assert constant(made, first, "output_dtype") == "uint8"
    assert constant(made, first, "scale") == pytest.approx(1 / 255)
    assert {constant(made, one, "output_dtype") for one in operations(made) if one.type == "quantize"} == {
        "int8",
        "uint8",
    }


def constant(model: Path, operation: Operation, parameter: str) -> Any:
    return held(model, operation, parameter).item()


def held(model: Path, operation: Operation, parameter: str) -> Any:
    """A parameter that stands in the program, as an array."""
    (argument,) = operation.inputs[parameter]
    if isinstance(argument, Name):
        (found,) = [one for one in operations(model) if one.outputs[0].name == argument.name]
        (argument,) = found.inputs["val"]
    assert isinstance(argument, Constant)
    return np.asarray(argument.value)


def test_integers_answer_as_numpys_arithmetic(tmp_path: Path) -> None:
    torch.manual_seed(1)
    first, second = torch.nn.Linear(24, 40), torch.nn.Linear(40, 6)
    plain = package(torch.nn.Sequential(first, torch.nn.ReLU(), second), tmp_path / "p.mlpackage", x=(1, 24))
    rows = RANDOM.normal(size=(60, 24)).astype(np.float32)
    made = tmp_path / "q.mlpackage"
    assert get("coreml", "int8")(plain, made, calibration(rows[:40])) == 2

    def rounded(values: Any, scale: Any, low: int, high: int) -> Any:
        return np.clip(np.rint(values / scale), low, high) * scale

    def weights(layer: Any) -> Any:
        values = layer.weight.detach().numpy()
        return rounded(values, np.abs(values).max(axis=1, keepdims=True) / 127, -127, 127)

    hidden = np.maximum(rows @ first.weight.detach().numpy().T + first.bias.detach().numpy(), 0)
    x = rounded(rows[40:], np.abs(rows[:40]).max() / 127, -127, 127)
    x = np.maximum(x @ weights(first).T + first.bias.detach().numpy(), 0)
    x = rounded(x, hidden[:40].max() / 255, 0, 255)
    x = x @ weights(second).T + second.bias.detach().numpy()
    found = np.concatenate([answer(made, x=row[None]) for row in rows[40:]])
    # Float32 sums in another order can turn a few halves.
    assert np.abs(found - x).max() < 0.005
    assert np.median(np.abs(found - x)) < 1e-6
    assert 25 < sqnr(np.concatenate([answer(plain, x=row[None]) for row in rows[40:]]), found) < 60


@pytest.mark.parametrize("method", METHODS)
def test_ranges_by_every_method(method: str, plain: Path, tmp_path: Path) -> None:
    loud = IMAGES[400:850].copy()
    loud[7, 0, 0, 0] = 300
    made = tmp_path / "m.mlpackage"
    assert get("coreml", "int8")(plain, made, calibration(loud, method=method))
    (first,) = [one for one in operations(made) if one.type == "quantize" and one.inputs["input"] == (Name("x"),)]
    assert (constant(made, first, "scale") > 1) == (method == "minmax"), "the one loud sample is cut off, or it is not"


def test_samples_pass_through_once_and_no_value_is_kept(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[int] = []
    evaluate = Evaluator.run
    monkeypatch.setattr(Evaluator, "run", lambda *given: runs.append(1) or evaluate(*given))  # type: ignore[func-returns-value]
    samples = calibration(IMAGES[400:420])
    for method in METHODS:
        again = Calibration(samples.samples, dict, method, seen=samples.seen)
        assert coreml_integer._integers(coreml_integer._opened(plain), again)
    assert len(runs) == 20
    assert {type(one) for one in samples.seen["coreml"].values()} == {Spread}


def test_layers_left_in_float(plain: Path, tmp_path: Path) -> None:
    names = coreml_integer.layers(plain)
    assert len(names) == 5
    made = tmp_path / "m.mlpackage"
    assert get("coreml", "int8")(plain, made, calibration(skip=frozenset(names[1:3]))) == 3
    kinds = {one.name: one.type for one in operations(made)}
    weights = [kinds[layer.weight] for layer in layers_of(functions(made)["main"]) if layer.weight]
    assert weights == [
        "constexpr_affine_dequantize", "const", "const", "constexpr_affine_dequantize", "constexpr_affine_dequantize"
    ]  # fmt: skip
    alone = tmp_path / "alone.mlpackage"
    assert get("coreml", "int8")(plain, alone, calibration(only=frozenset(names[4:]))) == 1
    # What it takes; what it gives is the model's output.
    assert sum(one.type == "quantize" for one in operations(alone)) == 1
    x = IMAGES[500:501]
    assert sqnr(answer(plain, x=x), answer(alone, x=x)) > sqnr(answer(plain, x=x), answer(made, x=x)) > 20


def test_four_bits_in_the_blocks_that_divide(plain: Path, tmp_path: Path) -> None:
    made = tmp_path / "m.mlpackage"
    # The first convolution has 432 weights, which is too few.
    assert get("coreml", "int4-weights")(plain, made, None) == 4
    assert sorted(input_counts(plain).values()) == [1, 37, 48, 48, 2048]
    found = {one.name: one for one in operations(made) if one.type == "constexpr_blockwise_shift_scale"}
    scales = [held(made, one, "scale").shape for one in found.values()]
    # Of 48 inputs there are two blocks of 24; 37, which a transposed convolution has first, share one scale.
    assert set(scales) == {(10, 64), (1, 32, 1, 1), (37, 2, 1, 1), (48, 2, 1, 1)}
    (last,) = (one for one in found.values() if held(made, one, "scale").shape == (10, 64))
    (wanted,) = (
        held(plain, one, "val") for one in operations(plain) if one.type == "const" and one.name == "last_weight"
    )
    blocks = wanted.reshape(10, 64, 32)
    scale = np.abs(blocks).max(axis=2) / 7
    np.testing.assert_allclose(held(made, last, "scale"), scale, rtol=1e-5)
    np.testing.assert_array_equal(held(made, last, "data").reshape(10, 64, 32), np.rint(blocks / scale[..., None]))
    x = IMAGES[500:501]
    assert 12 < sqnr(answer(plain, x=x), answer(made, x=x)) < 50


def test_tables_of_eight(plain: Path, tmp_path: Path) -> None:
    made = tmp_path / "m.mlpackage"
    assert get("coreml", "palette3")(plain, made, None) == 4
    found = [one for one in operations(made) if one.type == "constexpr_lut_to_dense"]
    assert {held(made, one, "lut").shape[-2] for one in found} == {8}
    assert oldest_system(made) == "iOS 18"


class Told(torch.nn.Module):  # type: ignore[name-defined,misc]
    """An embedding, a recurrent layer and a linear one."""

    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.words, self.layer, self.last = torch.nn.Embedding(60, 32), kind(32, 40, batch_first=True), None
        self.last = torch.nn.Linear(40, 5)

    def forward(self, tokens):  # type: ignore[no-untyped-def]
        return self.last(self.layer(self.words(tokens))[0][:, -1])


@pytest.mark.parametrize("kind", [torch.nn.LSTM, torch.nn.GRU])
def test_words_and_recurrent_layers(kind: Any, tmp_path: Path) -> None:
    torch.manual_seed(0)
    result = edgekit.convert(
        Told(kind).eval(),
        "coreml",
        samples=RANDOM.integers(0, 60, (40, 7)),
        quantize=["int8", "int4-weights"],
        output=tmp_path / "m.edge",
    )
    assert result, str(result)
    rows = {row["scheme"]: row for row in result.artifacts}
    for scheme in ("int8", "int4-weights"):
        assert rows[scheme]["bytes"] < 0.6 * rows["float32"]["bytes"]


class Wide(torch.nn.Module):  # type: ignore[name-defined,misc]
    """Activations far beyond half precision, some that are always zero, and one that is an output as well."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.dead, self.last = (torch.nn.Linear(16, 16) for _ in range(3))
        torch.nn.init.constant_(self.dead.weight, 0)
        torch.nn.init.constant_(self.dead.bias, -1)

    def forward(self, x):  # type: ignore[no-untyped-def]
        loud = self.first(x) * 1e7
        return loud, self.last(loud) * 1e-7 + self.last(torch.relu(self.dead(x)))


def test_ranges_that_half_precision_lacks(tmp_path: Path) -> None:
    torch.manual_seed(0)
    plain = package(Wide(), tmp_path / "wide.mlpackage", x=(1, 16))
    rows = RANDOM.normal(size=(40, 16)).astype(np.float32)
    made = tmp_path / "int8.mlpackage"
    assert get("coreml", "int8")(plain, made, calibration(rows)) == 4
    opened, original = open_model(made), open_model(plain)
    assert [one.name for one in opened.outputs] == [one.name for one in original.outputs]
    rounded = {one.name for step in operations(made) if step.type == "dequantize" for one in step.outputs}
    assert rounded
    assert not rounded & {one.name for one in opened.outputs}, "what is an output too is rounded for its readers only"
    for row in rows[:5]:
        found, wanted = opened.predict({"x": row[None]}), original.predict({"x": row[None]})
        for name in wanted:
            assert sqnr(wanted[name], found[name]) > 25, name


def test_a_batch_stays_open(network: Any, tmp_path: Path) -> None:
    result = edgekit.convert(
        network,
        "coreml",
        samples=IMAGES[1200:1240],
        quantize=["int8", "int4-weights"],
        dynamic="batch",
        output=tmp_path / "m.edge",
    )
    assert result, str(result)
    for scheme in ("int8", "int4-weights"):
        session = edgekit.load(tmp_path / "m.edge", scheme=scheme)
        (name,) = session.signature.output_names
        alone = [session.run({session.signature.input_names[0]: IMAGES[place : place + 1]})[name] for place in range(3)]
        together = session.run({session.signature.input_names[0]: IMAGES[:3]})[name]
        np.testing.assert_allclose(together, np.concatenate(alone), atol=1e-4)


class Picture(torch.nn.Module):  # type: ignore[name-defined,misc]
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = torch.nn.Conv2d(3, 16, 3), torch.nn.Linear(16 * 196, 10)

    def forward(self, x):  # type: ignore[no-untyped-def]
        return torch.softmax(self.last(torch.relu(self.first(x / 255)).flatten(1)), 1)


@pytest.mark.parametrize("name", ["picture", "classifier"])
def test_packages_that_exist_already(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    ct = import_coremltools("torch")
    takes = ct.ImageType(name="x", shape=(1, 3, 16, 16)) if name == "picture" else (1, 3, 16, 16)
    plain = package(Picture(), tmp_path / f"{name}.mlpackage", x=takes)
    pixels = RANDOM.integers(0, 256, (40, 16, 16, 3), np.uint8)
    samples = pixels if name == "picture" else pixels.transpose(0, 3, 1, 2)[:, None].astype(np.float32)
    result = edgekit.convert(
        plain,
        "coreml",
        samples={"x": samples},
        quantize=["float16", "int8", "int4-weights"],
        output=tmp_path / "m.edge",
    )
    assert result, str(result)
    rows = {row["scheme"]: row for row in result.artifacts}
    assert rows["float16"]["bytes"] < 0.6 * rows["float32"]["bytes"]
    assert 50 < rows["float16"]["verdict"]["sqnr_db"] < 90
    assert 20 < rows["int8"]["verdict"]["sqnr_db"] < 80
    assert edgekit.load(tmp_path / "m.edge", scheme="float16").signature.outputs


def test_refusals(plain: Path, tmp_path: Path) -> None:
    ct = import_coremltools("torch")
    made = tmp_path / "made.mlpackage"
    # What is in half precision already has nothing to halve.
    assert get("coreml", "float16")(plain, made, None) > 10
    assert get("coreml", "float16")(made, tmp_path / "again.mlpackage", None) == 0
    several = ct.utils.MultiFunctionDescriptor()
    several.add_function(str(plain), "main", "one")
    several.add_function(str(plain), "main", "two")
    several.default_function_name = "one"
    ct.utils.save_multifunction(several, str(tmp_path / "several.mlpackage"))
    for scheme in ("int8", "int4-weights", "float16", "int8-weights"):
        with pytest.raises(ConversionError, match="it has the functions one, two, and coremltools quantizes"):
            get("coreml", scheme)(tmp_path / "several.mlpackage", made, calibration())
    old = ct.models.MLModel(network_of_old(), skip_model_load=True)
    old.save(str(tmp_path / "old.mlmodel"))
    with pytest.raises(ConversionError, match="for ML Programs, and this is a neuralNetwork"):
        get("coreml", "int8")(tmp_path / "old.mlmodel", made, calibration())
    with pytest.raises(InputError, match="all samples are the same"):
        edgekit.convert(
            plain, "coreml", samples=np.repeat(IMAGES[:1], 40, axis=0), quantize="int8", output=tmp_path / "m.edge"
        )


def network_of_old() -> Any:
    """The oldest kind of network: ReLU."""
    from coremltools.models import datatypes
    from coremltools.models.neural_network import NeuralNetworkBuilder

    builder = NeuralNetworkBuilder([("x", datatypes.Array(3))], [("y", datatypes.Array(3))])
    builder.add_activation("relu", "RELU", "x", "y")
    return builder.spec


def test_a_model_without_layers_is_an_error(tmp_path: Path) -> None:
    class Plain(torch.nn.Module):  # type: ignore[name-defined,misc]
        def forward(self, x):  # type: ignore[no-untyped-def]
            return torch.nn.functional.max_pool2d(x, 2) * 2

    result = edgekit.convert(
        Plain(), "coreml", samples=IMAGES[:40], quantize=["int8", "int4-weights"], output=tmp_path / "m.edge"
    )
    assert [row["scheme"] for row in result.artifacts] == ["float32"]
    assert len(result.failed) == 2
    for failure in result.failed:
        assert isinstance(failure.error, ConversionError)
        assert "not one tensor of this model was quantized" in str(failure.error)
