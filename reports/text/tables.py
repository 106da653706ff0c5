"""Tables of final regret, average rank and effort, as data frames and in four formats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..figures.charts import budget
from ..figures.charts import runs as protocol_runs
from ..record.curves import Block
from ..stats.regret import average_rank, last
from .escaping import csv, latex, markdown, one_line

if TYPE_CHECKING:
    from ...bench.store.manifest import Manifest


@dataclass(frozen=True)
class Table:
    """Cells of text under a header; the first column names the row.

    ``bold`` and ``underlined`` hold (row, column); before the row ``rule`` a line is drawn.
    """

    name: str
    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    bold: frozenset[tuple[int, int]] = frozenset()
    underlined: frozenset[tuple[int, int]] = frozenset()
    rule: int | None = None

    def markdown(self) -> str:
        """A pipe table; what is underlined elsewhere is in italics here."""

        def cell(text: str, i: int = -1, j: int = -1) -> str:
            text = markdown(text)
            if (i, j) in self.bold:
                return f"**{text}**"
            return f"*{text}*" if (i, j) in self.underlined else text

        lines = [[cell(h) for h in self.header], ["---"] + ["---:"] * (len(self.header) - 1)]
        lines += [[cell(t, i, j) for j, t in enumerate(row)] for i, row in enumerate(self.rows)]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"

    def tex(self, width: float = np.inf) -> str:
        """A booktabs tabular; several below one another where it is wider than ``width``.

        ``width`` is counted in characters.
        """
        parts = [self._tabular(columns) for columns in self._parts(width)]
        return f"% {one_line(self.caption)}\n" + "\n\\par\\medskip\n".join(parts) + "\n"

    def _parts(self, width: float) -> list[list[int]]:
        """The columns of each part, none wider than ``width`` if that can be."""
        wide = [
            max(len(self._head(j)[1]), *(len(row[j]) for row in self.rows), 1) + 2
            for j in range(len(self.header))
        ]
        left = max(width - wide[0], 1)
        count = 1
        while count < len(wide) - 1:
            each = -(-(len(wide) - 1) // count)
            starts = range(1, len(wide), each)
            if all(sum(wide[s : s + each]) <= left for s in starts):
                break
            count += 1
        each = max(1, -(-(len(wide) - 1) // count))
        starts = range(1, max(len(wide), 2), each)
        return [[*range(s, min(s + each, len(wide)))] for s in starts]

    def _head(self, column: int) -> tuple[str, str]:
        """A column's heading in two lines: what stands before the slash, and behind it."""
        group, slash, name = str(self.header[column]).rpartition("/")
        return (group, name) if slash else ("", str(self.header[column]))

    def _tabular(self, columns: Sequence[int]) -> str:
        lines = [rf"\begin{{tabular}}{{l{'r' * len(columns)}}}", r"\toprule"]
        lines += [*self._heading(columns), r"\midrule"]
        for i, row in enumerate(self.rows):
            if i == self.rule:
                lines.append(r"\midrule")
            cells = [self._cell(row[j], i, j) for j in (0, *columns)]
            lines.append(" & ".join(cells) + r" \\")
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])

    def _cell(self, text: str, i: int, j: int) -> str:
        shown = latex(text)
        if (i, j) in self.bold:
            return rf"\textbf{{{shown}}}"
        return rf"\underline{{{shown}}}" if (i, j) in self.underlined else shown

    def _heading(self, columns: Sequence[int]) -> list[str]:
        """One line of names, under a line of what several of them share before the slash."""
        heads = [self._head(j) for j in columns]
        first = latex(str(self.header[0]))
        if not any(group for group, _ in heads):
            return [" & ".join([first, *(latex(name) for _, name in heads)]) + r" \\"]
        above, rules, start = [], [], 0
        for group, run in groupby(heads, key=lambda head: head[0]):
            end = start + len(list(run))
            above.append(rf"\multicolumn{{{end - start}}}{{c}}{{{latex(group)}}}")
            rules.append(rf"\cmidrule(lr){{{start + 2}-{end + 1}}}" if group else "")
            start = end
        below = " & ".join([first, *(latex(name) for _, name in heads)])
        return [" & ".join(["", *above]) + r" \\", "".join(rules), below + r" \\"]

    def csv(self) -> str:
        """Comma-separated values; no cell is a formula (see `escaping.csv`)."""
        rows = [list(map(csv, row)) for row in self.rows]
        return pd.DataFrame(rows, columns=list(map(csv, self.header))).to_csv(index=False)


def number(value: float) -> str:
    """Three significant digits, with a true minus; an en dash where there is no number."""
    if np.isnan(value):
        return "–"
    if abs(value) >= 1000:
        text = f"{value:,.0f}" if abs(value) < 1e9 else f"{value:.2e}"
    else:
        text = f"{value:.3g}"
    return text.replace("-", "−")


def plus_minus(mean: float, std: float) -> str:
    """Mean ± standard deviation, both to the second digit of the deviation."""
    if np.isnan(std):
        return number(mean)
    if std == 0 or abs(mean) >= 1e6:
        return f"{number(mean)} ± {number(std)}"
    decimals = max(0, 1 - int(np.floor(np.log10(std))))
    return f"{mean:,.{decimals}f} ± {std:,.{decimals}f}".replace("-", "−")


def final_regret(blocks: Sequence[Block], metric: str) -> pd.DataFrame:
    """Mean, standard deviation (over runs) and number of runs of the regret at each run's end.

    One row a task and strategy; tasks without ``metric`` are left out.
    """
    rows: list[dict[str, Any]] = []
    for block in blocks:
        values = last(getattr(block, metric))
        known = values[~np.isnan(values)]
        if len(known):
            rows.append(
                {
                    "task": block.task,
                    "strategy": block.strategy,
                    "mean": known.mean(),
                    "std": known.std(ddof=1) if len(known) > 1 else np.nan,
                    "runs": len(known),
                }
            )
    return pd.DataFrame(rows, columns=["task", "strategy", "mean", "std", "runs"])


def regret_table(
    blocks: Sequence[Block],
    metric: str,
    labels: Sequence[str],
    manifest: Manifest | None = None,
    random: Mapping[tuple[str, str], float] | None = None,
) -> Table | None:
    """Mean ± std of the final regret, strategies by tasks; the best of each task in bold.

    Underlined are those not significantly worse than the best (see `near_best`). With a
    ``manifest`` there is a row with each task's optimum, and with ``random``, (task, metric) to
    random search's expected regret at the budget, a row with that.
    """
    frame = final_regret(blocks, metric)
    if frame.empty:
        return None
    cells = {
        (r["task"], r["strategy"]): (float(r["mean"]), float(r["std"]), int(r["runs"]))
        for r in frame.to_dict("records")
    }
    runs = {(block.task, block.strategy): len(block.seeds) for block in blocks}
    tasks = list(dict.fromkeys(str(task) for task in frame["task"]))
    bold, under = set(), set()
    rows = [[label, *["–"] * len(tasks)] for label in labels]
    for j, task in enumerate(tasks, 1):
        means = {s: cells[task, s][0] for s in labels if (task, s) in cells}
        near = near_best([b for b in blocks if b.task == task], metric, means)
        for i, label in enumerate(labels):
            if label in means:
                rows[i][j] = _cell(*cells[task, label], runs[task, label])
            if means.get(label) == min(means.values()):
                bold.add((i, j))
            elif label in near:
                under.add((i, j))
    random_row = [number((random or {}).get((task, metric), np.nan)) for task in tasks]
    if set(random_row) != {"–"}:
        rows.append(["random search, expected", *random_row])
    if manifest is not None:
        rows.append(["optimum", *(manifest.tasks[task].best(metric) or "–" for task in tasks)])
    caption = f"Final {metric} regret of the incumbent, mean ± standard deviation over runs"
    if manifest is not None:
        caption += (
            f" ({protocol_runs(blocks)}, {budget(manifest)}). Bold: the best mean; underlined: no "
            "evidence of being worse than it (Wilcoxon signed-rank test paired by seed, "
            "Holm-corrected within the task, α = 0.05). Regret is to the optimum in the last row"
        )
    rule = len(labels) if len(rows) > len(labels) else None
    return Table(
        f"{metric}-regret",
        caption,
        ["strategy", *tasks],
        rows,
        frozenset(bold),
        frozenset(under),
        rule,
    )


def near_best(
    blocks: Sequence[Block], metric: str, means: Mapping[str, float], alpha: float = 0.05
) -> set[str]:
    """The strategies of one task that are not significantly worse than that of least mean.

    Each is compared with the best by a Wilcoxon signed-rank test paired by seed, Holm-corrected
    over these comparisons. A pair that shares fewer than two seeds has no test and is not among
    the answer.
    """
    from ..stats.paired import compare

    if len(means) < 2:
        return set()
    leader = min(means, key=lambda label: means[label])
    finals = {
        (block.task, block.strategy): dict(
            zip(block.seeds.tolist(), last(getattr(block, metric)).tolist(), strict=True)
        )
        for block in blocks
        if block.strategy in means
    }
    pairs = [(leader, label) for label in means if label != leader]
    return {
        found.second
        for found in compare(finals, pairs)
        if not np.isnan(found.corrected) and found.corrected >= alpha
    }


def _cell(mean: float, std: float, known: int, runs: int) -> str:
    """Mean ± deviation; says so where runs in which every training failed are left out."""
    return plus_minus(mean, std) + (f" ({known} of {runs} runs)" if known < runs else "")


def rank_table(blocks: Sequence[Block], labels: Sequence[str]) -> Table | None:
    """Average rank over tasks of the mean final validation regret; 1 is best."""
    frame = final_regret(blocks, "validation")
    if frame.empty or len(labels) < 2:
        return None
    wide = frame.pivot_table(index="strategy", columns="task", values="mean", dropna=False)
    scores = wide.reindex(list(labels)).to_numpy(dtype=float)
    ranks = average_rank(scores)
    tasks = int((~np.isnan(scores).any(axis=0)).sum())
    order = np.argsort(ranks, kind="stable")
    rows = [[labels[i], number(float(ranks[i]))] for i in order]
    bold = (
        frozenset((k, 1) for k, i in enumerate(order) if ranks[i] == np.nanmin(ranks))
        if (tasks)
        else frozenset()
    )
    caption = f"Average rank by mean final validation regret over {tasks} tasks (1 is best)"
    return Table("average-rank", caption, ["strategy", "average rank"], rows, bold)


def effort_table(
    blocks: Sequence[Block], labels: Sequence[str], manifest: Manifest | None = None
) -> Table:
    """Runs, queries, failures, share of distinct networks and thinking time of each strategy.

    With a ``manifest`` it is said how many of the runs asked for are there.
    """
    rows = []
    wanted = 0
    if manifest is not None:
        wanted = len({block.task for block in blocks}) * manifest.experiment.seeds
    for label in labels:
        own = [block for block in blocks if block.strategy == label]
        if not own:
            continue
        answered = np.concatenate([block.lengths for block in own])
        unique = np.average([b.unique for b in own], weights=[b.lengths.sum() for b in own])
        thinking = np.average([b.thinking for b in own], weights=[b.lengths.sum() for b in own])
        rows.append(
            [
                label,
                str(len(answered)) + (f" of {wanted}" if len(answered) < wanted else ""),
                number(float(answered.mean())),
                str(sum(block.failed for block in own)),
                f"{100 * unique:.1f} %",
                f"{number(1e6 * thinking)} µs",
            ]
        )
    header = [
        "strategy",
        "runs",
        "queries a run",
        "failed queries",
        "distinct networks",
        "thinking a query",
    ]
    caption = "What the search took: all tasks together; distinct networks are counted within a run"
    return Table("effort", caption, header, rows)
