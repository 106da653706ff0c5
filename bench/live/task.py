"""A task whose table fills itself: what is asked for the first time is trained.

It implements `bench.contracts.Task`, as `bench.task.TableTask` does. What was trained before
(in this run, in one that was killed, or by another strategy) is not trained again: it is read from
the journal, with the seconds that it took.
"""

from __future__ import annotations

import hashlib
import json
from functools import cached_property, partial
from importlib.util import find_spec
from pathlib import Path
from random import Random
from time import perf_counter
from typing import TYPE_CHECKING, Any

from ...spaces import Arch, MissingPackage, SearchSpace
from ...spaces.cache import folder as cache_folder
from ...spaces.networks import supernet_spaces
from .._base.errors import UnknownName
from ..core.base_task import TrainingOracle
from ..core.contracts import Outcome, SupernetMaker
from ..core.oracle import DUPLICATES
from ..core.task_facts import ColumnFacts, TaskFacts
from ..core.types import Answer, Problem, Proposal, Query
from ..execute.heartbeat import report_progress
from . import proxy_store
from .journal import Journal, Trained
from .training import METRICS, Training

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..core.supernet_clock import Search
    from ..core.types import Proxy
    from .data import Dataset
    from .proxies import Minibatch
    from .supernet import Supernets
    from .trainer import Trainer

OBJECTIVES = {"parameters": "", "flops": "", "latency": "s"}
"""Further objectives of a live task, and their units; latency is that of one example."""


class LiveTask:
    """Training on a data set as a problem to minimize.

    Args:
        task_id: names it in the record.
        dataset: as `data.dataset` takes it.
        space: of architectures.
        training: settings, the same for every architecture.
        objectives: besides validation: parameters, flops, latency.
        root: folder of the journal; in the user's cache folder if not given.

    Raises:
        MissingPackage: if torch is not installed.
        UnknownName: if an objective is unknown.
    """

    reproducible = False

    def __init__(
        self,
        task_id: str,
        dataset: str,
        space: SearchSpace,
        training: Training,
        objectives: tuple[str, ...] = (),
        root: Path | None = None,
    ) -> None:
        if find_spec("torch") is None:
            raise MissingPackage(f'{task_id} trains networks: pip install "nasarena[live]"')
        for name in objectives:
            if name not in OBJECTIVES:
                raise UnknownName(f"objective of {task_id}", name, OBJECTIVES)
        self.id, self.space, self.training = task_id, space, training
        self.objectives = ("validation", *objectives)
        proxies = proxy_store.charged(space, lambda: self._proxies)
        self.problem = Problem(space, training.epochs, self.objectives, proxies)
        self._dataset_name = dataset
        self.asked = 0  # queries of the run under way
        self._root = root
        # Every network met, by canonical spelling: the rows of the table that fills itself.
        self._rows: dict[Arch, int] = {}
        self._trained: dict[tuple[int, int], Trained] = {}
        self._trainer: tuple[tuple[Arch, int], Trainer] | None = None

    def __repr__(self) -> str:
        return f"<LiveTask {self.id}>"

    @cached_property
    def dataset(self) -> Dataset:
        from .data import dataset

        return dataset(self._dataset_name)

    @cached_property
    def hash(self) -> str:
        """Of the data and of everything that decides what a training comes to."""
        import torch

        # Settings that do not change what a network learns.
        about = self.training.facts() | {"device": None, "seconds": None, "replicas": None}
        about |= {"data": self.dataset.hash, "space": self.space.name, "torch": torch.__version__}
        about["device"] = self.device.type
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]

    @cached_property
    def journal(self) -> Journal:
        return Journal((self._root or cache_folder() / "live") / self.hash)

    @cached_property
    def device(self) -> Any:
        from .devices import pick

        return pick(self.training.device)

    @cached_property
    def _objective(self) -> Any:
        from .objectives import Classification, Translating

        kind = Translating if self.dataset.kind == "pairs" else Classification
        return kind(self.dataset, self.training, self.device)

    @property
    def objective(self) -> Any:
        """What is minimized and measured; see `objectives`."""
        return self._objective

    @cached_property
    def _build(self) -> Any:
        from .objectives import builder

        return builder(self.space, self.dataset, self._objective)

    def again(self, training: Training, dataset: str | None = None) -> LiveTask:
        """The same task with other settings, or on other data of its kind."""
        dataset = dataset or self._dataset_name
        return LiveTask(self.id, dataset, self.space, training, (), self._root)

    def network(self, arch: Arch, replica: int = 0) -> Any:
        """The untrained network of ``arch`` with the initial weights of a training seed."""
        from .objectives import initial

        return initial(self._build, self.space.canonical(arch), replica)

    def oracle(
        self, rng: Random, *, noise: str = "sampled", duplicates: str = "charge"
    ) -> LiveOracle:
        """An oracle for one run, which draws training seeds from ``rng``."""
        if noise != "sampled":
            raise UnknownName("noise of a live task", noise, ("sampled",))
        if duplicates not in DUPLICATES:
            raise UnknownName("duplicates policy", duplicates, DUPLICATES)
        return LiveOracle(self, rng, duplicates=duplicates)

    def supernets(self) -> SupernetMaker | None:
        """Return what makes the supernets of a run; None if the space has none."""
        return self._supernets if self.space.name in supernet_spaces() else None

    def _supernets(self, search: Search, key: str | None) -> Supernets:
        from .supernet import Supernets, builder

        return Supernets(
            self.space.sizes,
            builder(self.space, self.dataset, self._objective),
            self._objective,
            self.training,
            self.device,
            search,
            None if key is None else self.journal.root / "supernets" / key,
        )

    # What is known of an architecture without training it.

    def measured_proxies(self, search: Search) -> Mapping[str, Proxy]:
        """`Problem.proxies` for a run, which pays for what they take; see `proxy_store`."""
        return proxy_store.charged(self.space, lambda: self._proxies, search)

    @cached_property
    def _proxies(self) -> proxy_store.ProxyStore:
        return proxy_store.ProxyStore(self.journal.root / "proxies.jsonl", self._proxy)

    def _proxy(self, name: str, arch: Arch) -> tuple[float, float]:
        from .devices import threads, turn

        build = partial(self.network, arch, proxy_store.SEED)
        with turn(self.device), threads(self.device, self.training.threads):
            batch = self._minibatch
            begin = perf_counter()
            value = proxy_store.value_of(name, build, batch)
            return value, perf_counter() - begin

    @cached_property
    def _minibatch(self) -> Minibatch:
        """The training examples that the proxies see: a fixed random choice."""
        import torch

        from .proxies import BATCH

        order = torch.Generator().manual_seed(proxy_store.SEED)
        rows = torch.randperm(len(self._objective.train), generator=order)[:BATCH]
        found: Minibatch = self._objective.minibatch(rows.to(self.device))
        return found

    # Training.

    def row(self, arch: Arch) -> int:
        """Return the number of a network, in the order in which this process met them."""
        return self._rows.setdefault(self.space.canonical(arch), len(self._rows))

    def trained(self, arch: Arch, replica: int, epochs: int) -> Trained:
        """The figures of a training up to ``epochs`` or more; trains what is missing."""
        arch = self.space.canonical(arch)
        key = self.row(arch), replica
        known = self._trained.get(key)
        if known is None:
            known = self._trained[key] = self.journal.read(arch, replica)
        if known.epochs < epochs and not known.failed:
            self._train(known, epochs)
        return known

    def _train(self, known: Trained, epochs: int) -> None:
        from .devices import threads, turn

        with turn(self.device), threads(self.device, self.training.threads):
            self._train_now(known, epochs)

    def _train_now(self, known: Trained, epochs: int) -> None:
        from .trainer import Diverged, OverTime, out_of_memory

        begin = perf_counter()
        try:
            trainer = self._resume(known)
            while known.epochs < epochs:
                done = trainer.epoch(self.training.seconds)
                known.validation.append(done.validation)
                known.test.append(done.test)
                known.train_loss.append(done.train_loss)
                known.seconds.append(done.seconds)
                self._tell(known, epochs)
        except (Diverged, OverTime, MemoryError, RuntimeError) as error:
            if not isinstance(error, (Diverged, OverTime)) and not out_of_memory(error):
                raise
            known.failed = f"{type(error).__name__}: {error}".splitlines()[0]
            known.failed_after = (known.seconds or [0.0])[-1] + perf_counter() - begin
            self._trainer = None
            self.journal.write(known, None)
            return
        ended = known.epochs >= self.training.epochs[-1]
        self.journal.write(known, None if ended else trainer.state())
        if ended:
            loss = self.loss("validation", known, known.epochs)
            self.journal.keep(known, trainer.network.state_dict(), loss)

    def _tell(self, known: Trained, epochs: int) -> None:
        """How far the training is, for whoever watches."""
        left = known.seconds[-1] / known.epochs * (epochs - known.epochs)
        report_progress(
            query=self.asked,
            epoch=f"{known.epochs}/{epochs}",
            loss=known.train_loss[-1],
            left=f"{left:.0f} s",
        )

    def _resume(self, known: Trained) -> Trainer:
        """The trainer of a training: the last one used, or from its checkpoint, or a new one."""
        from .trainer import Trainer, seed_of

        key = known.arch, known.replica
        if self._trainer is not None and self._trainer[0] == key:
            return self._trainer[1]
        network = self.network(*key)
        if not known.epochs:
            self._measure(known, network)
        seed = seed_of("training", known.replica, known.arch)
        trainer = Trainer(network, self._objective, self.training, seed, self.device)
        state = self.journal.checkpoint(*key) if known.epochs else None
        if state is not None and state["done"] == known.epochs:
            trainer.restore(state)
        else:
            # Without a checkpoint that fits it begins again; on the CPU the figures will be those
            # that were there.
            for figures in (known.validation, known.test, known.train_loss, known.seconds):
                figures.clear()
        self._trainer = key, trainer
        return trainer

    def _measure(self, known: Trained, network: Any) -> None:
        """Size and speed of a network: the further objectives."""
        from ...spaces.flops import flops, parameters

        example = self._example()
        known.parameters = parameters(network)
        known.flops = flops(network, *example)
        begin = perf_counter()
        network.eval()
        for _ in range(3):
            network(*example)
        known.latency = (perf_counter() - begin) / 3

    def measure(self, known: Trained, network: Any) -> None:
        """Note the size and speed of a network beside the figures of its training."""
        self._measure(known, network)

    def _example(self) -> tuple[Any, ...]:
        """One example, on the CPU."""
        part = self._objective.parts["validation"]
        inputs = part.inputs[:1].cpu()
        return (inputs, part.targets[:1].cpu()) if self.dataset.kind == "pairs" else (inputs,)

    # What the record and the reports want to know.

    def loss(self, name: str, trained: Trained, epochs: int) -> float:
        """An objective (or ``"test"``) after so many epochs, as a loss; inf where it failed."""
        if trained.epochs < epochs:
            return float("inf")
        if name in OBJECTIVES:
            return float(getattr(trained, name))
        value = float(getattr(trained, name)[epochs - 1])
        return -value if METRICS[self.training.metric][1] else value

    def train(self, arch: Arch, epochs: int, seed: int, /) -> Outcome:
        """Return what a training comes to; trains what is missing of it."""
        trained = self.trained(arch, seed, epochs)
        failed = trained.epochs < epochs
        return Outcome(
            tuple(self.loss(name, trained, epochs) for name in self.problem.objectives),
            trained.failed_after if failed else trained.seconds[epochs - 1],
        )

    @property
    def seeds(self) -> int:
        """How many training seeds there are."""
        return self.training.replicas

    def failure_reason(self, query: Query) -> str:
        """Return why a training failed; empty if it did not."""
        trained, epochs = self._of(query)
        return trained.failed if trained.epochs < epochs else ""

    def reveal(self, queries: Sequence[Query]) -> dict[str, list[float]]:
        """Return the losses of these very trainings: there is no truth beyond them."""
        trained = [self._of(query) for query in queries]
        return {
            name: [self.loss(name, *each) for each in trained] for name in ("validation", "test")
        }

    def _of(self, query: Query) -> tuple[Trained, int]:
        """The training that answered a query of this process, and the epochs asked for."""
        assert query.epochs is not None and query.replica is not None
        return self._trained[self.row(query.arch), query.replica], query.epochs

    def process_limit(self) -> int:
        """Return how many processes can train at once here: one a GPU, or one a core."""
        from .devices import processes

        return processes(self.training.device)

    def facts(self) -> TaskFacts:
        """Return what a reader of results must know of the task."""
        metric = self.training.metric
        column = ColumnFacts(metric, *METRICS[metric])
        more = {name: ColumnFacts(name, unit) for name, unit in OBJECTIVES.items()}
        return TaskFacts(
            hash=self.hash,
            validation=ColumnFacts(f"validation {metric}", column.unit, column.maximize),
            test=ColumnFacts(f"test {metric}", column.unit, column.maximize),
            cost=ColumnFacts("training time", "s"),
            epochs=self.training.epochs,
            replicas=self.training.replicas,
            architectures=self.space.spellings,
            unique=self.space.spellings,
            objectives={name: more.get(name, column) for name in self.objectives},
            citation=self.dataset.citation,
            data=self.dataset.hash,
            training=self.training.facts(),
            device=self.device.type,
        )


class LiveOracle(TrainingOracle):
    """Answers the queries of one run by training; more epochs go on from the checkpoint."""

    def __init__(self, task: LiveTask, rng: Random, *, duplicates: str = "charge") -> None:
        super().__init__(task, rng, duplicates=duplicates)
        self._live, self._asked = task, 0

    def evaluate(self, proposal: Proposal, /) -> Answer:
        """Answer one proposal, and note which query of the run it is for whoever watches."""
        self._asked += 1
        self._live.asked = self._asked
        return super().evaluate(proposal)
