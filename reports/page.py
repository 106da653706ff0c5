"""The page: one HTML file with every figure and table in it, readable without a network."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from typing import Any

from .figures import best
from .tables import Table

CSS = """
:root { color-scheme: light dark; --ink: #1c1e21; --soft: #5d636b; --paper: #fff; --line: #dfe2e6;
  --accent: #0a5fb4; --tint: #f4f6f9; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --soft: #a2a9b3; --paper: #15181c;
  --line: #343a42; --accent: #79b8ff; --tint: #1d2127; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 1.5rem 1rem 4rem; background: var(--paper);
  color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .2rem; } h2 { font-size: 1.25rem; margin: 2.6rem 0 .6rem;
  border-top: 1px solid var(--line); padding-top: 1.4rem; }
p.lead { color: var(--soft); margin: 0 0 1.2rem; }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1rem; font-size: .92rem; }
a { color: var(--accent); }
.wide { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding-bottom: .4rem; }
th, td { padding: .3rem .8rem .3rem 0; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
thead th { border-bottom: 1.5px solid var(--ink); } tbody td {
  border-bottom: 1px solid var(--line); }
td.best { font-weight: 700; color: var(--accent); }
figure { margin: 1rem 0; } img { max-width: 100%; height: auto; background: #fff;
  border-radius: 6px; padding: .4rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem; font-size: .9rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 36rem) { dl { grid-template-columns: 1fr; } dd { margin-bottom: .5rem; } }
"""


HEAD = (
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
    "img-src data:; style-src 'unsafe-inline'\">"
)


def page(
    manifest: dict[str, Any],
    lead: str,
    overview: bytes,
    tables: Sequence[Table],
    tasks: dict[str, bytes],
) -> str:
    """The whole page; ``overview`` and the values of ``tasks`` are PNG files."""
    title = escape(manifest["name"])
    links = "".join(f'<a href="#task-{i}">{escape(task)}</a>' for i, task in enumerate(tasks))
    sections = "".join(
        f'<h2 id="task-{i}">{escape(task)}</h2>{_about(manifest["tasks"][task])}'
        f"{image(png, f'Regret curves on {task}')}"
        for i, (task, png) in enumerate(tasks.items())
    )
    shown = "".join(f'<div class="wide">{table.to_html()}</div>' for table in tables)
    return (
        f"{HEAD}<title>{title} · nasarena</title><style>{CSS}</style></head><body>"
        f'<h1>{title}</h1><p class="lead">{escape(lead)}</p><nav>{links}'
        '<a href="#protocol">protocol</a></nav>'
        f"<h2>Overview</h2>{image(overview, 'Regret by queries on every task')}{shown}"
        f'{sections}<h2 id="protocol">Protocol</h2>{_protocol(manifest)}</body></html>\n'
    )


def image(png: bytes, text: str) -> str:
    """A PNG file inside the page."""
    data = base64.b64encode(png).decode()
    return f'<figure><img alt="{escape(text)}" src="data:image/png;base64,{data}"></figure>'


def _about(facts: dict[str, Any]) -> str:
    test = (
        f"best seed-averaged test {best(facts, 'test')}"
        if facts["test"]
        else ("the table has no test column, so there is no test regret")
    )
    return (
        f"<p>{facts['architectures']:,} architectures, {facts['unique']:,} unique; best "
        f"seed-averaged validation {escape(best(facts, 'validation'))}; {escape(test)}. Cost: "
        f"{escape(facts['cost']['label'])}. {escape(facts['citation'])}.</p>"
    )


def _protocol(manifest: dict[str, Any]) -> str:
    experiment = manifest["experiment"]
    settings = "; ".join(
        f"{s['label']}: {s['name']}"
        + (
            f" with {', '.join(f'{k}={v}' for k, v in s['settings'].items())}"
            if s["settings"]
            else ""
        )
        for s in experiment["strategies"]
    )
    git = manifest.get("git")
    rows = {
        "selected by": "validation, as the strategy saw it",
        "scored by": "validation and test averaged over training seeds",
        "regret axis": "logarithmic, with bands cut off below two thirds of the least positive "
        "mean; where a mean is zero or negative, linear around zero and nothing is cut off",
        "curves": "from where every run has an incumbent to where the first run ends",
        "strategies": settings,
        "seeds": f"{experiment['seeds']}, experiment seed {experiment['seed']}",
        "budget": ", ".join(f"{v:g} {k}" for k, v in experiment["budget"].items() if v is not None),
        "workers": str(experiment["workers"]),
        "noise": experiment["noise"],
        "duplicates": experiment["duplicates"],
        "tables": "; ".join(f"{t} {f['hash']}" for t, f in manifest["tasks"].items()),
        "packages": ", ".join(f"{k} {v}" for k, v in manifest["packages"].items()),
        "python": manifest["python"],
        "machine": f"{manifest['machine']['system']}, {manifest['machine']['cores']} cores",
        "commit": f"{git['commit']}{' with changes' if git['dirty'] else ''}" if git else "none",
        "begun": manifest["created"],
    }
    return f"<dl>{''.join(f'<dt>{k}</dt><dd>{escape(v)}</dd>' for k, v in rows.items())}</dl>"
