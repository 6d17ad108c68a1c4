"""What each operator of a model took, as the runtimes' own profilers tell it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Their kernels' durations hold those of the nodes inside.
_HOLDS_OTHERS = {"If", "Loop", "Scan"}


@dataclass(frozen=True)
class Operator:
    """One operator of the graph as the runtime has made it, fused and moved about.

    Attributes:
        name: the runtime's; of what it has fused, made of the file's nodes' names.
        op: its type.
        provider: the execution provider or delegate that ran it.
        tensors: the names of its outputs in the file, where the runtime tells.
        durations_ns: one each call; the profilers' clocks go by microseconds.
    """

    name: str
    op: str
    provider: str
    tensors: tuple[str, ...]
    durations_ns: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """The operator as a JSON object."""
        return {
            "name": self.name,
            "op": self.op,
            "provider": self.provider,
            "tensors": list(self.tensors),
            "durations_ns": list(self.durations_ns),
        }


def of_onnx_runs(path: Path, last: int) -> list[Operator]:
    """The operators of the last calls, in the order of their first run, from ONNX Runtime's profile.

    Source: ONNX Runtime's "Profiling tools": one event of category ``Node`` a kernel, times in microseconds.

    Args:
        path: the profile.
        last: how many calls.
    """
    events = json.loads(path.read_text(encoding="utf-8"))
    calls = sorted(_span(one) for one in events if one["name"] == "model_run")[-last:]
    kernels = sorted((one for one in events if one["name"].endswith("_kernel_time")), key=lambda one: int(one["ts"]))
    facts: dict[tuple[str, str], Mapping[str, Any]] = {}
    times: dict[tuple[str, str], list[int]] = {}
    call = 0
    inside = _durations_inside(kernels)
    for number, one in enumerate(kernels):
        start = int(one["ts"])
        while call < len(calls) and start > calls[call][1]:
            call += 1
        if call == len(calls) or start < calls[call][0]:
            continue
        key = (one["name"].removesuffix("_kernel_time"), one["args"]["node_index"])
        facts.setdefault(key, one["args"])
        # A node of a loop runs several times a call, one of a branch perhaps not at all.
        times.setdefault(key, [0] * len(calls))[call] += 1000 * max(int(one["dur"]) - inside.get(number, 0), 0)
    return [
        Operator(key[0], facts[key]["op_name"], facts[key]["provider"], (), tuple(values))
        for key, values in times.items()
    ]


def _span(event: Mapping[str, Any]) -> tuple[int, int]:
    return int(event["ts"]), int(event["ts"]) + int(event["dur"])


def _durations_inside(kernels: Iterable[Mapping[str, Any]]) -> dict[int, int]:
    """By the number of a loop's or branch's event: the durations of the events directly inside it."""
    inside: dict[int, int] = {}
    open_ones: list[tuple[int, int]] = []
    # An outer event may begin in the same microsecond as what is inside it; the longer one is the outer.
    for number, one in sorted(enumerate(kernels), key=lambda pair: (int(pair[1]["ts"]), -int(pair[1]["dur"]))):
        start, end = _span(one)
        while open_ones and start >= open_ones[-1][1]:
            open_ones.pop()
        if open_ones:
            inside[open_ones[-1][0]] = inside.get(open_ones[-1][0], 0) + int(one["dur"])
        if one["args"]["op_name"] in _HOLDS_OTHERS:
            open_ones.append((number, end))
    return inside
