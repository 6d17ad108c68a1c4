"""Real photographs and the names of the ImageNet classes, from packages that ship them; nothing is downloaded."""

import shutil
import sys
from importlib.resources import files
from pathlib import Path

from skl2onnx.tutorial.imagenet_classes import class_names

HERE = Path(__file__).parent
PHOTOGRAPHS = {
    "skimage.data": ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png",
                     "motorcycle_right.png", "hubble_deep_field.jpg", "camera.png", "clock_motion.png", "coins.png"),
    "sklearn.datasets.images": ("china.jpg", "flower.jpg"),
}  # fmt: skip


def main(folder: Path) -> None:
    """Write ``photos/``, ``labels.txt`` and the contract beside them."""
    photos = folder / "photos"
    photos.mkdir(parents=True, exist_ok=True)
    for package, names in PHOTOGRAPHS.items():
        for name in names:
            (photos / name).write_bytes((files(package) / name).read_bytes())
    labels = [class_names[index] for index in range(1000)]
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in labels), encoding="utf-8")
    if folder.resolve() != HERE.resolve():
        shutil.copy(HERE / "contract.toml", folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
