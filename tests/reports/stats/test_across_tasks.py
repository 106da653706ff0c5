import numpy as np
import pytest

from nasarena.reports.stats.across_tasks import (
    Refused,
    cliques,
    critical_difference,
    friedman,
    nemenyi,
    nemenyi_difference,
    wilcoxon_holm,
)

nan = np.nan

# Demšar 2006, table 6: AUC of C4.5, C4.5+m, C4.5+cf and C4.5+m+cf on 14 data sets, as losses. On
# "voting" the last two print alike, and rank 2 and 3 there.
AUC = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975],
        [0.957, 0.978, 0.946, 0.970],
    ]
)
LOSS = -AUC
LABELS = ["C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"]
APART = np.arange(5.0) + np.random.default_rng(0).normal(0, 0.3, (20, 5))


def test_demsars_worked_example():
    found = friedman(LOSS)
    assert found.ranks == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    # The paper's statistic is without the correction for ties, which makes it larger.
    plain = 12 * 14 / (4 * 5) * ((found.ranks**2).sum() - 4 * 5**2 / 4)
    assert plain == pytest.approx(9.28, abs=0.01)
    assert 13 * plain / (14 * 3 - plain) == pytest.approx(3.69, abs=0.01)
    assert found.chi2 > plain
    assert nemenyi_difference(4, 14) == pytest.approx(1.25, abs=5e-3)
    assert nemenyi_difference(4, 14, 0.10) == pytest.approx(1.12, abs=5e-3)


def test_demsars_conclusion():
    strict = critical_difference(LOSS, LABELS)
    assert strict.order == ("C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5")
    assert strict.cliques == ((0, 3),)
    loose = critical_difference(LOSS, LABELS, alpha=0.10)
    assert loose.cliques == ((0, 2), (2, 3))
    said = "C4.5+m+cf has the best average rank over 14 tasks (1.96); Friedman test p = "
    assert strict.statement().startswith(said)
    assert "it differs from C4.5 (nemenyi, α = 0.1)" in loose.statement()
    assert "no evidence of a difference between it and C4.5+m, C4.5+cf." in loose.statement()


@pytest.mark.parametrize("k", range(2, 11))
def test_critical_values_are_the_published_ones(k):
    # Demšar 2006, table 5a.
    q = {2: 1.960, 3: 2.343, 4: 2.569, 5: 2.728, 6: 2.850, 7: 2.949, 8: 3.031, 9: 3.102, 10: 3.164}
    assert nemenyi_difference(k, 30) / np.sqrt(k * (k + 1) / 180) == pytest.approx(q[k], abs=2e-3)


@pytest.mark.parametrize("losses", [LOSS, APART], ids=["demsar", "apart"])
def test_p_values_agree_with_scikit_posthocs(losses):
    posthocs = pytest.importorskip("scikit_posthocs")
    theirs = posthocs.posthoc_nemenyi_friedman(losses).to_numpy()
    np.testing.assert_allclose(nemenyi(losses), theirs, atol=2e-3)
    if losses is APART:  # theirs is not exact with ties and zeros
        pairwise = posthocs.posthoc_wilcoxon(losses.T.tolist(), p_adjust="holm").to_numpy()
        np.testing.assert_allclose(wilcoxon_holm(losses), pairwise, atol=1e-9)


def test_strategies_that_are_apart_form_no_clique():
    for test in ("nemenyi", "wilcoxon-holm"):
        found = critical_difference(APART, list("abcde"), test=test)
        assert found.order == tuple("abcde")
    assert found.cliques == ()
    assert np.isnan(found.difference)


def test_cliques_are_the_largest_stretches():
    alike = np.eye(5, dtype=bool)
    for i, j in ((0, 1), (0, 2), (1, 2), (2, 3), (1, 3), (3, 4)):
        alike[i, j] = alike[j, i] = True
    assert cliques(alike) == ((0, 2), (1, 3), (3, 4))
    assert cliques(np.eye(3, dtype=bool)) == ()
    assert cliques(np.ones((3, 3), dtype=bool)) == ((0, 2),)


@pytest.mark.parametrize("tasks", [0, 1, 5])
def test_too_few_tasks_are_refused_with_the_reason(tasks):
    for measure in (friedman, nemenyi, wilcoxon_holm, lambda x: critical_difference(x, LABELS)):
        with pytest.raises(Refused, match=f"{tasks} tasks? on which .* needs 6"):
            measure(LOSS[:tasks])


def test_incomplete_tasks_are_left_out_and_counted():
    holed = LOSS.copy()
    holed[2, 1] = nan
    found = critical_difference(holed, LABELS)
    assert (found.tasks, found.left_out) == (13, 1)
    with pytest.raises(Refused, match="5 tasks"):
        critical_difference(np.where(np.arange(14)[:, None] < 9, nan, LOSS), LABELS)


def test_one_two_and_constant_strategies():
    with pytest.raises(Refused, match="two strategies"):
        critical_difference(LOSS[:, :1], ["a"])
    with pytest.raises(Refused, match="three strategies"):
        friedman(LOSS[:, :2])
    two = critical_difference(LOSS[:, :2], ["a", "b"])
    assert (two.test, two.order, two.cliques, two.friedman) == (
        "wilcoxon-holm",
        ("b", "a"),
        (),
        None,
    )
    for test in ("nemenyi", "wilcoxon-holm"):
        constant = critical_difference(np.full((8, 3), -1.0), ["a", "b", "c"], test=test)
        assert constant.cliques == ((0, 2),)
        assert constant.p.min() == pytest.approx(1)
        assert constant.friedman.p == 1
    with pytest.raises(ValueError, match="nemenyi, wilcoxon-holm, got 'dunn'"):
        critical_difference(LOSS, LABELS, test="dunn")
