"""DARTS, GDAS, SPOS and random search with weight sharing, piece by piece, on planted problems."""

import math
from random import Random

import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from nasarena.bench import Observation, Problem, Query  # noqa: E402
from nasarena.bench.core.types import Batch  # noqa: E402
from nasarena.bench.experiment import registry  # noqa: E402
from nasarena.spaces import Decision, SearchSpace  # noqa: E402
from nasarena.spaces.published import text_encoder  # noqa: E402
from nasarena.strategies import darts, gdas, random_weight_sharing  # noqa: E402
from nasarena.strategies import spos as single_path  # noqa: E402
from nasarena.strategies._shared import shared_weights  # noqa: E402

SPACE = SearchSpace("planted", [Decision(n, ("0", "1", "2", "3")) for n in "abc"])
BEST = (2, 0, 3)


class Planted:
    """A supernet whose operations are numbers: the larger their sum, the lower the loss.

    Those of ``BEST`` are positive, the others negative. They never learn.
    """

    def __init__(self):
        self.operations = torch.full((3, 4), -0.5)
        for decision, choice in enumerate(BEST):
            self.operations[decision, choice] = 0.5
        self.operations.requires_grad_()
        self.trained, self.measured, self.kept = [], [], []

    @property
    def weights(self):
        return [self.operations]

    def architecture(self):
        return [torch.zeros(4, requires_grad=True) for _ in range(3)]

    def keep(self, optimizer):
        self.kept.append(optimizer)

    def epochs(self, count):
        rows = torch.arange(2)
        for number in range(count):
            torch.manual_seed(number)
            yield iter([(Batch("train", rows), Batch("validation", rows))] * 4)

    def loss(self, batch, weights=None, path=None):
        self.trained.append((batch.part, path))
        total = 0.0
        for decision in range(3):
            chosen = range(4) if path is None else [path[decision]]
            for choice in chosen:
                share = 1.0 if weights is None else weights[decision][choice]
                total = total + share * self.operations[decision, choice]
        return torch.nn.functional.softplus(-total)

    def descend(self, loss):
        loss.backward()

    def step(self):
        return 0.05, [torch.zeros_like(self.operations)]

    def measure(self, path):
        self.measured.append(path)
        return float(sum(a != b for a, b in zip(path, BEST, strict=True)))


def proposals(name, limit=8, net=None, **settings):
    """What a strategy proposes on the planted problem, and the supernet it did it with."""
    net = net or Planted()
    problem = Problem(SPACE, (1,), supernet=lambda rng, learning_rate: net)
    strategy = registry.strategy_factory(name)(problem, Random(0), **settings)
    found = []
    while len(found) < limit and (arch := strategy.ask()) is not None:
        found.append(arch)
        strategy.tell(Observation(Query(arch, 1, 0), (0.0,), 1.0))
    return found, net


# All of them.


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("darts", {"order": 1, "architecture_learning_rate": 0.1, "epochs": 5}),
        ("darts", {"order": 2, "architecture_learning_rate": 0.1, "epochs": 5}),
        ("gdas", {"architecture_learning_rate": 0.1, "epochs": 30}),
        ("spos", {"epochs": 1, "iterations": 8, "population_size": 10, "top": 4}),
        ("random-weight-sharing", {"epochs": 1, "paths": 300}),
    ],
)
def test_each_finds_the_planted_architecture(name, settings):
    found, _ = proposals(name, limit=1, **settings)
    assert found == [BEST]


@pytest.mark.parametrize("name", ["darts", "gdas", "spos", "random-weight-sharing"])
def test_without_a_supernet_it_says_so(name):
    with pytest.raises(ValueError, match="this task has no supernet"):
        registry.strategy_factory(name)(Problem(SPACE, (1,)), Random(0))


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("darts", {"order": 3}, "order: expected 1 or 2, got 3"),
        ("gdas", {"tau_min": 0}, "temperatures above 0, got 10.0 and 0"),
        ("spos", {"top": 0}, "of at least 1 and 0 < mutation <= 1, got 50, 20, 0 and 0.1"),
        ("random-weight-sharing", {"paths": 0}, "paths: expected at least 1, got 0"),
    ],
)
def test_settings_out_of_range(name, settings, message):
    with pytest.raises(ValueError, match=message):
        proposals(name, **settings)


@pytest.mark.parametrize("name", ["darts", "gdas"])
def test_every_search_has_a_proposal_and_more_on_the_way_if_asked(name):
    assert len(proposals(name, 99, epochs=4, searches=3)[0]) == 3
    assert len(proposals(name, 99, epochs=5, searches=2, every=2)[0]) == 2 * 3


def test_the_strongest_is_the_best_of_all_that_are_valid():
    space, draw = text_encoder.SPACE, torch.Generator().manual_seed(0)
    invalid = 0
    for _ in range(5):
        alphas = [torch.randn(size, generator=draw) for size in space.sizes]
        logs = [alpha.log_softmax(dim=0).tolist() for alpha in alphas]

        def score(arch, logs=logs):
            return sum(one[choice] for one, choice in zip(logs, arch, strict=True))

        best = max((a for a in space if space.is_valid(a)), key=score)
        assert score(shared_weights.strongest(space, alphas)) == pytest.approx(score(best))
        invalid += not space.is_valid(tuple(int(alpha.argmax()) for alpha in alphas))
    alphas = [torch.zeros(size) for size in space.sizes]
    alphas[2][1], alphas[0][0], alphas[1][2] = 3.0, 2.0, 5.0  # node 2 reads node 1, which is absent
    assert not space.is_valid(tuple(int(alpha.argmax()) for alpha in alphas))
    assert space.is_valid(shared_weights.strongest(space, alphas))


def test_a_network_is_proposed_once():
    space = registry.task("nasbench201/cifar10").space
    first, again, other = (0, 0, 0, 1, 0, 0), (1, 0, 0, 0, 1, 0), (2, 0, 0, 1, 0, 0)
    assert space.canonical((3, 3, 0, 0, 0, 1)) != space.canonical(first)
    listed = [first, first, other, again, other]
    kept = list(shared_weights.networks(space, listed))
    forms = [space.canonical(arch) for arch in listed]
    assert [space.canonical(arch) for arch in kept] == list(dict.fromkeys(forms))


# DARTS.


def tiny(seed=0):
    """A smooth problem in two levels, as functions of weights and architecture."""
    draw = torch.Generator().manual_seed(seed)
    inputs = torch.randn(12, 3, generator=draw, dtype=torch.float64)
    targets = torch.randn(12, generator=draw, dtype=torch.float64)

    def loss(w, a, part):
        x, y = inputs[part], targets[part]
        mixed = torch.tanh(x @ w[0]) * a[0].softmax(0)[0] + (x @ w[1]) * a[0].softmax(0)[1]
        return ((mixed * (1 + a[1].sigmoid().sum()) - y) ** 2).mean()

    w = [torch.randn(3, generator=draw, dtype=torch.float64) for _ in range(2)]
    a = [torch.randn(n, generator=draw, dtype=torch.float64) for n in (2, 3)]
    return loss, w, a


def finite_difference(loss, w, a, xi, besides=None):
    w = [value.clone().requires_grad_() for value in w]
    a = [value.clone().requires_grad_() for value in a]
    first, second = slice(0, 6), slice(6, 12)
    train, validation = (lambda: loss(w, a, first)), (lambda: loss(w, a, second))
    found = darts.unrolled(train, validation, w, a, xi, besides)
    return found, w


def exact(loss, w, a, xi, besides=None):
    """The gradient through the step itself."""
    first, second = slice(0, 6), slice(6, 12)

    def ahead(*a):
        step = torch.func.grad(lambda w: loss(w, list(a), first))(list(w))
        more = besides or [torch.zeros_like(value) for value in w]
        after = [v - xi * s - b for v, s, b in zip(w, step, more, strict=True)]
        return loss(after, list(a), second)

    return torch.func.grad(ahead, argnums=tuple(range(len(a))))(*a)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("momentum", [False, True])
def test_the_second_order_is_that_of_the_exact_gradient(seed, momentum):
    loss, w, a = tiny(seed)
    besides = [0.05 * torch.ones_like(value) for value in w] if momentum else None
    found, after = finite_difference(loss, w, a, 0.3, besides)
    wanted = exact(loss, w, a, 0.3, besides)
    for mine, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=2e-3, atol=1e-5)
    # It is more than the first order, and the weights are back where they were.
    plain = exact(loss, w, a, 0.0)
    assert max(float((m - p).abs().max()) for m, p in zip(found, plain, strict=True)) > 0.01
    assert all(torch.equal(before, now) for before, now in zip(w, after, strict=True))


def test_without_a_step_ahead_it_is_the_first_order():
    loss, w, a = tiny()
    for mine, theirs in zip(
        finite_difference(loss, w, a, 0.0)[0], exact(loss, w, a, 0.0), strict=True
    ):
        torch.testing.assert_close(mine, theirs)


def test_weights_follow_training_and_the_architecture_validation():
    _, net = proposals("darts", 1, order=1, epochs=1, searches=1)
    assert [part for part, _ in net.trained] == ["validation", "train"] * 4
    _, net = proposals("darts", 1, order=2, epochs=1, searches=1)
    one = ["train", "validation", "train", "train", "train"]
    assert [part for part, _ in net.trained] == one * 4
    _, net = proposals("gdas", 1, epochs=1, searches=1)
    assert [part for part, _ in net.trained] == ["train", "validation"] * 4
    assert all(len(path) == 3 for _, path in net.trained)


# GDAS.


def test_a_draw_is_hard_forward_and_soft_backward():
    torch.manual_seed(3)
    alphas = [torch.tensor([0.3, -0.2, 0.9], requires_grad=True)]
    state = torch.random.get_rng_state()
    (weights,), (chosen,) = gdas.draw(alphas, 0.7)
    assert weights.tolist() == [float(i == chosen) for i in range(3)]
    torch.random.set_rng_state(state)
    gumbel = -torch.empty(3).exponential_().log()
    soft = ((alphas[0].log_softmax(0) + gumbel) / 0.7).softmax(0)
    for choice in range(3):
        mine = torch.autograd.grad(weights[choice], alphas, retain_graph=True)[0]
        theirs = torch.autograd.grad(soft[choice], alphas, retain_graph=True)[0]
        torch.testing.assert_close(mine, theirs)


def test_draws_follow_the_softmax_at_any_temperature():
    torch.manual_seed(0)
    alphas = [torch.tensor([math.log(0.6), math.log(0.3), math.log(0.1)])]
    for tau in (0.1, 10.0):
        counts = [0, 0, 0]
        for _ in range(3000):
            counts[gdas.draw(alphas, tau)[1][0]] += 1
        assert [n / 3000 for n in counts] == pytest.approx([0.6, 0.3, 0.1], abs=0.04)


def test_the_temperature_falls_linearly(monkeypatch):
    seen = []
    plain = gdas.draw
    monkeypatch.setattr(gdas, "draw", lambda a, tau: seen.append(tau) or plain(a, tau))
    proposals("gdas", 1, epochs=4, searches=1, tau_max=10.0, tau_min=1.0)
    assert sorted(set(seen), reverse=True) == pytest.approx([10.0, 7.0, 4.0, 1.0])


# SPOS and random search.


def test_one_path_is_trained_at_a_time_and_all_choices_are_drawn():
    for name, settings in [("spos", {"iterations": 1}), ("random-weight-sharing", {"paths": 2})]:
        _, net = proposals(name, 1, epochs=30, **settings)
        trained = [path for part, path in net.trained if part == "train"]
        assert len(trained) == len(net.trained) == 120
        for place in range(3):
            counts = [sum(path[place] == choice for path in trained) for choice in range(4)]
            assert min(counts) > 15


def test_paths_are_proposed_in_the_order_of_what_was_measured():
    found, net = proposals("random-weight-sharing", 99, epochs=1, paths=40)
    assert len(found) == len(set(net.measured)) == len(net.measured)
    misses = [sum(a != b for a, b in zip(path, BEST, strict=True)) for path in found]
    assert misses == sorted(misses)


def test_evolution_measures_no_path_twice_and_comes_nearer():
    _, net = proposals("spos", 1, epochs=1, iterations=4, population_size=10, top=3)
    assert 20 < len(net.measured) == len(set(net.measured)) <= 40

    def misses(paths):
        return sum(a != b for path in paths for a, b in zip(path, BEST, strict=True)) / len(paths)

    assert misses(net.measured[10:]) < misses(net.measured[:10])


def test_a_mutation_redraws_decisions_with_its_probability():
    rng = Random(0)
    start = (0,) * 3
    children = [single_path.mutated(SPACE, start, rng, 0.4) for _ in range(2000)]
    # A redraw leaves a quarter of the choices as they were.
    moved = sum(choice != 0 for child in children for choice in child) / 6000
    assert moved == pytest.approx(0.4 * 0.75, abs=0.02)


def test_generators_are_declared():
    for module, name in [
        (darts, "darts"),
        (gdas, "gdas"),
        (single_path, "spos"),
        (random_weight_sharing, "random_weight_sharing"),
    ]:
        info = getattr(module, name).info
        assert info.weight_sharing and not info.asynchronous and info.source
