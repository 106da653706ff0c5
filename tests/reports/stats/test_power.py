import numpy as np
import pytest

from nasarena.reports.stats.paired import p_value
from nasarena.reports.stats.power import detectable_difference, more_seeds, power, seeds_needed

inf, nan = np.inf, np.nan


def sample(mean, seeds=20, spread=1.0):
    """Differences with exactly this mean and standard deviation."""
    drawn = np.random.default_rng(0).normal(size=seeds)
    return mean + spread * (drawn - drawn.mean()) / drawn.std(ddof=1)


@pytest.mark.parametrize(("effect", "pairs"), [(0.2, 199), (0.5, 34), (0.8, 15)])
def test_published_numbers_of_pairs(effect, pairs):
    """Faul et al. 2007 (G*Power), paired t-test, two-sided 0.05, power 0.8."""
    assert seeds_needed(sample(effect), test="t") == pairs
    assert detectable_difference(1.0, pairs, test="t") == pytest.approx(effect, rel=0.03)


@pytest.mark.parametrize("effect", [0.1, 0.3, 0.6])
@pytest.mark.parametrize("seeds", [3, 20, 60])
def test_power_agrees_with_statsmodels(effect, seeds):
    module = pytest.importorskip("statsmodels.stats.power")
    theirs = module.TTestPower().power(effect, seeds, 0.05)
    assert power(effect, seeds) == pytest.approx(theirs, abs=1e-6)


def test_that_many_seeds_do_separate_them():
    needed = seeds_needed(sample(0.5))
    rng = np.random.default_rng(1)
    seen = [p_value(rng.normal(0.5, 1, int(needed))) < 0.05 for _ in range(400)]
    assert 0.76 < np.mean(seen) < 0.92


def test_more_seeds():
    assert more_seeds(sample(0.5)) == seeds_needed(sample(0.5)) - 20
    assert more_seeds(sample(3.0)) == 0
    with_gap = np.append(sample(0.5), nan)
    assert more_seeds(with_gap) == more_seeds(sample(0.5))
    assert seeds_needed(-sample(0.5)) == seeds_needed(sample(0.5))


def test_bad_input():
    assert seeds_needed(np.array([1.0, -1.0])) == inf
    assert seeds_needed(np.zeros(5)) == inf
    assert seeds_needed(np.full(5, -0.3)) == 6
    assert seeds_needed(sample(1e-9)) == inf
    assert detectable_difference(1.0, 5) == inf
    assert detectable_difference(0.0, 10) == 0
    assert power(5.0, 1000) == 1
    with pytest.raises(ValueError, match="two paired seeds, got 1"):
        seeds_needed(np.array([1.0, nan]))
    with pytest.raises(ValueError, match="two seeds or more"):
        detectable_difference(1.0, 1)
    with pytest.raises(ValueError, match="alpha < chance"):
        seeds_needed(sample(1.0), chance=0.01)
    with pytest.raises(ValueError, match="wilcoxon, t, got 'z'"):
        seeds_needed(sample(1.0), test="z")
