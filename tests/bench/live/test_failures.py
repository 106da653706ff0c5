"""What fails in a live run: it is recorded, its reason can be read, and the search goes on."""

import csv
import json
import re

import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from nasarena.bench._base import atomic  # noqa: E402
from nasarena.bench.execute import heartbeat  # noqa: E402
from nasarena.bench.execute.executor import ThisProcess, execute  # noqa: E402
from nasarena.bench.experiment import experiment, registry  # noqa: E402
from nasarena.bench.live import journal, trainer  # noqa: E402
from nasarena.bench.store import failures, store  # noqa: E402
from nasarena.cli import main, progress  # noqa: E402

DECLARED = """
from nasarena.bench.live import LiveBenchmark, LiveSetup, Training

BENCHMARK = LiveBenchmark(
    {{
        "mine": LiveSetup(
            "digits", training=Training(epochs=(1, 2), examples=150, measured=60, {settings})
        )
    }},
    name="mine",
)
"""


@pytest.fixture
def declared(tmp_path, monkeypatch):
    """Makes an experiment on a live task with some settings."""
    monkeypatch.setenv("NASARENA_CACHE", str(tmp_path / "cache"))

    def make(settings="", queries=3):
        file = tmp_path / "declared.py"
        file.write_text(DECLARED.format(settings=settings))
        return experiment.parse(
            {
                "tasks": [f"{file}:BENCHMARK/mine"],
                "strategies": ["random"],
                "seeds": 1,
                "budget": {"queries": queries},
            }
        )

    return make


def run(tmp_path, made):
    root = tmp_path / "results"
    (done,) = execute(root, made, executor=ThisProcess())
    return root, done


def told(root):
    (file,) = (root / "failures").rglob("*.csv")
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.mark.parametrize(
    ("settings", "reason"),
    [("learning_rate=1e30", "Diverged"), ("seconds=1e-9", "OverTime: it took more than 1e-09 s")],
)
def test_reasons_lie_beside_the_results(tmp_path, declared, settings, reason):
    root, done = run(tmp_path, declared(settings))
    assert done.error is None and done.queries == 3
    rows = told(root)
    assert [row["step"] for row in rows] == ["1", "2", "3"] and failures.count(root) == 3
    assert all(row["reason"].startswith(reason) for row in rows)
    assert all("linear" in row["architecture"] for row in rows)
    assert store.read(root)["loss"].tolist() == [float("inf")] * 3


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 80 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 80 GB"),
        MemoryError(),
    ],
)
def test_what_does_not_fit_is_recorded_and_the_search_goes_on(
    tmp_path, declared, monkeypatch, error
):
    trained, whole = [], trainer.Trainer._train_epoch

    def once(self, *rest):
        trained.append(self)
        if len(trained) == 1:
            raise error
        return whole(self, *rest)

    monkeypatch.setattr(trainer.Trainer, "_train_epoch", once)
    root, done = run(tmp_path, declared())
    (row,) = told(root)
    assert done.queries == 3 and row["reason"].startswith(type(error).__name__)


def test_another_error_is_no_failed_training(tmp_path, declared, monkeypatch):
    def wrong(*_):
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(trainer.Trainer, "_train_epoch", wrong)
    _, done = run(tmp_path, declared())
    assert "shapes do not fit" in done.error


def test_a_full_disk_fails_the_unit_in_one_line_and_keeps_the_trainings(
    tmp_path, declared, monkeypatch
):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    def without_space(file, _):
        atomic.write_atomically(file, full)

    made = declared()
    with monkeypatch.context() as patched:
        patched.setattr(journal, "write_text", without_space)
        _, done = run(tmp_path, made)
    assert "cannot write" in done.error and "No space left" in done.error
    assert "\n" not in done.error
    _, done = run(tmp_path, made)  # with space again
    assert done.error is None and done.queries == 3


def test_a_gpu_that_is_not_there_is_one_line(tmp_path, monkeypatch, capsys):
    if torch.cuda.is_available():
        pytest.skip("there is one")
    file = tmp_path / "declared.py"
    file.write_text(DECLARED.format(settings="device='cuda'"))
    command = ["nasarena", "run", "--tasks", f"{file}:BENCHMARK/mine", "--strategies", "random"]
    monkeypatch.setattr("sys.argv", [*command, "--out", str(tmp_path / "results")])
    with pytest.raises(SystemExit) as stopped:
        main.main()
    said = capsys.readouterr().err
    assert stopped.value.code == 2
    assert said == (
        "nasarena: device 'cuda' is asked for, torch sees no GPU: set device = 'cpu' or 'auto'\n"
    )


def test_a_cell_without_a_way_through_guesses_one_class(tmp_path, monkeypatch):
    monkeypatch.setenv("NASARENA_CACHE", str(tmp_path))
    task = registry.task("live/digits-cells")
    small = task.again(type(task.training)(epochs=(1,), examples=64, measured=100, device="cpu"))
    trained = small.trained((0,) * 6, 0, 1)
    assert not trained.failed
    targets = small.objective.parts["validation"].targets
    shares = [100 * float((targets == k).float().mean()) for k in range(10)]
    assert any(trained.validation[0] == pytest.approx(share) for share in shares)


def test_how_far_a_training_is_can_be_seen(tmp_path, declared, monkeypatch):
    seen, write = [], heartbeat._write

    def keep():
        write()
        seen.append(json.loads(heartbeat._current.path.read_text()).get("progress", {}))

    monkeypatch.setattr(heartbeat, "EVERY", 0.0)
    monkeypatch.setattr(heartbeat, "_write", keep)
    run(tmp_path, declared(queries=2))
    trainings = [(s["query"], s["epoch"]) for s in seen if "epoch" in s]
    assert trainings[:4] == [(1, "1/2"), (1, "2/2"), (2, "1/2"), (2, "2/2")]
    assert all(s["loss"] > 0 and s["left"].endswith(" s") for s in seen if "epoch" in s)


def test_a_terminal_shows_query_epoch_loss_and_time_left(tmp_path, declared, monkeypatch):
    shown, write = [], heartbeat._write

    def keep():
        write()
        shown.append(progress.under_way(tmp_path / "results"))

    monkeypatch.setattr(heartbeat, "EVERY", 0.0)
    monkeypatch.setattr(heartbeat, "_write", keep)
    run(tmp_path, declared(queries=1))
    (line,) = shown[-2]
    assert re.fullmatch(r"query 1, epoch 2/2, loss \d\.?\d*, 0 s left", line)
    assert progress.under_way(tmp_path / "results") == []


def test_compiling_is_torchs(monkeypatch):
    asked = []
    monkeypatch.setattr(torch, "compile", lambda network, mode: asked.append(mode) or network)
    network = torch.nn.Linear(2, 2)
    for kind in ("cpu", "cuda"):
        assert trainer.compiled(network, torch.device(kind)) is network
    assert asked == ["default", "reduce-overhead"]
