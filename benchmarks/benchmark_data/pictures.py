"""Fashion-MNIST (Zalando Research, MIT): 28 by 28 grey pictures of clothes in ten classes.

The files are in the format of the MNIST database, "idx": two zeros, the type (8: unsigned bytes), the number of
dimensions, each dimension as a big-endian 32-bit integer, then the values.
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark_data.packages import find
from edgekit.errors import InputError

PACKAGE = "dataset-fashion-mnist"
FOLDER = "usr/share/datasets/fashion-mnist"
_ASKED = 'read the data set "fashion-mnist"'
_UNSIGNED_BYTES = 8


class Pictures(NamedTuple):
    """60,000 pictures [n, 28, 28] to train on and 10,000 to test with, uint8, with their labels [n] from 0 to 9."""

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]


def fashion_mnist() -> Pictures:
    """Fashion-MNIST, split as its authors split it.

    Raises:
        InputError: its Debian package is not here, or a file of it is damaged.
    """
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    files = (find(_ASKED, PACKAGE, f"{FOLDER}/{name}-ubyte.gz") for name in names)
    train, train_labels, test, test_labels = map(read_idx, files)
    return Pictures(train, train_labels.astype(np.int64), test, test_labels.astype(np.int64))


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The array of bytes in a gzipped idx file.

    Raises:
        InputError: the file is no such array, or is cut short.
    """
    try:
        content = gzip.decompress(path.read_bytes())
        if content[:3] != bytes([0, 0, _UNSIGNED_BYTES]):
            raise ValueError("no idx file of unsigned bytes")
        shape = np.frombuffer(content, ">u4", count=content[3], offset=4)
        values = np.frombuffer(content, np.uint8, offset=4 + 4 * content[3])
        # A copy can be written to; torch warns of arrays that cannot.
        return np.array(values.reshape(shape), np.uint8)
    except (OSError, EOFError, ValueError, IndexError, zlib.error) as error:
        next_step = "remove the folder of its package, then run: make benchmark-data"
        raise InputError(f"read {path}", str(error), next_step) from error
