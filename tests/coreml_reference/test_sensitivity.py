"""What a verified package is worth: any change of its meaning fails the comparison, or is refused.

Real packages are damaged one change at a time: their weights, their layers' attributes, their layers.
"""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coreml_packages import MODEL, WEIGHTS, converter, save, wanted
from handmade import set_value

from edgekit.convert import registry
from edgekit.coreml_reference import open_model
from edgekit.coreml_reference.decode import decode_program
from edgekit.coreml_reference.messages import parse_model
from edgekit.coreml_reference.package import read_package
from edgekit.coreml_reference.program import Constant
from edgekit.coreml_reference.weights import WeightFiles
from edgekit.errors import EdgekitError
from edgekit.verify.compare import compare

torch = pytest.importorskip("torch")
pytest.importorskip("coremltools")
nn, functional = torch.nn, torch.nn.functional
TOLERANCE = next(one.tolerance for one in registry.routes() if (one.source, one.target) == ("torch", "coreml"))


class Cnn(nn.Module):  # type: ignore[misc,name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.left, self.right = nn.Conv2d(8, 6, 3, padding=1), nn.Conv2d(8, 6, 1)
        self.dilated = nn.Conv2d(12, 8, 3, padding=2, dilation=2)
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Any) -> Any:
        y = functional.max_pool2d(torch.relu(self.first(x)), 2)
        y = torch.cat([torch.tanh(self.left(y)), self.right(y)], dim=1)
        y = functional.avg_pool2d(self.dilated(y), 3, stride=1, padding=1)
        return functional.softmax(self.fc(y.mean((2, 3)) * 3), dim=-1)


class Mobile(nn.Module):  # type: ignore[misc,name-defined]
    """An inverted residual with squeeze and excitation."""

    def __init__(self) -> None:
        super().__init__()
        self.expand = nn.Sequential(nn.Conv2d(6, 12, 1, bias=False), nn.BatchNorm2d(12), nn.ReLU6())
        self.depth = nn.Sequential(
            nn.Conv2d(12, 12, 3, padding=1, groups=12, bias=False), nn.BatchNorm2d(12), nn.SiLU()
        )
        self.squeeze, self.excite = nn.Conv2d(12, 4, 1), nn.Conv2d(4, 12, 1)
        self.project = nn.Sequential(nn.Conv2d(12, 6, 1, bias=False), nn.BatchNorm2d(6))

    def forward(self, x: Any) -> Any:
        y = self.depth(self.expand(x * 4))
        gate = torch.sigmoid(self.excite(functional.leaky_relu(self.squeeze(y.mean((2, 3), keepdim=True)), 0.2)))
        return x + self.project(y * gate)


class Encoder(nn.Module):  # type: ignore[misc,name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(16), nn.LayerNorm(16)
        self.query, self.key, self.value = (nn.Linear(16, 16, bias=name != "k") for name in "qkv")
        self.out, self.up, self.down = nn.Linear(16, 16), nn.Linear(16, 24), nn.Linear(24, 16)

    def forward(self, x: Any) -> Any:
        y = self.norm1(x)
        q, k, v = (one(y).reshape(2, 6, 4, 4).transpose(1, 2) for one in (self.query, self.key, self.value))
        weights = functional.softmax(torch.matmul(q * 2, k.transpose(2, 3)), dim=-1)
        x = x + self.out(torch.matmul(weights, v).transpose(1, 2).reshape(2, 6, 16))
        return x + self.down(functional.gelu(self.up(self.norm2(x))))


class Recurrent(nn.Module):  # type: ignore[misc,name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.fc = nn.LSTM(8, 12, batch_first=True), nn.Linear(12, 4)

    def forward(self, x: Any) -> Any:
        return self.fc(self.lstm(x)[0][:, -1])


SHAPES = {Cnn: (2, 3, 16, 16), Mobile: (2, 6, 6, 6), Encoder: (2, 6, 16), Recurrent: (2, 5, 8)}


@dataclass
class Case:
    """A package, and what its original answers."""

    kind: str
    package: Path
    copy: Path
    x: Any
    expected: Any

    def caught(self, change: Callable[[Any], object] | None = None, weights: bytes | None = None) -> str:
        """Why the changed package is not passed; empty where it is."""
        model = parse_model((self.package / MODEL).read_bytes())
        if change is not None:
            change(model)
        (self.copy / MODEL).write_bytes(model.SerializeToString())
        (self.copy / WEIGHTS).write_bytes(weights if weights is not None else (self.package / WEIGHTS).read_bytes())
        try:
            outputs = open_model(self.copy).predict({"x": self.x})
        except EdgekitError as error:
            return str(error)
        verdict = compare([{"output": self.expected}], [outputs], TOLERANCE, executed_by="reference")
        return "" if verdict.passed else "; ".join(verdict.outputs["output"].problems)


@pytest.fixture(scope="module", params=SHAPES, ids=lambda kind: kind.__name__)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    converter()
    kind = request.param
    folder = tmp_path_factory.mktemp(kind.__name__)
    torch.manual_seed(1)
    net = kind().eval()
    with torch.no_grad():
        for name, one in net.named_parameters():
            # Nothing that is zero or one by default, so that everything has its effect.
            one.copy_(torch.randn_like(one) * 0.4 + ("norm" in name and "weight" in name))
        for one in net.buffers():
            if one.is_floating_point():
                one.copy_(torch.rand_like(one) + 0.5)
    x = np.random.default_rng(2).standard_normal(SHAPES[kind]).astype(np.float32)
    # Large weights are no constants in the program's text only.
    package = save(net, torch.from_numpy(x), folder / "m.mlpackage")
    shutil.copytree(package, folder / "copy.mlpackage")
    return Case(kind.__name__, package, folder / "copy.mlpackage", x, wanted(net, x))


def operations(model: Any) -> Any:
    return model.mlProgram.functions[0].value.block_specializations[0].value.operations


def constants(package: Path) -> dict[str, Any]:
    """Every constant's value by name."""
    read = read_package(package)
    block = decode_program(read.model.mlProgram, WeightFiles(read.folder)).functions["main"].block
    found = {}
    for operation in block.operations:
        if operation.type == "const":
            (value,) = operation.inputs["val"]
            assert isinstance(value, Constant)
            found[operation.outputs[0].name] = value.value
    return found


def blobs(package: Path) -> Iterator[tuple[int, int, int]]:
    """Where each blob's metadata, its data and its end are in the weight file."""
    data = (package / WEIGHTS).read_bytes()
    for operation in operations(parse_model((package / MODEL).read_bytes())):
        for attribute in operation.attributes:
            if attribute.value.WhichOneof("value") == "blobFileValue":
                offset = attribute.value.blobFileValue.offset
                _, _, size, start = struct.unpack_from("<IIQQ", data, offset)
                yield offset, start, start + size


def test_the_package_as_it_is_passes(case: Case) -> None:
    assert case.caught() == ""


def test_64_bytes_of_weights(case: Case) -> None:
    data = (case.package / WEIGHTS).read_bytes()
    rng = np.random.default_rng(3)
    changes, forgotten = 0, 0
    for _, start, end in blobs(case.package):
        if case.kind == "Encoder" and not any(data[start:end]):
            # coremltools gives the keys a bias of zeros. It adds one number to all of a query's scores, which softmax
            # forgets: any bias means the same.
            noise = rng.standard_normal((end - start) // 4).astype(np.float32).tobytes()
            assert case.caught(weights=data[:start] + noise + data[end:]) == ""
            forgotten += 1
            continue
        last = max(start, end - 64)
        for place in sorted({start, start + (last - start) // 8 * 4, last}):
            length = min(64, end - place)
            noise = rng.standard_normal(length // 4).astype(np.float32).tobytes()
            assert case.caught(weights=data[:place] + noise + data[place + length :]), place
            changes += 1
    assert forgotten == (case.kind == "Encoder")
    assert changes >= {"Cnn": 15, "Mobile": 18, "Encoder": 29, "Recurrent": 18}[case.kind]


def test_bytes_between_the_weights_mean_nothing(case: Case) -> None:
    data = bytearray((case.package / WEIGHTS).read_bytes())
    used = np.zeros(len(data), bool)
    used[:8] = True
    for offset, start, end in blobs(case.package):
        # Of the metadata's 64 bytes the last 32 are reserved; data starts at multiples of 64.
        used[offset : offset + 32] = used[start:end] = True
    free = np.flatnonzero(~used)
    assert free.size
    for place in free:
        data[place] ^= 0xA5
    assert case.caught(weights=bytes(data)) == ""


def rotated(value: Any) -> list[Any]:
    return [np.roll(value, 1)] if len(set(np.ravel(value).tolist())) > 1 else []


def flipped(value: Any) -> list[Any]:
    return [not bool(value)]


def plus(value: Any, *more: int) -> Any:
    return value + np.array(more)


# Other values of an operation's parameters, which a package of another meaning would have.
ATTRIBUTES: dict[tuple[str, str], Callable[[Any], list[Any]]] = {
    ("conv", "strides"): lambda v: [v % 2 + 1, plus(v, 0, 1)],
    ("conv", "dilations"): lambda v: [v + 1, plus(v, 1, 0)],
    ("conv", "pad"): lambda v: [v + 1, v * 0, plus(v, 1, -1, 0, 0)] if v.any() else [v + 1, plus(v, 1, 0, 1, 0)],
    ("conv", "groups"): lambda v: [2 if v == 1 else 1],
    ("max_pool", "kernel_sizes"): lambda v: [v + 1, v - 1],
    ("max_pool", "strides"): lambda v: [v + 1, v - 1],
    ("avg_pool", "kernel_sizes"): lambda v: [v + 1, v - 1],
    ("avg_pool", "pad"): lambda v: [v * 0, plus(v, 1, -1, 0, 0)],
    ("avg_pool", "exclude_padding_from_average"): flipped,
    ("softmax", "axis"): lambda _: [0, -2],
    ("concat", "axis"): lambda _: [0, 2, 3],
    ("concat", "interleave"): flipped,
    ("reduce_mean", "axes"): lambda _: [[1, 2], [2], [3], [1, 2, 3]],
    ("reduce_mean", "keep_dims"): flipped,
    ("transpose", "perm"): lambda v: [np.roll(v, 1), v[::-1], np.arange(v.size)],
    ("matmul", "transpose_x"): flipped,
    ("matmul", "transpose_y"): flipped,
    ("layer_norm", "axes"): lambda _: [[1], [1, 2], [0]],
    ("layer_norm", "epsilon"): lambda _: [0.01, 0.1],
    ("leaky_relu", "alpha"): lambda v: [0.0, float(v) * 1.5, 1.0],
    ("gelu", "mode"): lambda _: ["TANH_APPROXIMATION", "SIGMOID_APPROXIMATION"],
    ("lstm", "direction"): lambda _: ["reverse"],
    ("lstm", "activation"): lambda _: ["sigmoid", "relu"],
    ("lstm", "cell_activation"): lambda _: ["sigmoid", "relu"],
    ("lstm", "recurrent_activation"): lambda _: ["tanh", "hard_sigmoid"],
    ("lstm", "output_sequence"): flipped,
    ("slice_by_index", "begin"): lambda v: [v * 0, v - 1],
    ("slice_by_index", "squeeze_mask"): lambda v: [~v],
    ("mul", "y"): lambda v: [float(v) * 1.01, -float(v)] if np.ndim(v) == 0 else [],
    ("reshape", "shape"): rotated,
    ("squeeze", "axes"): lambda v: [v + 1],
    ("expand_dims", "axes"): lambda v: [v + 1],
    ("clip", "beta"): lambda v: [float(v) * 0.5, float(v) * 2],
}
# What must have been changed where: another coremltools may write a network otherwise.
KINDS: dict[str, set[tuple[str, str]]] = {
    "Cnn": {("conv", "strides"), ("conv", "dilations"), ("conv", "pad"), ("concat", "axis"), ("softmax", "axis")},
    "Mobile": {("conv", "groups"), ("reduce_mean", "keep_dims"), ("clip", "beta")},
    "Encoder": {("layer_norm", "axes"), ("layer_norm", "epsilon"), ("matmul", "transpose_y"), ("transpose", "perm")},
    "Recurrent": {("lstm", "direction"), ("lstm", "activation"), ("lstm", "cell_activation")},
}
# Operations that take the place of another with the same parameters.
TYPES = {
    "relu": ["sigmoid", "tanh", "silu", "relu6"],
    "relu6": ["relu", "sigmoid"],
    "tanh": ["sigmoid", "relu", "atan"],
    "sigmoid": ["tanh", "relu"],
    "silu": ["relu", "sigmoid"],
    "add": ["sub", "mul", "maximum"],
    "mul": ["add", "real_div"],
    "max_pool": ["avg_pool"],
    "reduce_mean": ["reduce_sum", "reduce_max"],
}


def test_other_attributes_and_other_operations(case: Case) -> None:
    known = constants(case.package)
    passed, kinds, changes = [], set(), 0
    for number, operation in enumerate(operations(parse_model((case.package / MODEL).read_bytes()))):
        for entry in operation.inputs:
            name = entry.value.arguments[0].name
            values = ATTRIBUTES.get((operation.type, entry.key), lambda _: [])
            for value in values(known[name]) if name in known else []:
                if same_meaning(operation.type, entry.key, known, operation):
                    continue

                changes += 1
                kinds.add((operation.type, entry.key))
                if not case.caught(partial(set_attribute, number=number, key=entry.key, value=value)):
                    passed.append((operation.type, entry.key, known[name], value))
        for kind in TYPES.get(operation.type, []):
            changes += 1
            if not case.caught(partial(set_type, number=number, kind=kind)):
                passed.append((operation.type, "type", operation.type, kind))
    assert passed == []
    assert changes >= {"Cnn": 61, "Mobile": 41, "Encoder": 44, "Recurrent": 17}[case.kind]
    assert kinds >= KINDS[case.kind]


def set_attribute(model: Any, number: int, key: str, value: Any) -> None:
    (found,) = (one for one in operations(model)[number].inputs if one.key == key)
    found.value.arguments[0].Clear()
    set_value(found.value.arguments[0].value, typed(value))


def set_type(model: Any, number: int, kind: str) -> None:
    operations(model)[number].type = kind


def typed(value: Any) -> Any:
    array = np.asarray(value)
    return array.astype({"i": np.int32, "f": np.float32}.get(array.dtype.kind, array.dtype))


def same_meaning(kind: str, key: str, known: dict[str, Any], operation: Any) -> bool:
    """Attributes of convolutions that are not looked at."""
    if kind != "conv":
        return False
    names = {entry.key: entry.value.arguments[0].name for entry in operation.inputs}
    sizes = [one.constant.size for one in operation.outputs[0].type.tensorType.dimensions]
    return bool(
        # A window of one has no dilation, one that stays where it is no stride, and only a custom padding has sizes.
        (key == "dilations" and known[names["weight"]].shape[2:] == (1, 1))
        or (key == "strides" and sizes[2:] == [1, 1])
        or (key == "pad" and known[names["pad_type"]].item() != "custom")
    )


def bindings(block: Any) -> Iterator[Any]:
    for operation in block.operations:
        for entry in operation.inputs:
            yield from entry.value.arguments


def leave_out(model: Any, number: int, instead: str) -> None:
    """Drop an operation; who read its first output reads one of its operands."""
    block = model.mlProgram.functions[0].value.block_specializations[0].value
    left_out = block.operations[number].outputs[0].name
    del block.operations[number]
    for bound in bindings(block):
        bound.name = instead if bound.name == left_out else bound.name
    if left_out in block.outputs:
        # The output keeps its name: its operand is called by it from now on.
        for named in (*bindings(block), *(one for operation in block.operations for one in operation.outputs)):
            named.name = left_out if named.name == instead else named.name


def test_a_layer_that_is_left_out(case: Case) -> None:
    passed, changes = [], 0
    known = constants(case.package)
    for number, operation in enumerate(operations(parse_model((case.package / MODEL).read_bytes()))):
        for entry in operation.inputs:
            for argument in entry.value.arguments:
                if argument.name in known:
                    continue
                changes += 1
                if not case.caught(partial(leave_out, number=number, instead=argument.name)):
                    passed.append((operation.type, operation.outputs[0].name, argument.name))
    assert passed == []
    assert changes >= {"Cnn": 14, "Mobile": 15, "Encoder": 27, "Recurrent": 5}[case.kind]


def test_a_change_within_the_tolerance_passes(case: Case) -> None:
    changed = 0

    def nudge(model: Any) -> None:
        nonlocal changed
        for operation in operations(model):
            for entry in operation.inputs:
                if entry.key == "epsilon":
                    entry.value.arguments[0].Clear()
                    set_value(entry.value.arguments[0].value, np.float32(1.0001e-5))
                    changed += 1

    assert case.caught(nudge) == ""
    assert bool(changed) == (case.x.shape == SHAPES[Encoder])
