"""What every ONNX file gets before it leaves: no traces of the machine that made it, the user's metadata."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

# onnxruntime 1.18 (2024) reads IR 10; what older devices run.
MAX_IR_VERSION = 10


def add_metadata(path: Path, entries: Mapping[str, str]) -> None:
    """Set ``metadata_props`` entries; weights in external files are left where they are."""
    import onnx

    model = onnx.load(path, load_external_data=False)
    kept = [entry for entry in model.metadata_props if entry.key not in entries]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    for key, value in entries.items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, path)


def oldest_onnxruntime(path: Path) -> str:
    """The oldest onnxruntime release whose declared opset and IR version cover the file.

    Source: onnxruntime's compatibility table (docs/reference/compatibility).
    """
    import onnx

    model = onnx.load(path, load_external_data=False)
    opset = max([entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"}], default=1)
    by_opset = [(13, "1.6"), (14, "1.8"), (15, "1.10"), (16, "1.11"), (17, "1.12"), (18, "1.14"), (19, "1.15"),
                (20, "1.17"), (21, "1.18"), (22, "1.20"), (23, "1.22")]  # fmt: skip
    by_ir = [(7, "1.6"), (8, "1.10"), (9, "1.15"), (10, "1.18"), (11, "1.22")]
    return max((_first(by_opset, opset), _first(by_ir, model.ir_version)), key=_key)


def _first(table: list[tuple[int, str]], wanted: int) -> str:
    return next((release for version, release in table if version >= wanted), "unknown")


def _key(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.split(".")) if release != "unknown" else (99,)


def strip_traces(model: Any) -> None:
    """Drop what an exporter notes on each node of an ``onnx_ir`` model: stack traces name the user's own files."""
    for graph in (model.graph, *(function.graph for function in model.functions.values())):
        for node in graph.all_nodes():
            node.metadata_props.clear()
            node.doc_string = None
        for value in (*graph.inputs, *graph.outputs):
            value.metadata_props.clear()
    model.metadata_props.clear()


def give_way_to_interface(model: Any) -> None:
    """Rename the inner values of an ``onnx_ir`` model that are called as one of its inputs or outputs.

    The names of inputs and outputs are the user's; an exporter calls inner values after their operators ("linear").
    """
    graph = model.graph
    interface = {id(value): value.name for value in (*graph.inputs, *graph.outputs)}
    names = set(interface.values())
    inner = [*graph.initializers.values(), *(value for node in graph.all_nodes() for value in node.outputs)]
    taken = names | {value.name for value in inner}
    for value in inner:
        if id(value) in interface or value.name not in names:
            continue
        name = f"{value.name}_inner"
        while name in taken:
            name += "_"
        taken.add(name)
        value.name = name


def read_metadata(path: Path) -> dict[str, str]:
    """The file's ``metadata_props``."""
    import onnx

    return {entry.key: entry.value for entry in onnx.load(path, load_external_data=False).metadata_props}
