"""Supernet sessions: what they learn from, what they cost, and what a killed run goes on from."""

from functools import partial
from itertools import chain
from random import Random

import numpy as np
import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from nasarena.bench import strategy  # noqa: E402
from nasarena.bench._base.errors import ExperimentError, RunFailed  # noqa: E402
from nasarena.bench.check.shared_weights import made_up  # noqa: E402
from nasarena.bench.check.tasks import small  # noqa: E402
from nasarena.bench.core import supernet_clock as sharing  # noqa: E402
from nasarena.bench.core.runner import Budget, check_capabilities, run_seed  # noqa: E402
from nasarena.bench.core.types import Batch  # noqa: E402
from nasarena.bench.experiment import identity, registry  # noqa: E402
from nasarena.bench.live import LiveBenchmark, LiveSetup, Training, supernet  # noqa: E402
from nasarena.bench.live.objectives import Classification  # noqa: E402
from nasarena.spaces.networks.nasbench201_supernet import Supernet as Cells  # noqa: E402
from nasarena.spaces.published import nasbench201  # noqa: E402

CPU = torch.device("cpu")
SPACE = nasbench201.SPACE
PATH = (3, 0, 2, 1, 0, 3)
CELLS = "nasarena.spaces.published.nasbench201:SPACE"
TINY = Training(epochs=(1,), examples=64, measured=40, device="cpu")


def supernets(root=None, search=None, **changes):
    training = Training(**(Training(batch=8, device="cpu").facts() | changes))
    objective = Classification(made_up(), training, CPU)
    build = partial(Cells, 2, channels=1, width=2, cells=1)
    search = search or sharing.Search()
    return supernet.Supernets(SPACE.sizes, build, objective, training, CPU, search, root)


def trained(net, epochs=1):
    """The losses of single-path training."""
    rng, found = Random(0), []
    for batches in net.epochs(epochs):
        for train, _ in batches:
            loss = net.loss(train, path=SPACE.sample(rng))
            net.descend(loss)
            found.append(loss.item())
    return found


# What it learns from.


def test_a_session_is_a_pure_function_of_its_stream():
    first, again, other = (supernets()(Random(seed)) for seed in (0, 0, 1))
    assert trained(first, 2) == trained(again, 2) != trained(other, 2)
    assert all(map(torch.equal, first.weights, again.weights))
    assert first.measure(PATH) == again.measure(PATH)
    assert all(map(torch.equal, first.architecture(), again.architecture()))


def test_epochs_may_come_in_several_parts():
    net = supernets()(Random(0))
    first, second = trained(net, 2), trained(net, 2)
    assert len(first) == len(second) == 4 and first != second


def test_the_global_generator_is_left_as_it_was():
    before = torch.random.get_rng_state()
    net = supernets()(Random(0))
    net.architecture()
    trained(net)
    assert torch.equal(before, torch.random.get_rng_state())


def test_it_learns():
    net = supernets(learning_rate=0.1)(Random(0))
    path = (3, 1, 3, 1, 1, 3)
    losses = []
    for batches in net.epochs(15):
        for train, _ in batches:
            loss = net.loss(train, path=path)
            net.descend(loss)
            losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    assert net.measure(path) == -100.0


def test_every_training_example_comes_once_an_epoch_with_one_minibatch_of_validation_each():
    (batches,) = supernets(batch=6)(Random(0)).epochs(1)
    pairs = list(batches)
    assert [(a.part, b.part) for a, b in pairs] == [("train", "validation")] * 3
    assert sorted(int(r) for train, _ in pairs for r in train.rows) == list(range(16))
    assert all(len(validation.rows) > 1 for _, validation in pairs)


def test_test_data_are_out_of_reach():
    made = supernets()
    net = made(Random(0))
    for holder in (made, net):
        assert set(holder._objective.parts) == {"train", "validation"}
    with pytest.raises(KeyError, match="test"):
        net.loss(Batch("test", torch.arange(2)), path=PATH)


def test_measuring_is_by_the_validation_part():
    net = supernets(metric="loss")(Random(0))
    part = net._objective.parts["validation"]
    logits = net._network(part.inputs, path=PATH)
    wanted = torch.nn.functional.cross_entropy(logits, part.targets)
    assert net.measure(PATH) == pytest.approx(wanted.item(), rel=1e-5)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_step_ahead_is_the_step_that_is_made(optimizer):
    net = supernets(optimizer=optimizer, weight_decay=0.1)(Random(0))
    trained(net, 2)  # momentum is there
    rows = torch.arange(8)
    loss = 0.01 * net.loss(Batch("train", rows), path=PATH)  # too small to be clipped
    gradients = torch.autograd.grad(loss, net.weights, allow_unused=True, retain_graph=True)
    xi, besides = net.step()
    before = [weight.detach().clone() for weight in net.weights]
    net.descend(loss)
    for was, now, gradient, more in zip(before, net.weights, gradients, besides, strict=True):
        if gradient is not None and optimizer == "sgd":
            torch.testing.assert_close(was - now, xi * gradient + more)
        elif gradient is None:
            assert torch.equal(was, now)


def test_the_rate_is_annealed():
    net = supernets()(Random(0), learning_rate=0.2)
    rates = [net._optimizer.param_groups[0]["lr"] for batches in net.epochs(4) for _ in batches]
    assert rates[::2] == pytest.approx([0.2, 0.17071, 0.1, 0.02929], abs=1e-4)


def test_a_search_that_diverges_says_so():
    net = supernets(learning_rate=1e30)(Random(0))
    with pytest.raises(supernet.Diverged, match=r"training loss of epoch \d is (nan|inf)"):
        trained(net, 6)
    with pytest.raises(ExperimentError, match="epochs: expected at least 1, got 0"):
        next(net.epochs(0))


# What it costs.


@strategy(weight_sharing=True)
def searching(problem, rng, *, epochs=2):
    """Trains before its first and before its third proposal."""
    net = problem.supernet(rng)
    for number in range(3):
        if number != 1:
            for batches in net.epochs(epochs):
                for train, _ in batches:
                    net.descend(net.loss(train, path=problem.space.sample(rng)))
        yield problem.space.sample(rng)


def test_the_search_is_part_of_the_cost_of_the_next_query():
    run = run_seed(small("cells"), searching, {}, 0, Budget(queries=3))
    paid = [answer.cost - answer.observation.seconds for answer in run.answers]
    assert paid[0] > 0 and paid[1] == 0 and paid[2] > 0
    assert run.finish[-1] == pytest.approx(sum(answer.cost for answer in run.answers))
    assert sum(run.thinking) < sum(paid)


def test_seconds_pass_while_it_is_measured_too():
    search = sharing.Search()
    net = supernets(search=search)(Random(0))
    net.measure(PATH)
    once = search.seconds
    net.measure((3, 0, 2, 1, 0, 2))
    assert 0 < once < search.seconds
    # What is known costs nothing.
    both = search.seconds
    net.measure(PATH)
    assert search.seconds == both
    trained(net)
    before = search.seconds
    net.measure(PATH)
    assert search.seconds > before


def test_a_budget_that_is_over_before_the_first_query():
    run = run_seed(small("cells"), searching, {}, 0, Budget(seconds=1e-6))
    assert len(run) == len(run.start) == len(run.thinking) == 0


def test_a_budget_that_is_over_in_the_middle_of_a_search():
    whole = run_seed(small("cells"), searching, {}, 0, Budget(queries=2))
    seconds = sum(answer.observation.seconds for answer in whole.answers) + 3.0
    settings = {"epochs": 10**6}
    with pytest.MonkeyPatch.context() as patch:
        # The first search is short, the second has no end.
        patch.setattr(supernet.Session, "epochs", _endless_at_second(supernet.Session.epochs))
        run = run_seed(small("cells"), searching, settings, 0, Budget(seconds=seconds))
    asked = [answer.observation.query for answer in run.answers]
    assert asked == [answer.observation.query for answer in whole.answers]
    assert len(run.start) == len(run.finish) == len(run.thinking) == 2
    assert run.finish[-1] <= seconds


def _endless_at_second(plain):
    calls = []

    def epochs(session, count):
        calls.append(session)
        return plain(session, 2 if len(calls) == 1 else count)

    return epochs


# Killed and resumed.


class Killed(BaseException):
    pass


def cells_task(root, training=TINY, **setup):
    setups = {"cells": LiveSetup("digits", space=CELLS, training=training, **setup)}
    return LiveBenchmark(setups, root=root).task("live/cells", "cells")


SEARCHES = {
    "darts": {"epochs": 3, "searches": 1, "order": 1, "every": 2},
    "gdas": {"epochs": 3, "searches": 1, "every": 2},
    "spos": {"epochs": 3, "population_size": 3, "iterations": 2, "top": 2},
    "random-weight-sharing": {"epochs": 3, "paths": 4},
}


def resumable(task, factory, settings, budget):
    """A run that keeps checkpoints, as units of an experiment do."""
    key = identity.run_key(task, factory, settings, 0, 0)
    return run_seed(task, factory, settings, 0, budget, run_key=key)


def asked(run):
    return [(a.observation.query, a.observation.losses) for a in run.answers]


@pytest.mark.parametrize("name", SEARCHES)
def test_a_killed_search_goes_on_and_gives_the_same_record(tmp_path, monkeypatch, name):
    factory, settings, budget = registry.strategy_factory(name), SEARCHES[name], Budget(queries=2)
    whole = resumable(cells_task(tmp_path / "a"), factory, settings, budget)
    steps = []
    plain, write = supernet.Session.descend, supernet.write_state
    monkeypatch.setattr(
        supernet.Session, "descend", lambda self, loss: steps.append(1) or plain(self, loss)
    )

    def kill(file, state):
        write(file, state)
        if len(state["history"]) == 2:
            raise Killed

    monkeypatch.setattr(supernet, "write_state", kill)
    with pytest.raises(Killed):
        resumable(cells_task(tmp_path / "b"), factory, settings, budget)
    assert len(steps) == 2
    monkeypatch.setattr(supernet, "write_state", write)
    resumed = resumable(cells_task(tmp_path / "b"), factory, settings, budget)
    assert asked(resumed) == asked(whole)
    assert len(steps) == 3  # one minibatch an epoch
    assert all(answer.cost > answer.observation.seconds for answer in resumed.answers[:1])


@strategy(weight_sharing=True)
def measuring(problem, rng):
    """Measures after every epoch, and proposes what was best then."""
    net = problem.supernet(rng)
    for batches in chain(net.epochs(2), net.epochs(1)):
        for train, _ in batches:
            net.descend(net.loss(train, path=problem.space.sample(rng)))
        paths = [problem.space.sample(rng) for _ in range(2)]
        yield min(paths, key=net.measure)


def test_what_was_measured_is_not_measured_again(tmp_path, monkeypatch):
    def run(name, measuring=measuring):
        return resumable(cells_task(tmp_path / name), measuring, {}, Budget(queries=3))

    whole = run("a")
    (state,) = (tmp_path / "a").rglob("supernets/*.pt")
    again = run("a")
    # To the last bit, seconds as well: nothing is left to do.
    assert [answer.cost for answer in again.answers] == [answer.cost for answer in whole.answers]
    assert asked(again) == asked(whole)
    notes = state.with_suffix(".jsonl")
    lines = notes.read_text().splitlines(keepends=True)
    assert len(lines) == 6
    # Killed after the last epoch and one measurement, while the next was written down.
    notes.write_text("".join(lines[:5]) + lines[5][:4])
    assert asked(run("a")) == asked(whole)
    notes.unlink()
    with pytest.raises(RunFailed, match="holds later epochs, and what was measured after epoch 1"):
        run("a")


def test_a_damaged_checkpoint_costs_time_but_no_result(tmp_path):
    factory, settings = registry.strategy_factory("gdas"), SEARCHES["gdas"]
    whole = resumable(cells_task(tmp_path), factory, settings, Budget(queries=2))
    (file,) = (tmp_path).rglob("supernets/*.pt")
    file.write_bytes(b"no checkpoint")
    assert asked(resumable(cells_task(tmp_path), factory, settings, Budget(queries=2))) == asked(
        whole
    )


def test_checkpoints_are_of_one_strategy_with_its_settings(tmp_path):
    task = small("cells")
    darts, gdas = map(registry.strategy_factory, ("darts", "gdas"))

    def key(factory=darts, settings=None, seed=0, experiment=0):
        return identity.run_key(task, factory, settings or {}, seed, experiment)

    keys = [key(), key(gdas), key(settings={"order": 1}), key(seed=1), key(experiment=1)]
    assert len(set(keys)) == len(keys) and None not in keys
    assert key() == key()
    file = tmp_path / "mine.py"
    body = (
        "from nasarena.bench import strategy\n\n"
        "@strategy(weight_sharing=True)\n"
        "def mine(problem, rng):\n    yield problem.space.simplest()"
    )
    file.write_text(body)
    first = key(registry.strategy_factory(f"{file}:mine"))
    other = tmp_path / "other" / "mine.py"
    other.parent.mkdir()
    other.write_text(body + "  # changed\n")
    assert first and first != key(registry.strategy_factory(f"{other}:mine"))


# Who may take part.


def test_the_runner_asks_for_a_supernet(tmp_path):
    darts = registry.strategy_factory("darts")
    check_capabilities(darts, "d", registry.task("live/digits-cells"), 1)
    check_capabilities(darts, "d", registry.task("live/nasbench201-digits"), 1)
    with pytest.raises(ExperimentError, match="live/digits has no supernet"):
        check_capabilities(darts, "d", registry.task("live/digits"), 1)
    with pytest.raises(ExperimentError, match="one supernet: it cannot use workers = 2"):
        check_capabilities(_asynchronous, "d", small("cells"), 2)
    setups = {"fcnet": LiveSetup("digits", table="fcnet/protein")}
    with pytest.raises(ExperimentError, match=r"fcnet/protein has the space .* supernets are"):
        LiveBenchmark(setups, root=tmp_path).task("live/fcnet", "fcnet")


@strategy(weight_sharing=True, asynchronous=True)
class _asynchronous:  # noqa: N801
    def __init__(self, problem, rng):
        pass


def test_a_failed_search_names_the_strategy_and_the_task():
    @strategy(weight_sharing=True)
    def failing(problem, rng):
        net = problem.supernet(rng, learning_rate=1e30)
        trained(net, 6)
        yield problem.space.sample(rng)

    with pytest.raises(RunFailed, match=r"'mine' on small/cells, seed 0, .*loss of epoch \d is"):
        run_seed(small("cells"), failing, {}, 0, Budget(queries=1), label="mine")


# Scored by a table, or by retraining; through runner and store.


def test_a_table_scores_what_a_supernet_on_other_data_finds(tmp_path):
    setups = {"both": LiveSetup("digits", table="nasbench201/cifar10", training=TINY)}
    task = LiveBenchmark(setups, root=tmp_path).task("live/both", "both")
    plain = registry.task("nasbench201/cifar10")
    run = run_seed(
        task,
        registry.strategy_factory("random-weight-sharing"),
        {"epochs": 1, "paths": 3},
        0,
        Budget(queries=3),
    )
    for answer in run.answers:
        seen = answer.observation
        assert seen == plain.observation(seen.query.arch, answer.place)
    assert task.optimum == plain.optimum and not task.reproducible
    facts = task.facts()
    assert facts.scored_by == "nasbench201/cifar10" and facts.supernet.data == "digits"
    assert "supernets learn from digits (Alpaydin" in facts.citation
    assert task.hash != plain.hash


def test_a_supernet_learns_from_cifar_in_a_folder(tmp_path):
    draw = np.random.default_rng(0)
    for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
        records = draw.integers(0, 256, (20, 3073), dtype=np.uint8)
        records[:, 0] = np.arange(20) % 10
        records.tofile(tmp_path / f"{name}.bin")
    setup = LiveSetup(f"cifar10:{tmp_path}", table="nasbench201/cifar10", training=TINY)
    task = LiveBenchmark({"cifar10": setup}, root=tmp_path).task("mine/cifar10", "cifar10")
    factory, settings = (
        registry.strategy_factory("random-weight-sharing"),
        {"epochs": 1, "paths": 1},
    )
    run = run_seed(task, factory, settings, 0, Budget(queries=1))
    assert len(run) == 1 and task.facts().supernet.data == "cifar10"


MINE = """
from nasarena.bench.live import LiveBenchmark, LiveSetup, Training

TINY = Training(epochs=(1,), examples=64, measured=40, device="cpu")
CELLS = "nasarena.spaces.published.nasbench201:SPACE"
BENCHMARK = LiveBenchmark(
    {
        "cells": LiveSetup("digits", space=CELLS, training=TINY),
        "by-table": LiveSetup("digits", table="nasbench201/cifar10", training=TINY),
    }
)
"""


def test_every_strategy_runs_through_runner_and_store(tmp_path, monkeypatch, nasarena):
    monkeypatch.setenv("NASARENA_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MINE)
    settings = {name: {**some, "epochs": 1} for name, some in SEARCHES.items()}
    listed = "\n".join(
        f"[[strategies]]\nname = {name!r}\n" + "\n".join(f"{k} = {v}" for k, v in some.items())
        for name, some in settings.items()
    )
    (tmp_path / "mine.toml").write_text(
        'tasks = ["mine.py:BENCHMARK/cells", "mine.py:BENCHMARK/by-table"]\n'
        f'seeds = 1\n[budget]\nqueries = 2\n{listed}\n[[strategies]]\nname = "random"\n'
    )
    code, out, err = nasarena("run", "mine.toml", "--out", "results", "--processes", 1)
    assert (code, err) == (0, ""), out + err
    import pandas as pd

    files = list((tmp_path / "results").rglob("*.parquet"))
    assert len(files) == 10
    for file in files:
        table = pd.read_parquet(file)
        assert len(table) in (1, 2)
        assert table["loss"].notna().all() and (table["charged"] > 0).all()
        assert table["finish"].to_list() == pytest.approx(table["charged"].cumsum().to_list())


def test_texts_have_a_supernet_as_well(tmp_path):
    words = {"good": "great fine warm lovely", "bad": "awful cold broken sad"}
    draw = Random(0)
    rows = ["text,label"]
    for number in range(120):
        label = ("good", "bad")[number % 2]
        chosen = " ".join(draw.choice(words[label].split()) for _ in range(4))
        rows.append(f"{chosen} {number},{label}")
    (tmp_path / "mine.csv").write_text("\n".join(rows))
    training = Training(epochs=(1,), batch=42, optimizer="adam", learning_rate=2e-3, device="cpu")
    setups = {"mine": LiveSetup(f"text:{tmp_path}/mine.csv", training=training)}
    task = LiveBenchmark(setups, root=tmp_path).task("live/mine", "mine")
    for name, settings in SEARCHES.items():
        settings = {**settings, "epochs": 1}
        run = run_seed(task, registry.strategy_factory(name), settings, 0, Budget(queries=1))
        (answer,) = run.answers
        assert task.space.is_valid(answer.observation.query.arch)
        assert answer.cost > answer.observation.seconds
