"""The same architectures at a size that learns Fashion-MNIST in minutes: trained once, kept in ``build/models``."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from benchmark_data.pictures import fashion_mnist
from fingerprint import fingerprint
from torch import nn

from models.convolutional import mobilenet_v2, resnet18
from models.encoder import encoder

_FOLDER = Path(__file__).parents[2] / "build" / "models"
_BUILD: dict[str, Callable[[], nn.Module]] = {
    # A row of the picture is a place of the sequence.
    "encoder": lambda: encoder(features=28, length=28, width=64),
    "resnet18": lambda: resnet18(channels=1, classes=10, width=16, small=True),
    "mobilenetv2": lambda: mobilenet_v2(channels=1, classes=10, width=0.35, small=True),
}
NAMES = tuple(_BUILD)
_EPOCHS, _BATCH, _RATE = {"encoder": 5, "resnet18": 2, "mobilenetv2": 2}, 128, 2e-3


def trained(name: str) -> nn.Module:
    """A network trained on Fashion-MNIST, seeded; from ``build/models`` where it was trained before."""
    key = fingerprint(("torch",), [Path(__file__).parent], _EPOCHS, _BATCH, _RATE)
    path = _FOLDER / f"{name}-{key}.pt"
    torch.manual_seed(0)
    network = _BUILD[name]()
    if path.exists():
        network.load_state_dict(torch.load(path, weights_only=True))
        return network.eval()
    _train(name, network)
    _FOLDER.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    torch.save(network.state_dict(), partial)
    partial.replace(path)
    return network.eval()


def inputs_of(name: str, pictures: np.ndarray) -> np.ndarray:
    """Pictures [n, 28, 28] of bytes as a network takes them: [n, 1, 28, 28], or [n, 28, 28] for the encoder."""
    scaled = (pictures.astype(np.float32) / 255 - 0.286) / 0.353
    return scaled if name == "encoder" else scaled[:, None]


def _train(name: str, network: nn.Module) -> None:
    pictures = fashion_mnist()
    x = torch.from_numpy(inputs_of(name, pictures.train_images))
    y = torch.from_numpy(pictures.train_labels)
    optimizer = torch.optim.AdamW(network.parameters(), _RATE)
    steps = _EPOCHS[name] * (len(x) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps)
    started, step = time.monotonic(), 0
    network.train()
    for _ in range(_EPOCHS[name]):
        for places in torch.randperm(len(x)).split(_BATCH):
            if len(places) < _BATCH:
                continue
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(network(x[places]), y[places])
            loss.backward()
            optimizer.step()
            schedule.step()
            step += 1
            if step % 100 == 0:
                left = (time.monotonic() - started) / step * (steps - step)
                print(f"{name}: step {step} of {steps}, loss {loss.item():.3f}, {left / 60:.0f} min left", flush=True)
