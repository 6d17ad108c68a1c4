"""Names and metadata of a .tflite file, changed without touching what the converter wrote.

Rewriting a flatbuffer through its object interface loses the alignment of the weights and holds them twice in memory.
Offsets in a flatbuffer only point forward, so a new root can stand in front of the old file instead::

    before   [root ──▶ operator codes, subgraphs, buffers, signatures]
    after    [new root, new signatures, new metadata, new list of buffers] [the old file, byte for byte]
                 └──▶ points into the old file for all that did not change

The schema is ``tensorflow/compiler/mlir/lite/schema/schema.fbs``, version 3.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.errors import ConversionError

_IDENTIFIER = b"TFL3"
# Weights stay aligned for every processor's vector loads when the old file moves by a multiple of this.
_ALIGNMENT = 64


@dataclass(frozen=True)
class _TensorName:
    name: str
    tensor: int


@dataclass(frozen=True)
class _SignatureDef:
    key: str
    subgraph: int
    inputs: tuple[_TensorName, ...]
    outputs: tuple[_TensorName, ...]


def rewrite(
    path: Path,
    *,
    inputs: Mapping[str, str] | None = None,
    outputs: Mapping[str, str] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Rename the inputs and outputs of every signature and add metadata entries, in place.

    Args:
        path: a .tflite file.
        inputs: new names by old names; what is not named keeps its name.
        outputs: likewise.
        metadata: text by entry name.

    Raises:
        ConversionError: the file keeps weights outside its flatbuffer (over 2 GB), which this cannot move.
    """
    from ai_edge_litert import schema_py_generated as schema

    old = path.read_bytes()
    model = schema.Model.GetRootAs(old, 0)
    for index in range(model.BuffersLength()):
        if model.Buffers(index).Offset() > 1:
            raise ConversionError(f"rename {path.name}", "its weights lie outside the flatbuffer", "keep the names")
    signatures = [
        _renamed(model.SignatureDefs(i), inputs or {}, outputs or {}) for i in range(model.SignatureDefsLength())
    ]
    front = _front(model, signatures, dict(metadata or {}))
    with path.open("wb") as file:
        file.write(front)
        file.write(old)


def read_metadata(path: Path) -> dict[str, str]:
    """The file's metadata entries that are text."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(path.read_bytes(), 0)
    entries = {}
    for index in range(model.MetadataLength()):
        entry = model.Metadata(index)
        buffer = model.Buffers(entry.Buffer())
        if buffer.DataLength():
            try:
                entries[entry.Name().decode()] = buffer.DataAsNumpy().tobytes().decode()
            except UnicodeDecodeError:
                continue
    return entries


def _renamed(definition: Any, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> _SignatureDef:
    def side(length: int, item: Any, new: Mapping[str, str]) -> tuple[_TensorName, ...]:
        entries = ((item(index).Name().decode(), item(index).TensorIndex()) for index in range(length))
        return tuple(_TensorName(new.get(name, name), tensor) for name, tensor in entries)

    return _SignatureDef(
        definition.SignatureKey().decode(),
        definition.SubgraphIndex(),
        side(definition.InputsLength(), definition.Inputs, inputs),
        side(definition.OutputsLength(), definition.Outputs, outputs),
    )


def _front(model: Any, signatures: list[_SignatureDef], metadata: dict[str, str]) -> bytes:
    """The new root and all that it brings, padded so that the old file follows aligned."""
    # Where the old file will begin depends on the length of what stands before it: lay it out once to learn it.
    size = len(_layout(model, signatures, metadata, 0))
    start = -(-size // _ALIGNMENT) * _ALIGNMENT
    return _layout(model, signatures, metadata, start).ljust(start, b"\0")


def _layout(model: Any, signatures: list[_SignatureDef], metadata: dict[str, str], start: int) -> bytes:
    """Version 3's root: version, operators, subgraphs, description, buffers, metadata buffer, metadata, signatures."""
    writer = _Writer()
    table = model._tab

    def old(slot: int) -> int | None:
        field = table.Offset(4 + 2 * slot)
        return start + table.Indirect(table.Pos + field) if field else None

    buffers = [start + table.Indirect(table.Vector(table.Offset(12)) + 4 * i) for i in range(model.BuffersLength())]
    entries = [(model.Metadata(i).Name().decode(), model.Metadata(i).Buffer()) for i in range(model.MetadataLength())]
    entries = [entry for entry in entries if entry[0] not in metadata]
    entries += [(name, len(buffers) + index) for index, name in enumerate(metadata)]
    root = writer.table([model.Version(), old(1), old(2), old(3), _LATER, old(5), _LATER, _LATER])
    writer.point(0, root.position)
    writer.point(root.field[7], writer.tables([_definition(signature) for signature in signatures]))
    writer.point(root.field[6], writer.tables([[name, buffer] for name, buffer in entries]))
    vector = writer.vector(len(buffers) + len(metadata))
    for index, position in enumerate(buffers):
        writer.point(vector + 4 + 4 * index, position)
    for index, text in enumerate(metadata.values()):
        writer.point(vector + 4 + 4 * (len(buffers) + index), writer.buffer(text.encode()))
    writer.point(root.field[4], vector)
    return bytes(writer.data)


def _definition(signature: _SignatureDef) -> list[Any]:
    """SignatureDef: inputs, outputs, signature key, (deprecated), subgraph index; TensorMap: name, tensor index."""
    return [
        [[entry.name, entry.tensor] for entry in signature.inputs],
        [[entry.name, entry.tensor] for entry in signature.outputs],
        signature.key,
        None,
        signature.subgraph,
    ]


class _Later:
    """A field whose target is laid out afterwards."""


_LATER = _Later()


@dataclass(frozen=True)
class _Table:
    position: int
    field: tuple[int, ...]


class _Writer:
    """A flatbuffer written front to back: parents first, so that every offset points forward."""

    def __init__(self) -> None:
        self.data = bytearray(struct.pack("<I4s", 0, _IDENTIFIER))

    def point(self, at: int, target: int) -> None:
        """Store at ``at`` the offset from there to ``target``."""
        struct.pack_into("<I", self.data, at, (target - at) & 0xFFFFFFFF)

    def align(self, size: int) -> int:
        """Pad to a multiple of ``size``; the position reached."""
        self.data += b"\0" * (-len(self.data) % size)
        return len(self.data)

    def table(self, values: list[Any]) -> _Table:
        """A table of 32-bit fields: numbers as they are, positions and children as offsets, ``None`` left out."""
        count = len(values)
        vtable = self.align(4)
        present = [value is not None for value in values]
        slots = [4 + 4 * sum(present[:i]) if present[i] else 0 for i in range(count)]
        self.data += struct.pack(f"<HH{count}H", 4 + 2 * count, 4 + 4 * sum(present), *slots)
        position = self.align(4)
        self.data += struct.pack("<i", position - vtable) + b"\0" * 4 * sum(present)
        fields = tuple(position + slot for slot in slots)
        for index, value in enumerate(values):
            if isinstance(value, int):
                self._store(fields[index], value, number=index == 0)
        return _Table(position, fields)

    def _store(self, at: int, value: int, *, number: bool) -> None:
        if number:  # the root's version; every other integer of the root is a position in the old file
            struct.pack_into("<I", self.data, at, value)
        else:
            self.point(at, value)

    def tables(self, rows: list[list[Any]]) -> int:
        """A vector of tables whose values are numbers, strings or, again, rows of tables."""
        vector = self.vector(len(rows))
        for index, row in enumerate(rows):
            made = self.table([None if value is None else _LATER for value in row])
            self.point(vector + 4 + 4 * index, made.position)
            for field, value in zip(made.field, row, strict=True):
                if isinstance(value, int):
                    struct.pack_into("<I", self.data, field, value)
                elif isinstance(value, str):
                    self.point(field, self.string(value))
                elif isinstance(value, list):
                    self.point(field, self.tables(value))
        return vector

    def vector(self, count: int) -> int:
        """Room for a vector of offsets."""
        position = self.align(4)
        self.data += struct.pack("<I", count) + b"\0" * 4 * count
        return position

    def string(self, text: str) -> int:
        """A string: length, UTF-8, a closing zero."""
        position = self.align(4)
        encoded = text.encode()
        self.data += struct.pack("<I", len(encoded)) + encoded + b"\0"
        return position

    def buffer(self, content: bytes) -> int:
        """A Buffer table with its data, aligned to 16 as the schema asks."""
        made = self.table([_LATER])
        self.data += b"\0" * (-(len(self.data) + 4) % 16)
        position = len(self.data)
        self.data += struct.pack("<I", len(content)) + content
        self.point(made.field[0], position)
        return made.position
