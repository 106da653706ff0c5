from pathlib import Path

import pytest

from nasarena.bench._base.errors import ExperimentError, NasarenaError, UnknownName
from nasarena.bench.core import record
from nasarena.bench.execute import units
from nasarena.bench.experiment import experiment as experiments
from nasarena.bench.store.store import Unit

TOY = f"{Path(__file__).parents[2] / 'helpers'}/toy.py:BENCHMARK/a"

GOOD = """
name = "first-look"
tasks = ["nasbench201/*", "nasbench-graph/cora"]
strategies = [
  "regularized-evolution",
  { name = "random", replace = false },
  { name = "optuna-tpe", label = "TPE, independent", multivariate = false },
]
seeds = 100
workers = 1
noise = "sampled"
duplicates = "charge"
[budget]
queries = 200
seconds = 1e6
"""


def load(tmp_path, text):
    path = tmp_path / "experiment.toml"
    path.write_text(text)
    return experiments.load(path)


def test_the_example_of_the_readme(tmp_path):
    made = load(tmp_path, GOOD)
    assert made.tasks == (
        "nasbench201/cifar10",
        "nasbench201/cifar100",
        "nasbench201/imagenet16-120",
        "nasbench-graph/cora",
    )
    assert [s.label for s in made.strategies] == [
        "regularized-evolution",
        "random (replace=False)",
        "TPE, independent",
    ]
    assert made.strategies[2].settings == {"multivariate": False}
    assert (made.seeds, made.budget.queries, made.budget.seconds) == (100, 200, 1e6)


def test_what_is_left_out_has_its_default(tmp_path):
    made = load(tmp_path, "seeds = 3")
    assert made.budget.queries == 200
    assert made.noise == "sampled"
    assert made == experiments.parse({"seeds": 3})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('task = ["nasbench201/*"]', "unknown key 'task'; did you mean 'tasks'"),
        ('tasks = ["nasbench201/cifar11"]', "did you mean 'nasbench201/cifar10'"),
        ('tasks = "nasbench201/*"', "tasks: expected a list"),
        ("tasks = []", "tasks: expected a list with at least one entry"),
        ("tasks = [3]", r"tasks\[0\]: expected text, got 3"),
        ('strategies = ["randm"]', "unknown strategy 'randm'; did you mean 'random'"),
        ("strategies = [7]", r"strategies\[0\]: expected a name or a table"),
        ('strategies = [{ label = "x" }]', r"strategies\[0\]: expected a table with a name"),
        ('strategies = ["random", "random"]', r"strategies\[1\]: the label 'random' is taken"),
        (
            'strategies = [{ name = "random", replce = true }]',
            "unknown setting of strategy 'random' 'replce'; did you mean 'replace'",
        ),
        ("seeds = 0", "seeds: expected a whole number from 1 to 2,147,483,647, got 0"),
        ("seeds = true", "seeds: expected a whole number"),
        ("seeds = 2.5", "seeds: expected a whole number"),
        ("seeds = nan", "seeds: expected a whole number"),
        ("seeds = inf", "seeds: expected a whole number"),
        ('workers = "2"', "workers: expected a whole number"),
        ('noise = "samples"', "did you mean 'sampled'"),
        ('duplicates = "no"', "unknown value of duplicates"),
        ("budget = 3", "budget: expected a table"),
        ("budget = {}", "the budget needs a limit"),
        ("[budget]\nquery = 3", r"unknown key of budget 'query'; did you mean 'queries'"),
        ("[budget]\nqueries = -3", "budget.queries: expected a whole number of at least 1"),
        ("seeds = = 3", "line 1"),
        ("workers = 4\nstrategies = ['local-search']", "'local-search' is sequential"),
    ],
)
def test_errors_name_the_key_and_what_was_expected(tmp_path, line, message):
    with pytest.raises(NasarenaError, match=message):
        load(tmp_path, line)


def test_a_missing_and_an_unreadable_file(tmp_path):
    with pytest.raises(ExperimentError, match="no experiment file"):
        experiments.load(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ExperimentError, match=r"bad\.toml"):
        experiments.load(tmp_path / "bad.toml")


def test_a_file_of_the_users_own(tmp_path):
    with pytest.raises(NasarenaError, match="there is no file"):
        experiments.parse({"strategies": [f"{tmp_path}/mine.py:mine"]})
    path = tmp_path / "mine.py"
    path.write_text("def plain(problem, rng):\n    yield 1\nx = 1 / 0\n")
    with pytest.raises(NasarenaError, match="does not import: ZeroDivisionError"):
        experiments.parse({"strategies": [f"{path}:plain"]})
    other = tmp_path / "other.py"
    other.write_text("def plain(problem, rng):\n    yield 1\n")
    with pytest.raises(NasarenaError, match="declared with"):
        experiments.parse({"strategies": [f"{other}:plain"]})
    with pytest.raises(UnknownName, match="did you mean 'plain'"):
        experiments.parse({"strategies": [f"{other}:plian"]})


def test_an_experiment_survives_its_json(tmp_path):

    made = load(tmp_path, GOOD)
    assert experiments.parse(made.as_file()) == made


@pytest.mark.parametrize("lanes", [False, True])
def test_what_an_experiment_says_reaches_its_runs(lanes):
    base = {"tasks": [TOY], "strategies": ["random"], "budget": {"queries": 60}, "lanes": lanes}

    def fingerprint(**keys):
        experiment = experiments.parse(base | keys)
        (spec,) = experiment.strategies
        return record.fingerprint(units.compute(experiment, spec, Unit(TOY, "random", 0, 2)))

    others = [{"seed": 1}, {"noise": "mean"}, {"duplicates": "resample"}, {"workers": 2}]
    found = [fingerprint(**keys) for keys in ({}, *others)]
    assert len(set(found)) == len(found)
    assert fingerprint() == found[0]
