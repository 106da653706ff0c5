"""The oracle over a table: looks the answer up and says what it would have cost."""

from __future__ import annotations

from contextlib import suppress
from math import floor
from random import Random
from typing import TYPE_CHECKING, Any, Final, Literal

from ...spaces import Arch
from .._base.errors import ExperimentError, InvalidProposal, UnknownName
from .types import MEAN, Answer, Observation, Problem, Proposal, Query

if TYPE_CHECKING:
    from .task import Known, TableTask

NOISE = ("sampled", "mean")
DUPLICATES = ("charge", "free", "resample")

ROW: Final = 0
CANONICAL: Final = 1
ANSWERS: Final = 2
"""Where in a `task.Known` is what."""


def check_policies(noise: str, duplicates: str) -> None:
    """Refuse what no oracle knows, and what makes no sense together.

    Raises:
        UnknownName: if ``noise`` is none of `NOISE` or ``duplicates`` none of `DUPLICATES`.
        ExperimentError: if averages are to be drawn anew.
    """
    if noise not in NOISE:
        raise UnknownName("noise", noise, NOISE)
    if duplicates not in DUPLICATES:
        raise UnknownName("duplicates policy", duplicates, DUPLICATES)
    if noise == "mean" and duplicates == "resample":
        raise ExperimentError(
            'duplicates="resample" draws training seeds, noise="mean" averages over them: '
            'choose noise="sampled" or another duplicates policy'
        )


class TableOracle:
    """Answers the queries of one run from a task's table.

    ``noise="sampled"`` draws one recorded training seed for an architecture, from the oracle's
    own stream; ``"mean"`` answers the average over all of them.

    ``duplicates`` says what happens when an architecture is asked again at epochs it has
    already seen: ``"charge"`` gives the same answer and charges it again, ``"free"`` gives the
    answer of the first of its spellings and charges nothing, ``"resample"`` draws a training
    seed anew and charges it. More epochs than before always resume the training: only the
    increment is charged.
    """

    def __init__(
        self, task: TableTask, rng: Random, *, noise: str = "sampled", duplicates: str = "charge"
    ) -> None:
        check_policies(noise, duplicates)
        self.problem: Problem = task.problem
        self._task = task
        self._draw = rng.random
        self._mean = noise == "mean"
        self._known = task.averaged if self._mean else task.sampled
        self._free = duplicates == "free"
        self._key: Literal[0, 1] = CANONICAL if self._free else ROW
        self._resample = duplicates == "resample"
        # What this run has trained, by table row (by canonical encoding where repeats are free):
        # the answer at full epochs where the whole table entry was given at once, else the
        # epochs that each training seed has reached, the latest last.
        self._given: dict[int, Answer] = {}
        self._reached: dict[int, dict[int, Answer]] = {}

    def evaluate(self, proposal: Proposal, /) -> Answer:
        """Answer one proposal.

        Raises:
            InvalidProposal: if it names no architecture of the table, or epochs or a training
                seed that the table does not hold.
        """
        if type(proposal) is not tuple:
            return self._evaluate_query(proposal)
        arch: Any = proposal  # the type checker takes it for a Query still
        try:
            known = self._known[arch]
        except (KeyError, TypeError):  # not asked before, or no architecture at all
            known = self._task.look_up(arch, averaged=self._mean)
        key, given = known[self._key], self._given
        if key in given:
            if not self._resample:
                return self._repeated(arch, given[key])
        elif key in self._reached:
            return self._evaluate_query(Query(arch))
        answers, draw = known[ANSWERS], self._draw
        number = floor(draw() * len(answers))
        answer = answers[number] or self._task.answer(arch, number, averaged=self._mean)
        given[key] = answer
        return answer

    def _repeated(self, arch: Arch, given: Answer) -> Answer:
        """The answer given before, perhaps for another encoding, as the answer to this one."""
        if self._free:
            given = given._replace(cost=0.0, epochs=0)
        query, losses, seconds = given.observation
        if query.arch == arch:
            return given
        seen = Observation(query._replace(arch=arch), losses, seconds)
        return given._replace(observation=seen, key=self._task.space.index(arch))

    def _evaluate_query(self, proposal: object) -> Answer:
        """The general case: epochs or a training seed are named, or a training is resumed."""
        if not isinstance(proposal, Query):
            raise InvalidProposal(
                f"expected an architecture (a tuple of choice indices) or a Query, got {proposal!r}"
            )
        arch = proposal.arch
        task = self._task
        epoch = self._epoch(proposal.epochs)
        known = self._find(arch)
        row, key = known[ROW], known[self._key]
        reached = self._reached.setdefault(key, {})
        if key in self._given:
            given = self._given.pop(key)
            reached[given.observation.query.replica or 0] = given
        replica = self._replica(proposal.replica, row, reached, task.table.epochs[epoch])
        before = reached.get(replica)
        if before is not None:
            row = before.row
        place = task.place(row, epoch, replica)
        seen = task.observation(arch, place)
        cost, epochs = seen.seconds, task.table.epochs[epoch]
        if before is not None:
            trained = before.observation.query.epochs or 0
            if epochs > trained and task.table.resumes:
                cost, epochs = cost - before.observation.seconds, epochs - trained
            elif self._free and epochs <= trained:
                cost, epochs = 0.0, 0
        answer = Answer(seen, cost, epochs, task.space.index(arch), row, place)
        if before is None or epochs > 0:
            reached.pop(replica, None)
            reached[replica] = answer
        return answer

    def _find(self, arch: Arch) -> Known:
        """What is known of an architecture: `evaluate` does the same without a call."""
        if type(arch) is tuple:  # and no query, which would pass for the tuple of its fields
            with suppress(KeyError, TypeError):
                return self._known[arch]
        return self._task.look_up(arch, averaged=self._mean)

    def _epoch(self, epochs: int | None) -> int:
        known = self._task.table.epochs
        if epochs is None:
            return len(known) - 1
        if epochs not in known:
            raise InvalidProposal(f"{self._task.id} answers at epochs {known}, asked: {epochs!r}")
        return known.index(epochs)

    def _replica(
        self,
        asked: int | None,
        row: int,
        reached: dict[int, Answer],
        epochs: int,
    ) -> int:
        """Which training seed answers: the one named, the one to resume, or one drawn."""
        known = (MEAN,) if self._mean else self._task.replicas(row)
        if asked is not None:
            # Another spelling's row may hold training seeds that this one's lacks.
            if asked not in known and asked not in reached:
                raise InvalidProposal(
                    f"{self._task.id} holds replicas {list(known)}, asked: {asked!r}"
                )
            return asked
        if reached:
            latest = next(reversed(reached))
            trained = reached[latest].observation.query.epochs or 0
            if epochs > trained or not self._resample:
                return latest
        return known[int(self._draw() * len(known))]
