from __future__ import annotations

import json
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_sample_images

from edgekit.errors import InputError
from edgekit.preprocessing import Contract, decode_image
from edgekit.signature import Array, TensorSpec

SCHEMA = json.loads((Path(__file__).parents[1] / "docs/schemas/preprocessing.schema.json").read_text(encoding="utf-8"))
FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
PHOTOS = [np.ascontiguousarray(photo) for photo in load_sample_images().images]  # two of [427, 640, 3]


def levels(**given_: Any) -> Contract:
    """A contract that hands the levels on as they are, channel last."""
    plain: dict[str, Any] = {
        "resize": "stretch", "colour": "rgb", "layout": "nhwc", "mean": 0, "scale": 1, "dtype": "uint8"
    }  # fmt: skip
    return Contract(**(plain | given_))


def pillow_resize(pixels: Array, height: int, width: int, interpolation: str) -> Array:
    """Pillow's result with the columns first, whichever order a version of it would choose."""
    picture, chosen = Image.fromarray(pixels), FILTERS[interpolation]
    return np.asarray(picture.resize((width, picture.height), chosen).resize((width, height), chosen))


sides = st.integers(1, 70)


@given(
    height=sides, width=sides, size=st.tuples(sides, sides), interpolation=st.sampled_from(list(FILTERS)), seed=sides
)
@settings(max_examples=150, deadline=None)
def test_the_filters_are_pillows_to_the_bit(
    height: int, width: int, size: tuple[int, int], interpolation: str, seed: int
) -> None:
    # Black and white only: the largest overshoots.
    pixels = np.random.default_rng(seed).integers(0, 2, (height, width, 3), dtype=np.uint8) * 255
    got = levels(size=size, interpolation=interpolation).apply(pixels)
    np.testing.assert_array_equal(got[0], pillow_resize(pixels, *size, interpolation))


@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize("size", [(224, 224), (300, 128), (700, 800)])
@pytest.mark.parametrize("photo", [PHOTOS[0], PHOTOS[1].transpose(1, 0, 2)], ids=["landscape", "upright"])
def test_photographs_are_within_a_fifth_of_a_level_of_pillows_own_order(
    photo: Array, size: tuple[int, int], interpolation: str
) -> None:
    want = np.asarray(Image.fromarray(photo).resize(size[::-1], FILTERS[interpolation])).astype(int)
    got = levels(size=size, interpolation=interpolation).apply(photo)[0]
    assert np.abs(got - want).mean() <= 0.2
    assert np.mean(np.abs(got - want) > 1) <= 0.001


def test_a_halving_by_hand() -> None:
    # Columns first: (0 + 100) / 2 = 50 and (200 + 51) / 2 = 125.5, which rounds to 126; then (50 + 126) / 2 = 88.
    pixels = np.array([[0, 100], [200, 51]], np.uint8)
    assert levels(size=(1, 1), colour="gray").apply(pixels).tolist() == [[[[88]]]]


def test_nearest_takes_the_pixel_at_the_centre() -> None:
    row = np.arange(9, dtype=np.uint8)[None]
    got = levels(size=(1, 6), colour="gray", interpolation="nearest").apply(row)
    assert got.ravel().tolist() == [0, 2, 3, 5, 6, 8]
    photo = levels(size=(100, 150), interpolation="nearest").apply(PHOTOS[0][:400, :600])[0]
    want = Image.fromarray(PHOTOS[0][:400, :600]).resize((150, 100), Image.Resampling.NEAREST)
    np.testing.assert_array_equal(photo, np.asarray(want))


@given(st.integers(0, 255), sides, sides, st.tuples(sides, sides), st.sampled_from(["bilinear", "bicubic", "nearest"]))
@settings(max_examples=80, deadline=None)
def test_one_colour_stays_that_colour(level: int, height: int, width: int, size: tuple[int, int], kernel: str) -> None:
    got = levels(size=size, resize="cover", interpolation=kernel).apply(np.full((height, width), level, np.uint8))
    assert got.shape == (1, *size, 3)
    assert (got == level).all()


@pytest.mark.parametrize("resize", ["stretch", "cover", "contain"])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest"])
def test_a_picture_of_the_right_size_is_not_touched(resize: str, interpolation: str) -> None:
    fill = (1, 2, 3) if resize == "contain" else ()
    same = levels(size=(427, 640), resize=resize, fill=fill, interpolation=interpolation)
    np.testing.assert_array_equal(same.apply(PHOTOS[0])[0], PHOTOS[0])


def test_cover_scales_to_the_fraction_and_keeps_the_centre() -> None:
    # 427 x 640 scales to 256 x 256·640 // 427 = 383; (383 - 224) / 2 = 79.5, to the even side: 80.
    contract = levels(size=(224, 224), resize="cover", crop_fraction=0.875, interpolation="bicubic")
    want = pillow_resize(PHOTOS[0], 256, 383, "bicubic")[16 : 16 + 224, 80 : 80 + 224]
    np.testing.assert_array_equal(contract.apply(PHOTOS[0])[0], want)


def test_cover_where_the_width_governs() -> None:
    # 4 x 2 must cover 2 x 3: the width scales to 3, the height to 3·4 // 2 = 6; rows 2 and 3 remain.
    pixels = np.repeat(np.arange(4, dtype=np.uint8)[:, None] * 60, 2, axis=1)
    got = levels(size=(2, 3), resize="cover", colour="gray").apply(pixels)
    np.testing.assert_array_equal(got[0, :, :, 0], pillow_resize(pixels, 6, 3, "bilinear")[2:4])


def test_contain_fills_in_the_order_of_the_colours() -> None:
    contract = levels(size=(4, 4), resize="contain", fill=(10, 20, 30), colour="bgr")
    got = contract.apply(np.full((2, 4, 3), (1, 2, 3), np.uint8))[0]
    assert got[:, 0].tolist() == [[10, 20, 30], [3, 2, 1], [3, 2, 1], [10, 20, 30]]


def test_contain_keeps_a_pixel_of_a_thread() -> None:
    got = levels(size=(3, 3), resize="contain", fill=9, colour="gray").apply(np.full((1, 1000), 200, np.uint8))
    assert got[0, :, :, 0].tolist() == [[9, 9, 9], [200, 200, 200], [9, 9, 9]]


def test_values_are_float32_arithmetic_in_the_documented_order() -> None:
    contract = levels(
        size=(1, 1), mean=(123.675, 116.28, 103.53), scale=(1 / 58.395, 1 / 57.12, 1 / 57.375), dtype="float32",
        layout="nchw",
    )  # fmt: skip
    got = contract.apply(np.array([[[255, 0, 104]]], np.uint8))
    assert (got.shape, got.dtype) == ((1, 3, 1, 1), np.float32)
    one = np.float32
    want = [
        (one(255) - one(123.675)) * one(1 / 58.395),
        (one(0) - one(116.28)) * one(1 / 57.12),
        (one(104) - one(103.53)) * one(1 / 57.375),
    ]
    assert got.ravel().tolist() == want
    np.testing.assert_allclose(got.ravel(), [2.2489083, -2.0357144, 0.0081917], rtol=1e-5)


@pytest.mark.parametrize(
    ("dtype", "mean", "scale", "values"),
    [("uint8", 0, 1, [0, 127, 255]), ("int8", 128, 1, [-128, -1, 127]), ("int16", 0, 0.5, [0, 64, 128]),
     ("float16", 0, 1 / 255, [0.0, 0.498046875, 1.0])],
)  # fmt: skip
def test_dtypes(dtype: str, mean: float, scale: float, values: list[float]) -> None:
    # 127 x 0.5 = 63.5 and 255 x 0.5 = 127.5 round to even.
    contract = levels(size=(1, 3), colour="gray", dtype=dtype, mean=mean, scale=scale)
    got = contract.apply(np.array([[0, 127, 255]], np.uint8))
    assert got.dtype == dtype
    assert got.ravel().tolist() == values


def test_colours() -> None:
    np.testing.assert_array_equal(
        levels(size=(427, 640), colour="gray").apply(PHOTOS[0])[0, :, :, 0],
        np.asarray(Image.fromarray(PHOTOS[0]).convert("L")),
    )
    np.testing.assert_array_equal(levels(size=(427, 640), colour="bgr").apply(PHOTOS[0])[0], PHOTOS[0][:, :, ::-1])
    with_alpha = np.dstack([PHOTOS[0], np.zeros((427, 640), np.uint8)])
    np.testing.assert_array_equal(levels(size=(427, 640)).apply(with_alpha)[0], PHOTOS[0])
    for layout, shape in (("nchw", (1, 1, 427, 640)), ("nhwc", (1, 427, 640, 1))):
        contract = levels(size=(427, 640), colour="gray", layout=layout)
        got = contract.apply(PHOTOS[0])
        assert got.shape == contract.tensor_shape == shape
        assert got.flags.c_contiguous


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((2, 2, 3), np.float32), np.zeros((2, 2, 2), np.uint8), np.zeros((0, 2), np.uint8), np.zeros(2, np.uint8)],
)
def test_pixels_that_are_none_are_refused(pixels: Array) -> None:
    with pytest.raises(InputError, match="give uint8 of shape"):
        levels(size=(2, 2)).apply(pixels)


# The contract as a file

TOML = """
size = [224, 224]
resize = "cover"
crop_fraction = 0.875
interpolation = "bicubic"
colour = "rgb"
layout = "nchw"
mean = 127
std = 128
labels = "labels.txt"
"""


def write(folder: Path, text: str = TOML, labels: bytes = b"cat\r\nmaillot, tank suit\n\n") -> Path:
    (folder / "labels.txt").write_bytes(labels)
    (folder / "contract.toml").write_text(text, encoding="utf-8")
    return folder / "contract.toml"


def test_toml(tmp_path: Path) -> None:
    contract = Contract.from_toml(write(tmp_path))
    assert contract == Contract(
        size=(224, 224), resize="cover", crop_fraction=0.875, interpolation="bicubic", colour="rgb", layout="nchw",
        mean=(127.0, 127.0, 127.0), scale=(0.0078125,) * 3, labels=("cat", "maillot, tank suit"),
    )  # fmt: skip
    assert contract.tensor_shape == (1, 3, 224, 224)
    assert contract.to_json() == {
        "schema": 1, "size": [224, 224], "resize": "cover", "colour": "rgb", "layout": "nchw",
        "mean": [127.0, 127.0, 127.0], "scale": [0.0078125, 0.0078125, 0.0078125], "input": None,
        "crop_fraction": 0.875, "fill": [], "interpolation": "bicubic", "dtype": "float32",
        "labels": ["cat", "maillot, tank suit"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("mean = 127", "meen = 127", r"contract\.toml: preprocessing contract, meen: no such key; known keys: size, "),
        ("mean = 127", "", "mean missing"),
        ("std = 128", "", "scale missing"),
        ("std = 128", "std = 0", "numbers other than 0"),
        ("std = 128", "std = 128\nscale = 2", "scale is given too"),
        ("std = 128", "std = [1, 2]", "one number, or 3 in the order of colour 'rgb'"),
        ("std = 128", 'std = "128"', "got '128'"),
        ("mean = 127", "mean = nan", "got nan"),
        ("mean = 127", "mean = true", "got True"),
        ("[224, 224]", "[224]", "two whole numbers above 0"),
        ("[224, 224]", "[224, 0]", "two whole numbers above 0"),
        ("[224, 224]", "224", "two whole numbers above 0"),
        ("[224, 224]", "[224.5, 224]", "two whole numbers above 0"),
        ('"cover"', '"crop"', "give one of stretch, cover, contain"),
        ('"cover"', "[1]", "give one of stretch, cover, contain"),
        ('"cover"', '"stretch"', "cover\" beside it"),
        ("0.875", "1.5", "at most 1"),
        ('"nchw"', '"chw"', "give one of nchw, nhwc"),
        ("std = 128", "std = 128\nfill = 3", "contain\" beside it"),
        ("std = 128", 'std = 128\ndtype = "uint8"', r"values of -0\.99\d* … 1"),
        ("std = 128", 'std = 128\ndtype = "float64"', "give one of float32"),
        ('"labels.txt"', '"none.txt"', "No such file"),
        ('"labels.txt"', "[1, 2]", "a list of texts"),
        ("std = 128", 'std = 128\ninput = ""', "the input's name"),
        ("size =", "size", "not a TOML file"),
    ],
)  # fmt: skip
def test_toml_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write(tmp_path, TOML.replace(old, new))
    if "uint8" in new:
        message = "mean and scale give values of -1 … 1"
    with pytest.raises(InputError, match=message) as caught:
        Contract.from_toml(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("labels", "message"), [(b"a\n\nb\n", "line 2 is empty"), (b"\xff\xfe", "not UTF-8")])
def test_labels_refused(tmp_path: Path, labels: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Contract.from_toml(write(tmp_path, labels=labels))


def test_contain_needs_its_fill() -> None:
    with pytest.raises(InputError, match="a level from 0 to 255"):
        levels(size=(2, 2), resize="contain")
    with pytest.raises(InputError, match="whole levels from 0 to 255"):
        levels(size=(2, 2), resize="contain", fill=256)


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    colour, resize = (
        draw(st.sampled_from(["rgb", "bgr", "gray"])),
        draw(st.sampled_from(["stretch", "cover", "contain"])),
    )
    channels = 1 if colour == "gray" else 3
    number = st.floats(-1e6, 1e6, allow_nan=False).filter(bool)
    return Contract(
        size=draw(st.tuples(st.integers(1, 4096), st.integers(1, 4096))),
        resize=resize,
        colour=colour,
        layout=draw(st.sampled_from(["nchw", "nhwc"])),
        mean=draw(st.tuples(*[number] * channels)),
        scale=draw(st.tuples(*[number] * channels)),
        input=draw(st.none() | st.text(min_size=1, max_size=5)),
        crop_fraction=draw(st.floats(0.1, 1)) if resize == "cover" else 1.0,
        fill=draw(st.tuples(*[st.integers(0, 255)] * channels)) if resize == "contain" else (),
        interpolation=draw(st.sampled_from(["bilinear", "bicubic", "nearest"])),
        labels=tuple(draw(st.lists(st.text(max_size=5), max_size=3))),
    )


@given(contracts())
@settings(max_examples=60, deadline=None)
def test_json_round_trip_and_schema(contract: Contract) -> None:
    text = json.dumps(contract.to_json(), allow_nan=False)
    jsonschema.validate(json.loads(text), SCHEMA)
    assert Contract.from_json(json.loads(text)) == contract


@pytest.mark.parametrize(
    "change",
    [{"schema": 2}, {"sise": 1}, {"resize": "crop"}, {"size": [0, 1]}, {"mean": [1.0, 2.0]}, {"fill": [1, 2, 3]},
     {"dtype": "float64"}, {"crop_fraction": 0.5}, {"labels": [1]}, {"input": ""}],
)  # fmt: skip
def test_schema_and_contract_refuse_the_same(change: dict[str, Any]) -> None:
    data = levels(size=(2, 2)).to_json() | change
    with pytest.raises(InputError):
        Contract.from_json(data)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, SCHEMA)


def test_check_against() -> None:
    contract = levels(size=(8, 6), layout="nchw", dtype="float32", input="x")
    contract.check_against(TensorSpec("x", "float32", (1, 3, 8, 6)))
    contract.check_against(TensorSpec("x", "float32", (None, 3, None, 6)))
    contract.check_against(TensorSpec("x", "float32", (16, 3, 8, 6)))
    for spec, message in (
        (
            TensorSpec("x", "float32", (1, 8, 6, 3)),
            r"it makes NCHW arrays of shape \[1, 3, 8, 6\], the model takes x: ",
        ),
        (TensorSpec("x", "float32", (1, 3, 8)), "the model takes x"),
        (TensorSpec("x", "uint8", (1, 3, 8, 6)), "it makes float32, the model takes uint8"),
        (TensorSpec("y", "float32", (1, 3, 8, 6)), "it is for input 'x'"),
    ):
        with pytest.raises(InputError, match=message):
            contract.check_against(spec)


def test_numpy_alone_is_imported() -> None:
    loaded = "import sys, edgekit.preprocessing, edgekit.samples; print(*sys.modules)"
    names = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True).stdout.split()
    assert "numpy" in names
    assert not {"PIL", "pyarrow", "tomllib", "edgekit.content"} & set(names)


# Picture files


def test_decode_turns_upright_by_exif(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90° clockwise
    Image.fromarray(PHOTOS[0]).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(decode_image(tmp_path / "turned.png"), np.rot90(PHOTOS[0], -1))


@pytest.mark.parametrize(
    ("mode", "suffix", "shape"),
    [("RGB", "png", (4, 6, 3)), ("RGBA", "png", (4, 6, 3)), ("P", "png", (4, 6, 3)), ("L", "png", (4, 6)),
     ("LA", "png", (4, 6)), ("1", "png", (4, 6)), ("CMYK", "jpg", (4, 6, 3)), ("YCbCr", "jpg", (4, 6, 3)),
     ("RGB", "webp", (4, 6, 3)), ("P", "gif", (4, 6, 3))],
)  # fmt: skip
def test_decode_modes(tmp_path: Path, mode: str, suffix: str, shape: tuple[int, ...]) -> None:
    picture = Image.fromarray(PHOTOS[0][:4, :6]).convert(mode)
    picture.save(tmp_path / f"a.{suffix}")
    got = decode_image(tmp_path / f"a.{suffix}")
    assert (got.shape, got.dtype) == (shape, np.uint8)
    if suffix == "png":
        np.testing.assert_array_equal(got, np.asarray(picture.convert("L" if len(shape) == 2 else "RGB")))


def test_sixteen_bits(tmp_path: Path) -> None:
    Image.fromarray(np.full((2, 2), 40000, np.uint16)).save(tmp_path / "gray.png")
    with pytest.raises(InputError, match="its pixels are I;16, not 8 bits each"):
        decode_image(tmp_path / "gray.png")

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header, line = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0), b"\0" + struct.pack(">HHH", 0x12FF, 0x34FF, 0x56FF)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(line)) + chunk(b"IEND", b"")
    (tmp_path / "colour.png").write_bytes(png)
    assert decode_image(tmp_path / "colour.png").tolist() == [[[0x12, 0x34, 0x56]]]


def test_several_pictures_in_a_file(tmp_path: Path) -> None:
    frames = [Image.fromarray(PHOTOS[0][:8, :8]), Image.fromarray(PHOTOS[1][:8, :8])]
    for name in ("a.gif", "a.tiff", "a.webp"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        with pytest.raises(InputError, match="it has 2 frames"):
            decode_image(tmp_path / name)
    frames[0].save(tmp_path / "phone.jpg", format="MPO", save_all=True, append_images=frames[1:])
    assert decode_image(tmp_path / "phone.jpg").shape == (8, 8, 3)


# Pillow warns of the cut tags of a TIFF before it raises.
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "webp", "tiff", "bmp"])
def test_truncated_pictures_are_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(PHOTOS[0][:64, :64]).save(path)
    whole = path.read_bytes()
    for length in {0, 5, 30, len(whole) // 3, len(whole) // 2}:
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="not a whole picture"):
            decode_image(path)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        decode_image(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("not a picture")
    with pytest.raises(InputError, match="not a whole picture"):
        decode_image(tmp_path / "text.png")
    with pytest.raises(InputError, match="not a whole picture"):
        decode_image(tmp_path)
