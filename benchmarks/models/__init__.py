"""The networks that quantization is measured on, seeded; trained ones where accuracy counts."""

from models.convolutional import mobilenet_v2, resnet18
from models.encoder import encoder
from models.trained import NAMES, trained

__all__ = ["NAMES", "encoder", "mobilenet_v2", "resnet18", "trained"]
