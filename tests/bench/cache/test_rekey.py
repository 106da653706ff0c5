"""Entries of changed code get a new key if their runs come out bit for bit, and only then."""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from nasarena.bench.cache import cache_entry, cache_upkeep, rekey, run_cache
from nasarena.bench.cache.cache_entry import BadEntry
from nasarena.bench.cache.run_cache import Folder, Vault
from nasarena.bench.core import record
from nasarena.bench.execute.executor import execute
from nasarena.bench.execute.units import compute
from nasarena.bench.experiment import experiment as experiments
from nasarena.bench.experiment import identity, registry
from nasarena.bench.store.store import Unit

HERE = Path(__file__).parents[2] / "helpers"
FORMER = HERE / "entries" / "format-1.parquet"
TASK = "nasbench-graph/proteins"

MINE = '''
from nasarena.bench import strategy

SHARE = 0.5


@strategy()
def mine(problem, rng):
    """Draw or change the last one."""
    arch = problem.space.sample(rng)
    while True:
        yield arch
        arch = problem.space.mutate(arch, rng) if rng.random() < SHARE else arch
'''


@pytest.fixture
def mine(tmp_path):
    """Writes the strategy's file; gives its name in experiments."""

    def write(text=MINE):
        path = tmp_path / "mine.py"
        path.write_text(text)
        registry._module_from_file.cache_clear()
        identity._code.cache_clear()
        return f"{path}:mine"

    return write


@pytest.fixture
def box(own_vault, mine, tmp_path):
    """The user's own folder with one entry of the strategy, six seeds."""
    experiment = experiments.parse(
        {"tasks": [TASK], "strategies": [mine()], "seeds": 6, "budget": {"queries": 20}}
    )
    list(execute(tmp_path / "run", experiment, processes=1, vault=Vault([], Folder(own_vault))))
    first, *others = sorted(own_vault.glob("*.parquet"))
    assert cache_entry.about(first.read_bytes()).first == 0
    for other in others:
        other.unlink()
    return Folder(own_vault)


def contents(folder):
    return {name: folder.read(name) for name in folder.names()}


def problems(folder):
    return [found.problem for found in cache_upkeep.entries([folder], own=folder)]


def reworded(path, **changes):
    """The entry with something else in what it says of itself."""
    file = pq.ParquetFile(path)
    said = json.loads(file.metadata.metadata[b"nasarena-entry"]) | changes
    table = file.read()
    with pq.ParquetWriter(path, table.schema, store_schema=False) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({"nasarena-entry": json.dumps(said)})


def bring(box, **options):
    return rekey.rekey(box, box, trusted=True, **options)


def test_a_docstring_needs_no_new_key(box, mine):
    before = contents(box)
    mine(MINE.replace("Draw or change the last one.", "Draw, or change.\n\n    As it comes."))
    assert problems(box) == [None]
    (outcome,) = bring(box)
    assert (outcome.seeds, outcome.problem) == ((), None)
    assert contents(box) == before


def test_an_entry_whose_runs_are_the_same_gets_the_present_key(box, mine):
    (name,) = box.names()
    former = cache_entry.about(box.read(name))
    kept = cache_entry.unpack(registry.task(TASK), box.read(name))
    mine(MINE.replace("SHARE", "PORTION"))
    assert problems(box) == ["it was made with another code of the strategy than there is here"]
    (outcome,) = bring(box)
    assert outcome.problem is None
    assert len(outcome.seeds) == 2
    assert outcome.seeds[0] == 0
    assert problems(box) == [None]
    (new,) = box.names()
    assert new != name
    said = cache_entry.about(box.read(new))
    assert said.key != former.key
    assert (said.first, said.last, said.limits) == (former.first, former.last, former.limits)
    assert said.made.pop("rekeyed")["seeds"] == list(outcome.seeds)
    assert said.made == former.made
    assert said.thinking == pytest.approx(former.thinking)
    again = cache_entry.unpack(registry.task(TASK), box.read(new))
    assert record.fingerprint(again) == record.fingerprint(kept)


def test_an_entry_whose_runs_differ_stays_as_it_is(box, mine):
    before = contents(box)
    mine(MINE.replace("SHARE = 0.5", "SHARE = 0.6"))
    (outcome,) = bring(box)
    assert "does not run again to the same bits" in outcome.problem
    assert contents(box) == before


def test_not_the_first_seed_alone_is_run_again(box, mine, monkeypatch):
    mine(MINE.replace("SHARE", "PORTION"))

    def other_beyond_the_first(experiment, spec, unit):
        return compute(experiment, spec, unit if unit.first == 0 else Unit(*unit[:2], 0, 0))

    monkeypatch.setattr(rekey, "compute", other_beyond_the_first)
    (outcome,) = bring(box)
    assert "does not run again to the same bits" in outcome.problem
    assert "seed 0 " not in outcome.problem
    (outcome,) = bring(box, sample=1)
    assert outcome.seeds == (0,)


def test_every_seed_can_be_asked_for(box, mine):
    mine(MINE.replace("SHARE", "PORTION"))
    (outcome,) = bring(box, sample=100)
    assert len(outcome.seeds) == len(set(outcome.seeds)) == entry_seeds(box)


def entry_seeds(box):
    (name,) = box.names()
    said = cache_entry.about(box.read(name))
    return said.last - said.first + 1


def test_into_another_folder(box, mine, tmp_path):
    mine(MINE.replace("SHARE", "PORTION"))
    before = contents(box)
    to = Folder(tmp_path / "to")
    rekey.rekey(box, to, trusted=True)
    assert contents(box) == before
    (name,) = to.names()
    assert name not in before
    rekey.rekey(to, Folder(tmp_path / "further"), trusted=True)
    assert contents(Folder(tmp_path / "further")) == contents(to)


def test_an_index_is_written_anew(box, mine):
    cache_upkeep.write_index(box)
    mine(MINE.replace("SHARE", "PORTION"))
    bring(box)
    index = run_cache.read_index((box.path / run_cache.INDEX).read_bytes())
    assert index == {name: run_cache.digest(data) for name, data in contents(box).items()}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "damaged"),
        (lambda path: reworded(path, name="gone"), "gone"),
        (lambda path: reworded(path, packages={"numpy": "0.1"}), "numpy 0.1"),
        (lambda path: reworded(path, fingerprint="0" * 16), "do not give the record"),
        (lambda path: reworded(path, format=99), "format 99"),
        (lambda path: reworded(path, facts={}), "incomplete"),
        (lambda path: reworded(path, budget=[]), "incomplete"),
        (lambda path: reworded(path, key="0" * 16, budget={"queries": 21}), "same bits"),
    ],
)
def test_what_cannot_be_run_again_is_named_and_stays(box, mine, spoil, message):
    (name,) = box.names()
    spoil(box.path / name)
    before = contents(box)
    mine("import numpy\n" + MINE.replace("SHARE", "PORTION"))
    (outcome,) = bring(box)
    assert message in outcome.problem
    assert contents(box) == before


def test_a_file_that_somebody_else_names_is_not_run(box, mine, tmp_path):
    mine(MINE + f"\nopen({str(tmp_path / 'ran')!r}, 'a').close()\n")
    (outcome,) = rekey.rekey(box, box)
    assert "names a Python file" in outcome.problem
    assert not (tmp_path / "ran").exists()


# Files of a former version: what they hold does not change when the code is renamed.


def test_an_entry_of_the_first_format_is_carried_over(tmp_path):
    shutil.copy(FORMER, tmp_path)
    folder = Folder(tmp_path)
    (outcome,) = bring(folder)
    assert outcome.problem is None
    assert len(outcome.seeds) == 2
    assert problems(folder) == [None]


def test_the_format_before_is_read_here_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(cache_entry, "FORMAT", 2)
    shutil.copy(FORMER, tmp_path)
    with pytest.raises(BadEntry, match="format 1, this version reads 2"):
        cache_entry.about(FORMER.read_bytes())
    (outcome,) = bring(Folder(tmp_path))
    assert outcome.problem is None
    assert problems(Folder(tmp_path)) == [None]
    monkeypatch.setattr(cache_entry, "FORMAT", 3)
    shutil.copy(FORMER, tmp_path)
    outcomes = bring(Folder(tmp_path))
    assert sorted(outcome.problem or "" for outcome in outcomes)[1].startswith("it has format 1")


# The command line.


def test_the_command(nasarena, box, mine, tmp_path):
    code, out, _ = nasarena("vault", "rekey", box.path)
    assert (code, out) == (0, "0 entries re-keyed, 1 fitted already, 0 left as they are\n")
    mine(MINE.replace("SHARE = 0.5", "SHARE = 0.6"))
    (name,) = box.names()
    code, out, err = nasarena("vault", "rekey", box.path)
    assert (code, out) == (1, "0 entries re-keyed, 0 fitted already, 1 left as they are\n")
    assert f"left as it is: {name}: seed" in err
    mine(MINE.replace("SHARE", "PORTION"))
    code, out, err = nasarena("vault", "rekey", box.path, "--seeds", 3, "--out", tmp_path / "to")
    assert (code, out) == (0, "1 entries re-keyed, 0 fitted already, 0 left as they are\n")
    assert f"{name}: same bits for seeds 0, " in err
    code, out, _ = nasarena("vault", "rekey", tmp_path / "to", "--json")
    assert code == 1
    assert "names a Python file" in json.loads(out)[0]["problem"]
    code, _, err = nasarena("vault", "rekey", tmp_path / "nowhere")
    assert code == 2
    assert "there is no vault at" in err
