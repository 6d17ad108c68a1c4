"""A transformer encoder as its paper lays it out.

Source: Vaswani et al., Attention Is All You Need (2017), section 3, with the normalisation before each part.
"""

from __future__ import annotations

import math

import torch
from torch import nn


class _Layer(nn.Module):
    """Attention and two dense layers, each beside its input."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.joined = nn.Linear(width, width)
        self.dense = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[n, length, width] to the same."""
        n, length, width = x.shape
        seen = self.before(x)

        def split(part: nn.Module) -> torch.Tensor:
            return part(seen).reshape(n, length, self.heads, width // self.heads).transpose(1, 2)

        scores = split(self.query) @ split(self.key).transpose(2, 3) / math.sqrt(width // self.heads)
        mixed = (torch.softmax(scores, dim=-1) @ split(self.value)).transpose(1, 2).reshape(n, length, width)
        x = x + self.joined(mixed)
        return x + self.dense(self.between(x))


class _Encoder(nn.Module):
    def __init__(self, features: int, length: int, width: int, heads: int, layers: int, classes: int) -> None:
        super().__init__()
        self.read = nn.Linear(features, width)
        self.places = nn.Parameter(torch.randn(1, length, width) * 0.02)
        self.layers = nn.Sequential(*(_Layer(width, heads, 4 * width) for _ in range(layers)))
        self.last, self.classes = nn.LayerNorm(width), nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[n, length, features] to [n, classes]."""
        return self.classes(self.last(self.layers(self.read(x) + self.places)).mean(dim=1))


def encoder(
    *, features: int = 256, length: int = 128, width: int = 256, heads: int = 4, layers: int = 4, classes: int = 10
) -> nn.Module:
    """Four layers of 256, four heads, sequences of 128: 3.2 million parameters.

    Args:
        features: of each place of the sequence.
        length: of the sequence.
        width: of the layers.
        heads: of the attention.
        layers: how many.
        classes: how many it tells apart.
    """
    return _Encoder(features, length, width, heads, layers, classes).eval()
