"""The networks of `growing`, in torch: ``pip install "nasarena[live]"``."""

from __future__ import annotations

from torch import Tensor, nn

from ..base import Arch
from ..published.growing import SPACE


class Network(nn.Module):
    """An architecture of `growing.SPACE` as a classifier of images.

    The first two layers halve the image's sides where these are 8 or more. A network with layers
    pools each channel to 2 × 2 before its classifier; one without sees the pixels.

    Args:
        arch: of the space.
        classes: outputs.
        channels, height, width: of the images.
    """

    def __init__(
        self, arch: Arch, classes: int, *, channels: int = 1, height: int = 8, width: int = 8
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        side, size = min(height, width), channels
        for number, (operation, wanted, skip) in enumerate(SPACE.layers(arch)):
            stride = 2 if number < 2 and side >= 8 else 1
            side = -(-side // stride)
            layers.append(Layer(operation, size, wanted or size, stride, skip))
            size = wanted or size
        features = size * 4 if layers else channels * height * width
        self.features = nn.Sequential(*layers, *([nn.AdaptiveAvgPool2d(2)] if layers else []))
        hidden = SPACE.hidden(arch)
        dense: list[nn.Module] = [nn.Linear(features, hidden), nn.ReLU()] if hidden else []
        self.classifier = nn.Sequential(*dense, nn.Linear(hidden or features, classes))

    def forward(self, images: Tensor) -> Tensor:
        """(n, channels, height, width) to logits (n, classes)."""
        logits: Tensor = self.classifier(self.features(images).flatten(1))
        return logits


class Layer(nn.Module):
    """One layer, and its input beside it where it is skipped."""

    def __init__(self, operation: str, inputs: int, outputs: int, stride: int, skip: bool) -> None:
        super().__init__()
        self.operation = _operation(operation, inputs, outputs, stride)
        self.shortcut = _shortcut(inputs, outputs, stride) if skip else None

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.operation(x)
        return y if self.shortcut is None else y + self.shortcut(x)


def _operation(name: str, inputs: int, outputs: int, stride: int) -> nn.Module:
    if name == "max_pool_3x3":
        return nn.MaxPool2d(3, stride, padding=1)
    kernel = 5 if name == "conv_5x5" else 3
    if name == "separable_3x3":
        convolutions: list[nn.Module] = [
            nn.Conv2d(inputs, inputs, kernel, stride, kernel // 2, groups=inputs, bias=False),
            nn.Conv2d(inputs, outputs, 1, bias=False),
        ]
    else:
        convolutions = [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)]
    return nn.Sequential(*convolutions, nn.BatchNorm2d(outputs), nn.ReLU())


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    pool: list[nn.Module] = [nn.AvgPool2d(stride, ceil_mode=True)] if stride > 1 else []
    widen: list[nn.Module] = [nn.Conv2d(inputs, outputs, 1)] if inputs != outputs else []
    return nn.Sequential(*pool, *widen)
