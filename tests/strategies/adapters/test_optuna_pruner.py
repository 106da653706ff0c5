from collections import Counter, defaultdict
from itertools import pairwise
from random import Random

import nasbench101
import numpy as np
import optuna
import pytest
from driving import answer, drive

from nasarena.bench import Observation, Problem, Query
from nasarena.bench.core.runner import Budget, run_seed
from nasarena.bench.experiment import registry
from nasarena.spaces import Condition, Decision, PoolSpace, SearchSpace
from nasarena.strategies.adapters import optuna_pruner, optuna_sampler

PRUNERS = {
    "median": {},
    "percentile": {"percentile": 40.0, "n_startup_trials": 3},
    "successive-halving": {"reduction_factor": 3},
    "hyperband": {},
    "patient": {"patience": 0, "wrapped": "median"},
    "threshold": {"upper": 12.0},
    "wilcoxon": {"p_threshold": 0.2},
}
EPOCHS = (1, 3, 9, 27, 81)


def factory(pruner):
    return registry.strategy_factory(f"optuna-{pruner}")


@pytest.fixture
def curves():
    decisions = [Decision(f"d{i}", ("a", "b", "c", "d")) for i in range(4)]
    return Problem(SearchSpace("curves", decisions), EPOCHS)


def bend(arch, epochs):
    """The limit is the sum; what starts badly gets better for long, some get worse again."""
    return sum(arch) + 6 * arch[3] / epochs + arch[0] * epochs / 27


def made_by_optuna(name, epochs, settings):
    """The pruner as a user of Optuna writes it down."""
    pruners = optuna.pruners
    return {
        "median": lambda: pruners.MedianPruner(),
        "percentile": lambda: pruners.PercentilePruner(**settings),
        "successive-halving": lambda: pruners.SuccessiveHalvingPruner(epochs[0], **settings),
        "hyperband": lambda: pruners.HyperbandPruner(epochs[0], epochs[-1]),
        "patient": lambda: pruners.PatientPruner(pruners.MedianPruner(), 0),
        "threshold": lambda: pruners.ThresholdPruner(**settings),
        "wilcoxon": lambda: pruners.WilcoxonPruner(**settings),
    }[name]()


def optunas_own_loop(problem, sampler, name, trials, loss, seed=5):
    """The queries that `Study.optimize` makes with an objective that reports and is pruned."""
    rng, asked = Random(seed), []
    samplers = {"random": optuna.samplers.RandomSampler, "tpe": optuna.samplers.TPESampler}

    def objective(trial):
        arch = tuple(
            trial.suggest_categorical(d.name, range(len(d.choices)))
            for d in problem.space.decisions
        )
        for epochs in problem.epochs:
            asked.append((arch, epochs))
            value = loss(arch, epochs)
            trial.report(value, epochs)
            if trial.should_prune():
                raise optuna.TrialPruned
        return value

    with optuna_sampler.quiet():
        study = optuna.create_study(
            sampler=samplers[sampler](seed=rng.getrandbits(32)),
            study_name=f"{rng.getrandbits(32):08x}",
            pruner=made_by_optuna(name, problem.epochs, PRUNERS[name]),
        )
        study.optimize(objective, n_trials=trials)
    return asked


@pytest.mark.parametrize("sampler", ["random", "tpe"])
@pytest.mark.parametrize("name", PRUNERS)
def test_the_adapter_asks_what_optunas_own_loop_asks(name, sampler, curves):
    own = optunas_own_loop(curves, sampler, name, 60, bend)
    strategy = factory(name)(curves, Random(5), sampler=sampler, **PRUNERS[name])
    assert [query[:2] for query in drive(strategy, bend, len(own))] == own
    assert strategy.ask().epochs == EPOCHS[0]  # and there its next trial begins
    assert len(own) < 60 * len(EPOCHS)


@pytest.mark.parametrize("name", PRUNERS)
def test_what_is_pruned_is_worse_than_what_is_not(name, curves):
    strategy = factory(name)(curves, Random(1), sampler="random", **PRUNERS[name])
    reached = []
    asked = drive(strategy, bend, 400)
    for query, following in pairwise(asked):
        if following.epochs == EPOCHS[0]:
            reached.append((bend(query.arch, EPOCHS[-1]), query.epochs))
    complete = [loss for loss, epochs in reached if epochs == EPOCHS[-1]]
    pruned = [loss for loss, epochs in reached if epochs < EPOCHS[-1]]
    assert len(pruned) > 10 and len(complete) > 3
    assert np.mean(complete) < np.mean(pruned) - 1


@pytest.mark.parametrize("name", PRUNERS)
def test_each_training_is_resumed_in_turn_by_the_seed_it_was_given(name, curves):
    strategy, given = factory(name)(curves, Random(2), **PRUNERS[name]), None
    for number in range(100):
        query = strategy.ask()
        assert (query.replica is None) == (query.epochs == EPOCHS[0])
        if query.replica is not None:
            assert query.replica == given
        given = number if query.replica is None else given
        strategy.tell(
            Observation(query._replace(replica=given), (bend(query.arch, query.epochs),), 1.0)
        )


@pytest.mark.parametrize("name", PRUNERS)
def test_many_workers_failures_and_any_order(name, curves):
    """Each training is asked level by level, none twice, and failed ones are let go."""

    def fails(arch, epochs):
        return float("nan") if arch[1] == 3 and epochs > 1 else bend(arch, epochs)

    def once():
        strategy, rng = factory(name)(curves, Random(3), **PRUNERS[name]), Random(0)
        waiting, levels, seeds = [], defaultdict(list), iter(range(1000))
        for _ in range(300):
            query = strategy.ask()
            seed = next(seeds) if query.replica is None else query.replica
            levels[seed].append((query.arch, query.epochs))
            waiting.append(query._replace(replica=seed))
            if len(waiting) == 16:
                strategy.tell(answer(waiting.pop(rng.randrange(16)), fails))
        return levels

    levels = once()
    assert levels == once()
    for asked in levels.values():
        assert [epochs for _, epochs in asked] == list(EPOCHS[: len(asked)])
        assert len({arch for arch, _ in asked}) == 1
        assert asked[0][0][1] != 3 or len(asked) <= 2
    assert {len(asked) for asked in levels.values()} >= {1, 5}


@pytest.mark.parametrize("sampler", ["random", "tpe", "cmaes", "nsgaii", "qmc", "grid"])
@pytest.mark.parametrize("name", PRUNERS)
def test_with_one_number_of_epochs_it_is_the_sampler(name, sampler, problem):
    alone = registry.strategy_factory(f"optuna-{sampler}")(problem, Random(4))
    strategy = factory(name)(problem, Random(4), sampler=sampler, **PRUNERS[name])
    loss = lambda arch, epochs: float(sum(arch))  # noqa: E731
    assert drive(strategy, loss, 40) == drive(alone, loss, 40)


@pytest.mark.parametrize(
    "sampler", ["random", "tpe", "cmaes", "nsgaii", "nsgaiii", "qmc", "grid", "partialfixed"]
)
def test_every_sampler_can_be_pruned(sampler, curves):
    strategy = factory("median")(curves, Random(0), sampler=sampler)
    asked = Counter(query.epochs for query in drive(strategy, bend, 200))
    assert asked[1] > asked[81] > 0


@pytest.mark.torch
def test_the_gaussian_process_can_be_pruned(curves):
    pytest.importorskip("torch")
    settings = {"n_startup_trials": 8}
    strategy = factory("median")(curves, Random(0), sampler="gp", sampler_settings=settings)
    asked = Counter(query.epochs for query in drive(strategy, bend, 60))
    assert asked[1] > asked[81] > 0


def test_sampler_settings_and_eta_are_passed_on(curves):
    plain = drive(factory("median")(curves, Random(0)), bend, 90)
    settings = {"n_startup_trials": 30}
    other = drive(factory("median")(curves, Random(0), sampler_settings=settings), bend, 90)
    assert plain != other
    fewer = drive(factory("median")(curves, Random(0), eta=9), bend, 90)
    assert {query.epochs for query in fewer} == {1, 9, 81}


def test_hyperband_deals_trials_out_by_the_seed(curves):
    def brackets(seed):
        strategy = factory("hyperband")(curves, Random(seed), sampler="random")
        drive(strategy, lambda arch, epochs: 1.0, 100)
        study = strategy._inner.study
        assert study.pruner._n_brackets == 5
        return [study.pruner._get_bracket_id(study, trial) for trial in study.trials]

    assert brackets(0) == brackets(0)
    assert brackets(0)[:15] != brackets(1)[:15]
    assert len(set(brackets(0))) > 2


def test_threshold_ends_nothing_until_it_is_set(curves):
    asked = drive(factory("threshold")(curves, Random(0)), bend, 50)
    assert [query.epochs for query in asked] == list(EPOCHS) * 10


def test_patient_alone_ends_what_no_longer_improves(curves):
    strategy = factory("patient")(curves, Random(0), wrapped=None, sampler="random")
    ended = Counter()
    asked = drive(strategy, bend, 300)
    for query, following in pairwise(asked):
        if following.epochs == 1 and query.epochs < 81:
            ended[query.epochs] += 1
            at = EPOCHS.index(query.epochs)
            before = min(bend(query.arch, epochs) for epochs in EPOCHS[: at - 1])
            assert before < min(bend(query.arch, epochs) for epochs in EPOCHS[at - 1 : at + 1])
    assert ended.total() > 10


@pytest.mark.parametrize("p_threshold", [0.1, 0.2, 0.3])
def test_wilcoxon_compares_training_seeds(p_threshold, problem):
    """As in Optuna's example: instances in a random order, the mean told in any case."""
    effect = {0: 0.0, 1: 0.5, 2: -0.5, 3: 0.25}

    def loss(arch, replica):
        return sum(arch) + effect[replica]

    rng, own = Random(7), []

    def objective(trial):
        arch = tuple(
            trial.suggest_categorical(d.name, range(len(d.choices)))
            for d in problem.space.decisions
        )
        results = []
        for replica in rng.sample(range(4), 4):
            own.append(Query(arch, 1, replica))
            results.append(loss(arch, replica))
            trial.report(results[-1], replica)
            if trial.should_prune():
                break
        return sum(results) / len(results)

    with optuna_sampler.quiet():
        study = optuna.create_study(
            sampler=optuna.samplers.TPESampler(seed=rng.getrandbits(32)),
            study_name=f"{rng.getrandbits(32):08x}",
            pruner=optuna.pruners.WilcoxonPruner(p_threshold=p_threshold),
        )
        study.optimize(objective, n_trials=40)
    strategy = factory("wilcoxon")(problem, Random(7), replicas=4, p_threshold=p_threshold)
    for expected in own:
        query = strategy.ask()
        assert query == expected
        strategy.tell(Observation(query, (loss(query.arch, query.replica),), 1.0))
    trainings = len(own) / 40
    assert trainings == 4 if p_threshold == 0.1 else trainings < 3.9


def test_wilcoxon_on_a_table_with_several_seeds():
    task = registry.task("fcnet/protein")
    budget = Budget(queries=80)
    settings = {"replicas": 4, "p_threshold": 0.3, "sampler": "random"}
    for workers in (1, 5):
        run = run_seed(task, factory("wilcoxon"), settings, 0, budget, workers=workers)
        seeds = defaultdict(list)
        for asked in (a.observation.query for a in run.answers):
            seeds[asked.arch].append(asked.replica)
        assert len(run) == 80
        assert all(len(set(s)) == len(s) for s in seeds.values())
        assert 2 in Counter(map(len, seeds.values()))


@pytest.mark.parametrize("name", PRUNERS)
def test_conditions_and_forbidden_spellings_are_kept(name, conditional):
    several = Problem(conditional.space, EPOCHS)
    strategy = factory(name)(several, Random(0), **PRUNERS[name])
    for query in drive(strategy, lambda arch, epochs: sum(arch) + 9 / epochs, 100):
        assert several.space.is_valid(query.arch)
        assert several.space.canonical(query.arch) == query.arch


def test_a_condition_on_a_decision_that_does_not_count():
    """Where the first is "no", the second does not count, nor the third that hangs on it."""
    decisions = [
        Decision("a", ("no", "yes")),
        Decision("b", ("0", "1"), Condition(0, frozenset({1}))),
        Decision("c", ("0", "1"), Condition(1, frozenset({0}))),
    ]
    problem = Problem(SearchSpace("chain", decisions), (1,))
    strategy = optuna_sampler.optuna_random(problem, Random(0))
    assert set(drive(strategy, lambda arch, epochs: 0.0, 60)) == {
        (0, 0, 0), (1, 0, 0), (1, 0, 1), (1, 1, 0),
    }  # fmt: skip


@pytest.mark.parametrize("sampler", ["random", "tpe", "cmaes", "qmc"])
def test_in_a_pool_the_nearest_member_is_asked(sampler):
    decisions = [Decision(f"d{i}", tuple("abcde")) for i in range(9)]
    rng = Random(0)
    members = [tuple(rng.randrange(5) for _ in range(9)) for _ in range(50)]
    pool = Problem(PoolSpace("pool", decisions, members), EPOCHS)
    asked = drive(factory("median")(pool, Random(0), sampler=sampler), bend, 100)
    assert {query.arch for query in asked} <= set(members)
    assert len({query.arch for query in asked}) > 8


def test_errors_name_what_is_known(curves):
    make = factory("median")
    with pytest.raises(TypeError, match="optuna-median has no setting 'n_warmup'; did you mean"):
        make(curves, Random(0), n_warmup=3)
    with pytest.raises(ValueError, match=r"sampler: expected one of random, tpe, .*, got 'tpee'"):
        make(curves, Random(0), sampler="tpee")
    with pytest.raises(ValueError, match=r"wrapped: expected one of median, .*, got 'patient'"):
        factory("patient")(curves, Random(0), wrapped="patient")
    with pytest.raises(ValueError, match="replicas: expected at least 1, got 0"):
        factory("wilcoxon")(curves, Random(0), replicas=0)
    sizes = [Decision(f"d{i}", ("a", "b")) for i in range(20)]
    with pytest.raises(ValueError, match="1,048,576 points, expected at most 1,000,000"):
        optuna_sampler.optuna_grid(Problem(SearchSpace("large", sizes), (1,)), Random(0))


def test_every_pruner_declares_what_it_can_do():
    for name in PRUNERS:
        info = factory(name).info
        assert info.asynchronous and info.multi_fidelity and not info.multi_objective
        assert "Pruner" in factory(name).__doc__
    assert set(optuna_pruner.KINDS) | {"patient", "wilcoxon"} == set(PRUNERS)


@pytest.mark.skipif(not nasbench101.FILE.is_file(), reason=f"{nasbench101.FILE} is not there")
def test_pruning_finds_better_cells_in_the_same_epochs():
    """Random sampling with and without successive halving, 40 full trainings, on NAS-Bench-101.

    Over 30 seeds the mean regret was 0.36 against 0.69 points, with a standard error of 0.06 of
    the difference; a third of that difference is asked for here.
    """
    task = nasbench101.task()
    truth = task.truth("validation")

    def regret(name, seed, **settings):
        budget = Budget(epochs=40 * 108)
        run = run_seed(task, registry.strategy_factory(name), settings, seed, budget)
        full = [a for a in run.answers if a.observation.query.epochs == 108]
        return truth[min(full, key=lambda a: a.observation.losses).row] - truth.min()

    seeds = range(12)
    alone = np.mean([regret("optuna-random", seed) for seed in seeds])
    pruned = [regret("optuna-successive-halving", seed, sampler="random") for seed in seeds]
    assert np.mean(pruned) < alone - 0.11
