"""``make benchmark-models``: train what is not trained yet, and say how well each answers."""

from __future__ import annotations

import sys

import torch
from benchmark_data.pictures import fashion_mnist

from models.trained import NAMES, inputs_of, trained


def main() -> int:
    """Train all networks; prints the accuracy of each."""
    pictures = fashion_mnist()
    for name in NAMES:
        network = trained(name)
        with torch.no_grad():
            parts = torch.from_numpy(inputs_of(name, pictures.test_images)).split(500)
            found = torch.cat([network(part).argmax(dim=1) for part in parts]).numpy()
        print(f"{name}: {(found == pictures.test_labels).mean():.2%} of {len(found):,}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
