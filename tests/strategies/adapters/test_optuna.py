import logging
from importlib.util import find_spec
from random import Random

import optuna
import pytest

from nasarena.bench import Observation, Problem, Query
from nasarena.strategies.adapters import optuna_sampler

SAMPLERS = (
    *("random", "tpe", "gp", "cmaes", "nsgaii", "nsgaiii"),
    *("qmc", "grid", "bruteforce", "partialfixed"),
)
EACH = [pytest.param(n, marks=pytest.mark.torch) if n == "gp" else n for n in SAMPLERS]


def factory(name):
    if name == "gp" and find_spec("torch") is None:
        pytest.skip("GPSampler needs torch, which is not installed")
    return getattr(optuna_sampler, f"optuna_{name}")


def seen(arch, *losses):
    return Observation(Query(arch, 1, 0), losses, 1.0)


def drive(strategy, queries=40, loss=sum):
    asked = []
    while len(asked) < queries and (arch := strategy.ask()) is not None:
        asked.append(arch)
        strategy.tell(seen(arch, float(loss(arch))))
    return asked


@pytest.mark.parametrize("name", EACH)
def test_every_sampler_proposes_valid_architectures_from_its_stream(name, problem):
    runs = [drive(factory(name)(problem, Random(seed))) for seed in (1, 1, 2)]
    assert runs[0] == runs[1]
    assert len(runs[0]) == 40
    assert all(problem.space.is_valid(arch) for arch in runs[0])
    if name != "qmc":  # Sobol' points without scrambling are one sequence
        assert runs[0] != runs[2]


@pytest.mark.parametrize("name", EACH)
def test_every_sampler_is_quiet(name, problem, capfd):
    level = logging.getLogger("optuna").level
    drive(factory(name)(problem, Random(0)))
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("optuna").level == level


@pytest.mark.parametrize("name", EACH)
def test_every_sampler_works_asynchronously_and_survives_failures(name, problem):
    strategy = factory(name)(problem, Random(0))
    for number in range(8):
        batch = [strategy.ask() for _ in range(4)]
        for arch in reversed(batch):
            strategy.tell(seen(arch, float("inf") if number % 3 == 0 else float(sum(arch))))


@pytest.mark.parametrize("name", ["random", "tpe", "nsgaii", "bruteforce", "cmaes", "qmc"])
def test_conditions_and_forbidden_spellings_are_kept(name, conditional):
    asked = drive(factory(name)(conditional, Random(0)), 30)
    assert len(asked) == (6 if name == "bruteforce" else 30)
    for arch in asked:
        assert conditional.space.is_valid(arch)
        assert conditional.space.canonical(arch) == arch


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("tpe", optuna.samplers.TPESampler),
        ("random", optuna.samplers.RandomSampler),
        ("nsgaii", optuna.samplers.NSGAIISampler),
    ],
)
def test_the_adapter_proposes_what_optunas_own_loop_proposes(name, make, problem):
    space = problem.space
    study = optuna.create_study(sampler=make(seed=Random(5).getrandbits(32)))
    fixed = {
        d.name: optuna.distributions.CategoricalDistribution(range(len(d.choices)))
        for d in space.decisions
    }
    own = []
    for _ in range(60):
        trial = study.ask(fixed)
        own.append(tuple(trial.params[d.name] for d in space.decisions))
        study.tell(trial, float(sum(own[-1])))
    assert drive(factory(name)(problem, Random(5)), 60) == own


@pytest.mark.parametrize("name", ["grid", "bruteforce"])
def test_what_is_exhaustive_proposes_everything_once_and_ends(name, problem):
    asked = drive(factory(name)(problem, Random(0)), 1000)
    assert sorted(asked) == list(problem.space)


@pytest.mark.parametrize("name", ["random", "tpe", "nsgaii", "nsgaiii", "qmc", "bruteforce"])
def test_several_objectives(name, problem):
    several = Problem(problem.space, (1,), ("validation", "latency"))
    made = factory(name)
    assert made.info.multi_objective
    strategy = made(several, Random(0))
    for _ in range(30):
        arch = strategy.ask()
        strategy.tell(seen(arch, float(sum(arch)), -float(arch[0])))


def test_settings_are_passed_through(problem):
    plain = drive(factory("tpe")(problem, Random(0)), 40)
    assert plain == drive(factory("tpe")(problem, Random(0), n_startup_trials=10), 40)
    assert plain != drive(factory("tpe")(problem, Random(0), n_startup_trials=30), 40)
    assert plain != drive(factory("tpe")(problem, Random(0), encoding="ordinal"), 40)


def test_unknown_settings_are_named_with_the_nearest(problem):
    with pytest.raises(TypeError, match="optuna-tpe has no setting 'multivariat'; did you mean"):
        factory("tpe")(problem, Random(0), multivariat=False)
    with pytest.raises(ValueError, match="'categorical' or 'ordinal'"):
        factory("tpe")(problem, Random(0), encoding="binary")


def test_partial_fixed_keeps_what_is_fixed(problem):
    fixed = {"depth": "2", "norm": "1"}
    asked = drive(factory("partialfixed")(problem, Random(0), fixed=fixed, base="random"))
    assert {(arch[1], arch[3]) for arch in asked} == {(2, 1)}
    assert len({arch[0] for arch in asked}) == 4
    for wrong in ({"deep": "2"}, {"depth": "9"}):
        with pytest.raises(ValueError, match="fixed: toy has no"):
            factory("partialfixed")(problem, Random(0), fixed=wrong)
    with pytest.raises(ValueError, match="base"):
        factory("partialfixed")(problem, Random(0), base="nope")


def test_tpe_learns(problem):
    asked = drive(factory("tpe")(problem, Random(0)), 60)
    assert asked.count((0, 0, 0, 0)) >= 4  # at random: less than one


def test_a_missing_extra_names_its_pip_command(problem, monkeypatch):
    monkeypatch.setattr(optuna_sampler, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'pip install "nasarena\[gp\]"'):
        optuna_sampler.optuna_gp(problem, Random(0))
