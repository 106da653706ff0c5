"""Tables of final regret, average rank and effort, as data frames and in four formats."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from .curves import Block
from .regret import average_rank, last

_LATEX = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def latex(text: str) -> str:
    """``text`` with every character that LaTeX reads as a command escaped."""
    return "".join(_LATEX.get(c, c) for c in text)


@dataclass(frozen=True)
class Table:
    """Cells of text under a header; the first column names the row, ``bold`` (row, column)."""

    name: str
    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    bold: frozenset[tuple[int, int]] = frozenset()

    def markdown(self) -> str:
        """A pipe table."""

        def cell(text: str) -> str:
            return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")

        lines = [[cell(h) for h in self.header], ["---"] + ["---:"] * (len(self.header) - 1)]
        for i, row in enumerate(self.rows):
            lines.append(
                [f"**{cell(t)}**" if (i, j) in self.bold else cell(t) for j, t in enumerate(row)]
            )
        return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"

    def tex(self) -> str:
        """A booktabs tabular."""
        lines = [rf"% {self.caption}", rf"\begin{{tabular}}{{l{'r' * (len(self.header) - 1)}}}"]
        lines += [r"\toprule", " & ".join(map(latex, self.header)) + r" \\", r"\midrule"]
        for i, row in enumerate(self.rows):
            cells = [latex(t).replace("±", r"$\pm$").replace("−", "$-$") for t in row]
            cells = [rf"\textbf{{{t}}}" if (i, j) in self.bold else t for j, t in enumerate(cells)]
            lines.append(" & ".join(cells) + r" \\")
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"

    def csv(self) -> str:
        """Comma-separated values."""
        return pd.DataFrame(list(self.rows), columns=list(self.header)).to_csv(index=False)

    def to_html(self) -> str:
        """A table element; every text is escaped."""

        def row(tag: str, cells: Sequence[str], number: int = -1) -> str:
            mark = " class=best"
            parts = [
                f"<{tag}{mark if (number, j) in self.bold else ''}>{html.escape(t)}</{tag}>"
                for j, t in enumerate(cells)
            ]
            return f"<tr>{''.join(parts)}</tr>"

        body = "".join(row("td", cells, i) for i, cells in enumerate(self.rows))
        return (
            f"<table><caption>{html.escape(self.caption)}</caption>"
            f"<thead>{row('th', self.header)}</thead><tbody>{body}</tbody></table>"
        )


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


def regret_table(blocks: Sequence[Block], metric: str, labels: Sequence[str]) -> Table | None:
    """Mean ± std of the final regret, tasks by strategies, the best of each task in bold."""
    frame = final_regret(blocks, metric)
    if frame.empty:
        return None
    cells = {
        (r["task"], r["strategy"]): (float(r["mean"]), float(r["std"]), int(r["runs"]))
        for r in frame.to_dict("records")
    }
    runs = {(block.task, block.strategy): len(block.seeds) for block in blocks}
    rows, bold = [], set()
    for i, task in enumerate(dict.fromkeys(frame["task"])):
        means = [cells[task, s][0] if (task, s) in cells else np.nan for s in labels]
        best = np.nanmin(np.array(means, dtype=float))
        row = [str(task)]
        for j, label in enumerate(labels):
            found = cells.get((task, label))
            row.append("–" if found is None else _cell(*found, runs[task, label]))
            if found is not None and found[0] == best:
                bold.add((i, j + 1))
        rows.append(row)
    caption = f"Final {metric} regret of the incumbent, mean ± standard deviation over runs"
    return Table(f"{metric}-regret", caption, ["task", *labels], rows, frozenset(bold))


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


def effort_table(blocks: Sequence[Block], labels: Sequence[str]) -> Table:
    """Runs, queries, failures, share of distinct networks and thinking time of each strategy."""
    rows = []
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
                str(len(answered)),
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
        "failed",
        "distinct networks",
        "thinking a query",
    ]
    caption = "What the search took: all tasks together; distinct networks are counted within a run"
    return Table("effort", caption, header, rows)
