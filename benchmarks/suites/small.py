"""The models of ``small.toml``: each function converts one to the formats and schemes asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

import edgekit


def digits_linear(output: Path, targets: Sequence[str], schemes: Sequence[str]) -> None:
    """Scaling and a logistic regression on the 64 pixels of scikit-learn's digits."""
    features, labels = load_digits(return_X_y=True)
    features = features.astype(np.float32)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(features, labels)
    _convert(model, features[::20], output, targets, schemes)


def cancer_forest(output: Path, targets: Sequence[str], schemes: Sequence[str]) -> None:
    """A hundred trees on the 30 measurements of the Wisconsin breast cancer data."""
    features, labels = load_breast_cancer(return_X_y=True)
    features = features.astype(np.float32)
    model = RandomForestClassifier(100, random_state=0).fit(features, labels)
    _convert(model, features[::10], output, targets, schemes)


def digits_network(output: Path, targets: Sequence[str], schemes: Sequence[str]) -> None:
    """Three convolutions on the digits as pictures of 8 by 8, trained for a few seconds."""
    features, labels = load_digits(return_X_y=True)
    pictures = torch.from_numpy(features.astype(np.float32).reshape(-1, 1, 8, 8) / 16)
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(512, 10),
    )  # fmt: skip
    optimizer = torch.optim.Adam(network.parameters(), 2e-3)
    wanted = torch.from_numpy(labels)
    for _ in range(15):
        for rows in torch.randperm(len(wanted)).split(128):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(pictures[rows]), wanted[rows]).backward()
            optimizer.step()
    _convert(network.eval(), pictures[::4].numpy(), output, targets, schemes)


class _Block(nn.Module):
    """Expand, filter by depth, project; added to its input where nothing halves (Sandler et al., MobileNetV2, 2018)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        hidden = 6 * inputs
        self.same = stride == 1 and inputs == outputs
        self.expand = nn.Sequential(nn.Conv2d(inputs, hidden, 1), nn.ReLU6())
        self.depth = nn.Sequential(nn.Conv2d(hidden, hidden, 3, stride, 1, groups=hidden), nn.ReLU6())
        self.project = nn.Conv2d(hidden, outputs, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.project(self.depth(self.expand(x)))
        return x + y if self.same else y


def mobile_network(output: Path, targets: Sequence[str], schemes: Sequence[str]) -> None:
    """Inverted residuals on pictures of 96 by 96, with random weights: its time is that of trained ones."""
    torch.manual_seed(0)
    layout = ((16, 24, 2), (24, 24, 1), (24, 40, 2), (40, 40, 1), (40, 80, 2), (80, 80, 1))
    network = nn.Sequential(
        nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU6(), *(_Block(*one) for one in layout),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(80, 100),
    )  # fmt: skip
    pictures = np.random.default_rng(0).standard_normal((4, 3, 96, 96)).astype(np.float32)
    _convert(network.eval(), pictures, output, targets, schemes)


def _convert(model: object, samples: np.ndarray, output: Path, targets: Sequence[str], schemes: Sequence[str]) -> None:
    # Smaller files may be slower here than on the devices they are for: that is what the suite is to show.
    quantize = [one for one in schemes if one != "float32"]
    only = "float32" not in schemes
    edgekit.convert(model, targets, samples=samples, quantize=quantize, only=only, output=output, allow_slower=True)
