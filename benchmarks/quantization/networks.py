"""The networks, each twice: small and trained on Fashion-MNIST for what it loses, at full size for its speed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from benchmark_data.pictures import fashion_mnist
from models import encoder, mobilenet_v2, resnet18, trained
from models.trained import inputs_of
from numpy.typing import NDArray

Floats = NDArray[np.float32]
# Pictures that tell ranges, and that tell accuracy: the first of the data set's own 10,000 to test with.
_RANGES, _COMPARED, _FULL_SIZE = 256, 4000, 64
_ENLARGED = 8


@dataclass(frozen=True)
class Network:
    """An architecture.

    Attributes:
        name: of the small and trained one in :mod:`models`, too.
        build: makes the one of full size, its weights drawn.
        goal: how many times as fast as plain float32 it is to become.
    """

    name: str
    build: Callable[[], torch.nn.Module]
    goal: float

    @cached_property
    def small(self) -> torch.nn.Module:
        """The small one, trained."""
        return trained(self.name)

    @cached_property
    def full(self) -> torch.nn.Module:
        """The one of full size; its weights are seeded."""
        torch.manual_seed(0)
        return self.build().eval()

    def small_inputs(self) -> tuple[Floats, Floats, NDArray[np.int64]]:
        """Inputs [256, …] for ranges, inputs [4000, …] to be compared on, and their labels [4000]."""
        pictures = fashion_mnist()
        ranges = inputs_of(self.name, pictures.train_images[:_RANGES])
        compared = inputs_of(self.name, pictures.test_images[:_COMPARED])
        return ranges, compared, pictures.test_labels[:_COMPARED]

    def full_inputs(self) -> Floats:
        """Inputs [64, …] for ranges and comparison: pictures enlarged; for the encoder drawn from seed 0."""
        if self.name == "encoder":
            return np.random.default_rng(0).standard_normal((_FULL_SIZE, 128, 256)).astype(np.float32)
        pictures = inputs_of(self.name, fashion_mnist().test_images[:_FULL_SIZE])
        large = pictures.repeat(_ENLARGED, axis=2).repeat(_ENLARGED, axis=3)
        return np.ascontiguousarray(large.repeat(3, axis=1))


NETWORKS = (
    Network("mobilenetv2", mobilenet_v2, 2.2),
    Network("resnet18", resnet18, 3.4),
    Network("encoder", encoder, 3.5),
)


def answers(network: torch.nn.Module, inputs: Floats) -> list[dict[str, Any]]:
    """What a network answers to each input [1, …], as edgekit's metrics take it."""
    with torch.no_grad():
        parts = [network(part) for part in torch.from_numpy(inputs).split(100)]
    return [{"output_0": row[None]} for row in torch.cat(parts).numpy()]
