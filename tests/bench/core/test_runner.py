import random
from itertools import pairwise
from random import Random

import numpy as np
import pytest
import toy
from hypothesis import given
from hypothesis import strategies as st

from nasarena.bench import Query, strategy
from nasarena.bench._base.errors import ExperimentError, RunFailed
from nasarena.bench.core import record
from nasarena.bench.core.runner import Budget, check_capabilities, run, run_seed, stream
from nasarena.bench.core.supernet_clock import BudgetSpent

A, B, C = (0, 0, 0), (1, 1, 1), (2, 2, 0)


def rate(arch):
    return 10 + toy.space().index(arch)


def go(proposals, budget, **options):
    return run_seed(toy.task(), toy.listed, {"proposals": proposals}, 0, budget, **options)


def archs(record):
    return [answer.observation.query.arch for answer in record.answers]


def test_budget_in_queries():
    assert archs(go([A, B, C], Budget(queries=2))) == [A, B]


def test_a_strategy_may_finish_before_the_budget():
    assert archs(go([A, B], Budget(queries=20))) == [A, B]


def test_each_query_is_charged_its_own_cost():
    record = go([A, B, C], Budget(queries=3))
    assert [a.cost for a in record.answers] == [9 * rate(x) for x in (A, B, C)]
    assert record.finish == list(np.cumsum([9 * rate(x) for x in (A, B, C)]))
    assert record.start == [0.0, *record.finish[:-1]]


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("duplicates", ["charge", "free"])
def test_the_record_holds_the_times_of_each_run(workers, duplicates):
    budget, task = Budget(queries=8), toy.task()
    options = {"workers": workers, "duplicates": duplicates}
    runs = {seed: run_seed(task, toy.Sampler, {}, seed, budget, **options) for seed in (0, 1)}
    table = record.to_table(task, runs, {})
    for name in ("start", "finish"):
        expected = [time for each in runs.values() for time in getattr(each, name)]
        assert table[name].to_pylist() == expected
    assert len(table) == sum(map(len, runs.values())) >= 16


def test_budget_in_epochs_counts_increments():
    proposals = [Query(A, 1), Query(A, 3), Query(A, 9), Query(B, 1)]
    assert len(go(proposals, Budget(epochs=9))) == 3
    assert len(go(proposals, Budget(epochs=10))) == 4
    assert len(go(proposals, Budget(epochs=8))) == 2


def test_what_ends_after_the_deadline_is_neither_told_nor_recorded():
    told = []

    @strategy()
    def watching(problem, rng):
        told.append((yield A))
        told.append((yield B))

    first = 9 * rate(A)
    task = toy.task()
    record = run_seed(task, watching, {}, 0, Budget(seconds=first + 9 * rate(B) - 1))
    assert archs(record) == [A]
    assert len(told) == 1
    told.clear()
    assert len(run_seed(task, watching, {}, 0, Budget(seconds=first + 9 * rate(B)))) == 2
    assert len(told) == 2


def test_free_duplicates_spend_nothing_but_cannot_go_on_forever():
    record = go([A, A, A, B], Budget(queries=2), duplicates="free")
    assert archs(record) == [A, A, A, B]
    assert record.finish[:3] == [9 * rate(A)] * 3
    with pytest.raises(RunFailed, match="free duplicates in a row"):
        go([A] * 20_000, Budget(queries=2), duplicates="free")


def test_workers_are_told_in_order_of_completion():
    @strategy(asynchronous=True)
    class Batch:
        def __init__(self, problem, rng):
            self.left = [C, A, B]

        def ask(self):
            return self.left.pop(0) if self.left else None

        def tell(self, observation):
            pass

    record = run_seed(toy.task(), Batch, {}, 0, Budget(queries=3), workers=2)
    # C and A start together; A is the shorter; B takes over its worker.
    assert archs(record) == [A, C, B]
    assert record.start == [0.0, 0.0, 9 * rate(A)]
    assert max(record.finish) < sum(9 * rate(x) for x in (A, B, C))


@given(workers=st.integers(1, 16), seed=st.integers(0, 5))
def test_the_clock_never_runs_backwards_and_no_worker_does_two_things(workers, seed):
    record = run_seed(toy.task(), toy.Sampler, {}, seed, Budget(queries=40), workers=workers)
    assert len(record) == 40
    assert all(a <= b for a, b in pairwise(record.finish))
    events = [(t, 1) for t in record.start] + [(t, -1) for t in record.finish]
    level = 0
    for _, change in sorted(events):
        level += change
        assert level <= workers


@given(queries=st.integers(1, 30), seconds=st.floats(1, 5000), epochs=st.integers(1, 200))
def test_the_first_limit_met_ends_a_run_and_none_is_exceeded(queries, seconds, epochs):
    budget = Budget(queries=queries, seconds=seconds, epochs=epochs)
    record = run_seed(toy.task(), toy.Sampler, {}, 0, budget)
    assert len(record) <= queries
    assert all(t <= seconds for t in record.finish)
    assert sum(a.epochs for a in record.answers) <= epochs
    unlimited = run_seed(toy.task(), toy.Sampler, {}, 0, Budget(queries=31))
    assert record.finish == unlimited.finish[: len(record)]


def test_a_run_is_a_function_of_its_seed_alone():
    def bits(seed):
        record = run_seed(toy.task(), toy.Sampler, {}, seed, Budget(queries=30))
        return record.answers, record.finish

    alone = bits(3)
    random.seed(99)
    bits(1)
    assert bits(3) == alone
    assert bits(4) != alone


def test_streams_pair_strategies_and_part_roles_tasks_and_seeds():
    one = stream(0, "toy/a", 3, "strategy").random()
    assert one == stream(0, "toy/a", 3, "strategy").random()
    others = [(0, "toy/a", 3, "oracle"), (0, "toy/a", 4, "strategy"), (0, "toy/b", 3, "strategy")]
    assert one not in [stream(*other).random() for other in [*others, (1, "toy/a", 3, "strategy")]]


def test_streams_are_those_of_the_runs_that_are_published():
    assert stream(0, "toy/a", 3, "strategy").random() == 0.8895427972376764
    assert stream(7, "toy/a", 3, "oracle").random() == 0.8653618834586794


def test_thinking_time_stays_off_the_clock(monkeypatch):
    ticks = iter(range(10_000))
    monkeypatch.setattr("nasarena.bench.core.runner.perf_counter", lambda: next(ticks))
    record = go([A, B], Budget(queries=2))
    assert record.finish == [9 * rate(A), 9 * (rate(A) + rate(B))]
    assert record.thinking == [2, 2]


def test_a_strategy_that_raises_is_named_with_seed_and_step():
    @strategy()
    def broken(problem, rng):
        yield A
        yield B
        raise ZeroDivisionError("oh")

    with pytest.raises(RunFailed, match="'mine' on toy/a, seed 5, after step 2: ZeroDivision"):
        run_seed(toy.task(), broken, {}, 5, Budget(queries=9), label="mine")


def test_an_invalid_proposal_is_named_with_what_was_expected():
    with pytest.raises(RunFailed, match="seed 0, after step 1: not an architecture of toy"):
        go([A, (7, 7, 7)], Budget(queries=9))


def test_settings_that_do_not_fit_are_told_at_the_start():
    with pytest.raises(RunFailed, match="while it was made: TypeError"):
        run_seed(toy.task(), toy.listed, {"nonsense": 1}, 0, Budget(queries=1))


def test_a_strategy_that_waits_forever_ends_the_run():
    class Waiting:
        def ask(self):
            return None

        def tell(self, observation):
            raise AssertionError

    assert len(run(Waiting(), toy.task().oracle(Random(0)), Budget(queries=5))) == 0


def test_capabilities_are_compared_before_the_run():
    check_capabilities(toy.Sampler, "s", toy.task(), workers=4)
    check_capabilities(toy.listed, "l", toy.task(), workers=1)
    with pytest.raises(ExperimentError, match="'l' is sequential"):
        check_capabilities(toy.listed, "l", toy.task(), workers=2)
    with pytest.raises(ExperimentError, match="one objective, toy/a has 2: validation, latency"):
        check_capabilities(toy.Sampler, "s", toy.task("latency"), workers=1)

    @strategy(weight_sharing=True)
    def darts(problem, rng):
        yield A

    with pytest.raises(ExperimentError, match="needs weight sharing"):
        check_capabilities(darts, "d", toy.task(), workers=1)


def test_a_supernet_is_trained_by_one_worker():
    @strategy(weight_sharing=True, asynchronous=True)
    class Sharing(toy.Sampler):
        pass

    task = toy.task()
    task.supernets = lambda: lambda clock, name: None
    check_capabilities(Sharing, "s", task, workers=1)
    with pytest.raises(ExperimentError, match="one supernet: it cannot use workers = 2"):
        check_capabilities(Sharing, "s", task, workers=2)


def test_a_generator_cannot_be_declared_asynchronous():
    with pytest.raises(TypeError, match="sequential"):

        @strategy(asynchronous=True)
        def wrong(problem, rng):
            yield A


@pytest.mark.parametrize("limits", [{}, {"queries": 0}, {"seconds": -1.0}, {"epochs": 0}])
def test_a_budget_needs_a_positive_limit(limits):
    with pytest.raises(ExperimentError, match="budget"):
        Budget(**limits)


def test_a_strategy_sees_neither_oracle_nor_budget_nor_test():
    seen = {}

    @strategy()
    def nosy(problem, rng):
        seen.update(problem=problem, observation=(yield A))

    run_seed(toy.task(), nosy, {}, 0, Budget(queries=1))
    fields = {"space", "epochs", "objectives", "proxies", "supernet"}
    assert set(vars(seen["problem"])) == fields and seen["problem"].supernet is None
    assert seen["observation"]._fields == ("query", "losses", "seconds")
    assert not hasattr(seen["problem"].space, "table")


@strategy(asynchronous=True)
class Ahead:
    """Asks what it is given, without waiting for the answers."""

    def __init__(self, problem, rng, *, proposals):
        self.left = list(proposals)

    def ask(self):
        return self.left.pop(0) if self.left else None

    def tell(self, observation):
        pass


def together(proposals, budget, **options):
    """Two workers: A and C start at once, B takes over from A, which is the shorter."""
    return run_seed(toy.task(), Ahead, {"proposals": proposals}, 0, budget, workers=2, **options)


def test_workers_keep_the_deadline():
    last = 9 * (rate(A) + rate(B))
    assert archs(together([A, C, B], Budget(seconds=last))) == [A, C, B]
    assert archs(together([A, C, B], Budget(seconds=last - 1))) == [A, C]


def test_workers_spend_the_last_query_and_no_more():
    assert archs(together([A, C, B], Budget(queries=3))) == [A, C, B]
    assert archs(together([A, C, B], Budget(queries=2))) == [A, C]


def test_workers_spend_the_last_epoch_and_no_more():
    assert archs(together([A, C, B], Budget(epochs=27))) == [A, C, B]
    assert archs(together([A, C, B], Budget(epochs=26))) == [A, C]


@pytest.mark.parametrize("workers", [1, 2])
def test_free_duplicates_are_counted_anew_after_a_charged_query(workers, monkeypatch):
    monkeypatch.setattr("nasarena.bench.core.runner.MAX_FREE_REPEATS", 3)

    def go(proposals):
        options = {"workers": workers, "duplicates": "free"}
        settings = {"proposals": proposals}
        return run_seed(toy.task(), Ahead, settings, 0, Budget(queries=9), **options)

    assert len(go([A, A, A, A, B, A, A, A])) == 8
    with pytest.raises(RunFailed, match="4 free duplicates in a row"):
        go([A, A, A, A, A])


@pytest.mark.parametrize("workers", [1, 2])
def test_answers_that_are_all_free_end_a_run(workers, monkeypatch):
    monkeypatch.setattr("nasarena.bench.core.runner.MAX_FREE_REPEATS", 3)
    asked = []

    class Free:
        problem = toy.task().problem

        def evaluate(self, proposal):
            asked.append(proposal)
            return toy.task().oracle(Random(0)).evaluate(proposal)._replace(epochs=0)

    with pytest.raises(RunFailed, match="4 free duplicates in a row"):
        run(toy.Sampler(Free.problem, Random(0)), Free(), Budget(queries=9), workers=workers)
    assert len(asked) == 4


def test_a_budget_that_is_spent_while_the_strategy_is_told_ends_the_run_after_that_answer():
    class Spending(toy.Sampler):
        def tell(self, observation):
            super().tell(observation)
            if len(self.told) == 3:
                raise BudgetSpent

    task = toy.task()
    record = run(Spending(task.problem, Random(0)), task.oracle(Random(0)), Budget(queries=9))
    assert len(record.answers) == len(record.finish) == len(record.thinking) == 3
    assert record.thinking[-1] == 0 < record.thinking[0]
    assert record.start == [0.0, *record.finish[:-1]]


def test_strategy_and_oracle_draw_from_streams_of_their_own():
    drawn = {}

    @strategy()
    def watching(problem, rng):
        drawn["strategy"] = rng.random()
        yield A

    task = toy.task()
    make = task.oracle

    def watched(rng, **policy):
        oracle = make(rng, **policy)
        drawn["oracle"] = rng.random()
        return oracle

    task.oracle = watched
    run_seed(task, watching, {}, 3, Budget(queries=1), experiment_seed=5)
    assert drawn == {role: stream(5, "toy/a", 3, role).random() for role in ("strategy", "oracle")}
    assert drawn["strategy"] != drawn["oracle"]
