import json
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from nasarena.bench._base.errors import ExperimentError, StoreError, UnknownName
from nasarena.bench.cache import run_cache
from nasarena.bench.cache.run_cache import Folder, Vault
from nasarena.bench.experiment import identity, registry
from nasarena.bench.store import store
from nasarena.studies import baselines, compare, random_curve

HERE = Path(__file__).parents[2] / "helpers"
TASK = f"{HERE}/toy.py:BENCHMARK/a"
MINE = """
from nasarena.bench import strategy


@strategy()
def climber(problem, rng):
    best = problem.space.sample(rng)
    loss = (yield best).losses[0]
    while True:
        arch = problem.space.mutate(best, rng)
        seen = (yield arch).losses[0]
        if seen <= loss:
            best, loss = arch, seen


@strategy()
def random(problem, rng):
    while True:
        yield problem.space.simplest()
"""


@pytest.fixture
def mine(tmp_path):
    def write(text=MINE, name="climber"):
        path = tmp_path / "mine.py"
        path.write_text(text)
        registry._module_from_file.cache_clear()
        identity._code.cache_clear()
        return f"{path}:{name}"

    return write


@pytest.fixture(autouse=True)
def _no_curves_in_memory():
    random_curve.read.cache_clear()


WORDS = ["--tasks", TASK, "--against", "random,local-search", "--seeds", 15, "--queries", 6]
WORDS += ["--processes", 1]


def test_a_verdict_and_a_report(nasarena, tmp_path, mine):
    code, out, err = nasarena("compare", mine(), *WORDS, "--out", tmp_path / "out")
    assert (code, err) == (0, "")
    assert "worth in random queries" in out
    assert "0 runs were known" in out
    page = (tmp_path / "out" / "report" / "index.html").read_text()
    assert "local-search" in page
    overview = page[page.index('id="overview"') : page.index('id="tasks"')]
    assert overview.index("climber against each baseline") < overview.index("small-multiples")


def test_the_second_time_only_the_changed_strategy_runs(nasarena, tmp_path, mine):
    nasarena("compare", mine(), *WORDS, "--out", tmp_path / "a", "--no-report")
    code, out, _ = nasarena("compare", mine(), *WORDS, "--out", tmp_path / "b", "--no-report")
    assert code == 0
    assert "45 runs were known" in out
    assert "nothing to run" in out
    changed = mine(MINE.replace("if seen <= loss", "if seen < loss"))
    code, out, _ = nasarena("compare", changed, *WORDS, "--out", tmp_path / "c", "--no-report")
    assert "30 runs were known" in out
    code, _, err = nasarena("compare", mine(), *WORDS, "--out", tmp_path / "c", "--no-report")
    assert code == 2
    assert "other code or settings; choose another --out" in err


def test_as_json(nasarena, tmp_path, mine):
    words = [*WORDS, "--out", tmp_path / "out", "--json", "--no-report"]
    code, out, _ = nasarena("compare", mine(), *words)
    said = json.loads(out)
    assert code == 0
    assert said["strategy"] == "climber"
    assert {c["second"] for c in said["comparisons"]} == {"random", "local-search"}
    assert {c["verdict"] for c in said["comparisons"]} <= {"better", "worse", "no evidence"}


def test_a_hopeless_strategy_is_found_worse(tmp_path, mine, own_vault):
    name = mine(name="random")
    experiment, _ = compare.plan(name, "random", tasks=[TASK], seeds=30, queries=8)
    assert [spec.label for spec in experiment.strategies] == ["random (mine)", "random"]
    known = Vault([], Folder(own_vault))
    outcome = compare.compare(experiment, tmp_path / "out", known, processes=1, formats=())
    assert outcome.verdict.word(TASK, "random") == "worse"
    mine_line = next(x for x in outcome.verdict.lines if x.strategy == "random (mine)")
    assert mine_line.rank == 2


def test_a_strategy_that_fails_is_told(nasarena, tmp_path, mine):
    broken = mine(MINE.replace("seen <= loss", "seen <= lost"))
    code, _, err = nasarena("compare", broken, *WORDS, "--out", tmp_path / "out", "--no-report")
    assert code == 2
    assert "NameError" in err


def test_each_code_has_a_folder_of_its_own(mine):
    def where(text=MINE, **keys):
        name = mine(text)
        return compare.folder(compare.plan(name, "random", tasks=[TASK], **keys)[0])

    assert where() == where()
    assert where() != where(MINE.replace("<=", "<"))
    assert where() != where(queries=7)


def test_who_is_compared_with_whom(mine):
    name = mine()

    def rivals(against, name=name, task="nasbench201/cifar10", **keys):
        experiment, run = compare.plan(name, against, tasks=[task], **keys)
        return [spec.label for spec in experiment.strategies[1:]], run

    assert rivals("default") == (list(compare.DEFAULT), True)
    everyone, run = rivals("all")
    assert (set(everyone), run) == (set(baselines.names()), False)
    assert rivals("random,random, genetic") == (["random", "genetic"], True)
    assert "random" not in rivals("all", name="random")[0]
    assert set(rivals("all", task="nasbench-graph/cora")[0]) == set(baselines.names())
    with pytest.raises(ExperimentError, match="other than"):
        rivals("random", name="random")
    with pytest.raises(UnknownName, match="did you mean 'random'"):
        rivals("randon")


def test_what_is_in_no_box_is_not_run_for_all(tmp_path, mine, own_vault, monkeypatch):
    monkeypatch.setattr(baselines, "names", lambda: ["random", "local-search", "genetic"])
    known = Vault([], Folder(own_vault))
    first, _ = compare.plan(mine(), "random", tasks=[TASK], seeds=15, queries=5)
    compare.compare(first, tmp_path / "first", known, processes=1, formats=())
    everyone, run = compare.plan(mine(), "all", tasks=[TASK], seeds=15, queries=5)
    outcome = compare.compare(
        everyone, tmp_path / "all", Vault([], Folder(own_vault)), run_baselines=run, processes=1
    )
    assert outcome.outcomes == []
    assert outcome.verdict.baselines == ("random",)
    assert outcome.page.is_file()


def test_the_curve_of_random_search_is_that_of_random_runs(tmp_path, own_vault):
    task = registry.task("nasbench-graph/proteins")
    queries, expected = random_curve.compute(task, "sampled", "charge")
    assert queries[0] == 1
    assert (np.diff(expected) < 1e-12).all()
    experiment, _ = compare.plan("optuna-random", "random", tasks=[task.id], seeds=400, queries=30)
    known = Vault([], Folder(own_vault))
    only = replace(experiment, strategies=experiment.strategies[1:])
    compare.execute(tmp_path / "out", only, processes=1, vault=known)
    frame = store.read(tmp_path / "out")
    best = frame.loc[frame.groupby("seed")["loss"].idxmin(), "validation"]
    regret = best - task.optimum["validation"]
    at = np.interp(np.log(30), np.log(queries), expected)
    assert abs(regret.mean() - at) < 4 * regret.std() / 20


def test_curves_are_kept_and_a_damaged_file_is_made_anew(own_vault, monkeypatch):
    task = registry.task(TASK)
    made = random_curve.curve(task)
    monkeypatch.setattr(random_curve, "compute", lambda *_: pytest.fail("computed again"))
    assert random_curve.curve(task) == made
    monkeypatch.undo()
    (own_vault / random_curve.FILE).write_text("{")
    random_curve.read.cache_clear()
    assert random_curve.curve(task) == made


@pytest.mark.parametrize("duplicates", ["charge", "free", "resample"])
@pytest.mark.parametrize("noise", ["sampled", "mean"])
def test_a_curve_for_every_policy(noise, duplicates):
    queries, expected = random_curve.compute(registry.task(TASK), noise, duplicates)
    assert len(queries) == len(expected) > 5
    assert np.isfinite(expected).all()


# The box.


def test_a_sample_of_the_box_runs_again_to_the_same_bits():
    from random import Random

    from nasarena.bench.cache import cache_upkeep

    usable = [f for f in cache_upkeep.entries([Folder(run_cache.BASELINES)]) if not f.problem]
    if not usable:
        pytest.skip("no entry of the box was made with the packages that are installed here")
    rng = Random(0)
    cheap = [f for f in usable if f.about.thinking < 1e-3]
    for found in rng.sample(cheap, min(6, len(cheap))):
        assert cache_upkeep.verify(found, rng, seeds=2) is None, found.name


def test_the_box_is_small_and_fits_its_plan():
    folder = Folder(run_cache.BASELINES)
    names = list(folder.names())
    assert sum(path.stat().st_size for path in folder.path.iterdir()) < 10_000_000
    planned = {(job.strategy, job.task) for job in baselines.jobs()}
    from nasarena.bench.cache import cache_entry

    there = {(a.name, a.facts["task"]) for a in (cache_entry.about(folder.read(n)) for n in names)}
    assert there <= planned
    assert {"random", "regularized-evolution", "optuna-tpe"} <= {name for name, _ in there}


def test_building_goes_on_where_it_was(tmp_path, monkeypatch):
    plan = (baselines.Share("random local-search", TASK, 4, 5),)
    monkeypatch.setattr(baselines, "PLAN", plan)
    monkeypatch.setattr(baselines, "jobs", lambda only="*": iter(_jobs(plan, only)))
    told = []
    baselines.build(tmp_path, only="random", told=lambda job, size: told.append(job.strategy))
    baselines.build(tmp_path, told=lambda job, size: told.append(job.strategy))
    assert told == ["random", "local-search"]
    (stale, _) = Folder(tmp_path).names()
    (tmp_path / stale).write_bytes(b"spoiled")
    assert baselines.build(tmp_path, told=lambda job, size: told.append(job.strategy)) == [stale]
    assert len(told) == 3
    assert len(random_curve.read(tmp_path / random_curve.FILE)) == 1


def _jobs(plan, only):
    from fnmatch import fnmatchcase

    share = plan[0]
    for name in share.strategies.split():
        if fnmatchcase(name, only):
            yield baselines.Job(share.tasks, name, share.seeds, share.queries)


def test_a_run_that_was_not_compared_is_not_mixed_in(tmp_path, mine, own_vault):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    experiment, _ = compare.plan(mine(), "random", tasks=[TASK], seeds=4, queries=3)
    with pytest.raises(StoreError, match="not a results folder"):
        compare.compare(experiment, tmp_path / "out", Vault([], Folder(own_vault)))
