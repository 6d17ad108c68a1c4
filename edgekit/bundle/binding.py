"""How the inputs and outputs of a model file stand for the bundle's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.bundle import strict
from edgekit.preprocessing.terms import MOST_COLUMNS, Vectorizer
from edgekit.signature import TensorSpec

# Of wider integers float32, in which they are counted, holds not every one.
_INTEGERS = ("int8", "uint8", "int16", "uint16")


@dataclass(frozen=True)
class Quantization:
    """Integers that stand for reals: ``real = (integer - zero_point) * scale``, in float32.

    Attributes:
        scale: one for the whole tensor, exactly as float32 holds it.
        zero_point: the integer that stands for 0.
    """

    scale: float
    zero_point: int

    def __str__(self) -> str:
        """For people: ``real = (integer + 128) * 0.003921569``."""
        sign = "-" if self.zero_point > 0 else "+"
        return f"real = (integer {sign} {abs(self.zero_point)}) * {self.scale:.9g}"

    def fits(self, dtype: str) -> bool:
        """Whether integers of that dtype can stand so."""
        if dtype not in _INTEGERS or not math.isfinite(self.scale) or self.scale <= 0:
            return False
        limits = np.iinfo(dtype)
        return bool(limits.min <= self.zero_point <= limits.max)

    def to_json(self) -> dict[str, Any]:
        """``{"scale", "zero_point"}``."""
        return {"scale": self.scale, "zero_point": self.zero_point}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Quantization:
        """What :meth:`to_json` wrote.

        Raises:
            InputError: it is none.
        """
        strict.take("quantization", data, scale=(float, int), zero_point=(int,))
        return Quantization(**data)


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
        quantization: of reals in a file that takes or gives integers, how these stand for them; ``None`` elsewhere.
    """

    name: str
    native: str
    transpose: tuple[int, ...] | None
    dtype: str
    codes: tuple[str, ...] = ()
    vectorizers: tuple[Vectorizer, ...] = ()
    quantization: Quantization | None = None

    def misfit(self, native: TensorSpec) -> bool:
        """Whether it is not one of a file's input or output."""
        if self.vectorizers:
            width = sum(one.width for one in self.vectorizers)
            counts = self.dtype.startswith("float") and native.shape[1:] == (width,)
            # A damaged manifest would otherwise ask for memory that no machine has.
            if not counts or width > MOST_COLUMNS or self.codes or self.transpose is not None:
                return True
        if self.quantization and (self.codes or self.vectorizers or not self.quantization.fits(self.dtype)):
            return True
        turns = self.transpose is not None and sorted(self.transpose) != list(range(len(native.shape)))
        return turns or self.dtype != native.dtype

    def takes(self, spec: TensorSpec) -> bool:
        """Whether it can stand for an input or output of the bundle's: counts are those of one text a row."""
        if self.quantization is not None:
            return spec.dtype.startswith("float")
        return not self.vectorizers or (spec.dtype == "string" and spec.shape[1:] in {(), (1,)} and spec.shape != ())

    def to_json(self, known: Sequence[Vectorizer] = ()) -> dict[str, Any]:
        """``{"name", "native", "transpose", "dtype", "codes"}``; ``"vectorizers"`` and ``"quantization"`` if any.

        Args:
            known: vectorizers that are written as their number among these: several files share a long vocabulary.
        """
        turned = None if self.transpose is None else list(self.transpose)
        entries = [known.index(one) if one in known else one.to_json() for one in self.vectorizers]
        more: dict[str, Any] = {"vectorizers": entries} if entries else {}
        if self.quantization is not None:
            more["quantization"] = self.quantization.to_json()
        return {
            **{name: getattr(self, name) for name in ("name", "native", "dtype")},
            "transpose": turned,
            "codes": list(self.codes),
            **more,
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
        optional = {"vectorizers": (list,), "quantization": (dict,)}
        strict.take(
            "binding",
            data,
            name=strict.TEXT,
            native=strict.TEXT,
            transpose=(list, type(None)),
            dtype=strict.TEXT,
            codes=(list,),
            **{key: types for key, types in optional.items() if key in data},
        )
        axes = None if data["transpose"] is None else tuple(data["transpose"])
        if any(type(axis) is not int for axis in axes or ()):
            raise strict.malformed(f"transpose of {data['name']!r} is {data['transpose']}")
        codes = strict.texts(f"codes of {data['name']!r}", data["codes"])
        chosen = tuple(_vectorizer(one, known) for one in data.get("vectorizers", ()))
        quantized = Quantization.from_json(data["quantization"]) if "quantization" in data else None
        read = {"transpose": axes, "codes": codes, "vectorizers": chosen, "quantization": quantized}
        return Binding(**{**data, **read})


def _vectorizer(entry: Any, known: Sequence[Vectorizer]) -> Vectorizer:
    if type(entry) is not int:
        return strict.vectorizer(entry)
    if not 0 <= entry < len(known):
        raise strict.malformed(f"there is no vectorizer {entry}")
    return known[entry]
