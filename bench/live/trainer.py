"""Trains one network, epoch by epoch, and can go on later from where it stopped.

On the CPU a training is a pure function of architecture, seed and settings: every epoch begins with
a seed of its own, so that a training that was interrupted gives the same bits as one that was not.
"""

from __future__ import annotations

import hashlib
import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from time import perf_counter
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .training import Training


class Diverged(RuntimeError):
    """The loss is no finite number any more."""


class OverTime(RuntimeError):
    """The evaluation took longer than it may."""


def out_of_memory(error: BaseException) -> bool:
    """Whether a network did not fit: torch says so in several ways, by device."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )


class Epoch(NamedTuple):
    """What one epoch came to; ``seconds`` since the training began, measuring included."""

    epoch: int
    train_loss: float
    validation: float
    test: float
    seconds: float


@dataclass(frozen=True)
class Batches:
    """A part of the data on the device: inputs and targets with the examples in front."""

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.inputs)


def seed_of(*parts: object) -> int:
    """A seed that depends on all parts and on nothing else."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:7])


def new_optimizer(network: nn.Module, t: Training) -> torch.optim.Optimizer:
    """The optimizer of a network's weights that the settings name."""
    if t.optimizer == "adam":
        return torch.optim.AdamW(
            network.parameters(), t.learning_rate, weight_decay=t.weight_decay, foreach=True
        )
    return torch.optim.SGD(
        network.parameters(),
        t.learning_rate,
        momentum=0.9,
        nesterov=True,
        weight_decay=t.weight_decay,
        foreach=True,
    )


def compiled(network: nn.Module, device: torch.device) -> Any:
    """The network through ``torch.compile``; on CUDA its kernels are launched as one graph."""
    return torch.compile(network, mode="reduce-overhead" if device.type == "cuda" else "default")


class Trainer:
    """One network under training.

    Args:
        network: on the CPU, with its initial weights.
        objective: computes losses and the metric; see `objectives`.
        training: the settings.
        seed: of minibatches, dropout and augmentation.
        device: where to train.
    """

    def __init__(
        self,
        network: nn.Module,
        objective: Any,
        training: Training,
        seed: int,
        device: torch.device,
    ) -> None:
        self.device, self.training, self.seed = device, training, seed
        self.objective = objective
        cuda = device.type == "cuda"
        self.network = network.to(device)
        if cuda and objective.images:
            self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._run = compiled(self.network, device) if training.compile else self.network
        self.optimizer = new_optimizer(self.network, training)
        self._amp = cuda
        self.done = 0
        self.seconds = 0.0

    def _autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast("cuda", torch.bfloat16) if self._amp else nullcontext()

    def epoch(self, limit: float | None = None) -> Epoch:
        """Train one epoch more, then measure.

        Raises:
            Diverged: if the loss is not finite.
            OverTime: if the training as a whole takes more than ``limit`` seconds.
        """
        begin = perf_counter() - self.seconds
        with torch.random.fork_rng(devices=[self.device] if self._amp else []):
            torch.manual_seed(seed_of(self.seed, self.done))
            loss = self._train_epoch(begin, limit)
        validation, test = (self._measure(part) for part in ("validation", "test"))
        self.done += 1
        self.seconds = perf_counter() - begin
        return Epoch(self.done, loss, validation, test, self.seconds)

    def _train_epoch(self, begin: float, limit: float | None) -> float:
        """The mean training loss."""
        objective, t = self.objective, self.training
        self.network.train()
        examples = len(objective.train)
        order = torch.randperm(examples).to(self.device)
        steps = math.ceil(examples / t.batch)
        total = torch.zeros((), device=self.device)
        for step in range(steps):
            rate = self._rate(self.done + step / steps)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            rows = order[step * t.batch : (step + 1) * t.batch]
            if len(rows) < 2 and steps > 1:  # batch normalization needs two
                continue
            with self._autocast():
                loss = objective.loss(self._run, rows)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
            self.optimizer.step()
            total += loss.detach() * len(rows)
            if limit is not None and perf_counter() - begin > limit:
                raise OverTime(f"it took more than {limit:g} s")
        mean = float(total) / examples
        if not math.isfinite(mean):
            raise Diverged(f"the training loss of epoch {self.done + 1} is {mean}")
        return mean

    def _rate(self, progress: float) -> float:
        """Cosine annealing (Loshchilov & Hutter 2017, arXiv:1608.03983) over the last epochs."""
        share = progress / self.training.epochs[-1]
        return 0.5 * self.training.learning_rate * (1 + math.cos(math.pi * min(share, 1.0)))

    @torch.no_grad()
    def _measure(self, part: str) -> float:
        self.network.eval()
        with self._autocast():
            found: float = self.objective.measure(self.network, part)
        return found

    def state(self) -> dict[str, Any]:
        """All that another trainer needs to go on: tensors and plain values only."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "done": self.done,
            "seconds": self.seconds,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.done, self.seconds = int(state["done"]), float(state["seconds"])
