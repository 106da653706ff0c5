"""The page: one HTML file with every curve, table and setting in it, that needs no network."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...bench._base import decoding
from ...bench._base.errors import StoreError
from ..figures.figures import protocol
from ..record.curves import Block
from ..text.checklist import AUTHORS, NO, PARTLY, YES, checklist
from ..text.escaping import escape, policy_hash
from ..text.statements import HOW, Statements, statements
from ..text.tables import Table
from ..text.task_tables import task_tables
from .page_data import BANDS, swatches, task_curves

if TYPE_CHECKING:
    from ...bench.core.task_facts import TaskFacts
    from ...bench.experiment.experiment import StrategySpec
    from ...bench.store.manifest import Manifest

_ANSWERS = {YES: "✓ yes", PARTLY: "◐ partly", NO: "✗ no", AUTHORS: "✎ authors"}


def page(
    manifest: Manifest,
    blocks: Sequence[Block],
    labels: Sequence[str],
    tables: Sequence[Table],
    figures: dict[str, bytes],
    best_labels: Sequence[str] | None = None,
    first: Sequence[Table] = (),
) -> str:
    """The whole page; ``figures`` maps the name of each printed figure to a PNG file.

    ``best_labels`` are the strategies to be coloured where there are too many for all, ``first``
    the tables that the page begins with.

    Every name in the results is escaped, and a content-security policy names the hash of each
    script and style: a browser runs nothing else and asks nothing of a network.

    Raises:
        StoreError: if the plotting library is not installed as it should be.
    """
    tasks = list(dict.fromkeys(block.task for block in blocks))
    claims = statements(blocks, labels)
    panels = {
        "overview": ("Overview", _overview(manifest, blocks, labels, tasks, tables, first)),
        "tasks": ("Tasks", _tasks(manifest, blocks, labels, tasks, claims)),
        "statements": ("Statements", _statements(claims)),
        "tables": ("Tables", "".join(map(_wide, tables))),
        "figures": ("Figures", _gallery(figures)),
        "checklist": ("Checklist", _checklist(manifest, blocks)),
        "manifest": ("Manifest", _manifest(manifest)),
    }
    panels = {name: panel for name, panel in panels.items() if panel[1]}
    title = escape(manifest.name)
    body = (
        '<a class="skip" href="#main">Skip to the content</a>'
        f'<header><h1>{title}</h1><button id="theme" type="button" hidden></button>'
        f'<p class="lead">{escape(protocol(blocks, manifest))}</p></header>'
        f"{_tablist(panels)}<main id=main>{_controls(labels, manifest, best_labels)}"
        + "".join(_panel(name, content) for name, (_, content) in panels.items())
        + '</main><div id="tooltip" hidden></div>'
        + '<div id="live" class="skip" aria-live="polite"></div>'
        + _data(manifest, blocks, labels, tasks, best_labels)
    )
    return _document(title, body)


def _document(title: str, body: str) -> str:
    """The frame: head, policy, styles before and scripts after the body."""
    styles = [_library("uPlot.min.css"), _own("page_style.css")]
    scripts = [_library("uPlot.iife.js"), _own("page_curves.js"), _own("page_script.js")]
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; "
        f"style-src {' '.join(map(policy_hash, styles))}; "
        f"script-src {' '.join(map(policy_hash, scripts))}"
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<title>{title} · nasarena</title>"
        + "".join(f"<style>{style}</style>" for style in styles)
        + f"</head><body>{body}"
        + "".join(f"<script>{script}</script>" for script in scripts)
        + "</body></html>\n"
    )


def _own(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


def _library(name: str) -> str:
    """A file of uPlot, from the package that carries it; the package itself is not imported."""
    spec = find_spec("uplot")
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder) / "static" / name
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise StoreError(f"the page needs uPlot's {name}; run: pip install uplot-python")


def _json(name: str, data: Any) -> str:
    """``data`` in the page for its scripts; no text in it can end the element."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{text}</script>'


def _data(
    manifest: Manifest,
    blocks: Sequence[Block],
    labels: Sequence[str],
    tasks: Sequence[str],
    best_labels: Sequence[str] | None,
) -> str:
    parts = [_json("swatches", swatches(labels, best_labels))]
    for number, task in enumerate(tasks):
        own = [block for block in blocks if block.task == task]
        parts.append(_json(f"curves-{number}", task_curves(own, manifest.tasks[task], labels)))
    return "".join(parts)


# Tabs and switches.


def _tablist(panels: dict[str, tuple[str, str]]) -> str:
    tabs = "".join(
        f'<a role="tab" id="tab-{name}" href="#{name}" aria-controls="{name}">{title}</a>'
        for name, (title, _) in panels.items()
    )
    return f'<nav><div role="tablist" aria-label="Parts of the report">{tabs}</div></nav>'


def _panel(name: str, content: str) -> str:
    curves = " data-curves" if name in ("overview", "tasks") else ""
    return (
        f'<section role="tabpanel" id="{name}" aria-labelledby="tab-{name}"{curves}>'
        f"{content}</section>"
    )


def _select(name: str, label: str, options: dict[str, str]) -> str:
    choices = "".join(f'<option value="{k}">{escape(v)}</option>' for k, v in options.items())
    return (
        f'<label class="switch"><span>{label}</span>'
        f'<select id="switch-{name}" autocomplete="off">{choices}</select></label>'
    )


def _controls(labels: Sequence[str], manifest: Manifest, best_labels: Sequence[str] | None) -> str:
    metrics = {"validation": "validation"}
    if any(facts.test for facts in manifest.tasks.values()):
        metrics["test"] = "test"
    bands = {name: words for name, (_, _, words) in BANDS.items()} | {"none": "mean, no band"}
    scales = {"log": "logarithmic", "linear": "linear"}
    chips = "".join(
        f'<label><input type="checkbox" checked autocomplete="off">{_swatch(i, look)}'
        f"<span>{escape(look['label'])}</span></label>"
        for i, look in enumerate(swatches(labels, best_labels))
    )
    return (
        '<div id="controls" hidden><details id="switches" open><summary>Switches</summary>'
        '<div class="switches">'
        + _select("metric", "Regret of", metrics)
        + _select("band", "Line and band", bands)
        + _select("y", "Regret axis", scales)
        + _select("axis", "Against", {"queries": "queries", "finish": "simulated cost"})
        + _select("x", "Cost axis", scales)
        + '<div class="switch" role="group" aria-label="Zoom"><span>Zoom</span><span>'
        '<button type="button" id="zoom-in" aria-label="Zoom in">+</button> '
        '<button type="button" id="zoom-out" aria-label="Zoom out">−</button> '
        '<button type="button" id="zoom-reset" disabled>Reset</button></span></div>'
        '<div class="switch" role="group" aria-label="Strategies"><span id="shown-count"></span>'
        '<span><button type="button" id="all-on">All</button> '
        '<button type="button" id="all-off">None</button></span></div></div></details>'
        f'<div class="chips" role="group" aria-label="Strategies shown">{chips}</div></div>'
    )


def _swatch(number: int, look: dict[str, Any]) -> str:
    dash = " ".join(f"{part:g}" for part in look["dash"])
    return (
        f'<svg class="swatch" id="swatch-{number}" width="30" height="10" aria-hidden="true">'
        f'<line x1="0" y1="5" x2="30" y2="5" stroke="{look["color"]}" '
        f'stroke-width="{look["width"] + 0.5:g}" stroke-dasharray="{dash}"/></svg>'
    )


# What the tabs hold.


def _chart(number: int, task: str, large: bool = False) -> str:
    return (
        f'<div class="chart{" large" if large else ""}" data-task="{number}" tabindex="0" '
        f'role="group" aria-label="Regret curves on {escape(task)}. Arrow keys read values, '
        'plus and minus zoom, 0 shows all."></div>'
    )


_HOW = (
    '<p class="note"><span id="band-note"></span> Drag along a chart to zoom in, double-click to '
    "see all; on a chart that has the focus, arrow keys read values, + and − zoom.</p>"
)


def _overview(
    manifest: Manifest,
    blocks: Sequence[Block],
    labels: Sequence[str],
    tasks: Sequence[str],
    tables: Sequence[Table],
    first: Sequence[Table],
) -> str:
    runs = sorted({len(block.seeds) for block in blocks})
    limits = [f"{v:,g} {k}" for k, v in manifest.experiment.budget.limits.items()]
    facts = {
        "tasks": str(len(tasks)),
        "strategies": str(len(labels)),
        "runs each": "–".join(dict.fromkeys([str(runs[0]), str(runs[-1])])),
        "budget a run": " or ".join(limits),
        "queries in all": f"{sum(int(block.lengths.sum()) for block in blocks):,}",
    }
    cards = "".join(f"<div><dt>{k}</dt><dd>{escape(v)}</dd></div>" for k, v in facts.items())
    charts = "".join(
        f'<figure><figcaption><a href="#task-{i}">{escape(task)}</a></figcaption>'
        f"{_chart(i, task)}</figure>"
        for i, task in enumerate(tasks)
    )
    ranks = "".join(_wide(table) for table in tables if table.name == "average-rank")
    return (
        f'<dl class="facts">{cards}</dl>{"".join(map(_wide, first))}'
        '<div class="controls-here"></div>'
        f'<div class="small-multiples">{charts}</div>{_HOW}{ranks}'
    )


def _tasks(
    manifest: Manifest,
    blocks: Sequence[Block],
    labels: Sequence[str],
    tasks: Sequence[str],
    claims: Sequence[Statements],
) -> str:
    options = "".join(f'<option value="{i}">{escape(t)}</option>' for i, t in enumerate(tasks))
    articles = []
    for number, task in enumerate(tasks):
        own = [block for block in blocks if block.task == task]
        articles.append(
            f'<article class="task" id="task-{number}"><h2>{escape(task)}</h2>'
            f"<figure>{_chart(number, task, large=True)}</figure>{_about(manifest.tasks[task])}"
            f"{''.join(_wide(table) for table in task_tables(own, labels))}"
            f"{''.join(_sentences(claim, task) for claim in claims)}</article>"
        )
    return (
        '<div class="picker"><label class="switch"><span>Task</span>'
        f'<select id="task-select" autocomplete="off">{options}</select></label>'
        '<button type="button" id="task-previous">Previous</button>'
        '<button type="button" id="task-next">Next</button></div>'
        f'<div class="controls-here"></div>{"".join(articles)}'
    )


def _about(facts: TaskFacts) -> str:
    text = f"{facts.architectures:,} architectures, {facts.unique:,} unique; "
    best = {metric: facts.best(metric) or "not known" for metric in facts.metrics}
    if facts.reference:  # what is known of the task are its results
        text += f"reference of the regret: {best['validation']}"
    else:
        text += f"best seed-averaged validation {best['validation']}; " + (
            f"best seed-averaged test {best['test']}"
            if "test" in best
            else "the table has no test column, so there is no test regret"
        )
    text += f". Cost: {facts.cost.label}. {facts.citation}."
    return f"<p>{escape(text)}</p>"


def _wide(table: Table, kind: str = "") -> str:
    """A table that scrolls by itself where the screen is narrow."""
    return f'<div class="{f"wide {kind}".strip()}">{table.to_html()}</div>'


def _statements(claims: Sequence[Statements]) -> str:
    parts = [
        f"<h2>By final {claim.metric} regret</h2><p>{escape(claim.across)}</p>"
        f"<h3>Task by task</h3>{_wide(claim.table(), 'words')}"
        for claim in claims
    ]
    return "".join(parts) + f'<p class="note">{escape(HOW)}</p>' if parts else ""


def _sentences(claim: Statements, task: str) -> str:
    sentences = "".join(f"<li>{escape(sentence)}</li>" for sentence in claim.on(task))
    if not sentences:
        return ""
    return (
        f"<details><summary>Statements on the final {claim.metric} regret, "
        f"{escape(claim.family)}</summary><ul>{sentences}</ul></details>"
    )


def _gallery(figures: dict[str, bytes]) -> str:
    shown = "".join(f"<h2>{escape(name)}</h2>{_image(png, name)}" for name, png in figures.items())
    return f'<div class="gallery">{shown}</div>' if figures else ""


def _image(png: bytes, name: str) -> str:
    data = base64.b64encode(png).decode()
    return (
        f'<figure><img alt="Figure: {escape(name)}" loading="lazy" decoding="async" '
        f'src="data:image/png;base64,{data}"></figure>'
    )


def _checklist(manifest: Manifest, blocks: Sequence[Block]) -> str:
    items = checklist(manifest, blocks)
    parts = [
        "<p>The best-practice checklist for research on NAS (Lindauer &amp; Hutter, JMLR 21(243), "
        "2020, arXiv:1909.02453), filled in from the manifest. What is marked “authors” only they "
        "can answer.</p>"
    ]
    for section in dict.fromkeys(item.section for item in items):
        rows = "".join(
            f'<li><span class="answer {item.answer}">{_ANSWERS[item.answer]}</span>'
            f'<p>{escape(item.question)}</p><p class="soft">{escape(item.reason)}</p></li>'
            for item in items
            if item.section == section
        )
        parts.append(f'<h2>{escape(section)}</h2><ul class="checks">{rows}</ul>')
    return "".join(parts)


def _manifest(manifest: Manifest) -> str:
    text = escape(decoding.encode(manifest, indent=1))
    return (
        f"<h2>Protocol</h2>{_protocol(manifest)}"
        f"<details><summary>The whole manifest</summary><pre tabindex=0>{text}</pre></details>"
    )


def _protocol(manifest: Manifest) -> str:
    experiment, git = manifest.experiment, manifest.git
    settings = "; ".join(map(_strategy, experiment.strategies))
    rows = {
        "selected by": "validation, as the strategy saw it",
        "scored by": "validation and test averaged over training seeds",
        "regret axis": "logarithmic, with bands cut off below two thirds of the least positive "
        "mean; where a mean is zero or negative, linear around zero and nothing is cut off",
        "curves": "from where every run has an incumbent to where the first run ends",
        "strategies": settings,
        "seeds": f"{experiment.seeds}, experiment seed {experiment.seed}",
        "budget": str(experiment.budget),
        "workers": str(experiment.workers),
        "noise": experiment.noise,
        "duplicates": experiment.duplicates,
        "tables": "; ".join(f"{task} {facts.hash}" for task, facts in manifest.tasks.items()),
        "packages": ", ".join(f"{k} {v}" for k, v in manifest.packages.items()),
        "python": manifest.python,
        "machine": str(manifest.machine),
        "commit": "none" if git is None else str(git),
        "begun": manifest.created,
    }
    cells = "".join(f"<dt>{k}</dt><dd>{escape(v)}</dd>" for k, v in rows.items())
    return f'<dl class="rows">{cells}</dl>'


def _strategy(spec: StrategySpec) -> str:
    settings = ", ".join(f"{k}={v}" for k, v in spec.settings.items())
    return f"{spec.label}: {spec.name}" + (f" with {settings}" if settings else "")
