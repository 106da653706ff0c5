"""What is drawn of the architectures asked for: fronts, maps of the space, learning curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...bench.store import scan
from ..record.sources import Results
from ..stats.hypervolume import attainment, nondominated
from ..stats.regret import Floats

if TYPE_CHECKING:
    from ...bench.store.manifest import ColumnFacts

SEEDS = 10
"""Runs of each strategy that maps and fronts are drawn from: the first ones."""
CELLS = 26
"""Squares along the longer side of a map."""


@dataclass(frozen=True)
class Visits:
    """The rows of a strategy's first runs on a task; arrays are (rows,), ``arch`` one row each."""

    label: str
    seed: NDArray[Any]
    network: NDArray[Any]
    arch: NDArray[Any]
    epochs: NDArray[Any]
    losses: dict[str, Floats]
    validation: Floats


@dataclass(frozen=True)
class Front:
    """What a strategy attains: medians and quartiles over runs of ``y`` at each ``x``; (points,).

    At ``x`` stands the best second objective that a run has found at no more than ``x`` in the
    first; infinite where fewer runs than that have found any.
    """

    label: str
    x: Floats
    low: Floats
    middle: Floats
    high: Floats
    points: Floats


@dataclass(frozen=True)
class TradeOff:
    """Two objectives of one task, both as losses; ``flip_*`` says that the table shows -loss."""

    title: str
    x_label: str
    y_label: str
    flip_x: bool
    flip_y: bool
    fronts: tuple[Front, ...]


@dataclass(frozen=True)
class Region:
    """Where a strategy went: the share of its queries in each cell (cells,), and how many."""

    label: str
    share: Floats
    networks: int


@dataclass(frozen=True)
class SpaceMap:
    """Cells of a plane through the one-hot encoded space: ``centers`` (cells, 2).

    ``regret`` (cells,) is the mean validation regret of the networks seen there, ``best`` the
    place of the best network that any run has seen, ``explained`` the share of the variance of
    the encodings that the plane shows.
    """

    title: str
    centers: Floats
    size: float
    regret: Floats
    best: Floats
    explained: float
    regions: tuple[Region, ...]
    y_label: str


@dataclass(frozen=True)
class Trainings:
    """Learning curves of one run: ``epochs`` and ``values`` of each training, best one last."""

    label: str
    epochs: tuple[Floats, ...]
    values: tuple[Floats, ...]


@dataclass(frozen=True)
class LearningCurves:
    """The trainings of each strategy's first run, in the table's own unit."""

    title: str
    y_label: str
    runs: tuple[Trainings, ...]


def visits(record: Results, task: str, seeds: int = SEEDS) -> list[Visits]:
    """What each strategy's first runs asked for; reads no more units than it needs."""
    import pyarrow as pa

    names = list(record.manifest.tasks[task].objectives or ["validation"])
    columns = {n: "loss" if i == 0 else f"loss_{n}" for i, n in enumerate(names)}
    found = []
    for label in record.labels:
        parts, runs = [], 0
        for part in record.parts(task, label):
            if runs < seeds:
                parts.append(part)
                runs += part.unit.last - part.unit.first + 1
        if not parts:
            continue
        wanted = ["seed", "network", "arch", "epochs", "validation", *columns.values()]
        kept = list(scan.read_parts(parts, wanted))
        table = pa.concat_tables(kept).combine_chunks()
        own = {name: table[name].to_numpy() for name in table.column_names if name != "arch"}
        flat = table["arch"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        among = np.isin(own["seed"], np.unique(own["seed"])[:seeds])
        found.append(
            Visits(
                label=label,
                seed=own["seed"][among],
                network=own["network"][among],
                arch=flat.reshape(len(among), -1)[among],
                epochs=own["epochs"][among],
                losses={name: own[column][among] for name, column in columns.items()},
                validation=own["validation"][among],
            )
        )
    return found


# Several objectives.


def trade_offs(record: Results, task: str, seen: Sequence[Visits]) -> tuple[TradeOff, ...]:
    """The first objective against each other one; nothing where there is only one."""
    objectives = record.manifest.tasks[task].objectives
    first, *others = list(objectives) or [""]
    found = []
    for other in others:
        x, y = objectives[other], objectives[first]
        fronts = [_front(v.label, v.seed, v.losses[other], v.losses[first]) for v in seen]
        found.append(
            TradeOff(
                title=task,
                x_label=_labelled(x, other),
                y_label=_labelled(y, first),
                flip_x=x.maximize,
                flip_y=y.maximize,
                fronts=tuple(front for front in fronts if front is not None),
            )
        )
    return tuple(found)


def _labelled(column: ColumnFacts, name: str) -> str:
    return f"{column.short or name}{column.in_brackets}"


def _front(label: str, seed: NDArray[Any], x: Floats, y: Floats) -> Front | None:
    """The empirical attainment function at 25, 50 and 75 % (Fonseca & Fleming 1996)."""
    known = np.isfinite(x) & np.isfinite(y)
    seed, x, y = seed[known], x[known], y[known]
    if not len(x):
        return None
    points = np.stack([x, y], axis=1)
    goals = np.unique(x)
    if len(goals) > 400:
        goals = np.quantile(goals, np.linspace(0, 1, 400))
    fronts = [points[seed == run] for run in np.unique(seed)]
    _, (low, middle, high) = attainment(fronts, [0.25, 0.5, 0.75], goals)
    best = points[nondominated(points)]
    return Front(label, goals, low, middle, high, best[np.argsort(best[:, 0])])


# The space.


def space_map(record: Results, task: str, seen: Sequence[Visits]) -> SpaceMap | None:
    """A plane through the space, by principal components of the networks that were asked for."""
    facts = record.manifest.tasks[task]
    optimum = facts.optimum.validation
    if not seen or optimum is None:
        return None
    network = np.concatenate([v.network for v in seen])
    kept, first, place = np.unique(network, return_index=True, return_inverse=True)
    codes = np.concatenate([v.arch for v in seen])[first]
    truth = np.concatenate([v.validation for v in seen])[first] - optimum
    # What was imported from elsewhere may know its networks by number only.
    if len(kept) < 3 or codes.shape[1] == 0 or (codes == codes[0]).all():
        return None
    plane, explained = _plane(codes)
    cell, centers, size = _cells(plane)
    mean = np.full(len(centers), np.nan)
    known = ~np.isnan(truth)
    sums = np.bincount(cell[known], truth[known], len(centers))
    counts = np.bincount(cell[known], minlength=len(centers))
    np.divide(sums, counts, out=mean, where=counts > 0)
    regions, start = [], 0
    for visit in seen:
        own = place[start : start + len(visit.network)]
        start += len(own)
        share = np.bincount(cell[own], minlength=len(centers)) / len(own)
        regions.append(Region(visit.label, share, len(np.unique(own))))
    unit = facts.validation.in_brackets
    return SpaceMap(
        title=task,
        centers=centers,
        size=size,
        regret=mean,
        best=centers[cell[np.nanargmin(truth)]] if known.any() else np.full(2, np.nan),
        explained=explained,
        regions=tuple(regions),
        y_label=f"mean validation regret of the networks seen there{unit}",
    )


def _plane(codes: NDArray[Any]) -> tuple[Floats, float]:
    """(networks, 2) the first two principal components of the one-hot encodings."""
    columns = []
    for decision in codes.T:
        columns += [(decision == choice).astype(float) for choice in np.unique(decision)]
    encoded = np.stack(columns, axis=1)
    encoded -= encoded.mean(axis=0)
    values, vectors = np.linalg.eigh(encoded.T @ encoded)
    axes = vectors[:, ::-1][:, :2]
    if axes.shape[1] < 2:
        axes = np.concatenate([axes, np.zeros_like(axes)], axis=1)
    # A component has no sign: its largest part is made positive, and the map is the same each time.
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), [0, 1]])
    total = values.sum()
    plane = encoded @ (axes * np.where(signs == 0, 1, signs))
    # Rounded, so that another processor's last bit moves no network over an edge.
    return np.round(plane, 6), float(values[::-1][:2].sum() / total) if total > 0 else 1.0


def _cells(plane: Floats) -> tuple[NDArray[np.intp], Floats, float]:
    """The square of each point, the squares' centers, and their side."""
    low, spread = plane.min(axis=0), np.ptp(plane, axis=0).max()
    size = (spread or 1.0) / CELLS
    cells, place = np.unique(np.round((plane - low) / size), axis=0, return_inverse=True)
    return place.ravel(), cells * size + low, size


# Trainings.


def learning_curves(record: Results, task: str, seen: Sequence[Visits]) -> LearningCurves | None:
    """Answers over epochs in each strategy's first run; None where each network has but one."""
    facts = record.manifest.tasks[task]
    column = next(iter(facts.objectives.values()), facts.validation)
    runs = []
    for visit in seen:
        loss = next(iter(visit.losses.values()))
        sign = -1.0 if column.maximize else 1.0
        mine = visit.seed == visit.seed.min()
        found = _trainings(visit.network[mine], visit.epochs[mine], loss[mine])
        if any(len(epochs) > 1 for epochs, _ in found):
            runs.append(
                Trainings(
                    visit.label,
                    tuple(epochs for epochs, _ in found),
                    tuple(sign * values for _, values in found),
                )
            )
    if not runs:
        return None
    return LearningCurves(task, _labelled(column, "loss"), tuple(runs))


def _trainings(
    network: NDArray[Any], epochs: NDArray[Any], loss: Floats
) -> list[tuple[Floats, Floats]]:
    """Epochs and losses of each network, the one with the least loss at the most epochs last."""
    found = []
    for each in np.unique(network):
        own = np.flatnonzero((network == each) & np.isfinite(loss))
        steps, first = np.unique(epochs[own], return_index=True)
        if len(steps):
            found.append((steps.astype(float), loss[own][first]))
    return sorted(found, key=lambda pair: (pair[0][-1], -pair[1][-1]))
