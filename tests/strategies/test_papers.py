"""Does each strategy do on real tables what its paper says? Statistical tests on fixed seeds.

Random search without replacement has an exact expectation, by which the regret of the others is
divided. The largest ratio that passes is derived from a published figure, and the mean may exceed
it by two standard errors. NAS-Bench-201's own comparison (Dong & Yang 2020, arXiv:2001.00326,
table 5, test accuracy on CIFAR-10, 94.37 at best) has random search 0.67 % below the optimum,
regularized evolution 0.45, REINFORCE 0.52: ratios of 0.67 and 0.78.
"""

from functools import cache
from math import lgamma

import nasbench101
import numpy as np
import pytest

from nasarena.bench.core.runner import Budget, run_seed
from nasarena.bench.experiment import registry

pytestmark = pytest.mark.papers

EVOLUTION, REINFORCE, BETTER = 0.67, 0.78, 1.0
TASKS = ("nasbench201/cifar10", "nasbench201/cifar100")
QUERIES = 200

RATIOS = {
    "regularized-evolution": (EVOLUTION, 40),
    "reinforce": (REINFORCE, 40),
    # White et al. 2021 (arXiv:2005.02960, figure 3): local search beats evolution on this table.
    "local-search": (EVOLUTION, 40),
    # White et al. 2021 (arXiv:1910.11858, figure 7), Wei et al. 2022 (arXiv:2003.12857, figure 6)
    # and Ru et al. 2021 (arXiv:2006.07556, figure 4): each model beats evolution.
    "bananas": (EVOLUTION, 6),
    "npenas": (EVOLUTION, 10),
    "gp": (EVOLUTION, 10),
    # Awad et al. 2021 (arXiv:2105.09821, figure 7): DEHB beats BOHB and Hyperband on this space;
    # with one number of epochs it is differential evolution.
    "dehb": (BETTER, 40),
    "bohb": (BETTER, 40),
    # No published figure on this table: better than random is what is asked.
    "ppo": (BETTER, 40),
    "genetic": (BETTER, 40),
    "simulated-annealing": (BETTER, 40),
    "gradient-descent": (BETTER, 10),
    "random-forest": (BETTER, 10),
    "nsga2": (BETTER, 40),
    "parego": (BETTER, 10),
    # Abdelfattah et al. 2021 (arXiv:2101.08134, table 2): the parameter count correlates by 0.74.
    "zero-cost": (BETTER, 40),
}


@cache
def random_regret(task_id, queries):
    """The expected regret of the best of ``queries`` different rows, each equally likely."""
    task = registry.task(task_id)
    losses = np.sort(task.truth("validation"))[::-1]
    n = len(losses)

    def log_choose(k):
        return lgamma(k + 1) - lgamma(queries + 1) - lgamma(k - queries + 1)

    # The best is at least as bad as the k worst, if all are drawn among them.
    among = [np.exp(log_choose(k) - log_choose(n)) if k >= queries else 0.0 for k in range(n + 1)]
    return float((np.diff(among) * (losses - losses[-1])).sum())


def regrets(name, task, seeds, budget, noise="mean", **settings):
    factory = registry.strategy_factory(name)
    found = []
    for seed in range(seeds):
        record = run_seed(task, factory, settings, seed, budget, noise=noise)
        full = [a for a in record.answers if a.observation.query.epochs == task.table.epochs[-1]]
        found.append(min(answer.observation.losses[0] for answer in full))
    return np.array(found) - task.optimum["validation"]


@pytest.mark.parametrize(
    ("task_id", "after_100", "after_300"),
    [
        ("nasbench201/cifar10", 0.582, 0.358),
        ("nasbench201/cifar100", 2.057, 1.363),
        ("nasbench201/imagenet16-120", 1.384, 0.859),
    ],
)
def test_random_search_has_its_exact_expectation(task_id, after_100, after_300):
    task = registry.task(task_id)
    for queries, expected in ((100, after_100), (300, after_300)):
        assert random_regret(task_id, queries) == pytest.approx(expected, abs=6e-4)
        found = regrets("random", task, 200, Budget(queries=queries), replace=False)
        assert found.mean() == pytest.approx(expected, abs=4 * found.std() / 200**0.5)


@pytest.mark.parametrize("task_id", TASKS)
@pytest.mark.parametrize("name", RATIOS)
def test_it_beats_random_search_by_the_papers_margin(name, task_id):
    if name == "random-forest":
        pytest.importorskip("sklearn")
    ratio, seeds = RATIOS[name]
    found = regrets(name, registry.task(task_id), seeds, Budget(queries=QUERIES))
    error = found.std(ddof=1) / seeds**0.5
    assert found.mean() - 2 * error <= ratio * random_regret(task_id, QUERIES)
    assert found.mean() + 2 * error < random_regret(task_id, QUERIES)


needs_sample = pytest.mark.skipif(
    not nasbench101.FILE.is_file(), reason=f"{nasbench101.FILE} is not there"
)
EPOCHS = 100 * 108


@needs_sample
@pytest.mark.parametrize(
    ("name", "factor"),
    [
        # Li et al. 2018 (arXiv:1603.06560, section 1) and Li et al. 2020 (arXiv:1810.05934): as
        # good as random search with several times the budget; twice is asked here.
        ("successive-halving", 2),
        ("hyperband", 2),
        ("asha", 2),
        # Falkner et al. 2018 (arXiv:1807.01774, figure 1): better than Hyperband late in the
        # search; Awad et al. 2021 (arXiv:2105.09821, figure 6): DEHB is on a par with it.
        ("bohb", 4),
        ("dehb", 2),
    ],
)
def test_few_epochs_save_most_of_the_budget(name, factor):
    task = nasbench101.task()
    seeds = 15 if name in ("bohb", "dehb") else 30
    found = regrets(name, task, seeds, Budget(epochs=EPOCHS))
    error = found.std(ddof=1) / seeds**0.5
    losses = np.sort(task.truth("validation"))[::-1] - task.optimum["validation"]
    rng = np.random.default_rng(0)
    draws = rng.integers(len(losses), size=(4000, 100 * factor))
    random = losses[draws].min(axis=1).mean()
    assert found.mean() - 2 * error <= random


@needs_sample
def test_the_sample_is_what_was_published():
    task = nasbench101.task()
    assert task.table.rows == 20_001
    assert -task.optimum["validation"] == pytest.approx(94.91, abs=0.01)
    values = task.table.columns["validation"][:, :, 0]
    ranks = values.argsort(axis=0).argsort(axis=0)
    found = [np.corrcoef(ranks[:, epoch], ranks[:, 3])[0, 1] for epoch in range(3)]
    assert found == pytest.approx([0.46, 0.62, 0.88], abs=0.01)
