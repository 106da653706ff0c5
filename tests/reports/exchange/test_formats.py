"""Import and export: round trips, what other packages make of them, and bad input."""

import json

import numpy as np
import pandas as pd
import pytest
from msgspec.structs import replace

from nasarena.bench._base.errors import StoreError, UnknownName
from nasarena.bench.core.runner import Budget
from nasarena.bench.core.task_facts import ColumnFacts, PerMetric, TaskFacts
from nasarena.bench.experiment.experiment import Experiment, StrategySpec
from nasarena.bench.store import manifest as manifests
from nasarena.bench.store import store
from nasarena.bench.store.manifest import Machine, Manifest
from nasarena.reports import write_report
from nasarena.reports.exchange.formats import (
    FORMATS,
    Options,
    complete,
    export_results,
    import_results,
)
from nasarena.reports.exchange.tidy import load_table
from nasarena.reports.exchange.tidy import read as read_tidy

nan = np.nan
TASKS = ("toy/one", "toy/two, it's 'odd'")
LABELS = ("random", "a/b: c'd")
WHERE = {
    "tidy": "table.csv",
    "optuna": "studies.db",
    "syne-tune": "syne",
    "carps": "logs.parquet",
    "ioh": "ioh",
    "coco": "coco",
}
EXACT = ("tidy", "optuna", "syne-tune", "carps")


def decisions(task):
    return [("op", ("conv", "pool", "skip")), ("width", ("8", "16"))]


def record(seeds=(0, 1, 4)):
    """A record of two tasks and two strategies, six queries a run; seed 1 begins with a failure."""
    rng = np.random.default_rng(0)
    rows = []
    for task in TASKS:
        for label in LABELS:
            for seed in seeds:
                clock = 0.0
                for step in range(1, 7):
                    cost = float(rng.uniform(0.5, 3))
                    truth = float(-90 - 4 * rng.random())
                    failed = seed == 1 and step == 1
                    rows.append(
                        {
                            "task": task,
                            "strategy": label,
                            "seed": seed,
                            "step": step,
                            "arch": [int(rng.integers(3)), int(rng.integers(2))],
                            "network": int(rng.integers(6)),
                            "epochs": 3 if step % 2 else 9,
                            "replica": int(rng.integers(-1, 3)),
                            "loss": nan if failed else truth + float(rng.normal()),
                            "validation": truth,
                            "test": truth + 5 if task == TASKS[0] else nan,
                            "start": clock,
                            "finish": clock + cost,
                            "charged": cost,
                            "thinking": 1e-5,
                        }
                    )
                    clock += cost
    return pd.DataFrame(rows)


def about():
    column = ColumnFacts("accuracy", "%", maximize=True)
    facts = TaskFacts(
        hash="abc",
        validation=column,
        test=column,
        cost=ColumnFacts("training time", "s"),
        optimum=PerMetric(-94.5, -89.5),
        objectives={"validation": column},
        architectures=6,
        unique=6,
        citation="Someone 2020",
    )
    without_test = replace(facts, test=None, optimum=PerMetric(-94.5))
    return Manifest(
        name="a trial",
        experiment=Experiment(
            tasks=TASKS,
            strategies=tuple(StrategySpec(x, x) for x in LABELS),
            seeds=5,
            budget=Budget(queries=6),
        ),
        tasks={TASKS[0]: facts, TASKS[1]: without_test},
        packages={"numpy": "2"},
        python="3.11",
        machine=Machine("Linux", cores=2),
        created="2026-01-01T00:00:00+00:00",
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A results folder, made by importing a table of ours."""
    return imported(tmp_path_factory.mktemp("exchange"), record())


def imported(folder, frame):
    frame.assign(arch=lambda f: f["arch"].map(str)).to_csv(folder / "t.csv", index=False)
    (folder / "t.manifest.json").write_text(manifests.text(about()))
    return import_results("tidy", str(folder / "t.csv"), folder / "results")


@pytest.fixture
def place(tmp_path):
    def make(kind):
        path = tmp_path / WHERE[kind]
        return f"sqlite:///{path}" if kind == "optuna" else str(path)

    return make


def rows(folder):
    frame = store.read(folder).astype({"task": str, "strategy": str})
    frame["arch"] = [tuple(int(c) for c in arch) for arch in frame["arch"]]
    order = ["task", "strategy", "seed", "step"]
    return frame.sort_values(order, ignore_index=True)


def there_and_back(kind, results, place, tmp_path):
    export_results(kind, results, place(kind), Options(decisions=decisions))
    return import_results(kind, place(kind), tmp_path / "back")


# Round trips.


def test_the_record_is_what_was_imported(results):
    frame = record()
    frame["arch"] = [tuple(arch) for arch in frame["arch"]]
    expected = frame.sort_values(["task", "strategy", "seed", "step"], ignore_index=True)
    pd.testing.assert_frame_equal(rows(results)[list(expected)], expected, check_dtype=False)
    assert manifests.read(results) == about()
    assert sorted(store.unit_files(results, TASKS[1], LABELS[1])) == [(0, 4)]


@pytest.mark.parametrize("kind", EXACT)
def test_what_is_exported_comes_back_as_it_was(kind, results, place, tmp_path):
    back = there_and_back(kind, results, place, tmp_path)
    ours, theirs = rows(results), rows(back)
    if kind != "tidy":  # only we measure it
        ours, theirs = ours.drop(columns="thinking"), theirs.drop(columns="thinking")
    if kind == "optuna":  # its clock has microseconds; the exact numbers are kept as attributes
        assert theirs["finish"].tolist() == ours["finish"].tolist()
    pd.testing.assert_frame_equal(theirs[list(ours)], ours)


def test_a_parquet_table_carries_its_manifest(results, tmp_path):
    table = str(tmp_path / "all.parquet")
    export_results("tidy", results, table)
    assert [path.name for path in tmp_path.iterdir()] == ["all.parquet"]
    back = import_results("tidy", table, tmp_path / "back")
    assert manifests.read(back) == manifests.read(results)
    pd.testing.assert_frame_equal(rows(back), rows(results))


def regrets(frame):
    """The true regret of the incumbent, by hand: the least loss at the most epochs so far."""
    found = []
    for _, run in frame.groupby(["task", "strategy", "seed"]):
        seen = []
        for row in run.to_dict("records"):
            if not np.isnan(row["loss"]):
                seen.append((-row["epochs"], row["loss"], row["validation"]))
            found.append(min(seen)[2] + 94.5 if seen else nan)
    return np.array(found)


@pytest.mark.parametrize("kind", ["ioh", "coco"])
def test_the_incumbents_regret_is_what_benchmarks_of_functions_are_given(
    kind, results, place, tmp_path
):
    back = rows(there_and_back(kind, results, place, tmp_path))
    ours = rows(results)
    keys = ["task", "strategy", "seed", "step"]
    pd.testing.assert_frame_equal(back[keys], ours[keys], check_dtype=False)
    expected = pd.Series(regrets(ours))
    if kind == "coco":  # it keeps what is better than all before
        expected = expected.groupby([ours[k] for k in keys[:3]]).cummin()
    np.testing.assert_allclose(back["loss"], expected, rtol=1e-12)
    facts = manifests.read(tmp_path / "back").tasks[TASKS[0]]
    assert facts.optimum.validation == 0.0


@pytest.mark.parametrize("kind", FORMATS)
def test_what_was_imported_can_be_reported(kind, results, place, tmp_path):
    back = there_and_back(kind, results, place, tmp_path)
    page = write_report(back, formats=["html", "csv", "md"])
    text = page.read_text(encoding="utf-8")
    assert "toy/one" in text
    if kind != "tidy":
        assert "imported from" in text
        assert "reference of the regret" in text


# What other packages make of it.


def test_optuna_reads_what_was_exported(results, place):
    optuna = pytest.importorskip("optuna")
    export_results("optuna", results, place("optuna"), Options(decisions=decisions))
    names = optuna.get_all_study_names(place("optuna"))
    assert len(names) == 2 * 2 * 3
    study = optuna.load_study(study_name=f"{TASKS[0]}/random/0", storage=place("optuna"))
    frame = rows(results)
    own = frame[(frame["task"] == TASKS[0]) & (frame["strategy"] == "random")]
    own = own[own["seed"] == 0]
    assert study.best_value == own["loss"].min()
    assert {tuple(trial.params) for trial in study.trials} == {("op", "width")}
    failed = optuna.load_study(study_name=f"{TASKS[0]}/random/1", storage=place("optuna"))
    assert [t.state.name for t in failed.trials][:2] == ["FAIL", "COMPLETE"]


def test_studies_made_by_optuna_are_imported(place, tmp_path):
    optuna = pytest.importorskip("optuna")

    def objective(trial):
        x = trial.suggest_categorical("x", [1, 2, 3])
        if trial.number == 1:
            raise ValueError
        for epoch in (1, 5):
            trial.report(x, epoch)
        if trial.number == 2:
            raise optuna.TrialPruned
        return x

    for number in (3, 7):
        study = optuna.create_study(
            storage=place("optuna"), study_name=f"mine-tpe-{number}", direction="maximize"
        )
        study.optimize(objective, n_trials=5, catch=ValueError)
    pattern = r"(?P<task>\w+)-(?P<strategy>\w+)-(?P<seed>\d+)"
    frame = rows(
        import_results(
            "optuna",
            place("optuna"),
            tmp_path / "r",
            Options(pattern=pattern, optimum={"mine": -3}),
        )
    )
    assert frame["seed"].unique().tolist() == [3, 7]
    assert set(frame["task"]) == {"mine"}
    assert set(frame["strategy"]) == {"tpe"}
    first = frame[frame["seed"] == 3]
    assert first["step"].tolist() == [1, 2, 3, 4, 5]
    assert np.isnan(first["loss"].iloc[1])
    assert set(first["loss"].dropna()) <= {-1.0, -2.0, -3.0}
    assert first["epochs"].tolist() == [5, 1, 5, 5, 5]
    assert (np.diff(first["finish"]) > 0).all()
    assert manifests.read(tmp_path / "r").tasks["mine"].optimum.validation == -3


def test_iohinspector_reads_both_formats_of_functions(results, place):
    iohinspector = pytest.importorskip("iohinspector", reason="pip install iohinspector")
    ours = rows(results)
    for kind in ("ioh", "coco"):
        export_results(kind, results, place(kind))
        manager = iohinspector.DataManager()
        manager.add_folder(place(kind))
        seen = manager.overview
        assert len(seen) == 12
        assert sorted(set(seen["evals"])) == [6]
        data = manager.load(monotonic=True)
        best = data.group_by("data_id").agg(y=_least())
        expected = pd.Series(regrets(ours)).groupby([ours["task"], ours["strategy"], ours["seed"]])
        np.testing.assert_allclose(sorted(best["y"]), sorted(expected.min()), rtol=1e-6)


def _least():
    import polars

    return polars.col("raw_y").min()


def test_coco_reads_its_format(place, monkeypatch, tmp_path):
    pytest.importorskip("six", reason="pip install cocopp six")
    pproc = pytest.importorskip("cocopp.pproc", reason="pip install cocopp six")
    testbeds = pproc.testbedsettings.suite_to_testbed
    monkeypatch.setitem(testbeds, "nasarena", "GECCOBBOBTestbed")  # it knows its own suites only
    folder = imported(tmp_path, record(seeds=range(15)))  # it warns of fewer
    export_results("coco", folder, place("coco"))
    found = pproc.DataSetList([place("coco") + "/random"])
    assert [(data.funcId, data.nbRuns()) for data in found] == [(1, 15), (2, 15)]
    assert found[0].instancenumbers == list(range(1, 16))
    assert set(found[0].maxevals) == {6}


# Tables that others made.


def syne_tune_folder(root, mode="max"):
    folder = root / "study-a"
    folder.mkdir(parents=True)
    pd.DataFrame(
        {
            "acc": [0.5, 0.6, 0.7, 0.4, 0.8],
            "epoch": [1, 2, 3, 1, 9],
            "st_decision": ["CONTINUE", "PAUSE", "STOP", "STOP", "CONTINUE"],
            "trial_id": [0, 0, 0, 1, 2],
            "st_tuner_time": [1.0, 2.0, 5.0, 3.0, 4.0],
            "config_lr": [0.1, 0.1, 0.1, 0.2, 0.3],
        }
    ).to_csv(folder / "results.csv.zip", index=False)
    made = {"metric_names": ["acc"], "metric_mode": mode, "scheduler_name": "ASHA", "seed": 4}
    (folder / "metadata.json").write_text(json.dumps(made))
    return folder


def test_syne_tunes_learning_curves_become_queries(tmp_path):
    syne_tune_folder(tmp_path / "st")
    out = import_results("syne-tune", str(tmp_path / "st"), tmp_path / "r", Options(task="mine"))
    frame = rows(out)
    assert frame["strategy"].unique().tolist() == ["ASHA"]
    assert frame["seed"].unique().tolist() == [4]
    assert frame["epochs"].tolist() == [2, 1, 9, 3]  # in order of the clock
    assert frame["loss"].tolist() == [-0.6, -0.4, -0.8, -0.7]
    assert frame["finish"].tolist() == [2, 3, 4, 5]
    assert frame["network"].tolist() == [0, 1, 2, 0]


def test_carps_tables_are_imported(tmp_path):
    pd.DataFrame(
        {
            "task_id": "blackbox/20/dev/x",
            "optimizer_id": ["RandomSearch"] * 3 + ["SMAC3"] * 3,
            "seed": 1,
            "n_trials": [2, 1, 3, 1, 2, 3],
            "trial_info__config": ["a", "b", "a", "c", "d", "e"],
            "trial_value__cost": [0.2, 0.5, 0.3, 0.9, 0.8, 0.7],
            "trial_value__cost_raw": ["[0.2, 4]", "[0.5, 5]", "[0.3, 6]", "[0.9, 1]", "0", "nan"],
            "trial_value__virtual_time": [2.0, 1.0, 3.0, 0, 0, 0],
            "trial_value__status": ["StatusType.SUCCESS", 1, "CRASHED", 1, 1, 1],
        }
    ).iloc[:3].to_csv(tmp_path / "logs.csv", index=False)
    frame = rows(import_results("carps", str(tmp_path / "logs.csv"), tmp_path / "r"))
    np.testing.assert_array_equal(frame["loss"], [0.5, 0.2, nan])
    np.testing.assert_array_equal(frame["loss_objective2"], [5, 4, nan])
    assert frame["finish"].tolist() == [1, 3, 6]
    assert frame["network"].tolist() == [0, 1, 1]


def test_ioh_files_with_gaps_and_maximization(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/f.dat").write_text(
        "evaluations raw_y\n1 2.0\n4 3.5\nevaluations raw_y\n1 1.0\n"
    )
    about_file = {
        "version": "0.3.5",
        "suite": "PBO",
        "function_id": 1,
        "function_name": "OneMax",
        "maximization": True,
        "algorithm": {"name": "ga", "info": ""},
        "attributes": ["evaluations", "raw_y"],
        "scenarios": [
            {
                "dimension": 16,
                "path": "data/f.dat",
                "runs": [{"instance": 1, "evals": 5}, {"instance": 1, "evals": 2}],
            }
        ],
    }
    (tmp_path / "IOHprofiler_f1.json").write_text(json.dumps(about_file))
    frame = rows(import_results("ioh", str(tmp_path), tmp_path / "r"))
    assert frame["task"].unique().tolist() == ["OneMax 16D"]
    assert frame["loss"].tolist() == [-2, -2, -2, -3.5, -3.5, -1, -1]
    facts = manifests.read(tmp_path / "r").tasks["OneMax 16D"]
    assert (facts.optimum.validation, facts.reference) == (
        -3.5,
        "the best that any run saw",
    )


def test_coco_files_are_imported(tmp_path):
    (tmp_path / "data_f3").mkdir()
    (tmp_path / "data_f3/bbobexp_f3_DIM2.dat").write_text(
        "% f evaluations | g evaluations | best\n1 0 +9.5e+00 +9.5e+00 +9.5e+00\n"
        "3 0 1.25 1.25 1.25\n% f evaluations | g\n1 0 4.0 4.0 4.0\n"
    )
    (tmp_path / "f3.info").write_text(
        "suite = 'bbob', funcId = 3, DIM = 2, Precision = 1.000e-08, algId = 'CMA, ES'\n% a run\n"
        "data_f3\\bbobexp_f3_DIM2.dat, 1:4|1.2e+00, 2:2|4.0e+00\n"
    )
    frame = rows(import_results("coco", str(tmp_path), tmp_path / "r"))
    assert frame["task"].unique().tolist() == ["bbob f3 2D"]
    assert frame["strategy"].unique().tolist() == ["CMA, ES"]
    assert frame["loss"].tolist() == [9.5, 9.5, 1.25, 1.25, 4, 4]


def test_a_plain_table_with_a_metric_to_maximize(tmp_path):
    pd.DataFrame({"accuracy": [90.0, 92.0, 91.0], "seed": [0, 0, 1]}).to_csv(
        tmp_path / "t.csv", index=False
    )
    options = Options(task="mine", strategy="grid", metric="accuracy", maximize=True)
    out = import_results("tidy", str(tmp_path / "t.csv"), tmp_path / "r", options)
    frame = rows(out)
    assert frame["loss"].tolist() == [-90, -92, -91]
    assert frame["step"].tolist() == [1, 2, 1]
    assert frame["finish"].tolist() == [1, 2, 1]
    assert frame["charged"].tolist() == [1, 1, 1]
    facts = manifests.read(out).tasks["mine"]
    assert facts.optimum.validation == -92
    assert facts.cost == ColumnFacts("queries")


def test_many_seeds_are_many_files(tmp_path):
    pd.DataFrame({"loss": np.arange(120.0), "seed": np.arange(120)}).to_csv(
        tmp_path / "t.csv", index=False
    )
    options = Options(task="mine", strategy="s")
    out = import_results("tidy", str(tmp_path / "t.csv"), tmp_path / "r", options)
    assert sorted(store.unit_files(out, "mine", "s")) == [(0, 49), (50, 99), (100, 119)]
    assert len(rows(out)) == 120


# Bad input.


def test_what_is_missing_is_named(tmp_path, results, place):
    with pytest.raises(UnknownName, match="unknown format 'exel'"):
        import_results("exel", "x", tmp_path / "r")
    with pytest.raises(StoreError, match=r"missing"):
        complete(pd.DataFrame({"loss": [1.0]}))
    with pytest.raises(StoreError, match=r"t\.csv cannot be read as a table"):
        load_table(str(tmp_path / "t.csv"))
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(StoreError, match="has no column 'loss'; it has a, b"):
        read_tidy(str(tmp_path / "t.csv"), Options())
    with pytest.raises(StoreError, match="no table of CARP-S"):
        import_results("carps", str(tmp_path / "t.csv"), tmp_path / "r")
    for kind, words in (
        ("syne-tune", "no folder with a metadata.json"),
        ("ioh", "no IOHprofiler_"),
        ("coco", "no .info file"),
    ):
        with pytest.raises(StoreError, match=words):
            import_results(kind, str(tmp_path / "nothing"), tmp_path / "r")
    with pytest.raises(StoreError, match="Optuna storage"):
        import_results("optuna", "nothing:///x", tmp_path / "r")
    with pytest.raises(StoreError, match=r"ends in \.csv or \.parquet"):
        export_results("tidy", results, str(tmp_path / "t.xlsx"))
    with pytest.raises(StoreError, match=r"ends in \.csv or \.parquet"):
        export_results("carps", results, str(tmp_path / "t.xlsx"))
    assert not (tmp_path / "r").exists()


def test_nothing_is_overwritten(tmp_path, results, place):
    export_results("optuna", results, place("optuna"))
    with pytest.raises(StoreError, match="already"):
        export_results("optuna", results, place("optuna"))
    for kind in ("ioh", "coco", "syne-tune"):
        export_results(kind, results, place(kind))
        with pytest.raises(StoreError, match="exists already"):
            export_results(kind, results, place(kind))
    with pytest.raises(StoreError, match="exists already"):
        import_results("ioh", place("ioh"), results)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (Options(pattern="("), "--pattern '\\('"),
        (Options(pattern="(?P<seed>zzz)"), "does not match"),
        (Options(pattern="(?P<seed>study)"), "whole number"),
        (Options(metric="f1"), "no column f1"),
    ],
)
def test_a_pattern_or_metric_that_does_not_fit_is_named(options, words, tmp_path):
    syne_tune_folder(tmp_path / "st")
    with pytest.raises(StoreError, match=words):
        import_results("syne-tune", str(tmp_path / "st"), tmp_path / "r", options)


def test_an_optimum_of_an_unknown_task_is_refused(tmp_path):
    syne_tune_folder(tmp_path / "st")
    options = Options(task="mine", optimum={"mein": 1.0})
    with pytest.raises(UnknownName, match="did you mean 'mine'"):
        import_results("syne-tune", str(tmp_path / "st"), tmp_path / "r", options)
    assert not (tmp_path / "r").exists()


def test_a_damaged_file_is_named(tmp_path):
    folder = syne_tune_folder(tmp_path / "st")
    (folder / "metadata.json").write_text("{}")
    with pytest.raises(StoreError, match="does not say metric_names nor metric_mode"):
        import_results("syne-tune", str(tmp_path / "st"), tmp_path / "r")
    (folder / "results.csv.zip").unlink()
    with pytest.raises(StoreError, match="no results"):
        import_results("syne-tune", str(tmp_path / "st"), tmp_path / "r")
    (tmp_path / "IOHprofiler_x.json").write_text("[]")
    with pytest.raises(StoreError, match="cannot be read as IOHprofiler's"):
        import_results("ioh", str(tmp_path), tmp_path / "r")
    (tmp_path / "x.info").write_text("funcId = 1, DIM = 2, algId = 'x'\nno.dat, 1:4|2\n")
    with pytest.raises(StoreError, match="cannot be read as COCO's"):
        import_results("coco", str(tmp_path), tmp_path / "r")
