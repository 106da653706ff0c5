"""How a live task trains, and the settings of it that belong to the task.

The schedule follows NAS-Bench-201 (Dong & Yang 2020, arXiv:2001.00326, table 1): SGD with Nesterov
momentum, cosine annealing over all epochs. Text and translation take Adam.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from .._base.errors import ExperimentError

METRICS = {
    "accuracy": ("%", True),
    "loss": ("nats", False),
    "bleu": ("BLEU", True),
    "perplexity": ("", False),
}
"""Unit of each metric, and whether more is better."""


@dataclass(frozen=True)
class Training:
    """Settings of the training of every architecture of a task.

    Args:
        epochs: numbers of epochs at which the oracle answers, increasing; the learning rate is
            annealed to zero over the last of them.
        metric: what validation and test report: accuracy or loss; bleu, perplexity or loss for
            translation.
        batch: examples in a minibatch.
        optimizer: ``"sgd"`` (Nesterov momentum 0.9) or ``"adam"`` (decoupled weight decay).
        learning_rate: at the start.
        weight_decay: of all weights.
        label_smoothing: share of the target spread over all classes.
        augment: shift by up to an eighth of the side, and for images wider than 28 pixels mirror.
        examples: so many of the training part at most, a fixed random choice.
        measured: so many examples of the validation and of the test part at most.
        vocabulary: tokens of a text's or a language's vocabulary, at most.
        longest: tokens kept of a text.
        replicas: training seeds that the oracle draws from.
        seconds: limit of one evaluation; beyond it counts as failed.
        device: ``"auto"`` (CUDA where there is one), ``"cpu"``, ``"cuda"`` or ``"cuda:1"``.
        compile: whether ``torch.compile`` is applied; it pays from some minutes of training on.
        threads: of the CPU in each training. With more than one, sums depend on their number, and
            so do the last bits of every figure.

    Raises:
        ExperimentError: if a setting is out of its range.
    """

    epochs: tuple[int, ...] = (1, 3, 9)
    metric: str = "accuracy"
    batch: int = 64
    optimizer: str = "sgd"
    learning_rate: float = 0.05
    weight_decay: float = 5e-4
    label_smoothing: float = 0.0
    augment: bool = False
    examples: int | None = None
    measured: int | None = None
    vocabulary: int = 4000
    longest: int = 48
    replicas: int = 1000
    seconds: float | None = None
    device: str = "auto"
    compile: bool = False
    threads: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "epochs", tuple(self.epochs))
        if not self.epochs or list(self.epochs) != sorted({*self.epochs}) or self.epochs[0] < 1:
            raise ExperimentError(
                f"epochs: expected increasing positive numbers, got {self.epochs}"
            )
        if self.metric not in METRICS:
            raise ExperimentError(
                f"metric: expected one of {', '.join(METRICS)}, got {self.metric!r}"
            )
        if self.optimizer not in ("sgd", "adam"):
            raise ExperimentError(f"optimizer: expected 'sgd' or 'adam', got {self.optimizer!r}")
        for name in ("batch", "learning_rate", "replicas", "vocabulary", "longest", "threads"):
            if not getattr(self, name) > 0:
                raise ExperimentError(f"{name}: expected more than 0, got {getattr(self, name)!r}")

    def facts(self) -> dict[str, Any]:
        """All settings, ready for JSON."""
        return asdict(self)
