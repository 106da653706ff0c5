"""Trains the winner of a search in full: from scratch, or on from the weights of the search.

The folder that is written::

    OUT/retraining.json            what is trained, on what and how; seeds may be added later
    OUT/trainings/                 figures of every epoch, and checkpoints while there is more to do
    OUT/weights/<seed>.safetensors the trained networks
    OUT/tokenizer.json             for texts; source.json and target.json for translation
    OUT/curves.csv                 one row an epoch of each seed
    OUT/model-card.json, .md       what a reader must know of the network; see `model_card`

Killed at any moment, the same call goes on from the last checkpoint; on the CPU no bit differs.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from ...spaces import Arch
from ...spaces.networks import network_spaces
from .._base.errors import ExperimentError, StoreError, UnknownName
from ..experiment import registry
from ..store import manifest as manifests
from ..store import store
from . import model_card
from .journal import Journal, Trained, weights_file
from .task import LiveTask
from .training import Training

if TYPE_CHECKING:
    import pandas as pd

    from ..core.task_facts import TaskFacts

TABLE = Training(epochs=(200,), batch=256, learning_rate=0.1, augment=True)
"""How a table's winner is trained: NAS-Bench-201's schedule (arXiv:2001.00326, table 1)."""

RATES = {"sgd": 0.05, "adam": 2e-3}
"""Learning rates where another optimizer is asked for than the task's."""

FINE_TUNING = 0.1
"""The learning rate starts at this share of the task's when the search's weights are trained on."""

CHECKPOINT_EVERY = 5.0
"""Seconds of training, at least, between two checkpoints."""


@dataclass(frozen=True)
class Winner:
    """The architecture that a strategy ended with, and the query that found it.

    ``loss`` is that which the strategy saw: of the validation part, minimized.
    """

    task: str
    strategy: str
    arch: Arch
    seed: int
    step: int
    epochs: int
    replica: int
    loss: float


class Options(NamedTuple):
    """What of the task's settings a retraining changes; None: as the task has it."""

    epochs: int | None = None
    optimizer: str | None = None
    learning_rate: float | None = None
    device: str | None = None
    data: str | None = None
    from_checkpoint: bool = False


# Who has won.


def winner(results: Path, task: str, strategy: str, seed: int | None = None) -> Winner:
    """What the strategy would be asked to hand over: the incumbent at the end of its runs.

    Of the queries at the most epochs that were answered, the one with the least validation loss
    as it was seen, over all runs or in that of ``seed``; the earlier run and step win a tie. Test
    values are not looked at.

    Raises:
        StoreError: if there is no such run, if no training of it succeeded, or if the results name
            no architectures.
        UnknownName: if the results hold no such task or strategy.
    """
    manifest = manifests.read(results)
    for kind, name, known in (
        ("task", task, manifest.experiment.tasks),
        ("strategy", strategy, manifest.specs),
    ):
        if name not in known:
            raise UnknownName(f"{kind} in {results}", name, known)
    columns = ("seed", "step", "arch", "epochs", "replica", "loss")
    rows = store.read(results, columns, [task], [strategy])
    if len(rows) and seed is not None:
        rows = rows[rows["seed"] == seed]
    if not len(rows):
        asked = "" if seed is None else f" with seed {seed}"
        raise StoreError(f"{results} holds no finished run of {strategy} on {task}{asked}")
    return _incumbent(rows, results, task, strategy)


def _incumbent(rows: pd.DataFrame, results: Path, task: str, strategy: str) -> Winner:
    import numpy as np

    good = rows[np.isfinite(rows["loss"])]
    if not len(good):
        raise StoreError(f"{results}: every training of {strategy} on {task} failed")
    most = good[good["epochs"] == good["epochs"].max()]
    best = most.sort_values(["loss", "seed", "step"], kind="stable").iloc[0]
    arch = tuple(int(choice) for choice in best["arch"])
    if not arch:
        raise StoreError(
            f"{results} names no architectures of {strategy} on {task}: results that were imported "
            "may hold none"
        )
    numbers = {name: int(best[name]) for name in ("seed", "step", "epochs", "replica")}
    return Winner(task, strategy, arch, loss=float(best["loss"]), **numbers)


# What is trained, on what and how.


@dataclass(frozen=True)
class Plan:
    """A retraining: ``task`` has the settings of the full training.

    ``searched`` is what the results' manifest says of the task, ``settings`` what it says of the
    strategy; ``weights`` are those of the search, if it goes on from there.
    """

    winner: Winner
    task: LiveTask
    results: str
    searched: TaskFacts
    settings: dict[str, Any]
    weights: dict[str, Any] | None = None

    @property
    def arch(self) -> Arch:
        """The canonical spelling: what is built."""
        return self.task.space.canonical(self.winner.arch)

    def seeds(self, count: int) -> list[int]:
        """Training seeds: those behind the last that a search can draw."""
        first = max(Training.replicas, self.task.training.replicas)
        return [first + number for number in range(count)]

    def facts(self) -> dict[str, Any]:
        """What decides what comes out, ready for JSON."""
        training = self.task.training.facts() | {"device": self.task.device.type}
        return {
            "winner": asdict(self.winner) | {"arch": list(self.winner.arch)},
            "data": self.task.dataset.hash,
            "training": training | {"epochs": list(training["epochs"])},
            "from_checkpoint": self.weights is not None,
        }


def plan(results: Path, found: Winner, options: Options) -> Plan:
    """How ``found`` is trained in full.

    From scratch all examples are used, whatever the search used. From the search's weights it
    stays with the search's, and a text's tokenizer with them, at a tenth of the learning rate.

    Raises:
        ExperimentError: if the task has no network or no data, or a setting is out of range.
        StoreError: if the data are not those of the results, or the weights are not there.
        MissingPackage: if torch is not installed.
    """
    manifest = manifests.read(results)
    searched = manifest.tasks[found.task]
    task = _task(found.task, options.data)
    if options.data is None and searched.data not in (None, task.dataset.hash):
        raise StoreError(
            f"{results}: the data of {found.task} have hash {task.dataset.hash} here, the search's "
            f"had {searched.data}: name them with --data"
        )
    if not task.space.is_valid(found.arch):
        raise StoreError(f"{results}: {list(found.arch)} is no architecture of {task.space.name}")
    weights = _searched_weights(task, found, searched, options) if options.from_checkpoint else None
    full = task.again(_training(task.training, options), options.data)
    settings = manifest.specs[found.strategy].settings
    made = Plan(found, full, str(results), searched, settings, weights)
    full.network(made.arch)  # raises where the space does not fit the data
    return made


def _task(task_id: str, data: str | None) -> LiveTask:
    task: Any = registry.task(task_id)
    if task.space.name not in network_spaces():
        raise ExperimentError(
            f"{task_id}: space {task.space.name!r} has no network to train; there is one for "
            f"{', '.join(network_spaces())}"
        )
    if isinstance(task, LiveTask):
        return task
    if data is None:
        raise ExperimentError(
            f"{task_id} is a table: name the data to train on, such as --data cifar10:FOLDER or "
            "--data digits"
        )
    return LiveTask(task_id, data, task.space, TABLE)


def _training(training: Training, options: Options) -> Training:
    """The settings of the full training."""
    optimizer = options.optimizer or training.optimizer
    same = optimizer == training.optimizer
    rate = training.learning_rate if same else RATES.get(optimizer, 0.0)
    if options.from_checkpoint:
        rate *= FINE_TUNING
    changed: dict[str, Any] = {
        "epochs": (training.epochs[-1] if options.epochs is None else options.epochs,),
        "optimizer": optimizer,
        "learning_rate": rate if options.learning_rate is None else options.learning_rate,
        "seconds": None,
    }
    if options.device is not None:
        changed["device"] = options.device
    if not options.from_checkpoint:
        changed |= {"examples": None, "measured": None}
    return replace(training, **changed)


def _searched_weights(
    task: LiveTask, found: Winner, searched: TaskFacts, options: Options
) -> dict[str, Any]:
    if options.data is not None or searched.training is None:
        raise ExperimentError(
            f"{found.task}: no search trained a network on these data: leave out --from-checkpoint"
        )
    if searched.hash != task.hash:
        raise StoreError(
            f"{found.task} has hash {task.hash} here, {searched.hash} in the results (data, "
            "settings, torch or device differ): leave out --from-checkpoint"
        )
    weights = task.journal.weights(task.space.canonical(found.arch), found.replica)
    if weights is None:
        raise StoreError(
            f"no checkpoint of {task.space.describe(found.arch)!r} is kept in {task.journal.root} "
            "(trained on another machine, or better ones took its place): leave out "
            "--from-checkpoint"
        )
    return weights


# Training.


def retrain(
    plan: Plan, out: Path, seeds: int = 5, tell: Callable[..., None] | None = None
) -> dict[str, Any]:
    """Train the plan's network with so many seeds; returns the model card.

    ``tell`` is called after every epoch with the number of the seed (from 0), the epoch (from 1)
    and its `trainer.Epoch`, or None for one that was trained before.

    Raises:
        StoreError: if ``out`` holds something else, cannot be written, or every training failed.
    """
    journal = _open(plan, out)
    trained = [
        _train(plan, out, journal, seed, lambda *how, n=n: tell(n, *how) if tell else None)
        for n, seed in enumerate(plan.seeds(seeds))
    ]
    if all(one.failed for one in trained):
        raise StoreError(f"every training failed, the first with: {trained[0].failed}")
    store.write_text(out / "curves.csv", _curves(trained))
    card = model_card.card(plan, trained)
    store.write_text(out / "model-card.md", model_card.markdown(card))
    store.write_text(out / "model-card.json", json.dumps(card, indent=1, ensure_ascii=False) + "\n")
    return card


def _open(plan: Plan, out: Path) -> Journal:
    """The folder's journal, after it was made sure that the folder is this plan's."""
    file, facts = out / "retraining.json", plan.facts()
    if file.is_file():
        try:
            there = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise StoreError(f"{file} is damaged ({error}); choose another --out") from error
        differ = [key for key in facts if there.get(key) != facts[key]]
        if differ:
            raise StoreError(
                f"{out} holds another retraining ({', '.join(differ)} differ): choose another --out"
            )
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise StoreError(f"{out} exists and holds no retraining; choose another --out")
    else:
        store.write_text(file, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    from .model import TOKENIZERS

    for name in TOKENIZERS[plan.task.dataset.kind]:
        tokenizer = getattr(plan.task.objective, name)
        store.write_atomically(out / f"{name}.json", tokenizer.save)
    return Journal(out / "trainings")


def _train(
    plan: Plan, out: Path, journal: Journal, seed: int, tell: Callable[..., None]
) -> Trained:
    """One training, from where it was left."""
    import torch

    from . import model
    from .trainer import Diverged

    known = journal.read(plan.arch, seed)
    weights = out / weights_file(seed)
    epochs = plan.task.training.epochs[-1]
    if known.failed or (known.epochs >= epochs and weights.is_file()):
        tell(known.epochs, None)
        return known
    trainer = _trainer(plan, journal, known)
    kept = perf_counter()
    try:
        while known.epochs < epochs:
            done = trainer.epoch()
            known.add(done)
            tell(known.epochs, done)
            if known.epochs < epochs and perf_counter() - kept >= CHECKPOINT_EVERY:
                journal.write(known, trainer.state())
                kept = perf_counter()
    except (Diverged, torch.OutOfMemoryError) as error:
        known.failed = f"{type(error).__name__}: {error}".splitlines()[0]
        journal.write(known, None)
        return known
    task = plan.task
    ended = model.of_training(trainer.network, task.dataset, task.objective)
    store.write_atomically(weights, lambda file: model.write_weights(ended, file))
    # After the weights: figures never promise a network that is not there.
    journal.write(known, None)
    return known


def _trainer(plan: Plan, journal: Journal, known: Trained) -> Any:
    """A trainer at the last checkpoint, or at the beginning."""
    from .trainer import Trainer, seed_of

    task = plan.task
    network = task.network(plan.arch, known.replica)
    if not known.parameters:
        task.measure(known, network)
    if plan.weights is not None:
        network.load_state_dict(plan.weights)
    seed = seed_of("retraining", known.replica, plan.arch)
    trainer = Trainer(network, task.objective, task.training, seed, task.device)
    state = journal.checkpoint(plan.arch, known.replica) if known.epochs else None
    if state is not None and state["done"] == known.epochs:
        trainer.restore(state)
    else:
        for figures in (known.validation, known.test, known.train_loss, known.seconds):
            figures.clear()
    return trainer


def _curves(trained: Sequence[Trained]) -> str:
    """All epochs of all seeds, as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["seed", "epoch", "train_loss", "validation", "test", "seconds"])
    for one in trained:
        rows = zip(one.train_loss, one.validation, one.test, one.seconds, strict=True)
        for epoch, row in enumerate(rows, 1):
            writer.writerow([one.replica, epoch, *map(repr, row)])
    return text.getvalue()
