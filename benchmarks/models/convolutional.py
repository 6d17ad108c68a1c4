"""MobileNetV2 and ResNet18 as their papers lay them out, at full size for timing, narrower for small pictures.

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


def mobilenet_v2(*, channels: int = 3, classes: int = 1000, width: float = 1.0, small: bool = False) -> nn.Module:
    """MobileNetV2 1.0, 224, 1000 classes: 3.5 million parameters.

    Args:
        channels: of the pictures.
        classes: how many it tells apart.
        width: of every layer, in units of the paper's.
        small: for pictures of 28 by 28: the first two layers that halve them do not.
    """

    def wide(count: int) -> int:
        return max(8, int(count * width + 4) // 8 * 8)

    layers: list[nn.Module] = [_unit(channels, wide(32), 3, 1 if small else 2)]
    inputs = wide(32)
    for expand, outputs, count, stride in (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    ):  # fmt: skip
        first = 1 if small and outputs == 24 else stride
        for index in range(count):
            layers.append(InvertedResidual(inputs, wide(outputs), first if index == 0 else 1, expand))
            inputs = wide(outputs)
    last = max(1280, wide(1280)) if width >= 1 else wide(1280)
    layers += [_unit(inputs, last, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(last, classes)]
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


def resnet18(*, channels: int = 3, classes: int = 1000, width: int = 64, small: bool = False) -> nn.Module:
    """ResNet18, 224, 1000 classes: 11.7 million parameters.

    Args:
        channels: of the pictures.
        classes: how many it tells apart.
        width: of the first stage; each further one has twice as many.
        small: for pictures of 28 by 28: a first convolution of 3 by 3 that does not halve them, and no pooling.
    """
    first = (
        nn.Conv2d(channels, width, 3, 1, 1, bias=False) if small else nn.Conv2d(channels, width, 7, 2, 3, bias=False)
    )
    layers: list[nn.Module] = [first, nn.BatchNorm2d(width), nn.ReLU()]
    if not small:
        layers.append(nn.MaxPool2d(3, 2, 1))
    inputs = width
    for outputs, step in ((width, 1), (2 * width, 2), (4 * width, 2), (8 * width, 2)):
        layers += [Basic(inputs, outputs, step), Basic(outputs, outputs, 1)]
        inputs = outputs
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes)]
    return _started(nn.Sequential(*layers))
