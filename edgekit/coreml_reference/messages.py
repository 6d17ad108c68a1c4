"""Core ML's protobuf messages, in a descriptor pool of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from edgekit.coreml_reference.schema import SCHEMA
from edgekit.errors import missing

# A parsed message; protobuf's classes carry no static types.
Message = Any

_PACKAGE = "edgekit.coreml"
_MESSAGE = re.compile(r"([\w.]+)\s*\{([^}]*)\}")
_FIELD = re.compile(r"(?:(?P<rep>rep)\s+|oneof\s+(?P<oneof>\w+)\s+)?(?P<kind>[\w.]+)\s+(?P<name>\w+)=(?P<number>\d+)")


@dataclass(frozen=True)
class FieldSpec:
    """One line of the schema: a field's type, name and number."""

    kind: str
    name: str
    number: int
    repeated: bool
    oneof: str | None


def schema() -> Iterator[tuple[str, tuple[FieldSpec, ...]]]:
    """Every message that is read, with its fields."""
    for message, body in _MESSAGE.findall(SCHEMA):
        yield (
            message,
            tuple(
                FieldSpec(found["kind"], found["name"], int(found["number"]), bool(found["rep"]), found["oneof"])
                for found in _FIELD.finditer(body)
            ),
        )


@cache
def _classes() -> dict[str, Any]:
    """The message classes by name.

    Raises:
        MissingDependencyError: protobuf is not installed.
    """
    try:
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    except ImportError as error:
        raise missing("read a Core ML model", "protobuf", "coreml") from error
    file = descriptor_pb2.FileDescriptorProto(name="edgekit/coreml.proto", package=_PACKAGE, syntax="proto3")
    scalar = {"enum": descriptor_pb2.FieldDescriptorProto.TYPE_INT32}
    for name in ("double", "float", "int64", "uint64", "int32", "bool", "string", "bytes"):
        scalar[name] = getattr(descriptor_pb2.FieldDescriptorProto, f"TYPE_{name.upper()}")
    for message, fields in schema():
        _add(file.message_type.add(name=_flat(message)), fields, scalar)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        message: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{_flat(message)}"))
        for message, _ in schema()
    }


def _flat(name: str) -> str:
    return name.replace(".", "_")


def _add(message: Message, fields: tuple[FieldSpec, ...], scalar: dict[str, int]) -> None:
    groups: list[str] = []
    for spec in fields:
        field = message.field.add(name=spec.name, number=spec.number, label=3 if spec.repeated else 1)
        if spec.kind in scalar:
            # An enumeration is read as its number: a value that the schema does not know must not be lost.
            field.type = scalar[spec.kind]
        else:
            field.type, field.type_name = 11, f".{_PACKAGE}.{_flat(spec.kind)}"
        if spec.oneof:
            if spec.oneof not in groups:
                groups.append(spec.oneof)
                message.oneof_decl.add(name=spec.oneof)
            field.oneof_index = groups.index(spec.oneof)


def parse_model(data: bytes) -> Message:
    """The ``Model`` message in a file's bytes.

    Raises:
        ValueError: the bytes are no such message.
        MissingDependencyError: protobuf is not installed.
    """
    model = _classes()["Model"]()
    try:
        model.ParseFromString(data)
    except Exception as error:
        raise ValueError(str(error)) from error
    return model


def unknown_fields(message: Message) -> tuple[int, ...]:
    """The numbers of a message's fields that the schema does not know."""
    from google.protobuf.unknown_fields import UnknownFieldSet

    return tuple(field.field_number for field in UnknownFieldSet(message))
