"""What a task is: the members that every task has, and those that it may have.

`Task` is all that a third party must write; `nasarena.bench.BaseTask` writes most of it. Each
``Supports…`` protocol is one optional member. Callers ask for it by the function below the
protocol, which knows the default, and never by a task's class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias, runtime_checkable

from msgspec.structs import replace

from .._base.errors import NasarenaError
from .task_facts import ColumnFacts, TaskFacts
from .types import Oracle, Problem, Proxy, Query, Supernet

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ...spaces import SearchSpace
    from .supernet_clock import Search
    from .task import TableTask


class Task(Protocol):
    """A search space and whoever answers for its architectures: a problem to minimize.

    A task is made from its id, by the benchmark that the id names, once in every process that runs
    or reads something of it; it is never sent from one to another. All its members give the same
    wherever it was made. Making one is cheap: data are opened when ``problem``, ``hash`` or an
    oracle is first asked for. It is shared by all runs of its process, so nothing that a run does
    may change what another run gets: whatever belongs to a run is kept in its oracle.
    """

    @property
    def id(self) -> str:
        """``<benchmark>/<data set>``, and ``+<objective>`` for each further objective.

        It is the id that the task was asked for by, to the letter: random streams, the names of
        result files and the manifest are made from it.
        """
        ...

    @property
    def space(self) -> SearchSpace:
        """The architectures that can be asked for; the same object as ``problem.space``."""
        ...

    @property
    def problem(self) -> Problem:
        """All that strategies are told: no test data, no budget, nothing that answers for nothing.

        ``problem.epochs`` are the numbers of epochs at which the oracle answers: at least one, all
        above 0, increasing. ``problem.objectives`` begins with ``"validation"``, and has no name
        twice.
        """
        ...

    @property
    def hash(self) -> str:
        """Of everything that the answers and `reveal` depend on: data, settings, code.

        A short text, the same in all processes and on all machines that give the same answers.
        Results of tasks with different hashes are never put together.
        """
        ...

    def oracle(self, rng: Random, *, noise: str = "sampled", duplicates: str = "charge") -> Oracle:
        """Return a new oracle for one run, which takes all its chance from ``rng``.

        Args:
            rng: the run's own stream for the oracle; strategies draw from another one.
            noise: ``"sampled"``: an answer is that of one training seed; ``"mean"``: of the average
                over all of them.
            duplicates: what a repeated question costs; see `Oracle`.

        Raises:
            NasarenaError: if the task has no such ``noise`` or ``duplicates``; the message says
                which it has.
        """
        ...

    def reveal(self, queries: Sequence[Query]) -> Mapping[str, ArrayLike]:
        """Return the truth by which the record scores what was asked; no strategy gets to see it.

        Called after runs, in the process that they were run in, with queries of their answers:
        epochs and replica are filled in.

        Returns:
            (n,) losses ``"validation"``: those of the architectures at the most epochs, averaged
            over all training seeds, whatever the query's epochs and replica were. A task that
            knows nothing beyond single trainings gives that of the very training. NaN: not known.
            (n,) losses ``"test"`` likewise; may be left out where there are no test data.
        """
        ...


REQUIRED = ("id", "space", "problem", "hash", "oracle", "reveal")
"""The names of `Task`'s members."""


@runtime_checkable
class TaskBenchmark(Protocol):
    """Makes tasks by name: what a module or an entry point ``nasarena.benchmarks`` offers.

    It may have a text ``citation`` that says where its data come from. A benchmark of published
    tables needs no method ``task``; see `spaces.TableBenchmark`.
    """

    @property
    def datasets(self) -> Sequence[str]:
        """The names of its tasks, without the benchmark's own."""
        ...

    def task(self, task_id: str, dataset: str, objectives: tuple[str, ...], /) -> Task:
        """Return the task of one of ``datasets``.

        Args:
            task_id: the id that the task shall have.
            dataset: one of ``datasets``.
            objectives: names of further objectives, in the order asked for.

        Raises:
            NasarenaError: if it has no such objective.
        """
        ...


def missing_members(task: object) -> list[str]:
    """Return the names of the members of `Task` that ``task`` lacks, without asking for any."""
    from inspect import getattr_static

    nothing = object()
    return [name for name in REQUIRED if getattr_static(task, name, nothing) is nothing]


# What a task may have besides.


@runtime_checkable
class SupportsFacts(Protocol):
    """A task that says how its quantities are printed, and what is known of its optimum."""

    def facts(self) -> TaskFacts:
        """Return what is known; `facts_of` fills in what the task itself says elsewhere."""
        ...


def facts_of(task: Task) -> TaskFacts:
    """Return what results keep of a task: what it says, completed from its required members.

    Empty ``hash``, ``epochs``, ``objectives``, ``architectures`` and ``unique`` are filled in from
    the task, its problem and its space.

    Raises:
        NasarenaError: if what the task says is no `TaskFacts`.
    """
    own = task.facts() if isinstance(task, SupportsFacts) else TaskFacts()
    if not isinstance(own, TaskFacts):
        raise NasarenaError(f"{task.id}: facts() is to return a TaskFacts, got {own!r}")
    problem, encodings = task.problem, own.architectures or task.space.spellings
    further = {name: ColumnFacts(name) for name in problem.objectives[1:]}
    return replace(
        own,
        hash=own.hash or task.hash,
        epochs=own.epochs or tuple(problem.epochs),
        objectives=own.objectives or {"validation": own.validation, **further},
        architectures=encodings,
        unique=own.unique or encodings,
    )


@runtime_checkable
class SupportsReproducible(Protocol):
    """A task that says whether its runs come out twice to the last bit."""

    @property
    def reproducible(self) -> bool:
        """False where something is measured while a run goes on, such as training seconds."""
        ...


def is_reproducible(task: Task) -> bool:
    """Whether a run on the task can be made again bit for bit; True if it does not say."""
    return task.reproducible if isinstance(task, SupportsReproducible) else True


@runtime_checkable
class SupportsTable(Protocol):
    """A task all of whose answers are in a published table."""

    def as_table(self) -> TableTask | None:
        """Return the task with its arrays: for vectorized runs, the run cache and analyses."""
        ...


def table_of(task: Task) -> TableTask | None:
    """Return the task with its table; None if its answers come from elsewhere."""
    return task.as_table() if isinstance(task, SupportsTable) else None


SupernetMaker: TypeAlias = "Callable[[Search, str | None], Callable[..., Supernet]]"
"""Makes `Problem.supernet` for a run, from its clock and the name of its checkpoints (None: it
keeps none)."""


@runtime_checkable
class SupportsWeightSharing(Protocol):
    """A task whose strategies may train all architectures as one network."""

    def supernets(self) -> SupernetMaker | None:
        """Return what makes the supernets of a run; None if there are none in this space."""
        ...


def supernets_of(task: Task) -> SupernetMaker | None:
    """Return what makes the supernets of a run; None if weights cannot be shared."""
    return task.supernets() if isinstance(task, SupportsWeightSharing) else None


@runtime_checkable
class SupportsMeasuredProxies(Protocol):
    """A task whose proxies take time, for which a run pays."""

    def measured_proxies(self, clock: Search) -> Mapping[str, Proxy]:
        """Return `Problem.proxies` for one run; what they take is spent on ``clock``."""
        ...


@runtime_checkable
class SupportsFailureReasons(Protocol):
    """A task that knows why trainings failed."""

    def failure_reason(self, query: Query) -> str:
        """Return why the training that answered ``query`` failed; empty if it did not."""
        ...


@runtime_checkable
class SupportsProcessLimit(Protocol):
    """A task that knows how many processes can be of use at once on this machine."""

    def process_limit(self) -> int | None:
        """Return how many, such as one a GPU; None if that is for the number of cores to say."""
        ...


def process_limit_of(task: Task) -> int | None:
    """Return how many processes can be of use at once; None if the task does not limit them."""
    return task.process_limit() if isinstance(task, SupportsProcessLimit) else None


class Outcome(NamedTuple):
    """What a training came to.

    Attributes:
        losses: one an objective; ``inf`` if the training failed.
        seconds: cumulative from epoch 0.
    """

    losses: tuple[float, ...]
    seconds: float
