"""Networks for images that grow from a single-layer perceptron.

Every layer is optional: the simplest architecture has none, and is a linear classifier on the
pixels. A search adds convolutions and their widths, connections that skip one, and a hidden layer
before the classifier. The network is built by `growing_network` (needs torch).
"""

from __future__ import annotations

from ..base import Arch, Condition, Decision, SearchSpace

LAYERS = 4
OPERATIONS = ("none", "conv_3x3", "conv_5x5", "separable_3x3", "max_pool_3x3")
WIDTHS = (8, 16, 32, 64)
SKIPS = ("no", "yes")
HIDDEN = (0, 32, 64, 128)
PER_LAYER = 3

_CONVOLUTIONS = frozenset({1, 2, 3})
_PRESENT = frozenset({1, 2, 3, 4})


def _decisions() -> list[Decision]:
    found = []
    for layer in range(LAYERS):
        place = layer * PER_LAYER
        found += [
            Decision(f"layer{layer + 1}", OPERATIONS),
            Decision(
                f"width{layer + 1}",
                tuple(str(width) for width in WIDTHS),
                Condition(place, _CONVOLUTIONS),
            ),
            Decision(f"skip{layer + 1}", SKIPS, Condition(place, _PRESENT)),
        ]
    return [*found, Decision("hidden", tuple(str(units) for units in HIDDEN))]


class Growing(SearchSpace):
    """Up to four layers, then a hidden layer or none, then a linear classifier.

    A layer is a convolution (with batch normalization and ReLU) of 8 to 64 channels, or a pooling;
    ``skip`` adds its input to its output. Absent layers may stand anywhere in a spelling; the
    canonical one has them last.
    """

    def __init__(self) -> None:
        super().__init__("growing", _decisions())

    def canonical(self, arch: Arch) -> Arch:
        """Absent layers last, decisions that do not count at 0."""
        arch = super().canonical(arch)
        groups = [arch[i : i + PER_LAYER] for i in range(0, LAYERS * PER_LAYER, PER_LAYER)]
        groups.sort(key=lambda group: group[0] == 0)
        return (*(choice for group in groups for choice in group), arch[-1])

    def small_cnn(self) -> Arch:
        """Two 3 × 3 convolutions of 8 and 16 channels: a start beside the perceptron."""
        return (1, 0, 0, 1, 1, 0, *(0,) * PER_LAYER * (LAYERS - 2), 0)

    def layers(self, arch: Arch) -> list[tuple[str, int, bool]]:
        """Operation, channels (0 for a pooling) and skip of each layer that is present."""
        found = []
        for start in range(0, LAYERS * PER_LAYER, PER_LAYER):
            operation, width, skip = arch[start : start + PER_LAYER]
            if operation:
                channels = WIDTHS[width] if operation in _CONVOLUTIONS else 0
                found.append((OPERATIONS[operation], channels, bool(skip)))
        return found

    def hidden(self, arch: Arch) -> int:
        """Units of the hidden layer, 0 for none."""
        return HIDDEN[arch[-1]]

    def describe(self, arch: Arch) -> str:
        words = [
            f"{name}{f'({width})' if width else ''}{'+skip' if skip else ''}"
            for name, width, skip in self.layers(arch)
        ]
        units = self.hidden(arch)
        return " → ".join([*words, *([f"dense({units})"] if units else []), "linear"])


SPACE = Growing()
