"""Sessions with a supernet: what a strategy with weight sharing trains, on what data, at what cost.

The weights learn from the training part, as the task trains any network: its optimizer, minibatches
and weight decay, in float32. Architecture parameters and paths are judged on the validation part. A
session holds no test data. After each epoch its state goes to disk, so that a run which was killed
goes on from there. On the CPU a session is a pure function of its random stream and the settings.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from ...spaces import Arch, SearchSpace
from ...spaces import networks as space_networks
from .._base.errors import ExperimentError, StoreError
from ..core.supernet_clock import Search
from ..core.types import Batch
from .data import Dataset
from .journal import append_line, read_lines, read_state, write_state
from .objectives import Classification, sizes
from .trainer import Diverged, new_optimizer, seed_of
from .training import METRICS, Training

VERSION = 1
"""Raised by whoever changes what a search comes to: older checkpoints are then left alone."""

CLIP = 5.0
"""The norm to which gradients of the weights are clipped, as in DARTS and in NAS-Bench-201."""


def builder(space: SearchSpace, dataset: Dataset, objective: Any) -> Callable[[], nn.Module]:
    """How the supernet of ``space`` is built for the data.

    Raises:
        ValueError: if the space has none, or does not fit the kind of data.
    """
    build = space_networks.supernet(space.name, dataset.kind)
    if build is None:
        raise ValueError(
            f"space {space.name!r} has no supernet for {dataset.kind} ({dataset.name})"
        )
    return partial(build, **sizes(dataset, objective))


class Supernets:
    """Makes the sessions of one run; what a strategy finds as ``problem.supernet``.

    Args:
        sizes: choices of each decision of the space.
        build: makes the untrained supernet.
        objective: of the task; its test part is left behind.
        training: settings of the task.
        device: where to train.
        search: the clock of the run.
        root: where checkpoints go: the beginning of their files' names, None for nowhere.
    """

    def __init__(
        self,
        sizes: tuple[int, ...],
        build: Callable[[], nn.Module],
        objective: Classification,
        training: Training,
        device: torch.device,
        search: Search,
        root: Path | None,
    ) -> None:
        self._objective = copy.copy(objective)
        self._objective.parts = {
            name: part for name, part in objective.parts.items() if name != "test"
        }
        self._sizes, self._build, self._training = sizes, build, training
        self._device, self._search, self._root = device, search, root
        self._made = 0

    def __call__(self, rng: Random, /, *, learning_rate: float | None = None) -> Session:
        """A new supernet with weights drawn from ``rng``.

        Args:
            rng: the strategy's stream. Its state is part of the checkpoints.
            learning_rate: of the weights at the start; the task's own if None.
        """
        training = self._training
        if learning_rate is not None:
            training = Training(**(training.facts() | {"learning_rate": learning_rate}))
        self._made += 1
        file = self._root and self._root.with_name(f"{self._root.name}-{self._made}.pt")
        return Session(
            self._sizes, self._build, self._objective, training, self._device, self._search,
            rng, file,
        )  # fmt: skip


class Session:
    """One supernet under training; see `bench.types.Supernet` for what a strategy does with it."""

    def __init__(
        self,
        sizes: tuple[int, ...],
        build: Callable[[], nn.Module],
        objective: Classification,
        training: Training,
        device: torch.device,
        search: Search,
        rng: Random,
        file: Path | None,
    ) -> None:
        self._sizes, self._objective, self._training = sizes, objective, training
        self._device, self._search, self._rng, self._file = device, search, rng, file
        self._seed = rng.getrandbits(56)
        self._devices = [device] if device.type == "cuda" else []
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of("supernet", self._seed))
            self._network = build().to(device)
        self._optimizer = new_optimizer(self._network, training)
        self._parameters: list[list[Tensor]] = []
        self._kept: list[torch.optim.Optimizer] = []
        self._losses: list[Tensor] = []
        # Of every epoch that is done: what is small. Of the last one also the weights.
        state = None if file is None else read_state(file)
        self._history: list[dict[str, Any]] = [] if state is None else state.pop("history")
        self._state = state
        self._done, self._under_way = 0, False
        # By epochs done and path: loss and seconds; and what this process has paid for.
        lines = [] if file is None else read_lines(file.with_suffix(".jsonl"))
        self._measured: dict[tuple[int, Arch], tuple[float, float]] = {
            (done, tuple(path)): (loss, seconds) for done, path, loss, seconds in lines
        }
        self._charged: set[tuple[int, Arch]] = set()

    # What a strategy may do.

    @property
    def weights(self) -> list[Tensor]:
        return list(self._network.parameters())

    def architecture(self) -> list[Tensor]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of("architecture", self._seed, len(self._parameters)))
            logits = [1e-3 * torch.randn(size) for size in self._sizes]
        made = [values.to(self._device).requires_grad_() for values in logits]
        self._parameters.append(made)
        return list(made)

    def keep(self, optimizer: torch.optim.Optimizer, /) -> None:
        self._kept.append(optimizer)

    def epochs(self, count: int, /) -> Iterator[Iterator[tuple[Batch, Batch]]]:
        if count < 1:
            raise ExperimentError(f"epochs: expected at least 1, got {count!r}")
        for number in range(count):
            kept = self._done < len(self._history)
            yield self._restored() if kept else self._epoch(number / count)

    def loss(
        self, batch: Batch, weights: list[Tensor] | None = None, path: Arch | None = None
    ) -> Tensor:
        self._network.train()
        network = partial(self._network, weights=weights, path=path)
        return self._objective.loss(network, batch.rows, batch.part)

    def descend(self, loss: Tensor, /) -> None:
        weights = self.weights
        # What the path does not pass has no gradient: the optimizer leaves it as it is.
        gradients = torch.autograd.grad(loss, weights, allow_unused=True)
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient
        nn.utils.clip_grad_norm_(weights, CLIP)
        self._optimizer.step()
        self._losses.append(loss.detach())

    def step(self) -> tuple[float, list[Tensor]]:
        group = self._optimizer.param_groups[0]
        rate, decay = float(group["lr"]), float(group["weight_decay"])
        weights = [weight.detach() for weight in self.weights]
        if self._training.optimizer != "sgd":  # Adam scales each gradient: that is left out
            return rate, [rate * decay * weight for weight in weights]
        # Nesterov's: rate * (d + momentum * v'), v' = momentum * v + d, d = gradient + decay * w.
        momentum = float(group["momentum"])
        xi = rate * (1 + momentum)
        besides = [xi * decay * weight for weight in weights]
        for number, weight in enumerate(self.weights):
            velocity = self._optimizer.state.get(weight, {}).get("momentum_buffer")
            if velocity is not None:
                besides[number] += rate * momentum**2 * velocity
        return xi, besides

    def measure(self, path: Arch, /) -> float:
        if self._under_way:  # between two minibatches: no later process comes here again
            value, seconds = self._measure(path)
            self._search.spend(seconds)
            return value
        key = self._done, path
        if key not in self._measured:
            self._measured[key] = self._measure(path)
            self._note(key)
            self._search.spend(self._measured[key][1])
        elif key not in self._charged:
            self._search.spend(self._measured[key][1], replayed=True)
        self._charged.add(key)
        return self._measured[key][0]

    @torch.no_grad()
    def _measure(self, path: Arch) -> tuple[float, float]:
        """The metric as a loss, and the seconds that it took."""
        if self._done < len(self._history):
            raise StoreError(
                f"{self._file} holds later epochs, and what was measured after epoch {self._done} "
                "is not beside it; delete the file to have the search made again"
            )
        begin = perf_counter()
        self._network.eval()
        network: Any = partial(self._network, path=path)
        value = self._objective.measure(network, "validation")
        loss = -value if METRICS[self._training.metric][1] else value
        return loss if math.isfinite(loss) else math.inf, perf_counter() - begin

    def _note(self, key: tuple[int, Arch]) -> None:
        if self._file is not None:
            append_line(self._file.with_suffix(".jsonl"), [*key, *self._measured[key]])

    # An epoch, its seconds and its checkpoint.

    def _epoch(self, progress: float) -> Iterator[tuple[Batch, Batch]]:
        self._anneal(progress)
        self._losses = []
        self._under_way = True
        seconds = 0.0
        begin = perf_counter()
        with torch.random.fork_rng(devices=self._devices):
            torch.manual_seed(seed_of("epoch", self._seed, self._done))
            for pair in self._pairs():
                yield pair
                passed = perf_counter() - begin
                seconds += passed
                begin += passed
                self._search.spend(passed)
            mean = float(torch.stack(self._losses).mean()) if self._losses else 0.0
        if not math.isfinite(mean):
            raise Diverged(f"the supernet's training loss of epoch {self._done + 1} is {mean}")
        passed = perf_counter() - begin  # a device may have lagged behind
        self._search.spend(passed)
        self._done, self._under_way = self._done + 1, False
        self._keep_epoch(seconds + passed)

    def _pairs(self) -> Iterator[tuple[Batch, Batch]]:
        """Every training example once, each minibatch beside one of the validation part."""
        train, judged = (self._minibatches(part) for part in ("train", "validation"))
        for number, rows in enumerate(train):
            yield Batch("train", rows), Batch("validation", judged[number % len(judged)])

    def _minibatches(self, part: str) -> list[Tensor]:
        """The examples of a part in random order; batch normalization needs two at a time."""
        order = torch.randperm(len(self._objective.parts[part])).to(self._device)
        return [rows for rows in torch.split(order, self._training.batch) if len(rows) > 1]

    def _anneal(self, progress: float) -> None:
        """Cosine annealing (Loshchilov & Hutter 2017, arXiv:1608.03983), a step each epoch."""
        rate = 0.5 * self._training.learning_rate * (1 + math.cos(math.pi * progress))
        for group in self._optimizer.param_groups:
            group["lr"] = rate

    def _keep_epoch(self, seconds: float) -> None:
        self._history.append(
            {
                "parameters": [[p.detach().cpu().clone() for p in ps] for ps in self._parameters],
                "rng": self._rng.getstate(),
                "seconds": seconds,
            }
        )
        if self._file is not None:
            state = {
                "network": self._network.state_dict(),
                "optimizer": self._optimizer.state_dict(),
                "kept": [optimizer.state_dict() for optimizer in self._kept],
            }
            write_state(self._file, state | {"history": self._history})

    def _restored(self) -> Iterator[tuple[Batch, Batch]]:
        """An epoch without minibatches: what an earlier process came to stands in its place."""
        done = self._history[self._done]
        for parameters, values in zip(self._parameters, done["parameters"], strict=True):
            for parameter, value in zip(parameters, values, strict=True):
                parameter.data.copy_(value)
        version, internal, following = done["rng"]
        self._rng.setstate((version, tuple(internal), following))
        self._done += 1
        if self._done == len(self._history) and self._state is not None:
            self._network.load_state_dict(self._state["network"])
            self._optimizer.load_state_dict(self._state["optimizer"])
            for optimizer, state in zip(self._kept, self._state["kept"], strict=True):
                optimizer.load_state_dict(state)
            self._state = None
        self._search.spend(done["seconds"], replayed=True)
        yield from ()
