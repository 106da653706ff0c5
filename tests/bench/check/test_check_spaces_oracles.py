"""Every check of a space, a table or an oracle can fail: something broken for each."""

from random import Random
from types import SimpleNamespace

import numpy as np
import pytest

from nasarena.bench import checks
from nasarena.bench._base.errors import CheckFailed
from nasarena.bench.check import oracle as check_oracle
from nasarena.bench.check import space as check_space
from nasarena.bench.check import table as check_table
from nasarena.bench.check.tasks import BENCHMARK, small
from nasarena.bench.core.oracle import TableOracle
from nasarena.bench.core.task import TableTask
from nasarena.spaces import CellSpace, Condition, Decision, SearchSpace, Table

DECISIONS = [
    Decision("cells", ("0", "1", "2")),
    Decision("kind", ("a", "b", "c"), Condition(0, frozenset({1, 2}))),
    Decision("width", ("1", "2", "4")),
]


def space(base=SearchSpace, **members):
    """A space in which some members are replaced."""
    return type("Broken", (base,), members)("broken", DECISIONS)


def plain(name):
    return getattr(SearchSpace, name)


def cell(**members):
    right = {
        "graph": lambda self, arch: (("input", "output"), ((0, 1),)),
        "path_names": (("a",),),
        "path_encoding": lambda self, arch: np.ones(1),
    }
    return space(CellSpace, **(right | members))


BROKEN_SPACES = {
    "samples-are-valid": space(sample=lambda self, rng: (7, 7, int(rng.random() * 3))),
    "sampling-covers": space(sample=lambda self, rng: (*plain("sample")(self, rng)[:2], 1)),
    "draws-only-from-the-stream": space(
        sample=lambda self, rng: (np.random.rand(), plain("sample")(self, rng))[1]  # noqa: NPY002
    ),
    "neighbours-are-symmetric": space(
        neighbours=lambda self, arch: [a for a in plain("neighbours")(self, arch) if a > arch]
    ),
    "moves-are-valid": space(mutate=lambda self, arch, rng: arch),
    "simplest-is-valid": space(simplest=lambda self: (3, 3, 3)),
    "refuses-what-is-none": space(is_valid=lambda self, arch: True, simplest=lambda s: (0, 0, 0)),
    "canonical-is-idempotent": space(
        canonical=lambda self, arch: (arch[0], arch[1], (arch[2] + 1) % 3)
    ),
    "what-does-not-count-is-not-told-apart": space(canonical=lambda self, arch: arch),
    "numbers-come-back": space(arch=lambda self, index: (0, 0, 0)),
    "iterates-in-order": space(
        __iter__=lambda self: iter(sorted(plain("__iter__")(self), reverse=True))
    ),
    "one-hots-are-one-hot": space(one_hots=lambda self, archs: np.ones((len(archs), 9))),
    "describes-on-one-line": space(describe=lambda self, arch: "a network"),
    "cells-are-graphs": cell(graph=lambda self, arch: (("a", "b"), ((0, 1), (1, 0)))),
}


def said(subject, rule):
    (check,) = checks(subject, only=[rule])
    with pytest.raises(CheckFailed) as failure:
        check()
    assert "expected: " in str(failure.value)
    assert "came: " in str(failure.value)
    return str(failure.value)


@pytest.mark.parametrize("rule", BROKEN_SPACES)
def test_a_broken_space_is_caught(rule):
    assert "expected: no error" not in said(BROKEN_SPACES[rule], rule)


def test_every_check_of_a_space_has_a_broken_one_and_passes_a_sound_one():
    assert {rule.__name__.replace("_", "-") for rule in check_space.ALONE} == set(BROKEN_SPACES)
    for sound in (space(), cell()):
        for check in checks(sound):
            check()


@pytest.mark.parametrize(
    "wrong",
    [
        {"crossover": lambda self, a, b, rng: (5, 5, 5)},
        {"nearest": lambda self, arch, rng: (0, 0, 0)},
    ],
)
def test_broken_crossover_and_nearest_are_caught(wrong):
    said(space(**wrong), "moves-are-valid")


# Tables.


def task(dataset="conditional", **changes):
    """A small task in whose table some arrays or columns are replaced."""
    table = small(dataset).table
    arrays = {name: getattr(table, name) for name in ("spelling", "canonical", "row_of")}
    columns = dict(table.columns)
    for name, value in changes.items():
        if name in arrays:
            arrays[name] = value
        else:
            columns[name] = value
    made = TableTask(f"small/{dataset}", BENCHMARK, dataset)
    made.table = Table(table.epochs, columns, **arrays)
    return made


def table_said(made, rule):
    with pytest.raises(CheckFailed) as failure:
        getattr(check_table, rule)(made)
    return str(failure.value)


def test_gaps_in_a_table_are_caught():
    table = small("plain").table
    made = task("plain", row_of=np.where(table.row_of % 3, table.row_of, -1).astype(np.int32))
    assert "a row for every valid spelling" in table_said(made, "architectures_have_rows")


def test_forms_that_are_not_the_space_s_are_caught():
    made = task("plain", canonical=np.zeros(10368, np.int32))
    assert "in the table" in table_said(made, "table_has_the_canonical_forms")
    made = task("plain", canonical=np.zeros(3, np.int32))
    assert "10368 canonical forms" in table_said(made, "table_has_the_canonical_forms")


def test_a_canonical_form_for_different_networks_is_caught():
    number = np.arange(10368, dtype=np.int32)
    made = task("plain", canonical=number - number % 4)
    said = table_said(made, "canonical_preserves_values")
    assert "training seeds explain" in said
    one_seed = {name: column[:, :, :1].copy() for name, column in made.table.columns.items()}
    made = task("plain", canonical=np.zeros(10368, np.int32), **one_seed)
    assert "0.25 of the spread of all" in table_said(made, "canonical_preserves_values")
    every = task("plain")
    assert check_table.canonical_preserves_values(every) == "every network has one row"


# Oracles.


def column(name, change):
    """A task with a column changed."""
    return task(**{name: change(small("conditional").table.columns)})


class Answering(TableOracle):
    """An oracle that changes its answers."""

    change = staticmethod(lambda answer, proposal, count: answer)

    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        self.count = 0

    def evaluate(self, proposal, /):
        self.count += 1
        return self.change(super().evaluate(proposal), proposal, self.count)


def answering(change, dataset="conditional"):
    kind = type("Broken", (Answering,), {"change": staticmethod(change)})
    made = task(dataset)
    made.oracle = lambda rng, **more: kind(made, rng, **more)
    return made


def lost(answer, proposal, count):
    seen = answer.observation
    return answer._replace(observation=seen._replace(losses=(float("nan"),)))


_calls = iter(range(10**9))


def drifting(answer, proposal, count):
    seen = answer.observation
    return answer._replace(observation=seen._replace(seconds=seen.seconds + next(_calls)))


def permissive(rng, **more):
    anything = SimpleNamespace(observation="an answer")
    return SimpleNamespace(evaluate=lambda proposal: anything)


def with_oracle(make, dataset="conditional"):
    """A task whose oracle is made by ``make(task, rng, **policies)``."""
    made = task(dataset)
    made.oracle = lambda rng, **more: make(made, rng, **more)
    return made


def permissive_about_policies(made, rng, *, noise="sampled", duplicates="charge"):
    noise = noise if noise in ("sampled", "mean") else "sampled"
    duplicates = duplicates if duplicates in ("charge", "free") else "charge"
    return TableOracle(made, rng, noise=noise, duplicates=duplicates)


class Together(TableOracle):
    """All oracles draw from one stream."""

    rng = Random(0)

    def __init__(self, made, rng, **more):
        self.rng.seed(rng.random())
        super().__init__(made, self.rng, **more)


class Drawing(TableOracle):
    """Draws a training seed before it looks at what is asked for."""

    def __init__(self, made, rng, **more):
        super().__init__(made, rng, **more)
        self.rng = rng

    def evaluate(self, proposal, /):
        self.rng.random()
        return super().evaluate(proposal)


def charged_less(answer, proposal, count):
    return answer._replace(cost=1.0) if count > 1 else answer


def another_seed(answer, proposal, count):
    """The loss of no training seed in particular."""
    seen = answer.observation
    return answer._replace(observation=seen._replace(losses=(next(_calls) + 0.5,)))


def once_more(answer, proposal, count):
    """Another spelling costs again, the same one does not."""
    return answer._replace(cost=1.0, epochs=1) if count == 2 else answer


def without_refusals():
    made = task()
    made.oracle = permissive
    return made


BROKEN_TASKS = {
    "answers-are-complete": answering(lost),
    "same-stream-same-answers": answering(drifting),
    "keeps-runs-apart": with_oracle(Together),
    "refuses-what-is-none": without_refusals(),
    "refuses-unknown-policies": with_oracle(permissive_about_policies),
    "gives-the-training-seed-asked-for": answering(another_seed),
    "cost-grows-with-epochs": column("seconds", lambda c: c["seconds"][:, ::-1].copy()),
    "resume-adds-up": answering(lambda a, proposal, count: a._replace(cost=a.observation.seconds)),
    "repeats-are-charged-as-agreed": answering(lambda a, proposal, count: a._replace(cost=1.0)),
    "resampling-draws-anew": answering(charged_less),
    "spellings-share-what-is-free": answering(once_more),
    "validation-is-not-test": column("test", lambda c: c["validation"].copy()),
    "replicas-differ": column("validation", lambda c: c["validation"][:, :, :1].repeat(3, axis=2)),
    "mean-is-the-mean": answering(
        lambda a, proposal, count: a._replace(
            observation=a.observation._replace(losses=(a.observation.losses[0] + 1,))
        )
    ),
    "proxies-are-numbers": task("plain"),
}
BROKEN_TASKS["proxies-are-numbers"].problem.proxies["parameters"] = lambda arch: None


@pytest.mark.parametrize("rule", BROKEN_TASKS)
def test_a_broken_oracle_is_caught(rule):
    assert "expected: no error" not in said(BROKEN_TASKS[rule], rule)


def test_every_check_of_an_oracle_has_a_broken_one():
    assert {rule.__name__.replace("_", "-") for rule in check_oracle.RULES} == set(BROKEN_TASKS)


def test_an_oracle_that_draws_before_it_refuses_is_caught():
    assert "as without what was refused" in said(with_oracle(Drawing), "refuses-what-is-none")


def test_an_oracle_that_draws_one_training_seed_only_is_caught():
    def first_seed(answer, proposal, count):
        seen = answer.observation
        return answer._replace(observation=seen._replace(query=seen.query._replace(replica=0)))

    assert "each training seed of" in said(answering(first_seed), "resampling-draws-anew")


def test_one_array_for_validation_and_test_is_caught():
    shared = column("test", lambda c: c["validation"])
    assert "under another name" in said(shared, "validation-is-not-test")


def test_an_oracle_that_answers_from_the_test_column_is_caught():
    def test_loss(answer, proposal, count):
        return answer._replace(observation=answer.observation._replace(losses=(-12.5,)))

    assert "came: -12.5" in said(answering(test_loss), "validation-is-not-test")
