"""What ran each operator, read back from the runtime: what was asked for is not always what is done."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def of_onnx_profile(path: Path) -> dict[str, tuple[str, ...]]:
    """The operators by execution provider, in the order of their first run, from ONNX Runtime's profile.

    Source: ONNX Runtime's "Profiling tools": one event of category ``Node`` a kernel, its provider in ``args``.
    """
    events = json.loads(path.read_text(encoding="utf-8"))
    found: dict[str, dict[str, str]] = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            facts = event["args"]
            # A node that ran several times is one node.
            found.setdefault(facts["provider"], {}).setdefault(event["name"], facts["op_name"])
    return {provider: tuple(nodes.values()) for provider, nodes in found.items()}


def of_tflite_operators(
    operators: Iterable[Mapping[str, Any]], delegate: str, kernels: str
) -> dict[str, tuple[str, ...]]:
    """The operators by what runs them, from an interpreter whose delegates have been applied.

    A delegated graph keeps its operators and gains one of the name DELEGATE a part that is taken over; that part is
    what lies between the inputs and the outputs of the DELEGATE.

    Args:
        operators: as the interpreter's ``_get_ops_details`` lists them.
        delegate: what to call the delegates.
        kernels: what to call the runtime's own kernels.
    """
    listed = list(operators)
    plain = {int(one["index"]): one for one in listed if one["op_name"] != "DELEGATE"}
    made_by = {int(tensor): index for index, one in plain.items() for tensor in one["outputs"]}
    taken: set[int] = set()
    for part in listed:
        if part["op_name"] != "DELEGATE":
            continue
        before, open_tensors = set(map(int, part["inputs"])), list(map(int, part["outputs"]))
        while open_tensors:
            tensor = open_tensors.pop()
            index = made_by.get(tensor)
            if tensor in before or index is None or index in taken:
                continue
            taken.add(index)
            open_tensors += map(int, plain[index]["inputs"])
    found = {
        delegate: tuple(str(one["op_name"]) for index, one in plain.items() if index in taken),
        kernels: tuple(str(one["op_name"]) for index, one in plain.items() if index not in taken),
    }
    return {name: names for name, names in found.items() if names}
