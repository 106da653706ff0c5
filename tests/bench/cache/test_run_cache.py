import json
import os
import shutil
import sys
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from nasarena.bench._base.errors import StoreError
from nasarena.bench.cache import cache_entry, cache_upkeep, run_cache
from nasarena.bench.cache.cache_entry import BadEntry
from nasarena.bench.cache.run_cache import Folder, Vault
from nasarena.bench.core import record
from nasarena.bench.core.runner import Budget
from nasarena.bench.execute.executor import execute
from nasarena.bench.execute.units import compute
from nasarena.bench.experiment import experiment as experiments
from nasarena.bench.experiment import identity, registry
from nasarena.bench.store import store
from nasarena.bench.store.store import Unit

HERE = Path(__file__).parents[2] / "helpers"
TASK = f"{HERE}/toy.py:BENCHMARK/a"
PUBLISHED = "nasbench-graph/proteins"

MINE = """
from nasarena.bench import strategy


@strategy()
def mine(problem, rng):
    while True:
        yield problem.space.sample(rng)
"""

PICK = "def pick(space, rng):\n    return space.sample(rng)\n"


def plan(*strategies, **keys):
    given = {"tasks": [TASK], "strategies": list(strategies) or ["random"], "seeds": 6}
    return experiments.parse(given | {"budget": {"queries": 8}} | keys)


@pytest.fixture
def run(tmp_path, own_vault):
    """Runs an experiment in a new folder; gives the outcomes, the record and the vault."""
    numbers = iter(range(100))

    def call(experiment, *places):
        known = Vault(places, Folder(own_vault))
        root = tmp_path / f"run-{next(numbers)}"
        outcomes = execute(root, experiment, processes=1, vault=known)
        frame = store.read(root).drop(columns="thinking").astype({"arch": str})
        return list(outcomes), frame, known

    return call


@pytest.fixture
def mine(tmp_path):
    """Writes a strategy's file; gives its name in experiments."""

    def write(text, name="mine"):
        path = tmp_path / "mine.py"
        path.write_text(text)
        registry._module_from_file.cache_clear()
        identity._code.cache_clear()
        return f"{path}:{name}"

    return write


def test_what_is_known_is_not_run_again(run):
    first, record_1, _ = run(plan("random", "hyperband"))
    again, record_2, known = run(plan("random", "hyperband"))
    assert len(first) == 4
    assert (again, known.problems) == ([], [])
    assert record_1.equals(record_2)


def test_more_seeds_run_only_what_is_missing(run):
    run(plan(seeds=6))
    more, frame, _ = run(plan(seeds=12))
    ran = {seed for done in more for seed in range(done.unit.first, done.unit.last + 1)}
    assert ran == set(range(6, 12))
    assert frame.equals(run(plan(seeds=12), Folder(Path("nowhere")))[1])


@pytest.mark.parametrize(
    "change",
    [
        {"noise": "mean"},
        {"duplicates": "free"},
        {"workers": 2},
        {"seed": 1},
        {"strategies": [{"name": "random", "replace": False}]},
        {"tasks": [f"{TASK}+latency"]},
    ],
)
def test_other_runs_are_not_mistaken_for_these(run, change):
    run(plan())
    assert len(run(plan(**change))[0]) == 2
    assert run(plan(**change))[0] == []


def test_another_table_is_not_mistaken_for_this(run, monkeypatch):
    run(plan())
    task = registry.task(TASK)
    columns = dict(task.table.columns)
    columns["validation"] = columns["validation"].copy()
    columns["validation"][0, 0, 0] += 1e-9
    monkeypatch.setattr(task.table, "columns", columns)
    monkeypatch.setattr(identity, "_hashes", {})
    assert len(run(plan())[0]) == 2


@pytest.mark.parametrize(
    ("had", "wanted"),
    [
        ({"queries": 8}, {"queries": 5}),
        ({"queries": 8}, {"queries": 8, "seconds": 150.0}),
        ({"queries": 10}, {"seconds": 90.0}),
        ({"seconds": 800.0}, {"seconds": 300.0}),
        ({"seconds": 800.0}, {"seconds": 500.0, "queries": 3}),
    ],
)
@pytest.mark.parametrize("duplicates", ["charge", "free", "resample"])
def test_a_longer_budget_serves_a_shorter_one(run, had, wanted, duplicates):
    names = ["random", "local-search", "hyperband"]
    keys = {"duplicates": duplicates, "seeds": 4}
    alone = run(plan(*names, budget=wanted, **keys), Folder(Path("nowhere")))[1]
    cache_upkeep.prune(Folder(Path(os.environ["NASARENA_VAULT"])), everything=True)
    run(plan(*names, budget=had, **keys))
    outcomes, served, known = run(plan(*names, budget=wanted, **keys))
    assert (outcomes, known.problems) == ([], [])
    assert served.equals(alone)


@pytest.mark.parametrize(
    ("had", "wanted"),
    [
        ({"queries": 8}, {"queries": 9}),
        ({"queries": 8}, {"seconds": 1e6}),
        ({"seconds": 300.0}, {"seconds": 800.0}),
        ({"seconds": 300.0}, {"queries": 100}),
        ({"queries": 8}, {"epochs": 20}),
    ],
)
def test_a_shorter_budget_does_not_serve_a_longer_one(run, had, wanted):
    run(plan(budget=had))
    assert len(run(plan(budget=wanted))[0]) == 2


def test_a_strategy_that_looks_at_the_budget_is_served_by_the_same_budget_only(run, mine):
    name = mine(MINE.replace("@strategy()", "@strategy(budget_aware=True)"))
    run(plan(name))
    assert run(plan(name))[0] == []
    assert len(run(plan(name, budget={"queries": 5}))[0]) == 2


def test_with_several_workers_only_the_same_budget_serves(run):
    run(plan(workers=3))
    outcomes, served, _ = run(plan(workers=3))
    assert outcomes == []
    assert len(run(plan(workers=3, budget={"queries": 5}))[0]) == 2
    assert (served.start > 0).any()


def test_a_changed_line_of_code_misses(run, mine):
    run(plan(mine(MINE)))
    assert run(plan(mine(MINE)))[0] == []
    assert len(
        run(plan(mine(MINE.replace("sample(rng)", "mutate(problem.space.simplest(), rng)"))))[0]
    )


def test_a_changed_line_in_a_module_of_the_users_own_misses(run, mine, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    helper = tmp_path / "a_helper_of_mine.py"
    helper.write_text(PICK)
    text = "from a_helper_of_mine import pick\n" + MINE.replace(
        "problem.space.sample(rng)", "pick(problem.space, rng)"
    )
    run(plan(mine(text)))
    identity._origin.cache_clear()
    assert run(plan(mine(text)))[0] == []
    helper.write_text("def pick(space, rng):\n    return space.mutate(space.simplest(), rng)\n")
    assert len(run(plan(mine(text)))[0]) == 2


@pytest.mark.parametrize("place", ["nasarena_helper", "lib/helper", "package/helper"])
def test_moved_and_renamed_files_are_the_same_strategy(run, mine, tmp_path, monkeypatch, place):
    """``lib`` has no ``__init__.py``; a name that begins like the arena's is not the arena's."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(helper, text=PICK):
        path = tmp_path / f"{helper}.py"
        path.parent.mkdir(exist_ok=True)
        if "package" in helper:
            (path.parent / "__init__.py").write_text('"""Of no consequence."""')
        path.write_text(text)
        for known in (identity._origin, identity._is_own, identity._code):
            known.cache_clear()
        for name in [n for n in sys.modules if n.partition(".")[0] in ("lib", "package")]:
            monkeypatch.delitem(sys.modules, name)
        imported = f"from {helper.replace('/', '.')} import pick\n"
        called = MINE.replace("problem.space.sample(rng)", "pick(problem.space, rng)")
        return mine(imported + called)

    run(plan(write("a_helper")))
    assert run(plan(write(place)))[0] == []
    moved = tmp_path / "elsewhere" / "renamed.py"
    moved.parent.mkdir()
    (tmp_path / "mine.py").rename(moved)
    assert run(plan(f"{moved}:mine"))[0] == []
    assert len(run(plan(write(place, PICK.replace("sample(rng)", "simplest()"))))[0]) == 2


def test_a_built_in_strategy_consists_of_the_modules_that_it_imports(tmp_path):
    source, packages = identity._code("nasarena.strategies.bananas")
    assert source != identity._code("nasarena.strategies.npenas")[0]
    assert set(packages) == {"numpy", "scipy"}
    assert identity._code("nasarena.strategies.regularized_evolution")[1] == {}
    assert set(identity._code("nasarena.strategies.adapters.optuna_sampler")[1]) == {"optuna"}


# What is wrong is named and left out.


def only_entry(folder):
    (name,) = Folder(folder).names()
    return folder / name


def flip(path):
    data = bytearray(path.read_bytes())
    data[30] ^= 1
    path.write_bytes(data)


def reworded(path, **changes):
    """The entry with something else in what it says of itself or in its rows."""
    file = pq.ParquetFile(path)
    said = json.loads(file.metadata.metadata[b"nasarena-entry"])
    table = file.read()
    if "arch" in changes:
        table = table.set_column(1, "arch", pa.array([changes["arch"]] * len(table), pa.int32()))
    said |= {k: v for k, v in changes.items() if k != "arch"}
    with pq.ParquetWriter(path, table.schema, store_schema=False) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({"nasarena-entry": json.dumps(said)})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "damaged"),
        (lambda path: path.write_bytes(b""), "damaged"),
        (flip, "damaged"),
        (lambda path: path.write_bytes(b"cos\nsystem\n(S'false'\ntR."), "damaged"),
        (lambda path: pq.write_table(pa.table({"a": [1]}), path), "no vault entry"),
        (lambda path: reworded(path, format=99), "format 99, this version reads 1"),
        (lambda path: reworded(path, surprise=1), "incomplete"),
        (lambda path: reworded(path, packages={"numpy": "0.1"}), "numpy 0.1, here is"),
        (lambda path: reworded(path, key="0" * 16), "other runs than its name says"),
        (lambda path: reworded(path, budget={"queries": -1}), "no budget"),
        (lambda path: reworded(path, budget={"evals": 1}), "no budget"),
        (lambda path: reworded(path, arch=3), "do not give the record"),
        (lambda path: reworded(path, arch=10**6), "damaged"),
        (lambda path: reworded(path, arch=-1), "damaged"),
    ],
)
def test_an_entry_that_does_not_fit_is_named_and_left_out(run, own_vault, mine, spoil, message):
    name = mine(MINE.replace("\n\n\n", "\nimport numpy\n\n\n", 1))
    experiment = plan(name, seeds=3)
    _, whole, _ = run(experiment)
    spoil(only_entry(own_vault))
    outcomes, frame, known = run(experiment)
    assert len(outcomes) == 1
    assert frame.equals(whole)
    (problem,) = known.problems
    assert message in problem
    assert "left out" in problem


def test_a_place_that_cannot_be_reached_is_named(run):
    class Gone:
        def names(self):
            raise OSError("no route to host")

        def __str__(self):
            return "https://gone"

    outcomes, _, known = run(plan(), Gone())
    assert len(outcomes) == 2
    assert known.problems == ["vault https://gone: no route to host; left out"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_vault_that_cannot_be_written_stops_nothing(run, own_vault):
    own_vault.chmod(0o555)
    outcomes, _, known = run(plan())
    own_vault.chmod(0o755)
    assert len(outcomes) == 2
    assert "is not kept: cannot write" in known.problems[0]


FICKLE = """
from pathlib import Path
from nasarena.bench import strategy

@strategy()
def mine(problem, rng):
    first = int(Path(FILE).read_text())
    while True:
        yield problem.space.arch(first)
"""


def test_what_does_not_run_again_to_the_same_bits_is_refused(run, own_vault, mine, tmp_path):
    (tmp_path / "number").write_text("3")
    name = mine(FICKLE.replace("FILE", repr(str(tmp_path / "number"))))
    run(plan(name, seeds=3))
    own = Folder(own_vault)
    (found,) = cache_upkeep.entries([own], own=own)
    assert cache_upkeep.verify(found, Random(0)) is None
    (tmp_path / "number").write_text("4")
    problem = cache_upkeep.verify(found, Random(0))
    assert "does not run again to the same bits" in problem
    run_cache.refuse(own, found.data, problem)
    outcomes, _, known = run(plan(name, seeds=3))
    assert len(outcomes) == 1
    assert "same bits; left out" in known.problems[0]


# Moving entries about.


def test_export_and_import(run, own_vault, tmp_path):
    run(plan("random", "local-search", tasks=[PUBLISHED]))
    there, left_out = cache_upkeep.copy([Folder(own_vault)], Folder(tmp_path / "out"), [], ["ran*"])
    assert (there, left_out) == (2, [])
    name = next(iter(Folder(tmp_path / "out").names()))
    reworded(tmp_path / "out" / name, arch=7)
    shutil.rmtree(own_vault)
    taken, left_out = cache_upkeep.take_in(
        Folder(tmp_path / "out"), Folder(own_vault), Random(0), sample=9
    )
    assert taken == 1
    assert [found.name for found in left_out] == [name]
    assert "do not give the record" in left_out[0].problem
    assert len(run(plan("random", tasks=[PUBLISHED]))[0]) == 1


def test_an_entry_of_changed_code_is_told_and_pruned(run, own_vault, mine):
    run(plan(mine(MINE)), Folder(Path("nowhere")))
    mine(MINE + "\nother = 1\n")
    found = list(cache_upkeep.entries([Folder(own_vault)], own=Folder(own_vault)))
    assert {f.problem for f in found} == {
        "it was made with another code of the strategy than there is here"
    }
    assert len(cache_upkeep.prune(Folder(own_vault))) == 2
    assert list(Folder(own_vault).names()) == []


def test_nothing_that_somebody_else_wrote_makes_code_run(run, own_vault, mine, tmp_path):
    """An entry may name a Python file: only those of the user's own folder have it looked at."""
    name = mine(MINE + f"\nopen({str(tmp_path / 'ran')!r}, 'a').close()\n")
    run(plan(name, tasks=[PUBLISHED], seeds=2))
    shutil.copytree(own_vault, tmp_path / "foreign")
    shutil.rmtree(own_vault)
    (tmp_path / "ran").unlink()
    registry._module_from_file.cache_clear()
    foreign, own = Folder(tmp_path / "foreign"), Folder(own_vault)
    (found,) = cache_upkeep.entries([foreign], own=own)
    assert "names a Python file" in found.problem
    taken, left_out = cache_upkeep.take_in(foreign, own, Random(0), 3)
    assert (taken, len(left_out)) == (0, 1)
    assert not (tmp_path / "ran").exists()
    # The same strategy of the user's own finds it all the same: as data.
    outcomes, _, known = run(plan(name, tasks=[PUBLISHED], seeds=2), foreign)
    assert (outcomes, known.problems) == ([], [])


def test_a_vault_behind_a_url(run, own_vault, tmp_path):
    fsspec = pytest.importorskip("fsspec")
    _, whole, _ = run(plan(tasks=[PUBLISHED]))
    cache_upkeep.copy([Folder(own_vault)], Folder(tmp_path / "out"), [], [])
    shutil.rmtree(own_vault)
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path / "out"), "/shelf", recursive=True)
    outcomes, frame, known = run(plan(tasks=[PUBLISHED]), run_cache.place_at("memory://shelf"))
    assert (outcomes, known.problems) == ([], [])
    assert frame.equals(whole)
    name = next(iter(Folder(tmp_path / "out").names()))
    memory.pipe_file(f"/shelf/{name}", b"something else")
    outcomes, _, known = run(plan(tasks=[PUBLISHED]), run_cache.place_at("memory://shelf"))
    assert len(outcomes) == 1
    assert "not what the index says" in known.problems[0]
    outcomes, _, known = run(
        plan(tasks=[PUBLISHED], seeds=7), run_cache.place_at("memory://nothing-there")
    )
    assert "memory://nothing-there/index.json cannot be read" in known.problems[0]


def test_the_folder_of_a_repository_is_found_from_within(tmp_path, monkeypatch):
    (tmp_path / ".git").mkdir()
    (tmp_path / "nasarena-vault").mkdir()
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    assert run_cache.repository_folder() == tmp_path / "nasarena-vault"
    (tmp_path / "a" / ".git").mkdir()
    assert run_cache.repository_folder() is None


# Packing.


@pytest.mark.parametrize("noise", ["sampled", "mean"])
@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("duplicates", ["charge", "free"])
def test_packing_loses_nothing_but_the_thinking_of_each_query(noise, workers, duplicates):
    names = ["random", "asha", "bohb"] + ["hyperband"] * (workers == 1)
    for name in names:
        experiment = plan(name, noise=noise, workers=workers, duplicates=duplicates)
        (spec,) = experiment.strategies
        table = compute(experiment, spec, Unit(TASK, name, 2, 5))
        what = identity.identity(registry.task(TASK), spec, experiment)
        _, data = run_cache.packed(what, spec, experiment, table)
        again = cache_entry.unpack(registry.task(TASK), data)
        assert record.fingerprint(again) == record.fingerprint(table)
        mean = table["thinking"].to_numpy().mean()
        assert again["thinking"].to_numpy() == pytest.approx(mean)


def test_an_entry_is_small():
    experiment = experiments.parse(
        {"tasks": ["nasbench201/cifar10"], "strategies": ["regularized-evolution"], "seeds": 30}
    )
    (spec,) = experiment.strategies
    task = registry.task("nasbench201/cifar10")
    table = compute(experiment, spec, Unit(task.id, spec.label, 0, 29))
    _, data = run_cache.packed(identity.identity(task, spec, experiment), spec, experiment, table)
    assert len(data) < 3 * len(table)


def test_what_is_no_entry_is_no_entry():
    with pytest.raises(BadEntry, match="damaged"):
        cache_entry.about(b"PAR1 nonsense PAR1")
    with pytest.raises(BadEntry, match="no index"):
        run_cache.read_index(b"[]")
    names = ("../../etc/passwd", f"../x.{16 * '0'}.{8 * '0'}.0-9.parquet")
    index = json.dumps({"entries": dict.fromkeys(names, "0")})
    assert run_cache.read_index(index.encode()) == {}


def test_the_budget_of_an_entry_and_the_one_wanted():
    experiment = plan(seeds=1)
    table = compute(experiment, experiment.strategies[0], Unit(TASK, "random", 0, 0))
    had = Budget(queries=8)
    shorter = cache_entry.shorten(table, had, replace(had, queries=3), free=False)
    assert len(shorter[0]) == 3
    assert cache_entry.shorten(table, had, replace(had, queries=9), free=False) is None


# The command line.


def test_the_commands(run, nasarena, own_vault, tmp_path, monkeypatch):
    monkeypatch.setattr(run_cache, "BASELINES", tmp_path / "box")
    run(plan("random", "local-search", tasks=[PUBLISHED]))
    code, out, _ = nasarena("vault", "list", own_vault, "--json")
    listed = json.loads(out)
    assert code == 0
    assert {row["strategy"] for row in listed} == {"random", "local-search"}
    assert {row["state"] for row in listed} == {"usable"}
    code, out, _ = nasarena("vault", "verify", own_vault, "--sample", 2)
    assert (code, out.count("same bits")) == (0, 2)
    code, out, _ = nasarena("vault", "export", tmp_path / "out", "--strategies", "random")
    assert code == 0
    assert (tmp_path / "out" / "index.json").is_file()
    code, out, _ = nasarena("vault", "prune", "--all")
    assert (code, list(Folder(own_vault).names())) == (0, [])
    code, out, _ = nasarena("vault", "import", tmp_path / "out")
    assert code == 0
    assert len(list(Folder(own_vault).names())) >= 2
    only = next(iter(sorted(own_vault.glob("random*"))))
    only.write_bytes(b"spoiled")
    code, _, err = nasarena("vault", "verify", own_vault)
    assert code == 1
    assert only.name in err
    code, _, err = nasarena("vault", "list", tmp_path / "not-there")
    assert code == 2
    assert "there is no vault at" in err


def test_run_uses_the_vault_unless_told_not_to(nasarena, tmp_path, own_vault):
    words = ["--tasks", TASK, "--strategies", "random", "--seeds", 2, "--queries", 5]
    words += ["--no-report", "--processes", 1]
    assert "1 units finished" in nasarena("run", *words, "--out", tmp_path / "a")[1]
    assert "nothing to run" in nasarena("run", *words, "--out", tmp_path / "b")[1]
    said = nasarena("run", *words, "--out", tmp_path / "c", "--no-vault")[1]
    assert "1 units finished" in said


def test_a_damaged_refusal_list_is_named(own_vault):
    (own_vault / "refused.json").write_text("{")
    with pytest.raises(StoreError, match=r"refused\.json"):
        Vault([], Folder(own_vault))
