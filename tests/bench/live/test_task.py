"""Live tasks: training, going on, replaying, and what fails."""

from random import Random

import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from nasarena.bench import Query  # noqa: E402
from nasarena.bench._base.errors import ExperimentError, InvalidProposal, NasarenaError, StoreError  # noqa: E402
from nasarena.bench.core import record  # noqa: E402
from nasarena.bench.core.runner import Budget, run_seed  # noqa: E402
from nasarena.bench.experiment import registry  # noqa: E402
from nasarena.bench.live import LiveBenchmark, LiveSetup, Training, devices, trainer  # noqa: E402
from nasarena.spaces.published import growing  # noqa: E402

TRAINING = Training(epochs=(1, 2, 3), examples=150, measured=60, device="cpu")
PERCEPTRON = growing.SPACE.simplest()
SMALL = (1, 0, 0) + (0,) * 10


def task(root, objectives=(), **changes):
    training = Training(**(TRAINING.facts() | changes))
    setups = {"digits": LiveSetup("digits", training=training)}
    return LiveBenchmark(setups, root=root).task("live/digits", "digits", objectives)


def losses(task, *proposals, duplicates="charge"):
    oracle = task.oracle(Random(0), duplicates=duplicates)
    return [oracle.evaluate(proposal) for proposal in proposals]


def figures(task, arch, epochs, replica=0):
    trained = task.trained(arch, replica, epochs)
    return trained.validation[:epochs], trained.test[:epochs], trained.train_loss[:epochs]


def test_a_training_is_a_pure_function_of_architecture_and_seed(tmp_path):
    first, second = (figures(task(tmp_path / name), SMALL, 3) for name in "ab")
    assert first == second
    assert figures(task(tmp_path / "c"), SMALL, 3, replica=1) != first


def test_going_on_from_a_checkpoint_changes_no_bit(tmp_path):
    whole = figures(task(tmp_path / "a"), SMALL, 3)
    figures(task(tmp_path / "b"), SMALL, 1)
    assert list((tmp_path / "b").rglob("*.pt"))
    # A new task stands for a new process: nothing is in memory.
    assert figures(task(tmp_path / "b"), SMALL, 3) == whole
    assert not list((tmp_path / "b").rglob("*.pt"))


@pytest.mark.parametrize("damage", [None, b"no checkpoint"])
def test_a_lost_or_damaged_checkpoint_costs_time_but_no_result(tmp_path, damage):
    whole = figures(task(tmp_path / "a"), SMALL, 3)
    figures(task(tmp_path / "b"), SMALL, 2)
    (checkpoint,) = (tmp_path / "b").rglob("*.pt")
    checkpoint.unlink() if damage is None else checkpoint.write_bytes(damage)
    assert figures(task(tmp_path / "b"), SMALL, 3) == whole


def test_damaged_figures_are_named(tmp_path):
    figures(task(tmp_path), SMALL, 1)
    (file,) = tmp_path.rglob("*.json")
    file.write_text("{")
    with pytest.raises(StoreError, match=r"\.json is damaged .* delete it"):
        figures(task(tmp_path), SMALL, 1)


def test_more_epochs_charge_the_increment(tmp_path):
    one, three = losses(task(tmp_path), Query(SMALL, 1), Query(SMALL, 3))
    assert (one.epochs, three.epochs) == (1, 2)
    assert three.observation.query.replica == one.observation.query.replica
    assert three.cost == pytest.approx(three.observation.seconds - one.observation.seconds)
    assert 0 < one.cost < three.observation.seconds


@pytest.mark.parametrize(
    ("duplicates", "same", "epochs"),
    [("charge", True, 3), ("free", True, 0), ("resample", False, 3)],
)
def test_duplicates(tmp_path, duplicates, same, epochs):
    respelled = (0, 0, 0, 1, 0, 0) + (0,) * 7
    first, again = losses(task(tmp_path), SMALL, respelled, duplicates=duplicates)
    assert again.observation.query.arch == respelled and again.epochs == epochs
    assert (first.observation.query.replica == again.observation.query.replica) == same


def test_validation_is_not_test_and_test_is_not_shown(tmp_path):
    live = task(tmp_path)
    (answer,) = losses(live, SMALL)
    revealed = live.reveal([answer.observation.query])
    assert answer.observation.losses == (revealed["validation"][0],)
    trained = live.trained(SMALL, answer.observation.query.replica, 3)
    assert revealed["test"][0] == -trained.test[-1]


@pytest.mark.parametrize(
    ("proposal", "message"),
    [
        ((9,) * 13, "not an architecture of growing"),
        (Query(SMALL, 5), r"answers at epochs \(1, 2, 3\), asked: 5"),
        (Query(SMALL, 1, 5000), "has training seeds 0 to 999"),
    ],
)
def test_what_cannot_be_asked(tmp_path, proposal, message):
    with pytest.raises(InvalidProposal, match=message):
        losses(task(tmp_path), proposal)


def test_a_training_that_diverges_is_recorded_as_failed(tmp_path):
    live = task(tmp_path, learning_rate=1e30)
    run = run_seed(live, registry.strategy_factory("random"), {}, 0, Budget(queries=3))
    assert [a.observation.losses for a in run.answers] == [(float("inf"),)] * 3
    assert all(a.cost > 0 for a in run.answers)
    assert "Diverged" in live.journal.trainings()[0].failed
    assert record.to_table(live, {0: run}, {})["loss"].to_pylist() == [float("inf")] * 3


def test_a_training_that_takes_too_long_is_recorded_as_failed(tmp_path):
    live = task(tmp_path, seconds=1e-9)
    assert losses(live, SMALL)[0].observation.losses == (float("inf"),)
    assert "took more than" in live.journal.trainings()[0].failed


def test_a_network_too_large_for_the_memory_is_recorded_as_failed(tmp_path, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 80 GiB")

    monkeypatch.setattr(trainer.Trainer, "_train_epoch", full)
    live = task(tmp_path)
    assert losses(live, SMALL)[0].observation.losses == (float("inf"),)
    assert "out of memory" in live.journal.trainings()[0].failed


def test_a_full_disk_is_named_and_what_was_there_stays(tmp_path, monkeypatch):
    figures(task(tmp_path), SMALL, 1)
    before = {f: f.read_bytes() for f in tmp_path.rglob("*.*") if f.is_file()}

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(StoreError, match=r"cannot write .*\.pt: No space left"):
        figures(task(tmp_path), SMALL, 2)
    assert {f: f.read_bytes() for f in tmp_path.rglob("*.*") if f.is_file()} == before


def test_a_gpu_that_is_not_there():
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(NasarenaError, match="torch sees no GPU: set device = 'cpu' or 'auto'"):
        devices.pick("cuda")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"epochs": (3, 1)}, "increasing positive numbers"),
        ({"metric": "f1"}, "expected one of accuracy"),
        ({"optimizer": "lion"}, "expected 'sgd' or 'adam'"),
        ({"batch": 0}, "batch: expected more than 0"),
    ],
)
def test_settings_out_of_range(setting, message):
    with pytest.raises(ExperimentError, match=message):
        Training(**setting)


def test_further_objectives(tmp_path):
    live = task(tmp_path, ("parameters", "flops", "latency"))
    (answer,) = losses(live, Query(PERCEPTRON, 1))
    _, parameters, flops, latency = answer.observation.losses
    assert (parameters, flops) == (650, 640) and latency > 0


def test_a_killed_run_goes_on_and_gives_the_same_record(tmp_path):
    factory = registry.strategy_factory("regularized-evolution")

    def asked(run):
        return [(a.observation.query, a.observation.losses) for a in run.answers]

    whole = asked(run_seed(task(tmp_path / "a"), factory, {}, 0, Budget(queries=6)))
    begun = task(tmp_path / "b")
    run_seed(begun, factory, {}, 0, Budget(queries=3))
    resumed = task(tmp_path / "b")
    assert asked(run_seed(resumed, factory, {}, 0, Budget(queries=6))) == whole
