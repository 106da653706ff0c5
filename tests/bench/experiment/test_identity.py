"""What makes a run another one: its rules, its strategy's code, and every number of its table."""

import sys
from pathlib import Path

import numpy as np
import pytest
import toy

from nasarena.bench._base.errors import NasarenaError
from nasarena.bench.experiment import experiment as experiments
from nasarena.bench.experiment import identity, registry

TOY = f"{Path(__file__).parents[2] / 'helpers'}/toy.py:BENCHMARK/a"
SMALL = {"name": "regularized-evolution", "population_size": 8, "sample_size": 3}


@pytest.fixture(autouse=True)
def nothing_known():
    """Neither a module nor its code is known from a test before."""

    def forget():
        for name in [name for name in sys.modules if name.startswith(("helper", "tools"))]:
            del sys.modules[name]
        for known in (identity._code, identity._origin, identity._version):
            known.cache_clear()

    forget()
    yield
    forget()


def what(task=None, **keys):
    base = {"tasks": [TOY], "strategies": [SMALL], "budget": {"queries": 9}}
    experiment = experiments.parse(base | keys)
    return identity.identity(task or registry.task(TOY), experiment.strategies[0], experiment)


@pytest.mark.parametrize(
    "keys",
    [
        {"seed": 1},
        {"noise": "mean"},
        {"duplicates": "free"},
        {"workers": 2},
        {"lanes": True},
        {"strategies": [SMALL | {"sample_size": 4}]},
        {"strategies": ["regularized-evolution"]},
        {"strategies": ["random"]},
    ],
    ids=str,
)
def test_another_rule_setting_or_strategy_is_another_run(keys):
    assert what(**keys).key != what().key == what().key


def test_seeds_budget_and_label_are_no_part_of_it():
    same = what(seeds=99, budget={"epochs": 5}, strategies=[SMALL | {"label": "mine"}])
    assert same == what()


def test_another_task_or_other_rules_of_the_arena_are_another_run(monkeypatch):
    before = what()
    assert what(toy.task()).key != before.key  # it has another id, and the same table
    monkeypatch.setattr(identity, "RULES", identity.RULES + 1)
    assert what().key != before.key


def test_facts_name_all_that_a_run_depends_on():
    found = what(seed=7, workers=2, strategies=["random"])
    assert found.facts.pop("source")
    assert found.facts.pop("rules") == identity.RULES
    assert found.facts == {
        "task": TOY,
        "data": identity.data_hash(registry.task(TOY)),
        "strategy": registry.STRATEGIES["random"].rpartition(":")[2],
        "settings": {},
        "noise": "sampled",
        "duplicates": "charge",
        "workers": 2,
        "seed": 7,
    }
    assert what(strategies=["random"], lanes=True).facts["form"] == "lanes"
    assert len(found.key) == 16 and int(found.key, 16)


STRATEGY = """
import json
import numpy
from scipy import stats
from nasarena.bench import strategy

@strategy(packages=("pytest", "no_such_package"), budget_aware={aware})
def mine(problem, rng):
    yield problem.space.sample(rng)
"""


@pytest.mark.parametrize("aware", [True, False])
def test_packages_are_those_that_are_imported_or_named(tmp_path, aware):
    (tmp_path / "mine.py").write_text(STRATEGY.format(aware=aware))
    found = what(strategies=[{"name": f"{tmp_path}/mine.py:mine", "label": "mine"}])
    assert list(found.packages) == ["no_such_package", "numpy", "pytest", "scipy"]
    assert found.packages["numpy"] == np.__version__
    assert found.packages["pytest"] == pytest.__version__
    assert found.packages["no_such_package"] is None
    assert found.budget_aware is aware


@pytest.mark.parametrize(
    ("package", "distribution"), [("dateutil", "python-dateutil"), ("_pytest", "pytest")]
)
def test_a_package_of_another_name_has_the_version_of_what_brought_it(package, distribution):
    from importlib.metadata import version

    assert identity._version(package) == version(distribution)


def changed(change):
    """The data hash of the toy's table after ``change``."""
    benchmark = toy.ToyBenchmark()
    change(benchmark.table)
    return identity.data_hash(toy.task(benchmark=benchmark))


def other_cell(table):
    table.columns["test"][5, 1, 0] += 1e-9


def other_type(table):
    table.columns["test"] = table.columns["test"].astype(np.float32)


def other_shape(table):
    table.columns["test"] = table.columns["test"].reshape(24, 2, 3)


def other_column(table):
    table.columns["tests"] = table.columns.pop("test")


def one_column_less(table):
    del table.columns["latency"]


def other_rows(table):
    table.row_of = table.row_of[::-1]


def other_canonical_spelling(table):
    table.canonical = table.canonical[::-1]


def other_epochs(table):
    table.epochs = (1, 3, 10)


def other_sizes(table):
    table.space.sizes = (4, 6, 1)


@pytest.mark.parametrize(
    "change",
    [
        *(other_cell, other_type, other_shape, other_column, one_column_less),
        *(other_rows, other_canonical_spelling, other_epochs, other_sizes),
    ],
)
def test_whatever_changes_in_the_table_changes_its_hash(change):
    assert changed(change) != changed(lambda table: None)


def test_the_hash_is_of_the_numbers_and_not_of_how_they_lie():
    def turned(table):
        table.columns["test"] = np.asfortranarray(table.columns["test"])
        table.columns = dict(reversed(table.columns.items()))

    assert changed(turned) == changed(lambda table: None)
    task = toy.task()
    before = identity.data_hash(task)
    assert len(before) == 16 and int(before, 16)
    other_cell(task.table)
    assert identity.data_hash(task) == before  # it is computed once


FORMS = [
    "import helper\n",
    "import helper as h\n",
    "from helper import draw\n",
    "from helper import *\n",
    "def ask():\n    import helper\n    return helper.draw()\n",
    "import tools.helper\n",
    "from tools import helper\n",
    "from tools.helper import draw\n",
    "from tools.within import relative\n",
    "from tools.within import beside\n",
    "from tools.within import absolute\n",
]


@pytest.mark.parametrize("form", FORMS)
def test_the_code_of_a_module_is_that_of_what_it_imports_too(tmp_path, monkeypatch, form):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "tools" / "within").mkdir(parents=True)
    for name, text in {
        "tools/__init__.py": "",
        "tools/within/__init__.py": "",
        "tools/within/relative.py": "from ..helper import draw\n",
        "tools/within/beside.py": "from . import relative\nx = relative.draw\n",
        "tools/within/absolute.py": "from tools import helper\nx = helper.draw\n",
    }.items():
        (tmp_path / name).write_text(text)
    start = tmp_path / "mine.py"
    start.write_text(form + "\n\nUSED = helper.draw\n" if form.startswith("import") else form)

    def source(helper, unused):
        (tmp_path / "helper.py").write_text(helper)
        (tmp_path / "tools" / "helper.py").write_text(helper)
        (tmp_path / "unused.py").write_text(unused)
        identity._code.cache_clear()
        return identity.source_hash(str(start))

    before = source("def draw():\n    return 1\n", "one = 1\n")
    assert source("def draw():\n    return 2\n", "one = 1\n") != before
    assert source("def draw():\n    return 1\n", "one = 2\n") == before


@pytest.mark.parametrize("text", [None, "def f(:\n", "x = '\x00'\n"])
def test_code_that_cannot_be_read_is_an_error(tmp_path, text):
    path = tmp_path / "mine.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(NasarenaError, match=r"the source of .*mine\.py cannot be read"):
        identity.source_hash(str(path))
