"""NAS-Bench-Macro: 3^8 networks of eight layers, trained on CIFAR-10.

Source: Su et al., "Prioritized Architecture Sampling with Monto-Carlo Tree Search", CVPR 2021
(arXiv:2103.11922). Its table is imported: see `nasarena.spaces.formats.macro`.
"""

from __future__ import annotations

from ..base import Arch, Decision, SearchSpace

OPERATIONS = ("identity", "mobile 3x3, expansion 3", "mobile 5x5, expansion 6")
STAGES = (slice(0, 2), slice(2, 5), slice(5, 8))
"""The layers of each stage. The first layer of a stage halves the image and stays where it is."""


class NASBenchMacro(SearchSpace):
    """Eight layers in three stages: 6,561 spellings of 3,969 networks."""

    def __init__(self) -> None:
        super().__init__(
            "nasbench-macro", [Decision(f"layer {n}", OPERATIONS) for n in range(1, 9)]
        )

    def canonical(self, arch: Arch) -> Arch:
        """Identities behind the first layer of a stage do nothing: they are moved to its end."""
        layers: list[int] = []
        for stage in STAGES:
            first, *rest = arch[stage]
            layers += [first, *sorted(rest, key=lambda operation: operation == 0)]
        return tuple(layers)

    def describe(self, arch: Arch) -> str:
        """The published key: one digit a layer."""
        return "".join(map(str, arch))


SPACE = NASBenchMacro()
