"""Compressed weights: the definitions' own examples, and the packing of coremltools' writer."""

from __future__ import annotations

import importlib.util
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.convert.coreml_file import import_coremltools
from edgekit.coreml_reference.registry import kernels
from edgekit.coreml_reference.weights import WeightFiles, unpack
from edgekit.errors import ExecutionError, InputError
from edgekit.signature import Array

WIDTHS = {"int4": (-8, 7), "uint1": (0, 1), "uint2": (0, 3), "uint3": (0, 7), "uint4": (0, 15), "uint6": (0, 63)}
FILE = "@model_path/weight.bin"


def call(name: str, **arguments: Any) -> Any:
    return kernels()[name].call(**arguments)


def pack(values: Array, bits: int) -> Array:
    """One bit after another, the lowest first."""
    stream = [int(value) >> bit & 1 for value in values for bit in range(bits)]
    return np.packbits(np.array(stream, np.uint8), bitorder="little")


@given(st.sampled_from([1, 2, 3, 4, 6, 8]), st.booleans(), st.integers(0, 200), st.randoms())
def test_small_elements_are_unpacked_as_they_were_packed(bits: int, signed: bool, count: int, random: Any) -> None:
    low = -(1 << (bits - 1)) if signed else 0
    values = [random.randrange(low, low + (1 << bits)) for _ in range(count)]
    found = unpack(pack(np.array(values), bits), bits, count, signed=signed)
    assert found.dtype == (np.int8 if signed else np.uint8)
    assert found.tolist() == values


def test_too_few_bytes_are_refused() -> None:
    with pytest.raises(InputError, match="there are 2 bytes"):
        unpack(np.zeros(2, np.uint8), 3, 6, signed=False)


@pytest.fixture
def blobs(tmp_path: Path) -> tuple[Path, dict[str, tuple[int, Array]]]:
    """A weight file that coremltools wrote, with an array of each small type; their offsets."""
    if importlib.util.find_spec("coremltools") is None:
        pytest.skip("could not import coremltools")
    import_coremltools()
    storage = pytest.importorskip("coremltools.libmilstoragepython")
    writer = storage._BlobStorageWriter(str(tmp_path / "weight.bin"))
    written = {}
    for name, (low, high) in WIDTHS.items():
        values = np.random.default_rng(1).integers(low, high + 1, 17).astype(np.int8 if low else np.uint8)
        written[name] = (getattr(writer, f"write_{name}_data")(values), values)
    return tmp_path, written


def test_what_coremltools_wrote_is_read(blobs: tuple[Path, dict[str, tuple[int, Array]]]) -> None:
    folder, written = blobs
    for name, (offset, values) in written.items():
        blob = WeightFiles(folder).find(FILE, offset)
        assert (blob.dtype, blob.size) == (name, 17)
        np.testing.assert_array_equal(blob.read(), values, strict=True)


def test_a_damaged_file_is_refused(blobs: tuple[Path, dict[str, tuple[int, Array]]]) -> None:
    folder, written = blobs
    path = folder / "weight.bin"
    whole = path.read_bytes()
    offset = max(offset for offset, _ in written.values())
    start = struct.unpack_from("<Q", whole, offset + 16)[0]
    path.write_bytes(whole[: start + 2])
    with pytest.raises(InputError, match=f"the file ends at {start + 2}"):
        WeightFiles(folder).find(FILE, offset)
    path.write_bytes(whole[: offset + 40])
    with pytest.raises(InputError, match="the file ends"):
        WeightFiles(folder).find(FILE, offset)
    # More padding than there are bits.
    path.write_bytes(whole[: offset + 24] + struct.pack("<Q", 999) + whole[offset + 32 :])
    with pytest.raises(InputError, match="no whole number of uint6"):
        WeightFiles(folder).find(FILE, offset)


def test_affine_weights_are_scaled_along_their_axis() -> None:
    found = call(
        "constexpr_affine_dequantize",
        quantized_data=np.array([[-128, 127], [3, 4]], np.int8),
        zero_point=np.array([127, 1], np.int8),
        scale=np.array(0.5, np.float32),
        axis=-2,
    )
    assert found.tolist() == [[-127.5, 0.0], [1.0, 1.5]]


def test_blocks_have_their_own_scales() -> None:
    found = call(
        "constexpr_blockwise_shift_scale",
        data=np.arange(8, dtype=np.uint8).reshape(2, 4),
        scale=np.array([[1, 10], [100, 1000]], np.float32),
        offset=np.array([[1, 2], [3, 4]], np.uint8),
    )
    assert found.tolist() == [[-1, 0, 0, 10], [100, 200, 2000, 3000]]


def test_scales_that_do_not_divide_the_data_are_refused() -> None:
    with pytest.raises(ExecutionError, match="do not divide"):
        call("constexpr_blockwise_shift_scale", data=np.zeros((4, 5), np.int8), scale=np.ones((4, 2), np.float32))


def test_packed_indices_of_old_systems() -> None:
    # The definition's example: 2 bits, five elements, 01 10 11 00 and xx xx xx 11.
    found = call(
        "constexpr_lut_to_dense",
        indices=np.array([0b01101100, 0b11], np.uint8),
        lut=np.array([10, 11, 12, 13], np.float32),
        shape=(5,),
    )
    assert found.tolist() == [10, 13, 12, 11, 13]


def test_tables_of_groups() -> None:
    found = call(
        "constexpr_lut_to_dense",
        indices=np.array([2, 3, 3, 0, 1, 0, 3, 0, 2, 1, 0, 3], np.uint8).reshape(6, 2),
        lut=np.array([1, 5, 9, 13, 2, 10, 18, 26], np.float32).reshape(2, 1, 4, 1),
    )
    assert found.tolist() == [[9, 13], [13, 1], [5, 1], [26, 2], [18, 10], [2, 26]]


@given(st.integers(0, 2), st.sampled_from([(1, 1, 1), (2, 1, 3), (4, 3, 6), (1, 3, 2)]), st.sampled_from([1, 2, 3]))
def test_tables_and_vectors_one_element_after_another(axis: int, groups: tuple[int, int, int], vector: int) -> None:
    random = np.random.default_rng(3)
    indices = random.integers(0, 4, (4, 3, 6), np.uint8)
    lut = random.normal(size=(*groups, 4, vector)).astype(np.float32)
    found = call("constexpr_lut_to_dense", indices=indices, lut=lut, vector_axis=axis)
    shape = [size * vector if number == axis else size for number, size in enumerate(indices.shape)]
    wanted = np.empty(shape, np.float32)
    for place in np.ndindex(*shape):
        at = tuple(where // vector if number == axis else where for number, where in enumerate(place))
        table = tuple(where * count // size for where, count, size in zip(at, groups, indices.shape, strict=True))
        wanted[place] = lut[(*table, indices[at], place[axis] % vector)]
    np.testing.assert_array_equal(found, wanted)


def test_an_index_beyond_the_table_is_refused() -> None:
    with pytest.raises(ExecutionError, match="an index is 4"):
        call("constexpr_lut_to_dense", indices=np.array([4], np.uint8), lut=np.zeros((1, 4, 1), np.float32))


def test_sparse_weights() -> None:
    # The definition's example of iOS 16: elements 2 and 3 of five are set.
    found = call(
        "constexpr_sparse_to_dense",
        nonzero_data=np.array([7, 8], np.float32),
        mask=np.array([0b01100], np.uint8),
        shape=(5,),
    )
    assert found.tolist() == [0, 0, 7, 8, 0]
    with pytest.raises(ExecutionError, match="1 values for 2 places"):
        call("constexpr_sparse_to_dense", nonzero_data=np.ones(1, np.float32), mask=np.array([1, 0, 1], np.uint8))


def test_sparse_indices_and_their_vectors() -> None:
    # The definition's example.
    mask = np.array([[1, 1, 0, 0, 0, 0], [1, 1, 0, 0, 0, 1], [0, 1, 1, 0, 1, 0], [0, 0, 0, 1, 0, 0]], np.uint8)
    indices = np.array([0, 1, 1, 0, 1, 1, 0, 0, 1], np.uint8)
    lut = np.array([2, 3], np.float32).reshape(1, 1, 2, 1)
    new, values = call("constexpr_lut_to_sparse", indices_mask=mask, indices_nonzero_data=indices, lut=lut)
    assert new.tolist() == mask.tolist()
    assert values.tolist() == [2, 3, 3, 2, 3, 3, 2, 2, 3]
    lut = np.array([[2, 20], [3, 30]], np.float32).reshape(1, 1, 2, 2)
    new, values = call(
        "constexpr_lut_to_sparse", indices_mask=mask, indices_nonzero_data=indices, lut=lut, vector_axis=0
    )
    assert new.tolist() == np.repeat(mask, 2, axis=0).tolist()
    assert values.tolist() == [2, 3, 20, 30, 3, 2, 3, 30, 20, 30, 3, 2, 2, 30, 20, 20, 3, 30]


def test_sparse_weights_are_shifted_and_scaled_where_they_are() -> None:
    # The definition's example.
    mask = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [0, 0, 1, 1], [1, 1, 0, 0]], np.uint8)
    new, values = call(
        "constexpr_sparse_blockwise_shift_scale",
        data_mask=mask,
        nonzero_data=np.array([10, 11, 3, 4, 5, 6, 7, 8, 9], np.int8),
        scale=np.array([[0.1, 0.2, 0.3, 0.4]], np.float32),
        offset=np.array([[1, 2, 3, 4]], np.int8),
    )
    assert new.tolist() == mask.tolist()
    np.testing.assert_allclose(values, [0.9, 1.8, 0.2, 0.4, 0.6, 0.9, 1.2, 0.7, 1.4], rtol=1e-6)
