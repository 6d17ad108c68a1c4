"""How the inputs and outputs of a model file stand for the bundle's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgekit.bundle import strict
from edgekit.preprocessing.terms import MOST_COLUMNS, Vectorizer
from edgekit.signature import TensorSpec


@dataclass(frozen=True)
class Binding:
    """How one input or output of a model file stands for the bundle's.

    Attributes:
        name: the bundle's name.
        native: the model file's name.
        transpose: for an input, what turns the bundle's array into the file's (``numpy.transpose``'s axes); for an
            output, what turns the file's array into the bundle's; ``None`` where nothing is turned.
        dtype: the model file's dtype; values are cast between it and the bundle's.
        codes: of text in a format that holds none, the texts that the file's integers stand for, in order; empty
            elsewhere. A text that is not among them is -1.
        vectorizers: of an input of texts, a text a row, of which the file takes the counts of terms: what counts them,
            their columns one behind the other; empty elsewhere.
    """

    name: str
    native: str
    transpose: tuple[int, ...] | None
    dtype: str
    codes: tuple[str, ...] = ()
    vectorizers: tuple[Vectorizer, ...] = ()

    def misfit(self, native: TensorSpec) -> bool:
        """Whether it is not one of a file's input or output."""
        if self.vectorizers:
            width = sum(one.width for one in self.vectorizers)
            counts = self.dtype.startswith("float") and native.shape[1:] == (width,)
            # A damaged manifest would otherwise ask for memory that no machine has.
            if not counts or width > MOST_COLUMNS or self.codes or self.transpose is not None:
                return True
        turns = self.transpose is not None and sorted(self.transpose) != list(range(len(native.shape)))
        return turns or self.dtype != native.dtype

    def takes(self, spec: TensorSpec) -> bool:
        """Whether it can stand for an input or output of the bundle's: counts are those of one text a row."""
        return not self.vectorizers or (spec.dtype == "string" and spec.shape[1:] in {(), (1,)} and spec.shape != ())

    def to_json(self, known: Sequence[Vectorizer] = ()) -> dict[str, Any]:
        """``{"name", "native", "transpose", "dtype", "codes"}``; ``"vectorizers"`` where there are some.

        Args:
            known: vectorizers that are written as their number among these: several files share a long vocabulary.
        """
        turned = None if self.transpose is None else list(self.transpose)
        entries = [known.index(one) if one in known else one.to_json() for one in self.vectorizers]
        counted = {"vectorizers": entries} if entries else {}
        return {
            **{name: getattr(self, name) for name in ("name", "native", "dtype")},
            "transpose": turned,
            "codes": list(self.codes),
            **counted,
        }

    @staticmethod
    def from_json(data: Mapping[str, Any], known: Sequence[Vectorizer] = ()) -> Binding:
        """The binding that :meth:`to_json` wrote.

        Args:
            data: the object.
            known: the vectorizers that numbers stand for.

        Raises:
            InputError: it is none.
        """
        counted = {"vectorizers": (list,)} if "vectorizers" in data else {}
        strict.take(
            "binding",
            data,
            name=strict.TEXT,
            native=strict.TEXT,
            transpose=(list, type(None)),
            dtype=strict.TEXT,
            codes=(list,),
            **counted,
        )
        axes = None if data["transpose"] is None else tuple(data["transpose"])
        if any(type(axis) is not int for axis in axes or ()):
            raise strict.malformed(f"transpose of {data['name']!r} is {data['transpose']}")
        codes = strict.texts(f"codes of {data['name']!r}", data["codes"])
        chosen = tuple(_vectorizer(one, known) for one in data.get("vectorizers", ()))
        return Binding(**{**data, "transpose": axes, "codes": codes, "vectorizers": chosen})


def _vectorizer(entry: Any, known: Sequence[Vectorizer]) -> Vectorizer:
    if type(entry) is not int:
        return strict.vectorizer(entry)
    if not 0 <= entry < len(known):
        raise strict.malformed(f"there is no vectorizer {entry}")
    return known[entry]
