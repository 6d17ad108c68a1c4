"""MobileNetV2 and ResNet18 as their papers lay them out, with random weights: for timing only.

Sources: Sandler et al., MobileNetV2 (2018), table 2; He et al., Deep Residual Learning (2016), table 1.
"""

from __future__ import annotations

import torch
from torch import nn


def _unit(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1, *, act: bool = True
) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), *([nn.ReLU6()] if act else []))


class InvertedResidual(nn.Module):
    """Expand, filter by depth, project; added to its input where the shapes agree."""

    def __init__(self, inputs: int, outputs: int, stride: int, expand: int) -> None:
        super().__init__()
        hidden = inputs * expand
        self.same = stride == 1 and inputs == outputs
        self.body = nn.Sequential(
            *([_unit(inputs, hidden, 1)] if expand != 1 else []),
            _unit(hidden, hidden, 3, stride, hidden),
            _unit(hidden, outputs, 1, act=False),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[n, inputs, h, w] to [n, outputs, h / stride, w / stride]."""
        return x + self.body(x) if self.same else self.body(x)


def _started(model: nn.Module) -> nn.Module:
    """He's initialisation, without which nothing of the input is left at the output."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    return model.eval()


def mobilenet_v2() -> nn.Module:
    """MobileNetV2 1.0, 224, 1000 classes: 3.5 million parameters."""
    layers: list[nn.Module] = [_unit(3, 32, 3, 2)]
    inputs = 32
    for expand, outputs, count, stride in (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    ):  # fmt: skip
        for index in range(count):
            layers.append(InvertedResidual(inputs, outputs, stride if index == 0 else 1, expand))
            inputs = outputs
    layers += [_unit(320, 1280, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 1000)]
    return _started(nn.Sequential(*layers))


class Basic(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        self.shortcut = _unit(inputs, outputs, 1, stride, act=False) if stride != 1 or inputs != outputs else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[n, inputs, h, w] to [n, outputs, h / stride, w / stride]."""
        out = self.second_norm(self.second(torch.relu(self.first_norm(self.first(x)))))
        return torch.relu(out + (x if self.shortcut is None else self.shortcut(x)))


def resnet18() -> nn.Module:
    """ResNet18, 224, 1000 classes: 11.7 million parameters."""
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    layers.append(nn.MaxPool2d(3, 2, 1))
    inputs = 64
    for outputs, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [Basic(inputs, outputs, stride), Basic(outputs, outputs, 1)]
        inputs = outputs
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000)]
    return _started(nn.Sequential(*layers))
