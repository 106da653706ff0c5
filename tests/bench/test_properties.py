"""Properties of experiment files, stores and the runner, on random cases."""

import tomllib
from contextlib import nullcontext, suppress
from datetime import date
from math import inf
from random import Random

import numpy as np
import pyarrow as pa
import pytest
import toy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from properties import examples

from nasarena.bench._base.errors import NasarenaError, StoreError
from nasarena.bench.core.oracle import TableOracle
from nasarena.bench.core.runner import Budget, Run, run
from nasarena.bench.core.types import Query
from nasarena.bench.experiment import experiment
from nasarena.bench.store import manifest as manifests
from nasarena.bench.store import store
from nasarena.bench.store.store import Unit

# Experiment files.

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.just(date(2026, 1, 1))
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
NAMES = st.sampled_from(["random", "local-search", "optuna-tpe", "x", ""]) | st.text(max_size=6)
SETTINGS = st.dictionaries(st.sampled_from(["name", "label", "population", "x"]), ANYTHING | NAMES)
SPEC = NAMES | SETTINGS | st.fixed_dictionaries({"name": NAMES, "label": NAMES})
TASK = st.sampled_from(["nasbench201/cifar10", "nasbench201/*", "fcnet/protein", "no/such"])
KEYS = {
    "name": st.text(max_size=8),
    "tasks": st.lists(TASK, min_size=1, max_size=3),
    "strategies": st.lists(SPEC, min_size=1, max_size=3),
    "seeds": st.integers(-1, 10**6) | st.just(3.0),
    "budget": st.dictionaries(
        st.sampled_from(["queries", "epochs", "seconds"]), st.integers(0, 9) | st.floats()
    ),
    "workers": st.integers(0, 3),
    "noise": st.sampled_from(["sampled", "mean", "none"]),
    "duplicates": st.sampled_from(["charge", "free", "resample", ""]),
    "seed": st.integers(-1, 2**70),
    "timeout": st.floats(),
    "lanes": st.booleans(),
}
LIKELY = st.fixed_dictionaries({}, optional=KEYS)
FILES = (
    st.dictionaries(st.text(max_size=8) | st.sampled_from(list(KEYS)), ANYTHING, max_size=4)
    | LIKELY
    | st.tuples(LIKELY, st.sampled_from(list(KEYS)), ANYTHING).map(lambda t: {**t[0], t[1]: t[2]})
)


@examples(120)
@given(FILES)
def test_any_data_is_an_experiment_or_an_error_that_says_why(data):
    try:
        made = experiment.parse(data)
    except NasarenaError:
        return
    again = experiment.from_json(made.to_json())
    # A number that is none is not equal to itself, so texts are compared.
    assert repr(again) == repr(made)


def test_some_of_them_are_experiments():
    found = []

    @examples(120)
    @given(LIKELY)
    def look(data):
        with suppress(NasarenaError):
            found.append(experiment.parse(data))

    look()
    assert len(found) >= 5


@examples(60)
@given(st.text(max_size=40) | st.binary(max_size=40))
def test_any_text_as_a_file(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    with pytest.raises(NasarenaError) if not _empty(path) else nullcontext():
        experiment.load(path)


def _empty(path):
    try:
        return not tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False


# Stores.

TYPES = {
    "seed": pa.int32(),
    "step": pa.int32(),
    "network": pa.int64(),
    "epochs": pa.int32(),
    "replica": pa.int16(),
    **dict.fromkeys(("loss", "validation", "test", "charged"), pa.float64()),
    **dict.fromkeys(("start", "finish", "thinking"), pa.float64()),
}
WORDS = st.text(min_size=1, max_size=12) | st.sampled_from(
    [
        "..",
        ".",
        "../../x",
        "a/../b",
        "con",
        "nul.txt",
        "x" * 300,
        "a\0b",
        "%2E",
        "-",
        " ",
        "é\u202e",
    ]
)


def _record(draw_seed, rows):
    rng = np.random.default_rng(draw_seed)
    numbers = {
        name: rng.integers(0, 100, rows) if pa.types.is_integer(kind) else rng.normal(size=rows)
        for name, kind in TYPES.items()
    }
    numbers["loss"][::3] = np.nan
    numbers["seed"] = np.sort(numbers["seed"])
    arch = [list(map(int, rng.integers(0, 5, 3))) for _ in range(rows)]
    table = pa.table({n: pa.array(v, TYPES[n]) for n, v in numbers.items()})
    return table.append_column("arch", pa.array(arch, pa.list_(pa.int16())))


def _store(root, units):
    tasks = list(dict.fromkeys(task for task, _ in units))
    labels = list(dict.fromkeys(label for _, label in units))
    manifests.write(root, toy.manifest(tasks, labels))


@examples(25)
@given(
    st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=3, unique=True),
    st.integers(0, 99),
    st.integers(1, 30),
)
def test_records_are_read_as_they_were_written_whatever_their_names(
    tmp_path_factory, units, n, rows
):
    root = tmp_path_factory.mktemp("store") / "in" / "results"
    _store(root, units)
    written = {}
    for number, (task, label) in enumerate(units):
        written[task, label] = _record(n + number, rows)
        store.write_unit(root, Unit(task, label, 0, 9), written[task, label])
    frame = store.read(root)
    assert len(frame) == rows * len(units)
    for (task, label), table in written.items():
        own = frame[(frame["task"] == task) & (frame["strategy"] == label)]
        for name in TYPES:
            np.testing.assert_array_equal(own[name].to_numpy(), table[name].to_numpy())
        assert [list(arch) for arch in own["arch"]] == table["arch"].to_pylist()
    outside = [path for path in root.parent.parent.rglob("*") if not path.is_relative_to(root)]
    assert outside == [root.parent]


@examples(60)
@given(st.data())
def test_damage_is_never_silently_read(tmp_path_factory, data):
    """A flipped byte or a lost end is an error, or changes nothing that is read."""
    root = tmp_path_factory.mktemp("damaged")
    unit = Unit("t", "a", 0, 9)
    _store(root, [("t", "a")])
    record = _record(0, 40)
    store.write_unit(root, unit, record)
    path = store.unit_path(root, unit)
    whole = path.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        path.write_bytes(whole[:place])
    else:
        wrong = bytearray(whole)
        wrong[place] ^= data.draw(st.integers(1, 255))
        path.write_bytes(bytes(wrong))
    try:
        found = store.read_unit(path)
    except StoreError:
        return
    for name in record.column_names:
        if name in found.column_names:
            assert found[name].equals(record[name]) or name == "loss"
    if "loss" in found.column_names:
        np.testing.assert_array_equal(found["loss"].to_numpy(), record["loss"].to_numpy())


# The runner: any strategy, within any budget.

TASKS = toy.task()


class Accounting(RuleBasedStateMachine):
    """Asks an oracle in any order, and keeps its own account of what that should cost."""

    @initialize(
        noise=st.sampled_from(["sampled", "mean"]),
        duplicates=st.sampled_from(["charge", "free", "resample"]),
        seed=st.integers(0, 99),
    )
    def begin(self, noise, duplicates, seed):
        if noise == "mean" and duplicates == "resample":
            duplicates = "charge"
        self.duplicates, self.mean = duplicates, noise == "mean"
        self.oracle = TableOracle(TASKS, Random(seed), noise=noise, duplicates=duplicates)
        self.answers = []
        self.paid = {}
        self.epochs = {}

    @rule(
        arch=st.tuples(*(st.integers(0, size - 1) for size in toy.SIZES)),
        epochs=st.sampled_from([None, *toy.EPOCHS]),
        bare=st.booleans(),
    )
    def ask(self, arch, epochs, bare):
        proposal = arch if bare and epochs is None else Query(arch, epochs)
        answer = self.oracle.evaluate(proposal)
        seen = answer.observation
        assert seen.query.arch == arch
        assert seen.query.epochs == (epochs or toy.EPOCHS[-1])
        network = arch[:2] if self.duplicates == "free" else arch
        key = network, seen.query.replica
        before, trained = self.paid.get(key, 0.0), self.epochs.get(key, 0)
        if trained and seen.query.epochs > trained:
            # A training that goes on pays the difference, in seconds and in epochs.
            if self.duplicates != "free":
                assert answer.cost == pytest.approx(seen.seconds - before)
            assert answer.epochs == seen.query.epochs - trained
        elif trained and self.duplicates == "free":
            assert (answer.cost, answer.epochs) == (0.0, 0)
        else:
            assert answer.cost == pytest.approx(seen.seconds)
            assert answer.epochs == seen.query.epochs
        if answer.epochs:
            self.paid[key], self.epochs[key] = seen.seconds, seen.query.epochs
        self.answers.append(answer)

    @precondition(lambda self: getattr(self, "answers", None))
    @rule()
    def the_same_again(self):
        query = self.answers[-1].observation.query
        answer = self.oracle.evaluate(query)
        assert answer.observation.query == query
        if self.duplicates == "free":
            assert (answer.cost, answer.epochs) == (0.0, 0)
        else:
            assert answer.cost == answer.observation.seconds
            assert answer.observation == self.answers[-1].observation

    @rule(
        wrong=st.sampled_from(
            [(9, 9, 9), (0, 0), None, "x", Query((0, 0, 0), 2), Query((0, 0, 0), 9, 7)]
        )
    )
    def ask_for_what_there_is_not(self, wrong):
        with pytest.raises(NasarenaError):
            self.oracle.evaluate(wrong)

    @invariant()
    def nothing_is_ever_earned(self):
        for answer in getattr(self, "answers", [])[-1:]:
            assert answer.cost >= 0
            assert answer.epochs >= 0
            assert answer.observation.seconds > 0


Accounting.TestCase.settings = examples(30)
TestAccounting = Accounting.TestCase


class Whatever:
    """Proposes at random, waits at times, may end or fail, and remembers what it was told."""

    def __init__(self, rng, moves):
        self.rng, self.moves, self.told, self.asked = rng, iter(moves), [], []

    def ask(self):
        move = next(self.moves, "end")
        if move == "end":
            return None
        if move == "wait" and len(self.asked) > len(self.told):
            return None
        if move == "fail":
            raise RuntimeError("out of ideas")
        if move == "again" and self.asked:
            self.asked.append(self.asked[-1])
        else:
            epochs = {"short": 1, "middle": 3}.get(move)
            self.asked.append(Query(TASKS.space.sample(self.rng), epochs))
        return self.asked[-1]

    def tell(self, observation):
        self.told.append(observation)


MOVES = st.lists(
    st.sampled_from(["new", "short", "middle", "again", "wait", "new", "short", "fail"]),
    max_size=40,
)


@examples(120)
@given(
    moves=MOVES,
    workers=st.integers(1, 4),
    queries=st.none() | st.integers(1, 20),
    epochs=st.none() | st.integers(1, 120),
    seconds=st.none() | st.floats(1, 800),
    duplicates=st.sampled_from(["charge", "free", "resample"]),
    seed=st.integers(0, 9),
)
def test_the_runner_keeps_its_account(moves, workers, queries, epochs, seconds, duplicates, seed):
    if queries is epochs is seconds is None:
        queries = 20
    budget = Budget(queries, epochs, seconds)
    strategy = Whatever(Random(seed), moves)
    oracle = TableOracle(TASKS, Random(seed), duplicates=duplicates)
    record = Run()
    try:
        run(strategy, oracle, budget, workers=workers, record=record)
    except RuntimeError:
        assert "fail" in moves
    count = len(record)
    assert len(record.answers) == len(record.finish) == count
    # Told is what is recorded, in that order: nothing else, and nothing after the deadline.
    assert [answer.observation for answer in record.answers] == strategy.told
    assert all(answer.cost >= 0 and answer.epochs >= 0 for answer in record.answers)
    assert all(a <= b for a, b in zip(record.finish, record.finish[1:], strict=False))
    assert max(record.finish, default=0.0) <= (seconds or inf)
    assert sum(answer.epochs > 0 for answer in record.answers) <= (queries or inf)
    assert sum(answer.epochs for answer in record.answers) <= (epochs or inf)
    if len(record.start) == count:  # a run that failed has no start times yet
        took = [f - s for f, s in zip(record.finish, record.start, strict=True)]
        assert took == pytest.approx([answer.cost for answer in record.answers])
        # No more at work at once than there are workers.
        for moment in record.start:
            at_work = sum(s <= moment < f for s, f in zip(record.start, record.finish, strict=True))
            assert at_work <= workers


@examples(20)
@given(moves=MOVES, seed=st.integers(0, 9), cut=st.integers(1, 20))
def test_a_shorter_run_is_the_beginning_of_a_longer_one(moves, seed, cut):
    moves = [move for move in moves if move != "fail"]

    def made(queries):
        oracle = TableOracle(TASKS, Random(seed))
        return run(Whatever(Random(seed), moves), oracle, Budget(queries=queries))

    short, whole = made(cut), made(40)
    assert whole.answers[: len(short)] == short.answers
    assert whole.finish[: len(short)] == short.finish
