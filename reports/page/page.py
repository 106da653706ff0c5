"""The page: one HTML file with every curve, table and setting in it, that needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...bench._base import decoding
from ..figures.figures import protocol
from ..record.curves import Block
from ..text.checklist import checklist
from ..text.statements import HOW, statements
from ..text.tables import Table
from ..text.task_tables import task_tables
from .page_data import BANDS, swatches, task_curves
from .rendering import package_text, render

if TYPE_CHECKING:
    from ...bench.store.manifest import Manifest, StrategySpec, TaskFacts


def page(
    manifest: Manifest,
    blocks: Sequence[Block],
    labels: Sequence[str],
    tables: Sequence[Table],
    figures: dict[str, bytes],
    best_labels: Sequence[str] | None = None,
    first: Sequence[Table] = (),
) -> str:
    """Return the whole page.

    Args:
        manifest: that of the results.
        blocks: the runs, a block a task and strategy.
        labels: the strategies, in the order of their colours.
        tables: those of the report.
        figures: name -> PNG file of each printed figure that the page shows.
        best_labels: the strategies to be coloured where there are too many for all.
        first: the tables that the page begins with.
    """
    tasks = list(dict.fromkeys(block.task for block in blocks))
    claims = statements(blocks, labels)
    panels = {
        "overview": "Overview",
        "tasks": "Tasks",
        **({"statements": "Statements"} if claims else {}),
        "tables": "Tables",
        **({"figures": "Figures"} if figures else {}),
        "checklist": "Checklist",
        "manifest": "Manifest",
    }
    return render(
        "page.html",
        styles=[package_text("vendor/uplot/uPlot.min.css"), package_text("page_style.css")],
        scripts=[_uplot(), package_text("page_curves.js"), package_text("page_script.js")],
        title=f"{manifest.name} · nasarena",
        name=manifest.name,
        protocol=protocol(blocks, manifest),
        panels=panels,
        metrics=_metrics(manifest),
        bands={name: words for name, (_, _, words) in BANDS.items()} | {"none": "mean, no band"},
        swatches=swatches(labels, best_labels),
        facts=_facts(manifest, blocks, labels, tasks),
        first=first,
        tasks=[_task(task, manifest, blocks, labels) for task in tasks],
        claims=claims,
        how=HOW,
        tables=tables,
        figures=figures,
        checklist=checklist(manifest, blocks),
        settings=_settings(manifest),
        manifest=decoding.encode(manifest, indent=1),
    )


def _uplot() -> str:
    """The plotting library; its license wants to go where its text goes."""
    license = package_text("vendor/uplot/LICENSE")
    return f"/*!\n{license}\n*/\n{package_text('vendor/uplot/uPlot.iife.min.js')}"


def _metrics(manifest: Manifest) -> dict[str, str]:
    found = {"validation": "validation"}
    if any(facts.test for facts in manifest.tasks.values()):
        found["test"] = "test"
    return found


def _facts(
    manifest: Manifest, blocks: Sequence[Block], labels: Sequence[str], tasks: Sequence[str]
) -> dict[str, str]:
    """What the page begins with, at a glance."""
    runs = sorted({len(block.seeds) for block in blocks})
    limits = [f"{v:,g} {k}" for k, v in manifest.experiment.budget.limits.items()]
    return {
        "tasks": str(len(tasks)),
        "strategies": str(len(labels)),
        "runs each": "–".join(dict.fromkeys([str(runs[0]), str(runs[-1])])),
        "budget a run": " or ".join(limits),
        "queries in all": f"{sum(int(block.lengths.sum()) for block in blocks):,}",
    }


def _task(
    task: str, manifest: Manifest, blocks: Sequence[Block], labels: Sequence[str]
) -> dict[str, Any]:
    """What the page shows of one task."""
    own = [block for block in blocks if block.task == task]
    facts = manifest.tasks[task]
    return {
        "name": task,
        "about": _about(facts),
        "tables": task_tables(own, labels),
        "curves": task_curves(own, facts, labels),
    }


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
    return f"{text}. Cost: {facts.cost.label}. {facts.citation}."


def _settings(manifest: Manifest) -> dict[str, str]:
    experiment, git = manifest.experiment, manifest.git
    strategies = "; ".join(map(_strategy, experiment.strategies))
    return {
        "selected by": "validation, as the strategy saw it",
        "scored by": "validation and test averaged over training seeds",
        "regret axis": "logarithmic, with bands cut off below two thirds of the least positive "
        "mean; where a mean is zero or negative, linear around zero and nothing is cut off",
        "curves": "from where every run has an incumbent to where the first run ends",
        "strategies": strategies,
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


def _strategy(spec: StrategySpec) -> str:
    settings = ", ".join(f"{k}={v}" for k, v in spec.settings.items())
    return f"{spec.label}: {spec.name}" + (f" with {settings}" if settings else "")
