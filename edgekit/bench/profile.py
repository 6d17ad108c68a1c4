"""What each operator of a model takes: the runtime's profile, with the source model's layers where names tell them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgekit.bench.subject import Subject

# Profilers' clocks go by microseconds: the mean of several calls is finer, and the median of such means still robust.
_GROUPS = 20
# Where operators together take so much longer than a call without the profiler, its own time is most of the rest.
_HEAVY = 1.2
# What ONNX Runtime adds to the names of what it computes in blocks of channels, and of what it makes of several nodes;
# and how many nodes it makes one of.
_BLOCKED = "_nchwc"
_MADE = re.compile(r"_token_\d+$")
_FUSED = 3


@dataclass(frozen=True)
class OperatorTime:
    """One operator.

    Attributes:
        name: the runtime's.
        op: its type.
        provider: what ran it.
        layer: the source model's module that it belongs to; ``None`` where no name tells.
        ns: the median of what it takes in a call.
        share: of the sum over all operators.
    """

    name: str
    op: str
    provider: str
    layer: str | None
    ns: float
    share: float


@dataclass(frozen=True)
class Profile:
    """The operators of one model in their order.

    Attributes:
        calls: that were profiled.
        call_ns: the median call while the profiler watched it.
        operators: what each took.
    """

    calls: int
    call_ns: float
    operators: tuple[OperatorTime, ...]

    @property
    def operators_ns(self) -> float:
        """The sum over all operators."""
        return sum(one.ns for one in self.operators)

    @property
    def slowest(self) -> list[OperatorTime]:
        """The operators, the slowest first."""
        return sorted(self.operators, key=lambda one: -one.ns)

    def notes(self, median_ns: float, providers: Sequence[str], text: Callable[[float], str]) -> list[str]:
        """How the operators' sum stands beside the measured call, and what the runtime does not tell.

        Args:
            median_ns: a call without the profiler.
            providers: what ran it.
            text: makes text of nanoseconds.
        """
        total, watched, alone = map(text, (self.operators_ns, self.call_ns, median_ns))
        count = len(self.operators)
        lines = [f"{count} operators take {total}; a call takes {watched} with the profiler on, and {alone} without"]
        if self.operators_ns > _HEAVY * median_ns:
            lines.append("the profiler's own time is in them, about the same in each: small operators take less")
        if tuple(providers) == ("XNNPACK",):
            lines.append("these are XNNPACK's operators, whose layers it does not tell; --provider CPU is without it")
        if tuple(providers) == ("CPU",):
            lines.append("measured without the XNNPACK delegate, which devices use")
        return lines

    def to_json(self) -> dict[str, Any]:
        """The ``profile`` of ``docs/schemas/bench.schema.json``."""
        return {
            "calls": self.calls,
            "call_ns": self.call_ns,
            "operators_ns": self.operators_ns,
            "operators": [asdict(one) for one in self.operators],
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Profile:
        """The profile that :meth:`to_json` wrote."""
        operators = tuple(OperatorTime(**one) for one in data["operators"])
        return Profile(data["calls"], data["call_ns"], operators)


def profile_of(answer: Mapping[str, Any], subject: Subject) -> Profile:
    """The profile from what a worker's pass has found.

    Args:
        answer: the pass's.
        subject: the model, whose names tell layers.
    """
    found = answer["operators"]
    times = [typical(one["durations_ns"]) for one in found]
    total = sum(times) or 1.0
    layers = filled(_layers(found, subject))
    operators = [
        OperatorTime(one["name"], one["op"], one["provider"], layer, ns, ns / total)
        for one, layer, ns in zip(found, layers, times, strict=True)
    ]
    durations = answer["durations_ns"]
    return Profile(len(durations), float(np.median(durations)), tuple(operators))


def typical(durations: Sequence[int]) -> float:
    """The median over groups of calls of each group's mean."""
    groups = np.array_split(np.asarray(durations, np.float64), min(_GROUPS, len(durations)))
    return float(np.median([group.mean() for group in groups]))


def filled(layers: Sequence[str | None]) -> list[str | None]:
    """Where a name tells no layer: the innermost module that holds the layers before and after."""
    following: list[str | None] = []
    for layer in reversed(layers):
        following.append(layer or (following[-1] if following else None))
    found: list[str | None] = []
    last: str | None = None
    for layer, after in zip(layers, reversed(following), strict=True):
        ends = [parts_of(one) for one in (last, after) if one]
        found.append(layer or (".".join(common(ends)) if ends else "") or None)
        last = layer or last
    return found


def parts_of(layer: str) -> list[str]:
    """A layer's path, from the outermost module to itself."""
    return [part for part in layer.replace("/", ".").split(".") if part]


def common(paths: Sequence[Sequence[str]]) -> list[str]:
    """The beginning that all paths share; of a single path, all but its end."""
    if len(paths) == 1:
        return list(paths[0][:-1])
    shared = []
    for parts in zip(*paths, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return shared


def common_of(layers: Sequence[str]) -> list[str]:
    """The innermost module that is all of these layers or holds them."""
    return parts_of(layers[0]) if len(set(layers)) == 1 else common([parts_of(one) for one in layers]) if layers else []


def _layers(found: Sequence[Mapping[str, Any]], subject: Subject) -> list[str | None]:
    if subject.target == "tflite":
        from edgekit.verify.layers.tflite import module_of

        return [module_of(one["tensors"][0]) or None if one["tensors"] else None for one in found]
    named = _onnx_layers(subject) if subject.target == "onnx" else {}
    return [_named(named, str(one["name"])) for one in found]


def _named(layers: Mapping[str, str], name: str) -> str | None:
    """A fused node is called by its first node's name and what was done to it: ``node_MatMul_1/MatMulAddFusion``."""
    name = _MADE.sub("", name.removesuffix(_BLOCKED)) if name not in layers else name
    while name not in layers and "/" in name:
        name = name.rpartition("/")[0]
    return layers.get(name)


def _onnx_layers(subject: Subject) -> dict[str, str]:
    """The layer of each node of an ONNX file by the node's name; none where the onnx package is not installed."""
    try:
        import onnx

    except ImportError:
        return {}
    graph = onnx.load_from_string(_file(subject)).graph
    weights = {one.name for one in graph.initializer}
    own = {node.name: _module(node, weights) for node in graph.node}
    makers = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        # Quantized weights come by a node of their own.
        given = [makers[name] for name in node.input if name in makers and makers[name].op_type == "DequantizeLinear"]
        own[node.name] = own[node.name] or ".".join(common_of([own[one.name] for one in given if own[one.name]]))
    readers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for node in graph.node:
        reading = [reader for name in node.output for reader in readers.get(name, ())]
        # A linear layer's product has its weights turned and renamed; its sum keeps the bias's name.
        if not own[node.name] and node.op_type == "MatMul" and len(reading) == 1 and reading[0].op_type == "Add":
            own[node.name] = own[reading[0].name]
    # A convolution in blocks is called by the output of what was fused into it.
    for output, node in makers.items():
        own.setdefault(output, _behind(node, own, makers))
    found = {name: parts_of(layer) for name, layer in own.items() if layer}
    # edgekit's own wrapper of a torch model holds it as `model`.
    wrapped = 2 * sum(parts[0] == "model" for parts in found.values()) > len(found)
    inside = {name: parts[1:] if wrapped and parts[0] == "model" else parts for name, parts in found.items()}
    layers = {name: ".".join(parts) for name, parts in inside.items()}
    return {name: layer for name, layer in layers.items() if layer}


def _behind(node: Any, own: Mapping[str, str], makers: Mapping[str, Any]) -> str:
    """The layer of a node, or of the nearest one before it of which it is the activation."""
    for _ in range(_FUSED):
        if own[node.name]:
            return own[node.name]
        if not node.input or node.input[0] not in makers:
            break
        node = makers[node.input[0]]
    return ""


def _file(subject: Subject) -> bytes:
    """The model file, without weights that lie beside it."""
    if subject.scheme is None:
        return subject.path.read_bytes()
    from edgekit.bundle import Bundle
    from edgekit.runtime.loading import choose

    bundle = Bundle.open(subject.path)
    return bytes(bundle.read(choose(bundle, subject.target, subject.scheme).file))


def _module(node: Any, weights: set[str]) -> str:
    """The module of a node's weights (``layers.0.query.bias``), or the path in its own name (``net/stem/Conv2D``)."""
    paths = [name.rpartition(".")[0] for name in node.input if name in weights and "." in name]
    return ".".join(common_of(paths) or parts_of(node.name.rpartition("/")[0]))
