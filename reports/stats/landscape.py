"""Facts of a search space: pure functions on arrays of losses and on who neighbours whom.

Losses are minimized. Networks are numbered; ``neighbours`` gives the numbers of a network's
neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .regret import Floats

Ints = NDArray[np.int64]
Neighbours = Callable[[int], Ints]


def noise(values: Floats) -> float:
    """Standard deviation between trainings of one network, pooled over all: the noise floor.

    ``values`` (networks, trainings), NaN where there is none; networks with one training do not
    count. NaN if no network has two.
    """
    known = ~np.isnan(values)
    count = known.sum(axis=1)
    several = count > 1
    if not several.any():
        return float("nan")
    kept = values[several]
    deviation = kept - np.nanmean(kept, axis=1, keepdims=True)
    return float(np.sqrt(np.nansum(deviation**2) / (count[several] - 1).sum()))


def rank_correlation(first: Floats, second: Floats) -> float:
    """Spearman's, over the networks for which both are known; NaN for fewer than three."""
    from scipy.stats import rankdata

    known = ~(np.isnan(first) | np.isnan(second))
    if known.sum() < 3:
        return float("nan")
    return correlation(rankdata(first[known]), rankdata(second[known]))


def correlation(first: Floats, second: Floats) -> float:
    """Pearson's; NaN if either is constant."""
    one, other = first - first.mean(), second - second.mean()
    scale = np.sqrt((one**2).sum() * (other**2).sum())
    return float((one * other).sum() / scale) if scale > 0 else float("nan")


def fitness_distance(losses: Floats, archs: Ints) -> tuple[float, Ints]:
    """Correlation of loss and distance to the best network, and these distances.

    ``archs`` (networks, decisions); a distance is the number of decisions that differ, to the
    nearest of several best ones (Jones & Forrest, 1995). Of losses to be minimized, a correlation
    near 1 says that better networks are closer to the best.
    """
    best = archs[losses == np.nanmin(losses)]
    distance = np.min([(archs != one).sum(axis=1) for one in best], axis=0)
    known = ~np.isnan(losses)
    return correlation(losses[known], distance[known].astype(float)), distance.astype(np.int64)


class Descents(NamedTuple):
    """Where steepest descent ends, from each start, and how many steps that takes."""

    ends: Ints
    steps: Ints


def descend(losses: Floats, neighbours: Neighbours, starts: Sequence[int] | Ints) -> Descents:
    """Steepest descent from each start: to the best neighbour, as long as it is strictly better.

    Networks met on the way are not descended from again. A NaN loss is the worst.
    """
    worst = np.where(np.isnan(losses), np.inf, losses)
    end: dict[int, tuple[int, int]] = {}
    for start in starts:
        way = [int(start)]
        while way[-1] not in end:
            near = neighbours(way[-1])
            best = int(near[np.argmin(worst[near])]) if len(near) else way[-1]
            if not worst[best] < worst[way[-1]]:
                end[way[-1]] = way[-1], 0
                break
            way.append(best)
        bottom, steps = end[way[-1]]
        for back, network in enumerate(reversed(way)):
            end[network] = bottom, steps + back
    found = np.array([end[int(start)] for start in starts], np.int64).reshape(-1, 2)
    return Descents(found[:, 0], found[:, 1])


def random_walk(neighbours: Neighbours, start: int, length: int, seed: int) -> Ints:
    """(at most length,) networks, each a random neighbour of the one before."""
    rng = np.random.default_rng(seed)
    way = [start]
    while len(way) < length and len(near := neighbours(way[-1])):
        way.append(int(near[rng.integers(len(near))]))
    return np.array(way, np.int64)


def autocorrelation(series: Floats, lags: int) -> Floats:
    """(lags,) correlation of a walk's losses with those 1, 2, … steps later (Weinberger 1990)."""
    kept = series[~np.isnan(series)]
    found = [
        correlation(kept[:-lag], kept[lag:]) if len(kept) > lag + 2 else float("nan")
        for lag in range(1, lags + 1)
    ]
    return np.array(found)


def facts(terrain: dict[str, Any]) -> dict[str, Any]:
    """All that is said of a space, from arrays (see `nasarena.studies.landscape.terrain`)."""
    losses: Floats = terrain["losses"]
    neighbours: Neighbours = terrain["neighbours"]
    known = losses[~np.isnan(losses)]
    floor = noise(terrain["trainings"])
    correlated, distance = fitness_distance(losses, terrain["archs"])
    descents = descend(losses, neighbours, terrain["starts"])
    optima, sizes = np.unique(descents.ends, return_counts=True)
    best = np.flatnonzero(losses == known.min())
    own = np.flatnonzero(descents.ends == terrain["starts"])
    walks = [
        autocorrelation(losses[random_walk(neighbours, int(start), 2000, seed)], 20)
        for seed, start in enumerate(
            terrain["starts"][:: max(1, len(terrain["starts"]) // 10)][:10]
        )
    ]
    correlations = np.nanmean(walks, axis=0)
    first = float(correlations[0])
    return {
        "networks": len(losses),
        "architectures": terrain["architectures"],
        "largest class": int(terrain["classes"].max()),
        "spread in classes": terrain["class spread"],
        "failed": int(np.isnan(losses).sum()),
        "quantiles": {q: float(np.quantile(known, q)) for q in (0, 0.01, 0.25, 0.5, 0.75, 1)},
        "noise floor": floor,
        "within noise": int((known <= known.min() + floor).sum()) if floor == floor else 0,
        "single training": rank_correlation(terrain["trainings"][:, 0], terrain["other trainings"]),
        "fidelities": {
            epoch: rank_correlation(values, losses) for epoch, values in terrain["epochs"].items()
        },
        "test": rank_correlation(losses, terrain["test"]),
        "fitness-distance correlation": correlated,
        "distance": distance,
        "starts": len(terrain["starts"]),
        "local optima": len(own),
        "optima reached": len(optima),
        "basins": np.sort(sizes)[::-1],
        "to the optimum": float(np.isin(descents.ends, best).mean()),
        "steps": float(descents.steps.mean()),
        "autocorrelation": correlations,
        "correlation length": -1 / np.log(first) if 0 < first < 1 else float("nan"),
    }
