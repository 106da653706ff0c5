import json
import math
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib import rc_context
from msgspec import structs

from nasarena.bench._base.errors import StoreError
from nasarena.bench.core import record
from nasarena.bench.execute.executor import execute
from nasarena.bench.experiment import experiment
from nasarena.bench.store import manifest as manifests
from nasarena.bench.store import packed, store, unit_file
from nasarena.reports.figures.style import style
from nasarena.reports.gate import gate_files, gate_output, gate_page, gate_record
from nasarena.reports.gate.gate import Options, Verdict, judge, parse_options
from nasarena.reports.stats import evidence, sequential
from nasarena.reports.stats.signed_rank import signed_rank

BROKEN = Path(__file__).parents[2] / "helpers" / "broken_strategies.py"
TASK = "nasbench201/cifar10"


def run(root, name="Sound", *, seeds=20, queries=100, label="evolution", **others):
    plain = {
        "tasks": [TASK],
        "seeds": seeds,
        "budget": {"queries": queries},
        "strategies": [{"name": f"{BROKEN}:{name}", "label": label}, "random"],
    }
    execute(root, experiment.parse(plain | others), processes=1)
    return root


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Results folders by the name of the strategy that stands under the label "evolution"."""
    made = {}

    def get(name, **settings):
        key = name, *settings.items()
        if key not in made:
            root = tmp_path_factory.mktemp(name) / "results"
            made[key] = run(root, name, **settings)
        return made[key]

    return get


def verdict(old, new, **options):
    gate = judge(gate_record.read(old), gate_record.read(new), Options(**options))
    return {pair.strategy: pair for pair in gate.pairs}["evolution"]


# On real tables.


@pytest.mark.parametrize("name", ["Unmutated", "Lonely", "Deaf"])
def test_a_broken_strategy_is_caught(results, name):
    pair = verdict(results("Sound"), results(name))
    assert pair.verdict is Verdict.REGRESSED
    assert all(c.difference > 0 for c in pair.comparisons if c.verdict is Verdict.REGRESSED)


@pytest.mark.parametrize("name", ["Unmutated", "Lonely", "Deaf"])
def test_a_repaired_strategy_is_seen_to_be_better(results, name):
    assert verdict(results(name), results("Sound")).verdict is Verdict.IMPROVED


def test_a_rewriting_that_changes_no_bits_is_identical(results):
    pair = verdict(results("Sound"), results("Rewritten"))
    assert (pair.verdict, pair.comparisons, pair.seeds) == (Verdict.IDENTICAL, (), 20)


def test_where_the_bits_part(results):
    pair = verdict(results("Sound"), results("Late"))
    assert pair.verdict in (Verdict.NO_EVIDENCE, Verdict.EQUIVALENT)
    # An aged random stream may draw the same architecture again, but not for long.
    assert pair.parting.seed == 0
    assert 51 <= pair.parting.step <= 56
    assert pair.parting.seeds >= 18


def test_other_bits_with_the_same_regrets_are_changed(results, tmp_path):
    old = gate_record.read(results("Sound"))
    new = gate_record.read(results("Sound"))
    columns = new.runs[TASK, "evolution"].columns[3]
    columns["replica"] = columns["replica"].copy()
    columns["replica"][7] += 1
    pair = judge(old, new).pairs[0]
    assert pair.verdict is Verdict.CHANGED
    assert pair.parting == (1, 3, 8, "replica")


def test_a_margin_settles_what_has_no_evidence(results):
    old, new = results("Sound"), results("Late")
    assert verdict(old, new).verdict is Verdict.NO_EVIDENCE
    wide = {"final": 5.0, "mean": "90%", "time": 80}
    assert verdict(old, new, margin=wide).verdict is Verdict.EQUIVALENT
    narrow = verdict(old, new, margin={"final": "1%"}, metrics=("final",))
    assert narrow.verdict is Verdict.NO_EVIDENCE
    assert narrow.comparisons[0].seeds_needed > 1000


def test_a_strategy_that_is_gone_is_missing(results, tmp_path):
    other = run(tmp_path / "r", "Sound", label="another")
    gate = judge(gate_record.read(results("Sound")), gate_record.read(other))
    found = {pair.strategy: pair.verdict for pair in gate.pairs}
    assert found == {"evolution": Verdict.MISSING, "random": Verdict.IDENTICAL}
    assert "another" in gate.notes[0]
    assert gate.fails()


def test_lost_seeds_are_missing(results, tmp_path):
    other = run(tmp_path / "r")
    next((other / "runs").rglob("evolution/10-14.parquet")).unlink()
    pair = verdict(results("Sound"), other)
    assert pair.verdict is Verdict.MISSING
    assert pair.note == "seeds 10, 11, 12, 13, 14 have no run"


def test_a_packed_file_stands_for_its_folder(results, tmp_path):
    file = packed.pack(results("Sound"), tmp_path / "base.parquet")
    assert verdict(file, results("Sound")).verdict is Verdict.IDENTICAL
    assert verdict(file, results("Deaf")) == verdict(results("Sound"), results("Deaf"))
    assert store.read(file, columns=["loss"]).equals(store.read(results("Sound"), ["loss"]))
    with pytest.raises(StoreError, match="is there already"):
        packed.pack(results("Deaf"), file)


def test_the_target_is_the_same_from_both_sides(results):
    ahead = verdict(results("Sound"), results("Late")).comparisons
    back = verdict(results("Late"), results("Sound")).comparisons
    for a, b in zip(ahead, back, strict=True):
        assert a.p == b.p
        assert a.difference == pytest.approx(-b.difference)


# What cannot be compared.


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"queries": 50}, "budget is 100 queries in .* and 50 queries in"),
        ({"noise": "mean"}, "noise is sampled in"),
        ({"seed": 4}, "seed is 0 in"),
        ({"seeds": 10}, "20 seeds and .* 10; run the missing ones.*--common-seeds"),
        ({"tasks": ["nasbench201/cifar100"]}, "no task is in both"),
    ],
)
def test_other_conditions_are_refused(results, tmp_path, other, said):
    with pytest.raises(StoreError, match=said):
        verdict(results("Sound"), run(tmp_path / "r", **other))


def test_another_table_is_refused(results, tmp_path):
    other = run(tmp_path / "r")
    manifest = manifests.read(other)
    tasks = {TASK: structs.replace(manifest.tasks[TASK], hash="0123")}
    manifests.write(other, structs.replace(manifest, tasks=tasks))
    with pytest.raises(StoreError, match=r"it was run with data .*, the manifest says 0123"):
        verdict(results("Sound"), other)
    for path in other.glob("runs/**/*.parquet"):
        table = store.read_unit(path)
        path.unlink()
        said = record.about(table) | {"data": "0123"}
        unit_file.write(path, record.described(table, said))
    with pytest.raises(StoreError, match=r"has hash .* and 0123 in .* different data"):
        verdict(results("Sound"), other)


def test_one_seed_shows_identity_only(results):
    one = results("Sound", seeds=1)
    assert verdict(one, results("Rewritten", seeds=1)).verdict is Verdict.IDENTICAL
    with pytest.raises(StoreError, match="one seed cannot show"):
        verdict(one, results("Deaf", seeds=1))


def test_too_few_seeds_are_said_to_be(results):
    sides = [gate_record.read(results(name, seeds=5)) for name in ("Sound", "Deaf")]
    gate = judge(*sides)
    assert gate.pairs[0].verdict is Verdict.NO_EVIDENCE
    assert "5 seeds are too few for any evidence" in gate.notes[0]
    assert all(c.detectable == math.inf for c in gate.pairs[0].comparisons)


def test_a_table_without_a_test_column_is_said_to_be_judged_by_validation(results):
    sides = [gate_record.read(results(name)) for name in ("Sound", "Deaf")]
    by_test, by_validation = (judge(*sides, Options(column=c)) for c in ("test", "validation"))
    assert by_test.notes == (f"no test column, so judged by validation: {TASK}",)
    assert by_test.pairs == by_validation.pairs


def test_common_seeds(results):
    pair = verdict(results("Sound"), results("Rewritten", seeds=5), common_seeds=True)
    assert (pair.verdict, pair.seeds) == (Verdict.IDENTICAL, 5)


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "foreign"])
def test_a_damaged_baseline(results, tmp_path, damage):
    file = packed.pack(results("Sound"), tmp_path / "base.parquet")
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:5000])
    elif damage == "empty":
        file.write_bytes(b"")
    elif damage == "text":
        file.write_text("{}")
    else:
        file.write_bytes(next(results("Sound").rglob("*.parquet")).read_bytes())
    with pytest.raises(StoreError, match=r"is damaged|holds no manifest"):
        gate_record.read(file)


def test_flipped_bytes_are_noticed(results, tmp_path):
    file = packed.pack(results("Sound"), tmp_path / "base.parquet")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(data)
    with pytest.raises(StoreError, match="is damaged"):
        gate_record.read(file)


def test_options_are_checked():
    assert parse_options(["10%"], ["0.5", f"{TASK}=0.1"]).target == {"*": 0.5, TASK: 0.1}
    assert parse_options(["10%", "time=5"]).margin == {"final": "10%", "mean": "10%", "time": "5"}
    for words, said in (
        ({"margins": ["0.1"]}, "different units"),
        ({"margins": ["final=-1"]}, "above 0"),
        ({"margins": ["speed=1"]}, "unknown metric"),
        ({"targets": ["low"]}, "TASK=REGRET"),
        ({"alpha": 2}, "alpha: expected"),
        ({"metrics": ("finale",)}, "unknown metric"),
        ({"column": "train"}, "validation or test"),
    ):
        with pytest.raises(StoreError, match=said):
            parse_options(**words)


# Evidence.


def test_detectable_is_what_simulations_find():
    rng = np.random.default_rng(0)
    for n, alpha in ((12, 0.05), (20, 0.005), (50, 0.001)):
        shift = evidence.detectable(1.0, n, alpha)
        found = [signed_rank(rng.normal(shift, 1, n)).p <= alpha for _ in range(400)]
        assert 0.72 <= np.mean(found) <= 0.9


def test_seeds_for_is_the_least_number():
    n = evidence.seeds_for(1.0, 0.5, 0.01, 0.05)
    assert evidence.detectable(1.0, n, 0.01) <= 0.5
    assert evidence.seeds_for(1.0, 0.0, 0.01, 0.05) == 0
    assert evidence.seeds_for(1.0, 0.05, 0.01, 0.05) > 50 * n


def test_alpha_is_spent_once():
    looks = sequential.plan(50, 12)
    assert looks == (12, 24, 36, 48, 50)
    assert sum(sequential.weights(looks)) == pytest.approx(1)
    d = np.full(12, 1.0)
    _, p, equal = sequential.spent(d, 2.0, looks)
    assert p == pytest.approx(2 / 2**12 / (12 / 50) ** 2)
    assert equal == 0.0
    assert sequential.spent(d[:5], 2.0, looks)[1:] == (1.0, 1.0)


# Output.


@pytest.fixture(scope="module")
def outcome(results):
    sides = gate_record.read(results("Sound")), gate_record.read(results("Deaf"))
    return judge(*sides), sides


def test_markdown(outcome):
    text = gate_output.markdown(outcome[0])
    assert "❌ nasarena gate: 1 regressed, 1 identical" in text
    assert "**regressed**" in text
    assert "| name of evolution |" in text
    assert "20 of 20 seeds differ, first seed 0 at step" in text
    assert "✅" in gate_output.markdown(outcome[0], (Verdict.MISSING,))


def test_files(outcome, tmp_path):
    gate, sides = outcome
    files = gate_files.write_gate(gate, sides, tmp_path)
    assert len(files) == len(gate_files.FORMATS)
    data = json.loads((tmp_path / "gate.json").read_text())
    assert data["counts"]["regressed"] == 1
    assert data["pairs"][0]["parting"]["seeds"] == 20
    assert data["pairs"][0]["comparisons"][0]["margin"] is None
    suite = ElementTree.parse(tmp_path / "gate-junit.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert "final regret" in suite.find("testcase/failure").text
    (issue,) = json.loads((tmp_path / "gl-code-quality-report.json").read_text())
    assert issue["severity"] == "major"
    assert issue["location"]["path"] == str(BROKEN)
    assert len(issue["fingerprint"]) == 64
    page = (tmp_path / "gate.html").read_text()
    assert page.count("<img") == 1
    assert "evolution on nasbench201/cifar10: regressed" in page
    with pytest.raises(StoreError, match="unknown format"):
        gate_files.write_gate(gate, sides, tmp_path, ["pdf"])


def test_the_page_s_figure_has_plain_numbers_at_its_axes(outcome):
    gate, sides = outcome
    (pair,) = (pair for pair in gate.pairs if pair.verdict is Verdict.REGRESSED)
    with rc_context(style("screen").rc()):
        (axes,) = gate_page.figure(pair, sides).axes
        labels = [text.get_text() for text in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    assert [text for text in labels if text]
    assert not [text for text in labels if "$" in text]


@pytest.mark.browser
def test_no_column_of_the_verdicts_is_cut_off_and_none_looks_like_a_link(outcome, tmp_path, driver):
    gate, sides = outcome
    gate_files.write_gate(gate, sides, tmp_path, ["html"])
    driver.set_window_size(1440, 1000)
    driver.get((tmp_path / "gate.html").as_uri())
    script = "const w = document.querySelector('.wide'); return [w.scrollWidth, w.clientWidth]"
    inside, shown = driver.execute_script(script)
    assert inside <= shown
    color = "return getComputedStyle(document.querySelector(arguments[0])).color"
    link = driver.execute_script(
        "return getComputedStyle(document.body.appendChild(Object.assign("
        "document.createElement('a'), {href: '#'}))).color"
    )
    assert driver.execute_script(color, "td.bad") != link


def test_annotations_are_escaped(outcome):
    gate = outcome[0]
    odd = replace(gate.pairs[0], strategy="a,b:\n100%")
    (line,) = gate_output.github(replace(gate, pairs=(odd,)), (Verdict.REGRESSED,))
    assert line.startswith("::error title=a%2Cb%3A%0A100%25 on nasbench201/cifar10 regressed::")
    assert "\n" not in line
