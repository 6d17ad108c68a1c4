"""Samples that fit one model's inputs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import InputError, StorageError
from edgekit.samples.raw import DAMAGES
from edgekit.signature import Array

_SCHEMA = 1  # of the .npz that carries samples between processes; 1: the first


@dataclass(frozen=True, eq=False)
class Samples:
    """Arrays by input name; the leading dimension counts the samples and is the same for all.

    Attributes:
        arrays: each of shape [count, *rows*] where the model's leading dimension is dynamic, so that a sample is a row;
            else [count, *one whole input*], so that a sample is all that one run takes.
        batched: whether a sample is a row.
        synthetic: whether the samples are random.
        notes: what a reader of the results should know (columns that were left out).
        labels: what is right of each sample, the leading dimension as of the arrays; ``None`` where nobody said.
    """

    arrays: Mapping[str, Array]
    batched: bool
    synthetic: bool = False
    notes: tuple[str, ...] = ()
    labels: Array | None = None

    def __post_init__(self) -> None:
        counts = {name: len(array) for name, array in self.arrays.items()}
        if len(set(counts.values())) != 1 or 0 in counts.values():
            given = ", ".join(f"{name} has {count}" for name, count in counts.items()) or "there are none"
            raise InputError("samples", given, "give every input the same number of samples, at least one")
        if self.labels is not None and len(self.labels) != len(self):
            why = f"there are {len(self.labels)} labels for {len(self)} samples"
            raise InputError("labels", why, "give one label a sample, in the samples' order")

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def runs(self, batch: int = 32) -> Iterator[dict[str, Array]]:
        """The samples, in order, as dictionaries that a model takes.

        Where a sample is a row, the first run has 1, the second 2 and the others up to ``batch`` rows: a converted
        model may silently answer with the batch size that it was converted with.

        Raises:
            InputError: a batch below 1.
        """
        if batch < 1:
            raise InputError(f"runs of {batch} samples", "that is none", "give a batch of at least 1")
        if not self.batched:
            for index in range(len(self)):
                # A plain index would turn an input of rank 0 into a scalar.
                yield {name: a[index : index + 1].reshape(a.shape[1:]) for name, a in self.arrays.items()}
            return
        start, size = 0, 1
        while start < len(self):
            stop = start + min(size, batch)
            yield {name: array[start:stop] for name, array in self.arrays.items()}
            start, size = stop, 2 if size == 1 else batch

    def head(self, count: int) -> Samples:
        """The first ``count`` samples, or all where there are fewer.

        Raises:
            InputError: a count below 1.
        """
        if count < 1:
            raise InputError(f"the first {count} samples", "that is none", "ask for at least 1")
        return self._taken(slice(count))

    def split(self, part: float, seed: int = 0) -> tuple[Samples, Samples]:
        """Two parts that share no sample, each in the original's order, drawn by ``seed``.

        Args:
            part: the first part's size: a count (an int) or a share between 0 and 1 (a float).
            seed: of the draw.

        Raises:
            InputError: one part would be empty.
        """
        count = part if isinstance(part, (int, np.integer)) else round(part * len(self))
        if not 0 < count < len(self):
            why = f"that leaves {max(0, min(count, len(self)))} and {max(0, len(self) - max(count, 0))}"
            raise InputError(f"split {len(self)} samples at {part}", why, "leave at least one in each part")
        order = np.random.default_rng(seed).permutation(len(self))
        return self._taken(np.sort(order[:count])), self._taken(np.sort(order[count:]))

    def _taken(self, indices: Array | slice) -> Samples:
        labels = None if self.labels is None else self.labels[indices]
        return replace(self, arrays={name: array[indices] for name, array in self.arrays.items()}, labels=labels)

    def save(self, path: str | Path) -> None:
        """Write the samples to an .npz, without pickles, for :meth:`load`.

        Raises:
            StorageError: the file cannot be written.
        """
        described: list[dict[str, Any]] = []
        members: dict[str, Any] = {}
        for index, (name, array) in enumerate(self.arrays.items()):
            text = array.dtype.kind == "O"
            described.append({"name": name, "shape": list(array.shape), "text": text})
            members |= _encoded(f"{index}", array) if text else {f"{index}": array}
        if self.labels is not None:
            members["labels"] = self.labels
        header = {"schema": _SCHEMA, "arrays": described, "batched": self.batched}
        header |= {"synthetic": self.synthetic, "notes": list(self.notes)}
        members["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
        try:
            with Path(path).open("wb") as file:
                np.savez(file, **members)
        except OSError as error:
            raise StorageError(f"write samples {path}", error.strerror or str(error), "free space there") from error

    @staticmethod
    def load(path: str | Path) -> Samples:
        """The samples that :meth:`save` wrote.

        Raises:
            InputError: missing, damaged, or not written by :meth:`save`.
        """
        try:
            with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as stored:
                header = json.loads(stored["header"].tobytes())
                if header["schema"] != _SCHEMA:
                    raise InputError(
                        f"load samples {path}", f"schema {header['schema']} is unknown", "write them again"
                    )
                arrays = {
                    one["name"]: _decoded(stored, index, one["shape"]) if one["text"] else stored[f"{index}"]
                    for index, one in enumerate(header["arrays"])
                }
                labels = stored["labels"] if "labels" in stored.files else None
                return Samples(arrays, header["batched"], header["synthetic"], tuple(header["notes"]), labels)
        except (*DAMAGES, TypeError, AttributeError) as error:
            raise InputError(
                f"load samples {path}", f"no samples of edgekit's ({error})", "write them again"
            ) from error


def _encoded(key: str, array: Array) -> dict[str, Array]:
    """Texts as their UTF-8 bytes end to end, and the length of each: numpy's own text dtype drops trailing NULs."""
    texts = [text.encode("utf-8", "surrogatepass") for text in array.reshape(-1)]
    lengths = np.array([len(text) for text in texts], np.int64)
    return {f"{key}.lengths": lengths, f"{key}.bytes": np.frombuffer(b"".join(texts), np.uint8)}


def _decoded(stored: Mapping[str, Array], index: int, shape: list[int]) -> Array:
    ends = np.cumsum(stored[f"{index}.lengths"])
    data = stored[f"{index}.bytes"].tobytes()
    array = np.empty(len(ends), dtype=object)
    for place, (length, end) in enumerate(zip(stored[f"{index}.lengths"], ends, strict=True)):
        array[place] = data[end - length : end].decode("utf-8", "surrogatepass")
    return array.reshape(shape)
