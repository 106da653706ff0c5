from itertools import permutations, product

import numpy as np
import pytest

from nasarena.bench.core.runner import Budget, run_seed
from nasarena.bench.experiment import registry
from nasarena.reports.stats.random_reference import RandomSearch

nan, inf = np.nan, np.inf


def enumerated(truth, observed, queries, *, replace, redraw, spellings):
    """The distribution of the regret by going through every run that there can be."""
    rows = [row for row, count in enumerate(spellings) for _ in range(count)]
    answers = [[value for value in row if value == value] for row in observed]
    draw = product(rows, repeat=queries) if replace else permutations(range(len(rows)), queries)
    drawn = [tuple(d) if replace else tuple(rows[i] for i in d) for d in draw]
    found = {}

    def add(met, seen, chance):
        best = int(np.argmin(seen))
        if seen[best] < inf:
            value = truth[met[best]] - min(truth)
            found[value] = found.get(value, 0) + chance

    for met in drawn:
        if redraw:
            choices = list(product(*[answers[row] for row in met]))
            for seen in choices:
                add(met, seen, 1 / len(choices))
        else:
            for table in (tables := list(product(*answers))):
                add(met, [table[row] for row in met], 1 / len(tables))
    total = sum(found.values())
    return {value: chance / total for value, chance in found.items()}


TRUTH = [0.3, 0.1, 0.8, 0.5]
OBSERVED = [[0.2, 0.4, nan], [0.05, 0.1, 0.45], [0.8, nan, nan], [0.15, 0.6, inf]]


@pytest.mark.parametrize("spellings", [(1, 1, 1, 1), (2, 1, 1, 3)])
@pytest.mark.parametrize(
    ("replace", "redraw"), [(True, False), (False, False), (True, True)], ids=str
)
@pytest.mark.parametrize("queries", [1, 2, 3])
def test_it_agrees_with_every_run_that_there_can_be(queries, replace, redraw, spellings):
    ways = {"replace": replace, "redraw": redraw, "spellings": spellings}
    exact = enumerated(TRUTH, OBSERVED, queries, **ways)
    ours = RandomSearch(TRUTH, OBSERVED, **ways)
    mean = sum(value * chance for value, chance in exact.items())
    assert ours.expected([queries])[0] == pytest.approx(mean, rel=1e-12)
    values = sorted(exact)
    below = np.cumsum([exact[value] for value in values])
    for level in (0.0501, 0.2501, 0.5003, 0.7501, 0.9501):
        expected = values[int(np.searchsorted(below, level))]
        assert ours.quantiles([queries], [level])[0, 0] == pytest.approx(expected)


@pytest.mark.parametrize("replace", [True, False])
def test_equal_answers_share_the_chance(replace):
    """Without noise exactly: the first of the tied ones drawn is any of them."""
    truth, seen = [0.0, 1.0, 2.0, 5.0], [[1.0], [1.0], [1.0], [7.0]]
    exact = enumerated(truth, seen, 2, replace=replace, redraw=False, spellings=(1, 1, 1, 1))
    ours = RandomSearch(truth, seen, replace=replace)
    mean = sum(value * chance for value, chance in exact.items())
    assert ours.expected([2])[0] == pytest.approx(mean, rel=1e-12)


@pytest.mark.parametrize(
    ("data", "after_100", "after_300"),
    [
        ("cifar10", 0.582, 0.358),
        ("cifar100", 2.058, 1.363),
        ("imagenet16-120", 1.384, 0.859),
    ],
)
def test_published_values_on_nasbench201(data, after_100, after_300):
    task = registry.task(f"nasbench201/{data}")
    ours = RandomSearch(task.truth("validation"), replace=False)
    assert ours.expected([100, 300]) == pytest.approx([after_100, after_300], abs=6e-4)


@pytest.mark.parametrize("duplicates", ["charge", "resample"])
@pytest.mark.parametrize("replace", [True, False])
def test_runs_of_random_search_agree_noise_included(replace, duplicates):
    task = registry.task("nasbench201/cifar10")
    trained = ~np.isnan(task.table.columns["seconds"][:, -1])
    seen = np.where(trained, -task.table.columns["validation"][:, -1], nan)
    redraw = replace and duplicates == "resample"
    ours = RandomSearch(task.truth("validation"), seen, replace=replace, redraw=redraw)
    factory, budget = registry.strategy_factory("random"), Budget(queries=60)
    found = []
    for seed in range(300):
        run = run_seed(task, factory, {"replace": replace}, seed, budget, duplicates=duplicates)
        best = min(run.answers, key=lambda answer: answer.observation.losses[0])
        found.append(task.truth("validation")[best.row] - task.optimum["validation"])
    error = np.std(found) / len(found) ** 0.5
    assert ours.expected([60])[0] == pytest.approx(np.mean(found), abs=3.5 * error)
    low, high = ours.quantiles([60], [0.25, 0.75])[:, 0]
    assert np.mean(np.array(found) <= low) == pytest.approx(0.25, abs=0.09)
    assert np.mean(np.array(found) <= high) == pytest.approx(0.75, abs=0.09)


def test_the_whole_table_leaves_no_regret_and_luck_is_not_the_truth():
    assert RandomSearch(TRUTH, replace=False).expected([4])[0] == pytest.approx(0)
    assert RandomSearch(TRUTH, OBSERVED, replace=False).expected([4])[0] > 0.05


def test_worth_turns_the_expectation_round():
    ours = RandomSearch(np.linspace(0, 1, 500) ** 2, replace=False)
    asked = np.array([1, 10, 77, 250])
    assert ours.worth(ours.expected(asked)) == pytest.approx(asked, rel=1e-3)
    table = ours.worth([[2.0, nan], [-0.1, 0.0]])
    np.testing.assert_allclose(table, [[0, nan], [inf, 500]])
    assert RandomSearch([3.0, 3.0]).worth([0.0, 0.1, -0.1]).tolist() == [1, 0, inf]


def test_another_optimum_gives_negative_regret():
    assert RandomSearch([1.0, 3.0], optimum=2.0).expected([1]).tolist() == [0]
    assert RandomSearch([1.0, 3.0], optimum=2.0).quantiles([5], [0.5])[0, 0] == -1


def test_failed_trainings_are_never_the_incumbent():
    ours = RandomSearch([0.0, 1.0], [[inf], [5.0]])
    assert ours.expected([3])[0] == 1
    assert ours.chances([3])[0].tolist() == [1, pytest.approx(1 / 8)]


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="shapes"):
        RandomSearch([1.0, 2.0], [[1.0]])
    with pytest.raises(ValueError, match="got none"):
        RandomSearch([1.0], [[inf]])
    with pytest.raises(ValueError, match="replace=True"):
        RandomSearch([1.0], replace=False, redraw=True)
    with pytest.raises(ValueError, match="from 1 to 2"):
        RandomSearch([1.0, 2.0], replace=False).expected([3])
