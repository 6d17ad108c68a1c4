"""Images in and out, against torch on the same pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coreml_packages import converter, save, wanted

from edgekit.coreml_reference import open_model
from edgekit.errors import InputError

torch = pytest.importorskip("torch")
pytest.importorskip("coremltools")
RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (10, 14, 3), dtype=np.uint8)
GRAY = RNG.integers(0, 256, (10, 14), dtype=np.uint8)


class Net(torch.nn.Module):  # type: ignore[misc,name-defined]
    def __init__(self, channels: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = torch.nn.Conv2d(channels, 4, 3, stride=2)

    def forward(self, x: Any) -> Any:
        return torch.relu(self.conv(x))


def image_type(layout: str, **options: Any) -> Any:
    ct = converter()
    return ct.ImageType(name="x", color_layout=getattr(ct.colorlayout, layout), **options)


@pytest.mark.parametrize(
    ("layout", "scale", "bias"),
    [
        ("RGB", 1.0, None),
        ("RGB", 1 / 255, [-0.5, 0.25, 0.75]),
        ("BGR", 1 / 127.5, [-1.0, 0.0, 1.0]),
        ("GRAYSCALE", 1 / 255, -0.5),
        ("GRAYSCALE_FLOAT16", 2.0, 0.5),
    ],
)
def test_an_image_goes_in_as_torch_sees_it(tmp_path: Path, layout: str, scale: float, bias: Any) -> None:
    gray = layout.startswith("GRAY")
    net = Net(1 if gray else 3)
    image = GRAY if gray else COLOUR
    if layout == "GRAYSCALE_FLOAT16":
        image = (GRAY / 255).astype(np.float16)
    shape = (1, 1 if gray else 3, 10, 14)
    path = save(
        net,
        torch.zeros(shape),
        tmp_path / "m.mlpackage",
        inputs=[image_type(layout, shape=shape, scale=scale, bias=bias)],
    )
    ordered = image[None] if gray else (image[:, :, ::-1] if layout == "BGR" else image).transpose(2, 0, 1)
    pixels = ordered[None].astype(np.float32) * np.float32(scale)
    pixels += np.reshape(np.float32(0 if bias is None else bias), (1, -1, 1, 1))
    model = open_model(path)
    (output,) = model.predict({"x": image}).values()
    np.testing.assert_allclose(output, wanted(net, pixels), atol=1e-3 if layout == "GRAYSCALE_FLOAT16" else 2e-4)
    assert model.inputs[0].shape == (10, 14)


@pytest.mark.parametrize("layout", ["RGB", "BGR", "GRAYSCALE", "GRAYSCALE_FLOAT16"])
def test_an_image_comes_out_rounded_and_held_to_8_bits(tmp_path: Path, layout: str) -> None:
    class Brighter(torch.nn.Module):  # type: ignore[misc,name-defined]
        def forward(self, x: Any) -> Any:
            return x * 1.6 - 40

    ct = converter()
    gray = layout.startswith("GRAY")
    shape = (1, 1 if gray else 3, 10, 14)
    layouts = {"color_layout": getattr(ct.colorlayout, layout)}
    image = GRAY if gray else COLOUR
    if layout == "GRAYSCALE_FLOAT16":
        image = image.astype(np.float16)
    path = save(
        Brighter(),
        torch.zeros(shape),
        tmp_path / "m.mlpackage",
        inputs=[ct.ImageType(name="x", shape=shape, **layouts)],
        outputs=[ct.ImageType(name="y", **layouts)],
    )
    output = open_model(path).predict({"x": image})["y"]
    bright = image.astype(np.float32) * np.float32(1.6) - 40
    assert output.shape == image.shape
    if layout == "GRAYSCALE_FLOAT16":
        assert output.dtype == np.float16
        np.testing.assert_allclose(output, bright, atol=0.1)
    else:
        # The colours come out in the order in which they came in, whatever the model's own is.
        assert output.dtype == np.uint8
        np.testing.assert_array_equal(output, np.clip(np.rint(bright), 0, 255).astype(np.uint8))


def test_enumerated_image_sizes(tmp_path: Path) -> None:
    ct = converter()
    net = Net(3)
    shapes = ct.EnumeratedShapes([(1, 3, 10, 14), (1, 3, 12, 12)], default=(1, 3, 10, 14))
    path = save(net, torch.zeros(1, 3, 10, 14), tmp_path / "m.mlpackage", inputs=[image_type("RGB", shape=shapes)])
    model = open_model(path)
    for size in ((10, 14), (12, 12)):
        image = RNG.integers(0, 256, (*size, 3), dtype=np.uint8)
        (output,) = model.predict({"x": image}).values()
        np.testing.assert_allclose(
            output, wanted(net, image.transpose(2, 0, 1)[None].astype(np.float32)), rtol=1e-4, atol=1e-3
        )
    with pytest.raises(InputError, match=r"takes \[10, 14\] or \[12, 12\]"):
        model.predict({"x": np.zeros((14, 10, 3), np.uint8)})


def test_a_range_of_image_sizes(tmp_path: Path) -> None:
    ct = converter()
    net = Net(1)
    shape = ct.Shape((1, 1, ct.RangeDim(8, 20, default=10), ct.RangeDim(8, 16, default=14)))
    path = save(net, torch.zeros(1, 1, 10, 14), tmp_path / "m.mlpackage", inputs=[image_type("GRAYSCALE", shape=shape)])
    model = open_model(path)
    for size in ((8, 8), (20, 16), (11, 13)):
        image = RNG.integers(0, 256, size, dtype=np.uint8)
        (output,) = model.predict({"x": image}).values()
        np.testing.assert_allclose(output, wanted(net, image[None, None].astype(np.float32)), rtol=1e-4, atol=1e-3)
    for size in ((7, 8), (21, 8), (8, 17)):
        with pytest.raises(InputError, match=r"takes \[8\.\.20, 8\.\.16\]"):
            model.predict({"x": np.zeros(size, np.uint8)})


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    path = save(
        Net(3),
        torch.zeros(1, 3, 10, 14),
        tmp_path / "m.mlpackage",
        inputs=[image_type("RGB", shape=(1, 3, 10, 14))],
    )
    model = open_model(path)
    same = model.predict({"x": COLOUR.astype(np.float32)})
    for name, output in model.predict({"x": COLOUR}).items():
        np.testing.assert_array_equal(output, same[name])
    for wrong, message in (
        (GRAY, "colour image"),
        (np.zeros((10, 14, 4), np.uint8), "colour image"),
        (COLOUR / 255, "8 bits"),
        (COLOUR.astype(np.int32) - 1, "8 bits"),
        (np.full((10, 14, 3), np.nan), "8 bits"),
        (COLOUR.transpose(2, 0, 1), r"takes \[10, 14\]"),
        (np.full((10, 14, 3), "a"), "numbers"),
    ):
        with pytest.raises(InputError, match=message):
            model.predict({"x": wrong})
