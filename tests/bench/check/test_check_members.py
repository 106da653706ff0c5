"""Every check of a task's members can fail: for each at least one task that breaks it."""

import itertools
from random import Random

import pytest
from msgspec.structs import replace

from nasarena.bench import BaseTask, Outcome, Problem, Query, checks
from nasarena.bench._base.errors import CheckFailed, NasarenaError
from nasarena.bench.check import members
from nasarena.bench.core.task_facts import ColumnFacts, PerMetric, TaskFacts
from nasarena.bench.experiment import registry
from nasarena.spaces import Decision, SearchSpace

SPACE = SearchSpace("pair", [Decision("a", ("1", "2", "3", "4")), Decision("b", ("1", "2", "3"))])
COLUMN = ColumnFacts("error", "%")


class Sound(BaseTask):
    """Keeps every rule, and has every optional member that a task without a table can have."""

    reproducible = True

    def __init__(self, task_id="mine/sound"):
        super().__init__(task_id, SPACE, epochs=(1, 4), hash="sound", seeds=3)

    def train(self, arch, epochs, seed):
        if arch == (3, 2):
            return Outcome((float("inf"),), 2.0 * epochs)
        loss = self.loss(arch) + 1 / epochs + Random(f"{arch}{seed}").random()
        return Outcome((loss,), 2.0 * epochs)

    def loss(self, arch):
        return 1.0 + arch[0] + 10 * arch[1]

    def reveal(self, queries):
        losses = [self.loss(query.arch) for query in queries]
        return {"validation": losses, "test": [loss + 1 for loss in losses]}

    def facts(self):
        return TaskFacts(validation=COLUMN, test=COLUMN, optimum=PerMetric(1.0, 2.0), replicas=3)

    def supernets(self):
        return None

    def measured_proxies(self, clock):
        return {}

    def failure_reason(self, query):
        return "Diverged" if query.arch == (3, 2) else ""

    def process_limit(self):
        return None

    def as_table(self):
        return None


def having(**members):
    """A task in which some members are replaced."""
    made = type("Broken", (Sound,), {k: v for k, v in members.items() if callable(v)})()
    for name, value in members.items():
        if not callable(value):
            setattr(made, name, value)
    return made


def without(name):
    """A task that has all required members but one; it inherits nothing."""
    sound = Sound()
    named = {each: getattr(sound, each) for each in ("id", "space", "problem", "hash")}
    named |= {"oracle": staticmethod(sound.oracle), "reveal": staticmethod(sound.reveal)}
    del named[name]
    return type("Without", (), named)()


def facts(**changes):
    return having(facts=lambda self: replace(Sound.facts(self), **changes))


_count = itertools.count()


class Drifting(Sound):
    """Has another hash whenever it is made."""

    def __init__(self, task_id="mine/drifting"):
        super().__init__(task_id)
        self.hash = f"hash {next(_count)}"


class Wavering(Sound):
    """Answers otherwise whenever it is made, under the same hash."""

    def __init__(self, task_id="mine/wavering"):
        super().__init__(task_id)
        self.shift = next(_count)

    def loss(self, arch):
        return 1.0 + self.shift


def revealing(change):
    return having(reveal=lambda self, queries: change(Sound.reveal(self, queries), queries))


def same_arch(truth, queries):
    """Compares with what else is asked."""
    return {name: [x - min(losses) for x in losses] for name, losses in truth.items()}


class Loud(str):
    """A text that is never equal to itself, as a hash made anew would be."""

    def __eq__(self, other):
        return False

    __hash__ = str.__hash__


BROKEN = [
    *(
        ("has-the-required-members", without(name), f"none of {name}")
        for name in ("id", "space", "problem", "hash", "oracle", "reveal")
        if name != "id"
    ),
    ("has-the-required-members", having(id=7), "id: a text"),
    ("has-the-required-members", having(hash=""), "hash: a text"),
    ("has-the-required-members", having(hash=Loud("x")), "hash: a text, always the same"),
    ("has-the-required-members", having(space="all"), "space: a SearchSpace"),
    ("problem-is-complete", having(problem=SPACE), "problem: a Problem"),
    ("problem-is-complete", having(space=SearchSpace("x", SPACE.decisions)), "problem.space"),
    ("problem-is-complete", having(problem=Problem(SPACE, (4, 1))), "problem.epochs"),
    ("problem-is-complete", having(problem=Problem(SPACE, (0, 1))), "problem.epochs"),
    ("problem-is-complete", having(problem=Problem(SPACE, ())), "problem.epochs"),
    ("problem-is-complete", having(problem=Problem(SPACE, (1, 4), ("test",))), "objectives"),
    (
        "problem-is-complete",
        having(problem=Problem(SPACE, (1, 4), ("validation", "size", "size"))),
        "no name twice",
    ),
    ("made-again-is-the-same", Drifting, "hash: 'hash"),
    ("made-again-is-the-same", Wavering, "from a task made anew"),
    ("reveals-one-truth-a-query", revealing(lambda truth, _: [*truth]), "reveal: a mapping"),
    ("reveals-one-truth-a-query", revealing(lambda truth, _: {"test": truth["test"]}), "perhaps"),
    ("reveals-one-truth-a-query", revealing(lambda truth, _: {**truth, "cost": [1.0]}), "perhaps"),
    (
        "reveals-one-truth-a-query",
        revealing(lambda truth, _: {n: losses[:-1] for n, losses in truth.items()}),
        "of shape",
    ),
    (
        "reveals-one-truth-a-query",
        revealing(lambda truth, _: {n: [float("nan")] * len(x) for n, x in truth.items()}),
        "NaN for all",
    ),
    ("reveals-one-truth-a-query", revealing(same_arch), "alone as among others"),
    (
        "test-is-not-validation",
        revealing(lambda truth, _: dict.fromkeys(truth, truth["validation"])),
        "test losses that differ",
    ),
    ("facts-are-complete", having(facts=lambda self: {"replicas": 3}), "facts: a TaskFacts"),
    ("facts-are-complete", facts(training={"more": {1j}}), "facts: what the manifest can hold"),
    ("facts-are-complete", facts(cost="seconds"), "cost: expected a table"),
    ("facts-are-complete", facts(validation=ColumnFacts(3)), "validation.label: expected text"),
    ("facts-are-complete", facts(objectives={"test": COLUMN}), "facts: objectives"),
    ("facts-are-complete", facts(epochs=(1, 2)), "facts: epochs"),
    ("facts-are-complete", facts(hash="other"), "facts: hash"),
    ("facts-are-complete", facts(optimum=PerMetric("1")), "optimum.validation: expected"),
    ("facts-are-complete", facts(noise=PerMetric(None, float("nan"))), "facts: the same when"),
    ("facts-are-complete", facts(replicas=0), "facts: replicas"),
    ("facts-are-complete", facts(unique=-1), "facts: unique"),
    ("facts-are-complete", facts(citation=None), "citation: expected text"),
    ("nothing-is-better-than-the-optimum", facts(optimum=PerMetric(20.0)), "optimum of val"),
    ("nothing-is-better-than-the-optimum", facts(test=None), "facts: test a column"),
    (
        "nothing-is-better-than-the-optimum",
        revealing(lambda truth, _: {"validation": truth["validation"]}),
        "facts: test None",
    ),
    ("optional-members-keep-their-word", having(reproducible="yes"), "reproducible: True or"),
    ("optional-members-keep-their-word", having(process_limit=lambda self: 0), "process_limit"),
    ("optional-members-keep-their-word", having(supernets=lambda self: "all"), "supernets: what"),
    (
        "optional-members-keep-their-word",
        having(measured_proxies=lambda self, clock: {"size": len}),
        "measured_proxies: those of",
    ),
    (
        "optional-members-keep-their-word",
        having(failure_reason=lambda self, query: ""),
        "failure_reason: why it failed",
    ),
    (
        "optional-members-keep-their-word",
        having(failure_reason=lambda self, query: "Diverged"),
        "failure_reason: nothing",
    ),
    (
        "optional-members-keep-their-word",
        having(as_table=lambda self: having(id="another")),
        "as_table: the task",
    ),
]


class Benchmark:
    """Makes the tasks whose second is another one."""

    datasets = ("drifting", "wavering", "sound")

    def task(self, task_id, dataset, objectives):
        return {"drifting": Drifting, "wavering": Wavering, "sound": Sound}[dataset](task_id)


@pytest.fixture(autouse=True)
def mine(monkeypatch):
    """The benchmark ``mine``, as an installed package would announce it."""
    monkeypatch.setitem(registry.BENCHMARKS, "mine", "mine:BENCHMARK")
    monkeypatch.setattr(registry, "load", lambda where: Benchmark())
    registry.built_in_benchmarks.cache_clear()
    yield
    registry.built_in_benchmarks.cache_clear()


@pytest.mark.parametrize(("rule", "task", "message"), BROKEN)
def test_a_task_that_breaks_the_contract_is_caught(rule, task, message):
    (check,) = checks(task() if isinstance(task, type) else task, only=[rule])
    with pytest.raises(CheckFailed) as failure:
        check()
    text = str(failure.value)
    assert message in text
    assert "expected: no error" not in text and "came: " in text


def test_every_check_of_the_members_has_a_broken_task():
    known = {rule.__name__.replace("_", "-") for rule in members.RULES}
    assert {rule for rule, _, _ in BROKEN} == known


def test_a_sound_task_passes_every_check():
    for check in checks(Sound()):
        check()


@pytest.mark.parametrize("name", ["space", "problem", "hash", "oracle", "reveal"])
def test_a_task_that_lacks_a_member_is_refused_before_anything_is_run(monkeypatch, name):
    monkeypatch.setattr(Benchmark, "task", lambda *_: without(name))
    with pytest.raises(NasarenaError, match=f"mine/sound: expected the members .* without {name}"):
        registry.new_task("mine/sound")


def test_a_task_of_another_id_is_refused(monkeypatch):
    monkeypatch.setattr(Benchmark, "task", lambda *_: Sound("mine/other"))
    with pytest.raises(NasarenaError, match="expected that as its id, got 'mine/other'"):
        registry.new_task("mine/sound")


def test_training_seeds_are_resumed_apart():
    """A seed that was trained before goes on where it was, whatever was asked in between."""
    oracle = Sound().oracle(Random(0))
    first = oracle.evaluate(Query((1, 1), 1, 0))
    oracle.evaluate(Query((1, 1), 1, 1))
    again = oracle.evaluate(Query((1, 1), 4, 0))
    assert (first.cost, again.cost, again.epochs) == (2.0, 6.0, 3)


def test_a_training_that_failed_can_be_asked_to_go_on():
    oracle = Sound().oracle(Random(0))
    answers = [oracle.evaluate(Query((3, 2), epochs)) for epochs in (1, 4)]
    assert [answer.observation.losses for answer in answers] == [(float("inf"),)] * 2
    assert sum(answer.cost for answer in answers) == answers[-1].observation.seconds
