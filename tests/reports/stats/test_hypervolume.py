import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nasarena.reports.stats.hypervolume import (
    attainment,
    attainment_surface,
    hypervolume,
    hypervolume_over_time,
    hypervolume_regret,
    nondominated,
)

nan, inf = np.nan, np.inf
GRID = st.sampled_from([0.0, 1, 2, 3, 4, 5])


def counted(points, reference):
    """The area by counting unit cells: the points are whole numbers."""
    cells = np.stack(np.meshgrid(*[np.arange(r) for r in reference], indexing="ij"), -1)
    return sum((points <= cell).all(axis=1).any() for cell in cells.reshape(-1, len(reference)))


def test_by_hand():
    points = np.array([[1.0, 3.0], [2.0, 1.0], [3.0, 3.0]])
    assert hypervolume(points, [4, 4]) == 1 * 1 + 2 * 3
    assert hypervolume(points, [1, 1]) == 0
    assert nondominated(points).tolist() == [True, True, False]


@given(arrays(float, (7, 2), elements=GRID))
def test_two_objectives_agree_with_counting(points):
    assert hypervolume(points, [4, 5]) == counted(points, (4, 5))
    steps = hypervolume_over_time(points[None], [4, 5])[0]
    assert steps.tolist() == [counted(points[: i + 1], (4, 5)) for i in range(7)]


@given(arrays(float, (6, 3), elements=GRID))
def test_three_objectives_agree_with_counting(points):
    pytest.importorskip("moocore")
    assert hypervolume(points, [4, 4, 4]) == pytest.approx(counted(points, (4, 4, 4)))
    steps = hypervolume_over_time(points[None], [4, 4, 4])[0]
    assert steps[-1] == pytest.approx(counted(points, (4, 4, 4)))


@given(arrays(float, (8, 2), elements=GRID))
def test_the_front_agrees_with_the_definition(points):
    front = nondominated(points)
    for i, point in enumerate(points):
        rest = np.delete(points, i, axis=0)
        beaten = ((rest <= point).all(axis=1) & (rest < point).any(axis=1)).any()
        same = (points[:i] == point).all(axis=1).any()
        assert front[i] == (not beaten and not same)


def test_it_agrees_with_moocore():
    moocore = pytest.importorskip("moocore")
    rng = np.random.default_rng(0)
    for size in (1, 5, 60):
        points = rng.random((size, 2))
        theirs = moocore.hypervolume(points, ref=[0.9, 0.8])
        assert hypervolume(points, [0.9, 0.8]) == pytest.approx(theirs)
        assert nondominated(points).tolist() == moocore.is_nondominated(points).tolist()


@pytest.mark.parametrize("runs", [1, 4, 7])
def test_attainment_agrees_with_moocore(runs):
    moocore = pytest.importorskip("moocore")
    rng = np.random.default_rng(runs)
    fronts = [rng.random((12, 2)) for _ in range(runs)]
    sets = np.repeat(np.arange(runs), 12)
    for share in (0.25, 0.5, 1.0):
        theirs = moocore.eaf(np.concatenate(fronts), sets=sets, percentiles=[100 * share])[:, :2]
        ours = attainment_surface(fronts, share)
        np.testing.assert_allclose(ours, theirs[np.argsort(theirs[:, 0])])


def test_attainment_by_hand_with_a_run_that_has_nothing():
    fronts = [np.array([[1.0, 4.0], [3.0, 1.0]]), np.array([[2.0, 2.0]]), np.empty((0, 2))]
    assert attainment_surface(fronts, 1 / 3).tolist() == [[1, 4], [2, 2], [3, 1]]
    assert attainment_surface(fronts, 0.5).tolist() == [[2, 4], [3, 2]]
    assert attainment_surface(fronts, 1.0).shape == (0, 2)
    assert attainment_surface([np.array([[nan, 1.0]])], 1.0).shape == (0, 2)


def test_attainment_at_given_goals():
    fronts = [np.array([[1.0, 4.0], [3.0, 1.0], [9.0, 0.0]]), np.array([[2.0, 2.0]])]
    goals, levels = attainment(fronts, [0.5, 1.0], np.array([0.5, 2.5, 3.5]))
    assert goals.tolist() == [0.5, 2.5, 3.5]
    assert levels.tolist() == [[inf, 2, 1], [inf, 4, 2]]


def test_failed_and_unequal_runs():
    losses = np.array([[[1.0, 1.0], [nan, nan]], [[nan, 0.0], [0.0, 2.0]]])
    assert hypervolume_over_time(losses, [2, 3]).tolist() == [[2, 2], [0, 2]]
    assert hypervolume(losses[1], [2, 3]) == 2


def test_regret_is_not_clipped():
    front = np.array([[1.0, 1.0]])
    losses = np.array([[[2.0, 2.0], [0.0, 1.0]]])
    assert hypervolume_regret(losses, front, [3, 3]).tolist() == [[3, -2]]


def test_refusals(monkeypatch):
    with pytest.raises(ValueError, match="two objectives"):
        hypervolume(np.ones((3, 1)), [2])
    with pytest.raises(ValueError, match="two objectives"):
        hypervolume(np.ones((3, 2)), [2, 2, 2])
    with pytest.raises(ValueError, match="at least one run"):
        attainment_surface([], 0.5)
    with pytest.raises(ValueError, match="shares in"):
        attainment_surface([np.ones((1, 2))], 50)
    with pytest.raises(ValueError, match="fronts"):
        attainment_surface([np.ones((1, 3))], 0.5)
    monkeypatch.setitem(sys.modules, "moocore", None)
    with pytest.raises(ImportError, match=r"pip install .nasarena\[multi\]"):
        hypervolume(np.ones((2, 3)), [2, 2, 2])
