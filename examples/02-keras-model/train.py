"""A small Keras network for handwritten digits (UCI digits, shipped with scikit-learn), trained in a few seconds."""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def main(folder: Path) -> None:
    """Train, save ``model.keras``, and keep the test set as ``samples.npz``."""
    keras.utils.set_random_seed(0)
    images, labels = load_digits(return_X_y=True)
    images = (images.reshape(-1, 8, 8, 1) / 16).astype(np.float32)
    train_x, test_x, train_y, test_y = train_test_split(images, labels, test_size=200, random_state=0, stratify=labels)
    image = keras.Input((8, 8, 1), name="image")
    hidden = keras.layers.Conv2D(16, 3, activation="relu")(image)
    hidden = keras.layers.Conv2D(32, 3, activation="relu")(hidden)
    hidden = keras.layers.Flatten()(hidden)
    probabilities = keras.layers.Dense(10, activation="softmax", name="probabilities")(hidden)
    model = keras.Model(image, probabilities)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(train_x, train_y, epochs=8, batch_size=32, verbose=0)
    accuracy = float(np.mean(model.predict(test_x, verbose=0).argmax(axis=1) == test_y))
    print(f"accuracy on {len(test_y)} digits that it has not seen: {accuracy:.1%}")
    model.save(folder / "model.keras")
    np.savez(folder / "samples.npz", image=test_x)
    np.save(folder / "labels.npy", test_y)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
