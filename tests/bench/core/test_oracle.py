from random import Random

import numpy as np
import pytest
import toy

from nasarena.bench import Query
from nasarena.bench._base.errors import ExperimentError, InvalidProposal, UnknownName
from nasarena.bench.core.oracle import TableOracle
from nasarena.bench.core.types import MEAN

ARCH, OTHER = (1, 2, 0), (3, 0, 1)


def oracle(seed=0, task=None, **policy):
    return TableOracle(task or toy.task(), Random(seed), **policy)


def row(arch):
    return toy.space().index(arch)


def test_losses_are_negated_where_the_column_is_maximized():
    answer = oracle(noise="mean").evaluate(ARCH)
    values = toy.ToyTable().columns["validation"][row(ARCH), -1]
    assert answer.observation.losses == (-values.mean(),)
    assert answer.observation.query == Query(ARCH, 9, MEAN)


def test_validation_and_test_are_different_columns():
    task = toy.task()
    seen = oracle(task=task, noise="mean").evaluate(ARCH).observation.losses[0]
    truth = task.reveal([Query(ARCH)])
    assert truth["validation"][0] == pytest.approx(seen)
    assert truth["test"][0] == pytest.approx(seen + 7 + 0.5)


def test_truth_is_missing_where_the_table_has_no_test_column():
    benchmark = toy.ToyBenchmark()
    del benchmark.table.columns["test"]
    task = toy.task(benchmark=benchmark)
    assert np.isnan(task.reveal([Query(ARCH)])["test"]).all()
    assert task.optimum["test"] is None
    assert task.facts().test is None


def test_optimum_is_of_the_seed_average_and_not_of_a_single_training():
    task = toy.task()
    values = task.table.columns["validation"][:, -1]
    assert task.optimum["validation"] == pytest.approx(-values.mean(axis=1).max())
    assert task.optimum["validation"] > -values.max()


def test_cost_grows_with_epochs_from_epoch_zero():
    seconds = [oracle().evaluate(Query(ARCH, e)).cost for e in toy.EPOCHS]
    assert seconds == [e * (10 + row(ARCH)) for e in toy.EPOCHS]


@pytest.mark.parametrize("duplicates", ["charge", "free", "resample"])
def test_resuming_charges_the_increment_and_keeps_the_training_seed(duplicates):
    asked = oracle(3, duplicates=duplicates)
    answers = [asked.evaluate(Query(ARCH, e)) for e in toy.EPOCHS]
    rate = 10 + row(ARCH)
    assert [a.cost for a in answers] == [1 * rate, 2 * rate, 6 * rate]
    assert [a.epochs for a in answers] == [1, 2, 6]
    assert [a.observation.seconds for a in answers] == [e * rate for e in toy.EPOCHS]
    assert len({a.observation.query.replica for a in answers}) == 1


def test_full_training_in_one_go_costs_the_same_as_in_steps():
    steps = oracle()
    assert sum(steps.evaluate(Query(ARCH, e)).cost for e in toy.EPOCHS) == pytest.approx(
        oracle().evaluate(ARCH).cost
    )


def test_an_architecture_and_its_query_at_full_epochs_are_the_same_question():
    assert oracle(1).evaluate(ARCH) == oracle(1).evaluate(Query(ARCH, 9))
    mixed = oracle(1)
    assert mixed.evaluate(Query(ARCH, 9)) == mixed.evaluate(ARCH)


def test_a_bare_architecture_resumes_what_was_begun():
    asked = oracle()
    asked.evaluate(Query(ARCH, 3))
    assert asked.evaluate(ARCH).epochs == 6


def test_charge_repeats_the_answer_and_the_charge():
    asked = oracle(duplicates="charge")
    first = asked.evaluate(ARCH)
    assert all(asked.evaluate(ARCH) == first for _ in range(20))


def test_free_charges_no_spelling_of_a_known_network():
    asked = oracle(duplicates="free")
    first = asked.evaluate(ARCH)
    mirrored = (*ARCH[:2], 1)
    again = asked.evaluate(mirrored)
    assert again.observation.losses == first.observation.losses
    assert again.observation.query.arch == mirrored
    assert (again.cost, again.epochs, again.row) == (0.0, 0, first.row)
    assert asked.evaluate(OTHER).cost > 0


def test_free_charges_only_epochs_not_seen_yet():
    asked = oracle(duplicates="free")
    asked.evaluate(Query(ARCH, 3))
    again = asked.evaluate(Query(ARCH, 1))
    assert (again.cost, again.epochs) == (0, 0)
    assert asked.evaluate(Query(ARCH, 9)).epochs == 6
    assert asked.evaluate(ARCH).cost == 0


def test_resample_draws_a_training_seed_anew():
    asked = oracle(duplicates="resample")
    drawn = [asked.evaluate(ARCH).observation.query.replica for _ in range(200)]
    assert 60 < sum(drawn) < 140
    assert asked.evaluate(ARCH).cost == oracle().evaluate(ARCH).cost


def test_sampled_noise_draws_each_recorded_seed_from_the_oracles_own_stream():
    drawn = [oracle(seed).evaluate(ARCH).observation.query.replica for seed in range(400)]
    assert 150 < sum(drawn) < 250
    assert oracle(7).evaluate(ARCH) == oracle(7).evaluate(ARCH)


@pytest.mark.parametrize("noise", ["sampled", "mean"])
def test_what_other_runs_asked_before_changes_no_answer(noise):
    shared = toy.task()
    for seed in range(20):
        run, alone = oracle(seed, shared, noise=noise), oracle(seed, noise=noise)
        for arch in (ARCH, OTHER, ARCH, (*OTHER[:2], 0)):
            assert run.evaluate(arch) == alone.evaluate(arch)


def test_a_training_seed_that_is_missing_is_never_drawn():
    benchmark = toy.ToyBenchmark()
    for values in benchmark.table.columns.values():
        values[row(ARCH), :, 1] = np.nan
    task = toy.task(benchmark=benchmark)
    answers = [oracle(seed, task).evaluate(ARCH) for seed in range(30)]
    assert {a.observation.query.replica for a in answers} == {0}
    mean = oracle(task=task, noise="mean").evaluate(ARCH)
    assert mean.observation.losses == answers[0].observation.losses


def test_a_named_replica_is_answered_and_resumed():
    asked = oracle()
    first = asked.evaluate(Query(ARCH, 1, replica=1))
    second = asked.evaluate(Query(ARCH, 1, replica=0))
    assert first.observation.losses != second.observation.losses
    assert asked.evaluate(Query(ARCH, 3, replica=1)).epochs == 2


def test_a_failed_training_is_told_as_inf():
    benchmark = toy.ToyBenchmark()
    benchmark.table.columns["validation"][row(ARCH)] = np.nan
    task = toy.task(benchmark=benchmark)
    assert oracle(task=task).evaluate(ARCH).observation.losses == (float("inf"),)
    assert oracle(task=task, noise="mean").evaluate(ARCH).observation.losses == (float("inf"),)


def test_further_objectives_become_further_losses():
    task = toy.task("latency")
    losses = oracle(task=task, noise="mean").evaluate(ARCH).observation.losses
    assert losses[1] == pytest.approx(1 + row(ARCH) / 10)
    with pytest.raises(UnknownName, match="did you mean 'latency'"):
        toy.task("latencies")


@pytest.mark.parametrize(
    "proposal",
    [
        *[(1, 2), (9, 0, 0), (0, -1, 0), [1, 2, 0], (1.0, 2, 0), (True, 0, 0), None, "arch", ()],
        *[([1], 2, 0), Query(1, 2, 0)],
    ],
)
def test_what_is_no_architecture_is_refused(proposal):
    with pytest.raises(InvalidProposal):
        oracle().evaluate(proposal)
    with pytest.raises(InvalidProposal):
        oracle().evaluate(Query(proposal, 9))


def test_unknown_epochs_and_replicas_are_refused():
    with pytest.raises(InvalidProposal, match=r"epochs \(1, 3, 9\), asked: 4"):
        oracle().evaluate(Query(ARCH, 4))
    with pytest.raises(InvalidProposal, match="replicas"):
        oracle().evaluate(Query(ARCH, 9, replica=2))
    with pytest.raises(InvalidProposal, match="replicas"):
        oracle(noise="mean").evaluate(Query(ARCH, 9, replica=0))


def test_unknown_policies_are_refused():
    with pytest.raises(UnknownName, match="did you mean 'sampled'"):
        oracle(noise="sample")
    with pytest.raises(UnknownName, match="did you mean 'charge'"):
        oracle(duplicates="charged")
    with pytest.raises(ExperimentError, match="resample"):
        oracle(noise="mean", duplicates="resample")


def test_another_spelling_of_the_same_row_is_answered_as_it_was_asked():
    from nasarena.bench.experiment import registry

    task = registry.task("nasbench-graph/cora")
    spellings = [(0, a, b, 1, 1) for a, b in ((1, 2), (2, 1))]
    asked = oracle(task=task)
    answers = [asked.evaluate(arch) for arch in spellings]
    assert answers[0].row == answers[1].row
    assert [a.observation.query.arch for a in answers] == spellings
    assert [a.key for a in answers] == [task.space.index(arch) for arch in spellings]
    assert answers[0].cost == answers[1].cost > 0


def test_a_problem_offers_what_is_known_without_training():
    problem = toy.task().problem
    assert set(problem.proxies) == {"latency"}
    row = toy.space().index((1, 0, 1))
    assert problem.proxies["latency"]((1, 0, 1)) == pytest.approx(1 + row / 10)


def test_free_resumes_another_spelling_whose_row_lacks_the_training_seed():
    benchmark = toy.ToyBenchmark()
    respelled = (*ARCH[:2], 1)
    for column in benchmark.table.columns.values():
        column[row(respelled), :, 1] = np.nan
    for seed in range(20):
        asked = oracle(seed, toy.task(benchmark=benchmark), duplicates="free")
        first = asked.evaluate(Query(ARCH, 1)).observation.query
        answer = asked.evaluate(Query(respelled, 9, first.replica))
        assert (answer.epochs, answer.row) == (8, row(ARCH))
        trained = benchmark.table.columns["validation"][row(ARCH), -1, first.replica]
        assert answer.observation.losses == (-trained,)
        assert answer.observation.query == Query(respelled, 9, first.replica)


def test_resample_draws_anew_for_a_query_that_trains_no_further():
    asked = oracle(duplicates="resample")
    drawn = [asked.evaluate(Query(ARCH, 9)).observation.query.replica for _ in range(200)]
    assert 60 < sum(drawn) < 140


def test_without_resample_a_query_is_answered_by_the_same_training_seed():
    asked = oracle(duplicates="charge")
    assert len({asked.evaluate(Query(ARCH, 9)).observation.query.replica for _ in range(20)}) == 1


def test_a_table_that_cannot_resume_charges_a_training_from_its_start():
    benchmark = toy.ToyBenchmark()
    benchmark.table.resumes = False
    asked = oracle(task=toy.task(benchmark=benchmark))
    answers = [asked.evaluate(Query(ARCH, e)) for e in toy.EPOCHS]
    assert [a.epochs for a in answers] == list(toy.EPOCHS)
    assert [a.cost for a in answers] == [e * (10 + row(ARCH)) for e in toy.EPOCHS]


@pytest.mark.parametrize(("order", "epochs"), [((0, 1), 8), ((1, 0), 8), ((0, 1, 0), 6)])
def test_the_training_that_was_asked_last_is_resumed(order, epochs):
    asked = oracle()
    for number, replica in enumerate(order):
        asked.evaluate(Query(ARCH, 1 if number < 2 else 3, replica))
    answer = asked.evaluate(Query(ARCH, 9))
    assert (answer.observation.query.replica, answer.epochs) == (order[-1], epochs)


def test_noise_of_another_oracle_on_the_task_is_not_met():
    task = toy.task()
    for noise, replicas in (("mean", {MEAN}), ("sampled", {0, 1}), ("mean", {MEAN})):
        for proposal in (ARCH, Query(ARCH, 9)):
            answer = oracle(task=task, noise=noise).evaluate(proposal)
            assert answer.observation.query.replica in replicas


def test_a_query_goes_on_with_what_a_bare_architecture_began():
    for seed in range(9):
        asked = oracle(seed)
        first = asked.evaluate(ARCH).observation.query
        assert asked.evaluate(Query(ARCH, 9)).observation.query == first
        assert asked.evaluate(Query(ARCH, 1)).observation.query == Query(ARCH, 1, first.replica)


def test_spellings_with_rows_of_their_own_are_trained_apart_where_repeats_are_charged():
    asked = oracle(duplicates="charge")
    asked.evaluate(Query(ARCH, 3))
    assert asked.evaluate(Query((*ARCH[:2], 1), 9)).epochs == 9


def test_a_single_epoch_more_is_kept_as_trained():
    benchmark = toy.ToyBenchmark()
    benchmark.table.epochs = (1, 2, 9)
    asked = oracle(task=toy.task(benchmark=benchmark))
    assert [asked.evaluate(Query(ARCH, e)).epochs for e in (1, 2, 9)] == [1, 1, 7]
