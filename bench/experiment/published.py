"""Published comparisons, as they can be replayed: what was run, what it came to, where it stands.

Figures are means over runs, with their standard deviations where these are published. ``checked``
says whether a figure has been compared with the publication's text; those that have not are quoted
and must be looked up before anything is built on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.runner import Budget


@dataclass(frozen=True)
class Score:
    """What the final choice of a run is scored by: a column of a task, averaged over seeds.

    ``queries_to_optimum`` scores the number of queries until the best of the search task is met.
    """

    name: str
    task: str = ""
    column: str = "test"
    queries_to_optimum: bool = False


@dataclass(frozen=True)
class Figure:
    """A published mean, and standard deviation over runs, of one strategy in one score."""

    strategy: str
    score: str
    mean: float
    deviation: float | None = None
    decimals: int = 2
    checked: bool = True


@dataclass(frozen=True)
class Player:
    """A strategy with the settings of the publication."""

    label: str
    name: str
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Protocol:
    """A comparison that was published.

    ``task`` is searched, by its validation column (``select`` names another); ``charge`` names a
    column whose value each query costs beside its training time. ``plain`` takes every spelling for
    a network of its own. ``needs`` says which file makes the tasks that are not embedded.
    ``published_runs`` is how many runs the figures are means of, None where that is not said.
    """

    name: str
    title: str
    source: str
    task: str
    budget: Budget
    runs: int
    players: tuple[Player, ...]
    scores: tuple[Score, ...]
    figures: tuple[Figure, ...]
    noise: str = "sampled"
    select: str = "validation"
    charge: str | None = None
    plain: bool = False
    needs: str = ""
    remark: str = ""
    published_runs: int | None = 500


def _table(
    scores: tuple[Score, ...], rows: dict[str, str], *, checked: bool = True
) -> tuple[Figure, ...]:
    """Figures from rows of ``mean±deviation``, one for each score."""
    found = []
    for label, row in rows.items():
        for score, text in zip(scores, row.split(), strict=True):
            mean, _, deviation = text.partition("±")
            found.append(Figure(label, score.name, float(mean), float(deviation), checked=checked))
    return tuple(found)


_THREE = {"CIFAR-10": "cifar10", "CIFAR-100": "cifar100", "ImageNet16-120": "imagenet16-120"}
_TESTS_201 = tuple(Score(f"{n} test", f"nasbench201-hp200/{d}") for n, d in _THREE.items())
_EVOLUTION = Player("REA", "regularized-evolution", {"population_size": 10, "sample_size": 3})
_RANDOM = Player("RS", "random")
_REINFORCE = Player("REINFORCE", "reinforce")
_BOHB = Player(
    "BOHB",
    "bohb",
    {"random_share": 0.0, "candidates": 4, "bandwidth_factor": 3.0, "least_bandwidth": 0.3},
)
_FILE_201 = "nasbench201: NAS-Bench-201-v1_1-096897.pth (or v1_0)"

NASBENCH201 = Protocol(
    name="nasbench201-table5",
    title="NAS-Bench-201: search on CIFAR-10 after 12 epochs, test after 200 on three datasets",
    source="Dong & Yang, ICLR 2020, arXiv:2001.00326, table 5",
    task="nasbench201-hp12/cifar10",
    budget=Budget(seconds=12_000),
    runs=500,
    players=(_EVOLUTION, _REINFORCE, _RANDOM, _BOHB),
    scores=_TESTS_201,
    figures=_table(
        _TESTS_201,
        {
            "REA": "93.92±0.30 71.84±0.99 45.54±1.03",
            "REINFORCE": "93.85±0.37 71.71±1.09 45.24±1.18",
            "RS": "93.70±0.36 71.04±1.07 44.57±1.25",
            "BOHB": "93.61±0.52 70.85±1.28 44.42±1.49",
        },
    ),
    charge="evaluation",
    needs=_FILE_201,
    remark="The paper's BOHB trains every network for 12 epochs; ours begins with fewer.",
)

_ROWS_TSS = {
    "REA": ("94.02±0.31", "72.23±0.84", "45.77±0.80"),
    "REINFORCE": ("93.90±0.26", "71.86±0.89", "45.64±0.78"),
    "RS": ("93.86±0.23", "71.55±0.97", "45.28±0.97"),
    "BOHB": ("93.94±0.28", "72.00±0.86", "45.70±0.86"),
}
_ROWS_SSS = {
    "REA": ("93.22±0.16", "70.11±0.61", "45.94±0.92"),
    "REINFORCE": ("93.16±0.21", "69.96±0.57", "45.71±0.93"),
    "RS": ("93.03±0.25", "69.72±0.61", "45.42±0.86"),
    "BOHB": ("93.01±0.24", "69.90±0.60", "45.56±0.81"),
}
_SECONDS = (20_000, 40_000, 120_000)


def _nats(kind: str, rows: Mapping[str, tuple[str, ...]], full: int) -> tuple[Protocol, ...]:
    """One protocol a dataset: each is searched by itself, with a budget of its own."""
    made = []
    for place, (dataset, seconds) in enumerate(zip(_THREE, _SECONDS, strict=True)):
        score = (Score(f"{dataset} test", f"nats-{kind}-hp{full}/{_THREE[dataset]}"),)
        one = {label: row[place] for label, row in rows.items()}
        made.append(
            Protocol(
                name=f"nats-{kind}-{_THREE[dataset]}",
                title=f"NATS-Bench, {'topology' if kind == 'tss' else 'size'}: {dataset} within "
                f"{seconds:,} seconds",
                source="Dong et al., TPAMI 2021, arXiv:2009.00437, table of non-weight-sharing "
                "methods",
                task=f"nats-{kind}-hp12/{_THREE[dataset]}",
                budget=Budget(seconds=seconds),
                runs=500,
                players=(_EVOLUTION, _REINFORCE, _RANDOM, _BOHB),
                scores=score,
                figures=_table(score, one, checked=False),
                charge="evaluation",
                needs=f"nats-bench: the folder NATS-{kind}-v1_0-…-simple",
            )
        )
    return tuple(made)


_OPTIMUM = Score("queries to the optimum", queries_to_optimum=True)
LOCAL_SEARCH = Protocol(
    name="local-search-cifar100",
    title="Local search finds the optimum of NAS-Bench-201 on CIFAR-100",
    source="White, Nolen & Savani, UAI 2021, arXiv:2005.02960",
    task="nasbench201/cifar100",
    budget=Budget(queries=1000),
    runs=200,
    players=(Player("local search", "local-search"),),
    scores=(_OPTIMUM,),
    figures=(Figure("local search", _OPTIMUM.name, 127.0, decimals=0),),
    noise="mean",
    plain=True,
    remark="By seed-averaged validation accuracy, every spelling a network of its own.",
)

_CORA = Score("Cora test", "nasbench-graph/cora")
_ROWS_GRAPH = {"RS": "82.09±0.08", "EA": "81.85±0.20", "RL": "82.27±0.21"}


def _graph(select: str) -> Protocol:
    """The published protocol selects on test; the other one is what an honest search may do."""
    figures = _table((_CORA,), _ROWS_GRAPH, checked=False)
    scaled = tuple(
        Figure(f.strategy, f.score, f.mean / 100, (f.deviation or 0) / 100, 4, checked=False)
        for f in figures
    )
    by_test = select == "test"
    return Protocol(
        name=f"nasbench-graph-cora-by-{select}",
        title=f"NAS-Bench-Graph: Cora with 2 % of all networks, selected by {select}",
        source="Qin et al., NeurIPS 2022, arXiv:2206.09166, table of search methods",
        task="nasbench-graph/cora",
        budget=Budget(queries=524),
        runs=50,
        players=(
            Player("RS", "random"),
            Player("EA", "regularized-evolution"),
            Player("RL", "reinforce"),
        ),
        scores=(_CORA,),
        figures=scaled,
        select=select,
        published_runs=None,
        remark="As published: the search sees test accuracy, so the scores are too good."
        if by_test
        else "The published figures select on test: a search by validation stays below them.",
    )


MACRO = Protocol(
    name="nasbench-macro-optimum",
    title="NAS-Bench-Macro: the best network of all",
    source="Su et al., CVPR 2021, arXiv:2103.11922, and the file itself",
    task="nasbench-macro/cifar10",
    budget=Budget(queries=6561),
    runs=1,
    players=(Player("exhaustive", "exhaustive"),),
    scores=(Score("CIFAR-10 test", "nasbench-macro/cifar10", "validation"),),
    figures=(Figure("exhaustive", "CIFAR-10 test", 93.13),),
    noise="mean",
    needs="nasbench-macro: nas-bench-macro_cifar10.json",
)

_SCORE_101 = Score("CIFAR-10 test", "nasbench101/cifar10")
NASBENCH101 = Protocol(
    name="nasbench101-figure7",
    title="NAS-Bench-101: evolution, random search and BOHB within 10^7 seconds",
    source="Ying et al., ICML 2019, arXiv:1902.09635, figure 7 (curves, no table)",
    task="nasbench101/cifar10",
    budget=Budget(seconds=1e7),
    runs=500,
    players=(
        Player("RE", "regularized-evolution", {"population_size": 100, "sample_size": 10}),
        Player("RS", "random"),
        Player("BOHB", "bohb", {"bandwidth_factor": 3.0, "least_bandwidth": 0.3}),
    ),
    scores=(_SCORE_101,),
    figures=(),
    needs="nasbench101: nasbench_full.tfrecord",
    remark="Published as curves of test regret: evolution and BOHB end below random search. "
    "The optimum is 0.943175752957662.",
)

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        NASBENCH201,
        *_nats("tss", _ROWS_TSS, 200),
        *_nats("sss", _ROWS_SSS, 90),
        NASBENCH101,
        LOCAL_SEARCH,
        _graph("test"),
        _graph("validation"),
        MACRO,
    )
}
