"""The types that everything meets at: what is asked, what is answered, and by whom."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:  # the command line's --help need not wait for numpy
    from torch import Tensor
    from torch.optim import Optimizer

    from ...spaces import Arch, SearchSpace


MEAN = -1
"""The replica of an answer that averages over all training seeds."""


class Query(NamedTuple):
    """Train ``arch`` until it has seen ``epochs`` epochs; asking for more later resumes it.

    ``epochs=None`` means as many as the problem knows. ``replica`` names one training seed of
    the oracle: a strategy leaves it ``None`` and finds in the observation which one it got.
    """

    arch: Arch
    epochs: int | None = None
    replica: int | None = None


class Observation(NamedTuple):
    """What a strategy may see of an answer.

    ``query`` is the query with ``epochs`` and ``replica`` filled in. ``losses`` holds one
    number per objective, all to be minimized; a failed training gives ``inf``. ``seconds`` is
    the cumulative training time from epoch 0.
    """

    query: Query
    losses: tuple[float, ...]
    seconds: float


Proxy: TypeAlias = "Callable[[Arch], float]"


class Batch(NamedTuple):
    """A minibatch of a supernet: the part of the data (``"train"`` or ``"validation"``) and the
    numbers of its examples, (n,)."""

    part: str
    rows: Tensor


class Supernet(Protocol):
    """All architectures of a task's space as one network with shared weights, under training.

    A strategy that declares ``weight_sharing`` gets one from ``problem.supernet(rng)``, with all
    its chance from ``rng``. What it computes here costs its run the seconds that it takes.
    """

    @property
    def weights(self) -> list[Tensor]:
        """The shared weights, without the architecture parameters."""
        ...

    def architecture(self) -> list[Tensor]:
        """New architecture parameters: for each decision of the space (choices,) logits near 0."""
        ...

    def keep(self, optimizer: Optimizer, /) -> None:
        """Have the state of the architecture parameters' optimizer in the checkpoints."""
        ...

    def epochs(self, count: int, /) -> Iterator[Iterator[tuple[Batch, Batch]]]:
        """``count`` epochs, each as pairs of minibatches: one to train on, one for validation.

        The learning rate of the weights is annealed over them. Whatever a strategy does to the
        architecture parameters, it does while it goes through the minibatches: an epoch that a
        checkpoint holds has none, and leaves weights, parameters and ``rng`` as they were then.
        """
        ...

    def loss(
        self, batch: Batch, weights: list[Tensor] | None = None, path: Arch | None = None
    ) -> Tensor:
        """The mean loss of a minibatch, with choices mixed by ``weights`` ((choices,) each), or of
        ``path``'s alone; with both, each choice of the path is multiplied by its weight."""
        ...

    def descend(self, loss: Tensor, /) -> None:
        """One step of the optimizer on the shared weights."""
        ...

    def step(self) -> tuple[float, list[Tensor]]:
        """What the next step of the weights would be, before clipping: the share xi of their
        gradients that it subtracts, and what it subtracts besides (momentum and decay)."""
        ...

    def measure(self, path: Arch, /) -> float:
        """The task's metric on the validation data with shared weights, as a loss."""
        ...


@dataclass(frozen=True)
class Problem:
    """What a strategy is told of a task: nothing of the table, the budget or the test data.

    ``epochs`` are those at which the oracle can answer, increasing. ``proxies`` are what is known
    of an architecture without training it, such as its number of parameters: by name, a function
    from a valid architecture to a number (NaN where it is not known). ``supernet`` makes a new
    `Supernet`; it is there for strategies that declare ``weight_sharing``.
    """

    space: SearchSpace
    epochs: tuple[int, ...]
    objectives: tuple[str, ...] = ("validation",)
    proxies: Mapping[str, Proxy] = field(default_factory=dict, compare=False)
    supernet: Callable[..., Supernet] | None = field(default=None, compare=False)


Proposal: TypeAlias = "Arch | Query"
"""A bare architecture stands for ``Query(arch)``."""


@runtime_checkable
class Strategy(Protocol):
    """Proposes queries and is told the answers.

    The runner calls `ask` whenever a worker is free. ``None`` means: first tell me of one that
    is under way; with none under way it means that the strategy has finished. `tell` comes
    once for every proposal whose answer arrived within the budget, in order of completion.
    """

    def ask(self) -> Proposal | None: ...

    def tell(self, observation: Observation, /) -> None: ...


@dataclass(frozen=True)
class StrategyInfo:
    """What a strategy is and what it can do, as declared by `strategy`.

    ``budget_aware`` says that it looks at the budget, so that a longer run does not begin like a
    shorter one; a strategy that knows only what it is told cannot. ``packages`` names packages
    whose version its proposals depend on, beside those that its modules import. ``lanes`` is where
    its form for many runs at once lives, ``"module:attribute"``; see
    `nasarena.bench.core.vectorized`.
    """

    family: str = "other"
    source: str = ""
    asynchronous: bool = False
    multi_fidelity: bool = False
    multi_objective: bool = False
    weight_sharing: bool = False
    budget_aware: bool = False
    packages: tuple[str, ...] = ()
    lanes: str = ""

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What it can do, in words."""
        flags = ("asynchronous", "multi_fidelity", "multi_objective", "weight_sharing")
        return tuple(flag.replace("_", "-") for flag in flags if getattr(self, flag))


@runtime_checkable
class StrategyFactory(Protocol):
    """Makes a strategy: ``factory(problem, rng, **settings)``. Carries its `StrategyInfo`."""

    @property
    def info(self) -> StrategyInfo: ...

    def __call__(self, problem: Problem, rng: Random, /, **settings: Any) -> Strategy: ...


class Oracle(Protocol):
    """Answers the queries of one run. Made anew for each run, with a stream of its own.

    A run is a pure function of its streams: two oracles of one task whose streams are equal answer
    equal questions equally, whatever is asked of other oracles in between. The runner asks them one
    after the other, in order of asking, also where several workers wait; it may ask once more than
    the budget allows, and drop the answer.

    Training seeds. A query that names none (``replica=None``) goes on with the training of that
    architecture that this run asked for last, if there is one; else a seed is drawn from the
    stream. A query that names one gets that one, at the price of a new training unless it was
    trained in this run. With ``noise="mean"`` there is one answer, the average, with replica -1.

    Resuming. More epochs than before go on with the training: only the increment is charged.

    Repeats. A question for epochs that its training has already seen is answered by policy
    (``duplicates``): ``"charge"`` gives the same answer and charges the whole training again;
    ``"free"`` gives the answer of the first spelling of that network and charges nothing;
    ``"resample"`` draws a training seed anew and charges it, unless the query names one.
    """

    problem: Problem
    """That of the task."""

    def evaluate(self, proposal: Proposal, /) -> Answer:
        """Answer one proposal; a bare architecture stands for ``Query(arch)``.

        Returns:
            The answer. Its query names the architecture as it was asked for (not its canonical
            form), with epochs and replica filled in. It has one loss an objective, ``inf`` where
            the training failed, never NaN. Its seconds are cumulative from epoch 0, finite
            and above 0, more for more epochs. ``cost`` and ``epochs`` are what the query adds.

        Raises:
            InvalidProposal: if it is no proposal, or names an architecture, a number of epochs or
                a training seed that the task does not have. Nothing is charged, and nothing drawn.
        """
        ...


class Answer(NamedTuple):
    """An observation with what only the runner and the record may know.

    ``cost`` is what this query adds in seconds and ``epochs`` what it adds in epochs: the
    increment on resume, both 0 for a free duplicate.

    The rest is for oracles over a `TableTask`, whose record is made from these numbers after the
    run; others leave it out. ``key`` is the number of the spelling that was asked, ``row`` that of
    the table's row that answered, ``place`` that of its row, epochs and training seed in one.
    """

    observation: Observation
    cost: float
    epochs: int
    key: int = -1
    row: int = -1
    place: int = -1
