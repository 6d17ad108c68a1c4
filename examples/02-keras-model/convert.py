"""A live Keras model to every format, in Python; the command line beside it is in the README."""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import edgekit


def main(folder: Path) -> None:
    """Convert, then ask each format that runs here for the digits of the test set."""
    model = keras.models.load_model(folder / "model.keras")
    with np.load(folder / "samples.npz") as samples:
        images = samples["image"]
    result = edgekit.convert(
        model,
        to=["onnx", "tflite", "coreml"],
        quantize="float16",
        samples={"image": images},
        output=folder / "python.edge",
        force=True,
    )
    for failure in result.failed:
        raise SystemExit(str(failure.error))
    for row in result.artifacts:
        verdict = row["verdict"]
        word = {True: "passed", False: "FAILED", None: "not executed"}[verdict["passed"]]
        print(f"{row['target']:7} {row['scheme']:8} {word:13} {row['bytes'] / 1e3:.0f} kB")
    labels = np.load(folder / "labels.npy")
    for target in ("onnx", "tflite"):
        session = edgekit.load(folder / "python.edge", target=target)
        answers = [session.run({"image": images[i : i + 1]})["probabilities"].argmax() for i in range(len(images))]
        print(f"{target:7} on {session.runtime}: {np.mean(np.array(answers) == labels):.1%} of the digits right")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
