import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nasarena.bench.core.runner import Budget
from nasarena.bench.store import manifest as manifests
from nasarena.bench.store import store
from nasarena.cli import exchange

HERE = Path(__file__).parents[2] / "helpers"
TASK = f"{HERE}/toy.py:BENCHMARK/a"
RUN = ["--tasks", TASK, "--strategies", "random", "--seeds", "2", "--queries", "5"]


def test_run_writes_results_and_says_where(nasarena, tmp_path):
    code, out, err = nasarena("run", *RUN, "--out", tmp_path, "--no-report", "--processes", 1)
    assert (code, err) == (0, "")
    assert "1 units finished, 10 queries" in out
    assert str(tmp_path) in out
    assert len(store.read(tmp_path)) == 10
    code, out, _ = nasarena("run", *RUN, "--out", tmp_path, "--no-report")
    assert code == 0
    assert "every unit is there already" in out


def test_run_as_json(nasarena, tmp_path):
    strategies = f"random,{HERE}/plugins.py:raises"
    words = ["--tasks", TASK, "--strategies", strategies, "--seeds", 1, "--queries", 5]
    code, out, err = nasarena("run", *words, "--out", tmp_path, "--no-report", "--json")
    assert (code, err) == (1, "")
    said = json.loads(out)
    assert said["queries"] == 5
    assert said["failed"][0]["unit"]["label"] == "raises"
    assert "planted" in said["failed"][0]["error"]


def test_a_failed_unit_is_told_and_the_exit_code_is_1(nasarena, tmp_path):
    words = ["--tasks", TASK, "--strategies", f"{HERE}/plugins.py:raises", "--seeds", 1]
    code, _, err = nasarena("run", *words, "--out", tmp_path)
    assert code == 1
    assert "failed: " in err
    assert "planted" in err
    assert "tracebacks" in err


def test_options_go_before_the_file(nasarena, tmp_path):
    file = tmp_path / "plan.toml"
    file.write_text(f'tasks = ["{TASK}"]\nstrategies = ["random"]\nseeds = 9\n[budget]\nqueries=3')
    results = tmp_path / "results"
    code, *_ = nasarena(
        "run", file, "--seeds", 2, "--seconds", 1e9, "--out", results, "--no-report"
    )
    assert code == 0
    experiment = manifests.read(results).experiment
    assert experiment.seeds == 2
    assert experiment.budget == Budget(queries=3, seconds=1e9)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "--tasks", "nasbench201/cifar11"], "did you mean 'nasbench201/cifar10'"),
        (["run", "--strategies", "randm"], "did you mean 'random'"),
        (["run", "none.toml"], "there is no experiment file none.toml"),
        (["describe", "cifar10"], "unknown task 'cifar10'"),
        (["describe", "nasbench201/cifar10+latenc"], "did you mean 'latency'"),
        (["verify", "."], "not a results folder"),
        (["check", "randm"], "did you mean 'random'"),
        (["check", "space:nasbench20"], "did you mean 'nasbench201'"),
        (["check", "oracle:nasbench201/cifar1"], "unknown task 'nasbench201/cifar1'"),
        (["check", "random", "--only", "no-clok"], "did you mean 'no-clock'"),
        (["check", "random", "--set", "replace"], "expected key=value"),
    ],
)
def test_misuse_is_one_line_and_exit_code_2(nasarena, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    code, out, err = nasarena(*words)
    assert code == 2
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


def test_list(nasarena):
    tasks = json.loads(nasarena("list", "tasks", "--json")[1])
    names = [row["task"] for row in tasks]
    assert len([name for name in names if not name.startswith("live/")]) == 3 + 9 + 4
    assert {"nasbench201/imagenet16-120", "nasbench-graph/proteins", "fcnet/slice"} <= set(names)
    strategies = json.loads(nasarena("list", "strategies", "--json")[1])
    assert {"random", "regularized-evolution", "local-search", "optuna-gp"} <= {
        row["strategy"] for row in strategies
    }
    assert not [row for row in strategies if "cannot be loaded" in row["can"]]
    assert "regularized-evolution" in nasarena("list", "strategies")[1]
    assert "nasbench201/cifar10" in nasarena("list")[1]


def test_describe(nasarena):
    facts = json.loads(nasarena("describe", "nasbench201/cifar10", "--json")[1])
    assert facts["architectures"] == 15625
    assert facts["unique"] == 6466
    assert facts["optimum"]["validation"] == pytest.approx(-91.6067, abs=1e-4)
    assert facts["test"] is None
    text = nasarena("describe", "nasbench201/cifar10")[1]
    assert "15,625 (6,466 unique)" in text
    assert "91.6067 %" in text
    graph = json.loads(nasarena("describe", "nasbench-graph/cora", "--json")[1])
    assert (graph["rows"], graph["unique"]) == (26206, 26206)
    fcnet = json.loads(nasarena("describe", "fcnet/protein", "--json")[1])
    assert (fcnet["architectures"], fcnet["unique"], fcnet["replicas"]) == (62208, 62208, 4)


def test_check_says_what_passed(nasarena):
    code, out, err = nasarena("check", "random", "--tasks", TASK)
    assert (code, err) == (0, "")
    assert f"passed  proposes-valid-architectures on {TASK}\n" in out
    assert out.endswith("25 checks passed, 0 failed\n")


def test_check_says_what_was_expected_what_came_and_how_to_see_it_again(nasarena):
    plugin = f"{HERE}/plugins.py:uses_global_random"
    code, out, _ = nasarena("check", plugin, "--only", "same-seed-same-run", "--quick")
    assert code == 1
    assert "expected: two runs from seed 0 that are equal" in out
    assert "came: they part at event 1: asked (" in out
    assert f"again: nasarena check {plugin} --quick --only same-seed-same-run" in out
    words = out.partition("again: nasarena ")[2].partition("\n")[0].split()
    again, said, _ = nasarena(*words, "--json")
    assert again == 1
    assert "expected: two runs" in json.loads(said)[0]["problem"]


def test_check_of_spaces_and_oracles(nasarena):
    code, out, _ = nasarena("check", "space:nasbench201")
    assert code == 0
    assert "passed  canonical-preserves-values on nasbench201/cifar100: they differ by" in out
    code, out, _ = nasarena("check", f"oracle:{TASK}", "--only", "resume-adds-up", "--json")
    assert code == 0
    assert [finding["check"] for finding in json.loads(out)] == [f"resume-adds-up on {TASK}"]


def test_check_passes_settings_on(nasarena):
    words = ["check", "random", "--tasks", TASK, "--set", "replace=0.5", "--set", "replace=false"]
    assert nasarena(*words, "--only", "survives-nan")[0] == 0
    code, out, _ = nasarena("check", "random", "--set", "replac=false", "--only", "survives-nan")
    assert code == 1
    assert "unexpected keyword argument 'replac'" in out
    assert "--set replac=False" in out


def test_verify_finds_changed_bits(nasarena, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    assert nasarena("run", *RUN, "--out", tmp_path, "--no-report", "--processes", 1)[0] == 0
    code, out, _ = nasarena("verify", tmp_path)
    assert code == 0
    assert "same bits" in out
    path = next(tmp_path.glob("runs/**/*.parquet"))
    table = pq.read_table(path, partitioning=None)
    changed = pa.array([x + 1e-12 for x in table["loss"].to_pylist()])
    place = table.column_names.index("loss")
    pq.write_table(table.set_column(place, "loss", changed), path)
    code, out, _ = nasarena("verify", tmp_path, "--json")
    assert code == 1
    assert "fingerprint" in json.loads(out)[0]["problem"]


def test_verify_notices_a_strategy_that_has_changed(nasarena, tmp_path):
    mine = tmp_path / "mine.py"
    text = (
        "from nasarena.bench import strategy\n@strategy()\ndef mine(problem, rng):\n"
        "    while True:\n        yield problem.space.sample(rng)\n"
    )
    mine.write_text(text)
    results = tmp_path / "results"
    words = ["run", "--tasks", TASK, "--strategies", f"{mine}:mine", "--seeds", "1"]
    command = [sys.executable, "-m", "nasarena", *words, "--queries", "5", "--no-report"]
    subprocess.run([*command, "--out", str(results)], check=True, capture_output=True)
    mine.write_text(text.replace("yield", "problem.space.sample(rng)\n        yield"))
    code, out, _ = nasarena("verify", results, "--json")
    assert code == 1
    assert "came out differently" in json.loads(out)[0]["problem"]


def test_help_has_examples(nasarena):
    for command in ("run", "report", "list", "describe", "check", "verify"):
        code, out, _ = nasarena(command, "--help")
        assert code == 0
        assert f"nasarena {command}" in out.replace("Usage: nasarena " + command, "", 1)


def test_results_are_exported_and_imported(nasarena, tmp_path):
    ours = tmp_path / "ours"
    nasarena("run", *RUN, "--out", ours, "--no-report", "--processes", 1)
    url = f"sqlite:///{tmp_path}/studies.db"
    code, out, err = nasarena("export", "optuna", ours, "--out", url)
    assert (code, out, err) == (0, f"exported: {url}\n", "")
    code, out, err = nasarena("import", "optuna", url, "--out", tmp_path / "theirs")
    assert (code, out, err) == (0, f"results: {tmp_path / 'theirs'}\n", "")
    first, second = store.read(ours), store.read(tmp_path / "theirs")
    assert first["loss"].tolist() == second["loss"].tolist()
    assert first["network"].tolist() == second["network"].tolist()
    import optuna

    study = optuna.load_study(study_name=f"{TASK}/random/0", storage=url)
    assert study.trials[0].params  # the toy space's decisions by name


def test_a_table_is_imported_with_its_metric_and_optimum(nasarena, tmp_path):
    (tmp_path / "t.csv").write_text("accuracy,seed\n90,0\n92,0\n")
    words = ["import", "tidy", tmp_path / "t.csv", "--task", "mine", "--strategy", "grid"]
    words += ["--metric", "accuracy", "--maximize", "--out", tmp_path / "r"]
    code, _, err = nasarena(*words, "--optimum", "mine=x")
    assert code == 2
    assert "--optimum: expected TASK=LOSS, got 'mine=x'" in err
    assert nasarena(*words, "--optimum", "mine=-93")[0] == 0
    assert store.read(tmp_path / "r")["loss"].tolist() == [-90, -92]
    assert manifests.read(tmp_path / "r").tasks["mine"].optimum.validation == -93
    code, _, err = nasarena(*words)
    assert code == 2
    assert "exists already" in err


def test_every_format_is_on_the_command_line():
    from nasarena.reports.exchange.formats import FORMATS

    assert [kind.value for kind in exchange.Format] == list(FORMATS)


def test_ctrl_c_says_what_is_kept(tmp_path):
    """A terminal interrupts all processes of a command, as here."""
    words = ["run", "--tasks", TASK, "--strategies", f"{HERE}/plugins.py:slow", "--no-report"]
    words += ["--seeds", "500", "--queries", "5", "--out", tmp_path / "out"]
    running = subprocess.Popen(
        [sys.executable, "-m", "nasarena", *words, "--processes", "1", "--no-vault"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not list(tmp_path.glob("out/runs/**/*.parquet")):
        assert running.poll() is None
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert said == "nasarena: interrupted; what was finished is kept\n"
    assert running.returncode == 130
