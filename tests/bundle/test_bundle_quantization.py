"""Scales and zero points in a bundle's manifest: written exactly, read strictly, absent from older manifests."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from bundle_parts import Parts

from edgekit.bundle import Binding, Manifest, Quantization
from edgekit.errors import BundleError, InputError
from edgekit.signature import Signature, TensorSpec

SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "manifest.schema.json"
# No float64 of few digits: what is written must be the same float32 again.
SCALE = float(np.float32(1 / 255))


def quantized(parts: Parts, dtype: str = "int8", zero_point: int = -128, scale: float = SCALE) -> Manifest:
    """The manifest with an artifact that takes integers for the bundle's reals."""
    first = parts.manifest.artifacts[0]
    native = Signature((TensorSpec("in", dtype, (2, None)),), first.signature.outputs)
    binding = Binding("x", "in", (1, 0), dtype, quantization=Quantization(scale, zero_point))
    return replace(parts.manifest, artifacts=(replace(first, signature=native, inputs=(binding,)),))


def test_a_quantization_is_written_and_read_back_exactly(parts: Parts) -> None:
    manifest = quantized(parts)
    content = manifest.to_bytes()
    data = json.loads(content)
    assert data["artifacts"][0]["inputs"][0]["quantization"] == {"scale": 0.003921568859368563, "zero_point": -128}
    jsonschema.validate(data, json.loads(SCHEMA.read_text(encoding="utf-8")))
    again = Manifest.from_bytes(content)
    assert again == manifest
    read = again.artifacts[0].inputs[0].quantization
    assert read is not None
    assert np.float32(read.scale) == np.float32(1 / 255)


def test_a_manifest_without_any_has_no_such_key(parts: Parts) -> None:
    content = parts.manifest.to_bytes()
    assert b"quantization" not in content
    assert all(one.quantization is None for one in Manifest.from_bytes(content).artifacts[0].inputs)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"quantization": None}, "quantization of binding is None"),
        ({"quantization": {"scale": 0.1}}, "missing keys: zero_point"),
        ({"quantization": {"scale": 0.1, "zero_point": 0, "axis": 0}}, "axis"),
        ({"quantization": {"scale": "0.1", "zero_point": 0}}, "scale of quantization is '0.1'"),
        ({"quantization": {"scale": 0.1, "zero_point": 0.5}}, "zero_point of quantization is 0.5"),
        ({"quantization": {"scale": 0.1, "zero_point": True}}, "zero_point of quantization is True"),
        ({"quantization": {"scale": 0.1, "zero_point": 128}}, "does not fit"),
        ({"quantization": {"scale": 0, "zero_point": 0}}, "does not fit"),
        ({"quantization": {"scale": -0.1, "zero_point": 0}}, "does not fit"),
        ({"codes": ["a"]}, "does not fit"),
    ],
)
def test_a_quantization_is_read_strictly(parts: Parts, changes: dict[str, Any], why: str) -> None:
    data = json.loads(quantized(parts).to_bytes())
    data["artifacts"][0]["inputs"][0].update(changes)
    with pytest.raises(BundleError, match=why):
        Manifest.from_json(data)


@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_only_narrow_integers_stand_for_reals(parts: Parts, dtype: str) -> None:
    with pytest.raises(InputError, match="does not fit the file's 'in'"):
        quantized(parts, dtype, 0)


def test_only_reals_are_stood_for(parts: Parts) -> None:
    whole = Signature((TensorSpec("x", "int64", (None, 2)),), parts.manifest.signature.outputs)
    with pytest.raises(InputError, match="not those of the bundle's signature"):
        replace(quantized(parts), signature=whole)
