"""A task from one function that trains: `BaseTask`, and the oracle that keeps its accounts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from math import inf, isfinite
from random import Random
from typing import TYPE_CHECKING, Protocol

from .._base.errors import InvalidProposal
from .contracts import Outcome
from .oracle import check_policies
from .types import MEAN, Answer, Observation, Oracle, Problem, Proposal, Query

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ...spaces import Arch, SearchSpace


class BaseTask(ABC):
    """A task whose answers come from `train`; the base class for tasks without a table.

    It implements `nasarena.bench.core.contracts.Task`. Whoever inherits adds a task's optional
    members, such as ``facts``.

    Args:
        task_id: the id that the task was asked for by.
        space: the architectures that can be asked for.
        epochs: the numbers of epochs at which it answers, increasing.
        hash: short text that changes whenever any answer does.
        seeds: how many training seeds there are, numbered from 0.
        objectives: names of all objectives, ``"validation"`` first.
    """

    def __init__(
        self,
        task_id: str,
        space: SearchSpace,
        *,
        epochs: Sequence[int],
        hash: str,
        seeds: int = 1,
        objectives: Sequence[str] = ("validation",),
    ) -> None:
        self.id, self.space, self.hash, self.seeds = task_id, space, hash, seeds
        self.problem = Problem(space, tuple(epochs), tuple(objectives))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}>"

    @abstractmethod
    def train(self, arch: Arch, epochs: int, seed: int, /) -> Outcome:
        """Return what training ``arch`` from epoch 0 up to ``epochs`` comes to.

        A pure function: the same arguments give the same, in every process. ``arch`` is canonical,
        so that all spellings of a network come to the same. Seconds grow with epochs.
        """
        ...

    @abstractmethod
    def reveal(self, queries: Sequence[Query]) -> Mapping[str, ArrayLike]:
        """Return the truth that scores these queries; see `contracts.Task.reveal`."""
        ...

    def oracle(self, rng: Random, *, noise: str = "sampled", duplicates: str = "charge") -> Oracle:
        """Return an oracle for one run, which draws training seeds from ``rng``."""
        return TrainingOracle(self, rng, noise=noise, duplicates=duplicates)


class Trains(Protocol):
    """What `TrainingOracle` asks of a task; see `BaseTask`."""

    @property
    def id(self) -> str: ...
    @property
    def problem(self) -> Problem: ...
    @property
    def seeds(self) -> int: ...
    def train(self, arch: Arch, epochs: int, seed: int, /) -> Outcome: ...


class TrainingOracle:
    """Answers the queries of one run by a task's trainings.

    A network's spellings share their trainings. Each network has a training seed drawn at its
    first query, and goes on with it.
    """

    def __init__(
        self, task: Trains, rng: Random, *, noise: str = "sampled", duplicates: str = "charge"
    ) -> None:
        check_policies(noise, duplicates)
        self.problem = task.problem
        self._task, self._rng = task, rng
        self._mean, self._duplicates = noise == "mean", duplicates
        # By network: the epochs that each of its training seeds has reached, the latest last.
        self._reached: dict[Arch, dict[int, int]] = {}

    def evaluate(self, proposal: Proposal, /) -> Answer:
        """Answer one proposal.

        Raises:
            InvalidProposal: if it names no architecture of the space, or epochs or a training
                seed that the task does not have.
        """
        arch, epochs, replica = checked(self._task.id, self.problem, proposal)
        if replica is not None and replica not in self._replicas():
            known = (
                "no single training seeds"
                if self._mean
                else (f"training seeds 0 to {self._task.seeds - 1}")
            )
            raise InvalidProposal(f"{self._task.id} has {known}, asked: {replica!r}")
        network = self.problem.space.canonical(arch)
        reached = self._reached.setdefault(network, {})
        replica = self._seed(replica, epochs, reached)
        before = reached.get(replica, 0)
        if before >= epochs and self._duplicates == "resample":
            before = 0
        losses, seconds = self._outcome(network, epochs, replica)
        cost, more = seconds, epochs
        if before >= epochs and self._duplicates == "free":
            cost, more = 0.0, 0
        elif 0 < before < epochs:
            cost, more = seconds - self._outcome(network, before, replica).seconds, epochs - before
        reached[replica] = max(reached.pop(replica, 0), epochs)
        return Answer(Observation(Query(arch, epochs, replica), losses, seconds), cost, more)

    def _replicas(self) -> Sequence[int]:
        return (MEAN,) if self._mean else range(self._task.seeds)

    def _seed(self, asked: int | None, epochs: int, reached: dict[int, int]) -> int:
        """Which training seed answers: the one named, the one to resume, or one drawn."""
        if asked is not None:
            return asked
        if reached:
            latest = next(reversed(reached))
            if epochs > reached[latest] or self._duplicates != "resample":
                return latest
        replicas = self._replicas()
        return replicas[int(self._rng.random() * len(replicas))]

    def _outcome(self, network: Arch, epochs: int, replica: int) -> Outcome:
        if replica != MEAN:
            return self._task.train(network, epochs, replica)
        found = [self._task.train(network, epochs, seed) for seed in range(self._task.seeds)]
        losses = tuple(map(_mean, zip(*(one.losses for one in found), strict=True)))
        return Outcome(losses, sum(one.seconds for one in found) / len(found))


def _mean(losses: Sequence[float]) -> float:
    """The average of what did not fail; ``inf`` if all did."""
    known = [loss for loss in losses if isfinite(loss)]
    return sum(known) / len(known) if known else inf


def checked(task_id: str, problem: Problem, proposal: object) -> tuple[Arch, int, int | None]:
    """Return the architecture, the number of epochs and the training seed that a proposal names.

    Raises:
        InvalidProposal: if it names no architecture of the space or epochs that are not known.
    """
    query = proposal if isinstance(proposal, Query) else Query(proposal)  # type: ignore[arg-type]
    space, known = problem.space, problem.epochs
    if not isinstance(query.arch, tuple) or not space.is_valid(query.arch):
        raise InvalidProposal(
            f"not an architecture of {space.name}: expected a tuple of {len(space.sizes)} choice "
            f"indices below {space.sizes} that names a network, got {query.arch!r}"
        )
    epochs = known[-1] if query.epochs is None else query.epochs
    if epochs not in known:
        raise InvalidProposal(f"{task_id} answers at epochs {known}, asked: {epochs!r}")
    return query.arch, epochs, query.replica
