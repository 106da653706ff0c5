"""What is minimized and measured: classes of images and texts, and translations."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...spaces import Arch, SearchSpace
from ...spaces import networks as space_networks
from .._base.errors import ExperimentError
from .data import Dataset, Part, take
from .proxies import Minibatch
from .tokens import Tokenizer
from .trainer import Batches, seed_of
from .training import Training

Build = Callable[[Arch], nn.Module]
EVALUATION_BATCH = 512
PARTS = ("train", "validation", "test")


class Classification:
    """Cross-entropy over classes; the metric is accuracy in percent, or the loss."""

    def __init__(self, dataset: Dataset, training: Training, device: torch.device) -> None:
        self.images = dataset.kind == "images"
        self._metric = training.metric
        self._smoothing = training.label_smoothing
        self._augment = training.augment and self.images
        taken = {name: taken_part(dataset, name, training) for name in PARTS}
        if self.images:
            encode = _pixels(dataset)
        else:
            self.tokenizer = Tokenizer(
                taken["train"].inputs, size=training.vocabulary, longest=training.longest
            )
            encode = self._tokens
        self.parts = {
            name: Batches(encode(part.inputs).to(device), torch.from_numpy(part.targets).to(device))
            for name, part in taken.items()
        }

    def _tokens(self, texts: list[str]) -> Tensor:
        return torch.from_numpy(self.tokenizer.encode(texts))

    @property
    def train(self) -> Batches:
        return self.parts["train"]

    def loss(
        self, network: Callable[[Tensor], Tensor], rows: Tensor, part: str = "train"
    ) -> Tensor:
        """The mean loss of some examples of a part; those to train on are augmented."""
        data = self.parts[part]
        inputs = data.inputs[rows]
        if self._augment and part == "train":
            inputs = shifted(inputs)
        return functional.cross_entropy(
            network(inputs), data.targets[rows], label_smoothing=self._smoothing
        )

    def minibatch(self, rows: Tensor) -> Minibatch:
        """Some training examples for the zero-cost proxies, not augmented."""
        targets = self.train.targets[rows]

        def loss(logits: Tensor) -> Tensor:
            return functional.cross_entropy(logits, targets, label_smoothing=self._smoothing)

        return Minibatch((self.train.inputs[rows],), loss)

    def measure(self, network: nn.Module, part: str) -> float:
        """The metric over a part."""
        data = self.parts[part]
        right, loss = 0, 0.0
        for start in range(0, len(data), EVALUATION_BATCH):
            targets = data.targets[start : start + EVALUATION_BATCH]
            logits = network(data.inputs[start : start + EVALUATION_BATCH]).float()
            right += int((logits.argmax(dim=1) == targets).sum())
            loss += float(functional.cross_entropy(logits, targets, reduction="sum"))
        return loss / len(data) if self._metric == "loss" else 100 * right / len(data)


class Translating:
    """Cross-entropy over the next token; the metric is BLEU, the loss or its perplexity."""

    images = False

    def __init__(self, dataset: Dataset, training: Training, device: torch.device) -> None:
        self._metric = training.metric
        self._smoothing = training.label_smoothing
        self._longest = training.longest + 2
        taken = {name: taken_part(dataset, name, training) for name in PARTS}
        size, longest = training.vocabulary, training.longest
        self.source = Tokenizer(taken["train"].inputs, size=size, longest=longest)
        self.target = Tokenizer(taken["train"].targets, size=size, longest=longest)
        self.texts = {name: part.targets for name, part in taken.items()}
        self.parts = {
            name: Batches(
                torch.from_numpy(self.source.encode(part.inputs)).to(device),
                torch.from_numpy(self.target.encode(part.targets, marked=True)).to(device),
            )
            for name, part in taken.items()
        }

    @property
    def train(self) -> Batches:
        return self.parts["train"]

    def loss(self, network: Callable[[Tensor, Tensor], Tensor], rows: Tensor) -> Tensor:
        """The mean loss a token of some training pairs."""
        source, target = self.train.inputs[rows], self.train.targets[rows]
        # What no sentence of the minibatch reaches need not be computed.
        source = source[:, : max(int((source != 0).sum(dim=1).max()), 1)]
        target = target[:, : int((target != 0).sum(dim=1).max())]
        return self._cross_entropy(network(source, target[:, :-1]), target[:, 1:])

    def minibatch(self, rows: Tensor) -> Minibatch:
        """Some training pairs for the zero-cost proxies."""
        source, target = self.train.inputs[rows], self.train.targets[rows]
        inputs = source, target[:, :-1]
        return Minibatch(inputs, lambda logits: self._cross_entropy(logits, target[:, 1:]))

    def _cross_entropy(self, logits: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
        return functional.cross_entropy(
            logits.flatten(0, 1).float(),
            target.flatten(),
            ignore_index=0,
            label_smoothing=self._smoothing if reduction == "mean" else 0.0,
            reduction=reduction,
        )

    def measure(self, network: nn.Module, part: str) -> float:
        """The metric over a part."""
        data = self.parts[part]
        if self._metric == "bleu":
            return self._bleu(network, part)
        total, tokens = 0.0, 0
        for start in range(0, len(data), EVALUATION_BATCH):
            source = data.inputs[start : start + EVALUATION_BATCH]
            target = data.targets[start : start + EVALUATION_BATCH]
            logits = network(source, target[:, :-1])
            total += float(self._cross_entropy(logits, target[:, 1:], "sum"))
            tokens += int((target[:, 1:] != 0).sum())
        loss = total / tokens
        return loss if self._metric == "loss" else math.exp(min(loss, 700.0))

    def _bleu(self, network: nn.Module, part: str) -> float:
        """Corpus BLEU by sacrebleu (Post 2018, arXiv:1804.08771)."""
        from sacrebleu.metrics.bleu import BLEU

        data = self.parts[part]
        written: list[str] = []
        translate: Callable[..., Tensor] = network.translate  # type: ignore[assignment]
        for start in range(0, len(data), EVALUATION_BATCH):
            rows = translate(data.inputs[start : start + EVALUATION_BATCH], self._longest)
            written += self.target.decode(rows.cpu().numpy())
        return float(BLEU(force=True).corpus_score(written, [self.texts[part]]).score)


def taken_part(dataset: Dataset, name: str, training: Training) -> Part:
    """The examples of a part that are used: all, or a fixed random choice."""
    part: Part = getattr(dataset, name)
    limit = training.examples if name == "train" else training.measured
    if limit is None or limit >= len(part):
        return part
    rows = np.sort(np.random.default_rng(0).permutation(len(part))[:limit])
    return Part(*(take(values, rows) for values in (part.inputs, part.targets)))


def _pixels(dataset: Dataset) -> Callable[[Any], Tensor]:
    """Standardizes images by the training part's mean and deviation of each channel."""
    mean, spread = moments(dataset)
    return lambda images: (torch.from_numpy(images).float() - mean) / spread


def moments(dataset: Dataset) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each channel over the training part, both (1, channels, 1, 1)."""
    train = torch.from_numpy(dataset.train.inputs).float()
    mean = train.mean(dim=(0, 2, 3), keepdim=True)
    return mean, train.std(dim=(0, 2, 3), keepdim=True).clamp(min=1.0)


def shifted(images: Tensor) -> Tensor:
    """Each image moved by up to an eighth of its sides; wider than 28, half of them mirrored."""
    n, _, height, width = images.shape
    pad = max(height, width) // 8
    padded = functional.pad(images, (pad, pad, pad, pad))
    device = images.device
    down = torch.randint(2 * pad + 1, (n,)).to(device)
    right = torch.randint(2 * pad + 1, (n,)).to(device)
    rows = (down[:, None] + torch.arange(height, device=device))[:, None, :, None]
    columns = torch.arange(width, device=device).expand(n, width)
    if width > 28:
        mirror = (torch.rand(n) < 0.5).to(device)[:, None]
        columns = torch.where(mirror, width - 1 - columns, columns)
    columns = (right[:, None] + columns)[:, None, None, :]
    batch = torch.arange(n, device=device)[:, None, None, None]
    channels = torch.arange(images.shape[1], device=device)[None, :, None, None]
    return padded[batch, channels, rows, columns]


def builder(space: SearchSpace, dataset: Dataset, objective: Classification | Translating) -> Build:
    """How an architecture of ``space`` becomes a network for the data.

    Raises:
        ExperimentError: if the space does not fit the kind of data.
    """
    return networks(space.name, dataset.kind, dataset.name, **sizes(dataset, objective))


def sizes(dataset: Dataset, objective: Classification | Translating) -> dict[str, Any]:
    """What a network must know of its data: ready for JSON, and for `networks`."""
    if isinstance(objective, Translating):
        return {"source": len(objective.source), "target": len(objective.target)}
    if dataset.kind == "text":
        return {"classes": len(dataset.classes), "vocabulary": len(objective.tokenizer)}
    _, channels, height, width = dataset.train.inputs.shape
    shape = {"channels": channels, "height": height, "width": width}
    return {"classes": len(dataset.classes), **shape}


def networks(space: str, kind: str, name: str, **sizes: int) -> Build:
    """How an architecture of the space of that name becomes a network for data of a kind.

    Raises:
        ExperimentError: if the space does not fit the kind of data.
    """
    build = space_networks.network(space, kind)
    if build is None:
        raise ExperimentError(f"space {space!r} has no network for {kind} ({name})")
    return partial(build, **sizes)


def initial(build: Build, arch: Arch, seed: int) -> nn.Module:
    """The network with the initial weights of a training seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of("weights", seed, arch))
        return build(arch)
