"""A trained model, loaded: what every framework's source offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar

from edgekit.preprocessing.terms import Vectorizer
from edgekit.signature import Array, Signature


@dataclass(frozen=True)
class Provenance:
    """Where a model came from.

    Attributes:
        file: the file's name, without its folder; ``None`` for a live object.
        sha256: the digest of the file (of a folder: of its files, in sorted order); ``None`` for a live object.
        versions: the framework's packages and their versions.
    """

    file: str | None = None
    sha256: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """``{"file", "sha256", "versions"}``."""
        return {"file": self.file, "sha256": self.sha256, "versions": dict(self.versions)}


class Source(ABC):
    """A trained model with its signature, able to give the reference outputs for every comparison.

    Attributes:
        framework: ``torch``, ``tensorflow``, …
        native: the framework's own object.
        signature: what it takes and gives, in the user's names.
        provenance: where it came from.
        columns: for tables, the columns that each input takes, in order, where the model knows their names.
        notes: what a reader of the results should know, one sentence each.
        accepts_nan: whether NaN among its inputs means a missing value.
        quantized: whether it rounds its activations to 8 bits by ranges of its own, as quantization-aware training
            leaves them: files keep those.
        codes: of inputs and outputs of text, the texts that integers stand for in formats that hold no text, in order.
    """

    framework: ClassVar[str]
    columns: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    notes: tuple[str, ...] = ()
    accepts_nan: bool = False
    quantized: bool = False
    codes: Mapping[str, tuple[str, ...]] = MappingProxyType({})

    native: Any
    signature: Signature
    provenance: Provenance

    @abstractmethod
    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The original's outputs, by the signature's names, for inputs that fit the signature.

        Raises:
            ExecutionError: nothing on this machine can run the original.
        """

    def own_samples(self, seed: int) -> dict[str, Array] | None:
        """Samples made from what the model itself has learned, by input name; ``None`` where it tells nothing.

        Args:
            seed: of the draw.
        """
        del seed
        return None

    def vectorizers(self, name: str) -> tuple[Vectorizer, ...]:
        """What counts the terms of an input of texts for formats that hold no text; empty where nothing does.

        Args:
            name: the input's, in the signature.

        Raises:
            ConversionError: the source counts in a way that only itself can.
        """
        del name
        return ()

    def layers_of(self, operator: str) -> list[str]:
        """The layers, by the model's own paths, that use an operator a converter refused; empty where unknown."""
        del operator
        return []

    def close(self) -> None:  # noqa: B027 - most sources hold nothing that needs closing
        """Let go of what loading took (temporary folders)."""


@dataclass(frozen=True)
class LoadRequest:
    """How the user wants a model loaded; what a framework has no use for, it refuses.

    Attributes:
        model: a path, or ``package.module:factory``.
        weights: a .safetensors file or a state dict, for a factory.
        trust: whether files that run code when loaded (pickles) may be loaded.
        shapes: the inputs' shapes by name, ``None`` where dynamic, where the model does not say (``--input-shape``).
        dtypes: the inputs' dtypes by name, where the model does not say.
        example: one sample by input name, without a batch dimension added or removed: the arrays' leading dimension is
            the number of samples. Where the model does not tell its inputs' shapes, the example does.
        table: whether the example is a table's columns, each of one dimension, rather than inputs by name.
        input_names: the user's names for the inputs, in order; empty keeps the model's own.
        output_names: the user's names for the outputs, in order; empty keeps the model's own.
        dynamic: the dimensions to keep dynamic: ``("batch",)`` or nothing.
        columns: ``named`` for an input a column, ``matrix`` for one input of all; ``None`` leaves it to the model.
    """

    model: str
    weights: str | None = None
    trust: bool = False
    shapes: Mapping[str, tuple[int | None, ...]] = field(default_factory=dict)
    dtypes: Mapping[str, str] = field(default_factory=dict)
    example: Mapping[str, Array] = field(default_factory=dict)
    table: bool = False
    input_names: tuple[str, ...] = ()
    output_names: tuple[str, ...] = ()
    dynamic: tuple[str, ...] = ()
    columns: str | None = None
