"""The schema's own notation against coremltools' messages."""

from __future__ import annotations

from typing import Any

import pytest

from edgekit.convert.coreml_file import import_coremltools
from edgekit.coreml_reference import messages

pytest.importorskip("coremltools")

# protobuf's TYPE_*: enumerations are read as the numbers that they are on the wire.
KINDS = {"double": 1, "float": 2, "int64": 3, "uint64": 4, "int32": 5, "bool": 8, "string": 9, "bytes": 12, "enum": 14}
MESSAGE = 11
SPECS = dict(messages.schema())


@pytest.fixture(scope="module")
def model() -> Any:
    """coremltools' own descriptor of a model."""
    import_coremltools()
    from coremltools.proto import Model_pb2

    return Model_pb2.Model.DESCRIPTOR


def pairs(model: Any) -> dict[str, Any]:
    """Every message of the schema with its counterpart, found by walking from the root by field."""
    found = {"Model": model}
    waiting = ["Model"]
    while waiting:
        name = waiting.pop()
        for spec in SPECS[name]:
            if spec.kind in KINDS or spec.kind == "Opaque":
                continue
            theirs = found[name].fields_by_name[spec.name].message_type
            if spec.kind not in found:
                found[spec.kind] = theirs
                waiting.append(spec.kind)
    return found


def test_every_field_is_coremltools_own(model: Any) -> None:
    for name, theirs in pairs(model).items():
        for spec in SPECS[name]:
            field = theirs.fields_by_name.get(spec.name)
            assert field is not None, f"{name}.{spec.name} is not in {theirs.full_name}"
            assert field.number == spec.number, f"{name}.{spec.name}"
            assert field.type == KINDS.get(spec.kind, MESSAGE), f"{name}.{spec.name}"
            assert field.is_repeated == spec.repeated, f"{name}.{spec.name}"
            assert (field.containing_oneof.name if field.containing_oneof else None) == spec.oneof, (
                f"{name}.{spec.name}"
            )


def test_a_message_of_the_schema_stands_for_one_kind_or_for_several_alike(model: Any) -> None:
    # ``Values`` stands for tuples and lists, ``ImageSizes`` for one: wherever it is used the fields must be right.
    found = pairs(model)
    for name, specs in SPECS.items():
        if name not in found:
            continue
        for spec in specs:
            if spec.kind in KINDS or spec.kind == "Opaque":
                continue
            theirs = found[name].fields_by_name[spec.name].message_type
            fields = {field.name: (field.number, field.type) for field in theirs.fields}
            for inner in SPECS[spec.kind]:
                assert fields.get(inner.name) == (inner.number, KINDS.get(inner.kind, MESSAGE)), (
                    f"{name}.{spec.name} as {spec.kind}.{inner.name}"
                )


def test_every_message_of_the_schema_is_used(model: Any) -> None:
    assert SPECS.keys() - pairs(model).keys() == {"Opaque"}


def test_every_kind_of_model_is_known(model: Any) -> None:
    ours = {spec.name for spec in SPECS["Model"] if spec.oneof == "Type"}
    assert ours == {field.name for field in model.oneofs_by_name["Type"].fields}


@pytest.mark.parametrize(
    ("name", "oneof"),
    [
        ("FeatureType", "Type"),
        ("ValueType", "type"),
        ("Value", "value"),
        ("ImmediateValue", "value"),
        ("TensorValue", "value"),
        ("Binding", "binding"),
        ("Dimension", "dimension"),
        ("ArrayFeatureType", "ShapeFlexibility"),
        ("ArrayFeatureType", "defaultOptionalValue"),
        ("ImageFeatureType", "SizeFlexibility"),
        ("DictionaryFeatureType", "KeyType"),
        ("SequenceFeatureType", "Type"),
        ("Kernel", "kernel"),
    ],
)
def test_every_choice_that_is_dispatched_on_is_complete(model: Any, name: str, oneof: str) -> None:
    theirs = {field.name for field in pairs(model)[name].oneofs_by_name[oneof].fields}
    assert {spec.name for spec in SPECS[name] if spec.oneof == oneof} == theirs


def test_element_types_colours_and_dtypes_are_coremltools_own(model: Any) -> None:
    from coremltools.proto import FeatureTypes_pb2, MIL_pb2

    from edgekit.coreml_reference.features import ARRAY_TYPES, COLOURS
    from edgekit.coreml_reference.program import ELEMENT_TYPES

    names = {"fp": "float", "bool": "bool", "string": "string"}
    for number, (name, _) in ELEMENT_TYPES.items():
        theirs = MIL_pb2.DataType.Name(number).lower()
        assert theirs == (name.replace("fp", "float") if name.startswith("fp") else names.get(name, name))
    array = FeatureTypes_pb2.ArrayFeatureType
    assert {array.ArrayDataType.Name(number).lower(): kind().dtype.name for number, kind in ARRAY_TYPES.items()} == {
        "float32": "float32",
        "double": "float64",
        "int32": "int32",
        "int8": "int8",
        "float16": "float16",
    }
    image = FeatureTypes_pb2.ImageFeatureType
    assert {image.ColorSpace.Name(number): name for number, name in COLOURS.items()} == {
        "GRAYSCALE": "gray",
        "RGB": "rgb",
        "BGR": "bgr",
        "GRAYSCALE_FLOAT16": "gray-float16",
    }
