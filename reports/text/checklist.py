"""The best-practice checklist for NAS research, filled in as far as a results folder can.

The points are those of Lindauer & Hutter, Best Practices for Scientific Research on Neural
Architecture Search, JMLR 21(243), 2020, arXiv:1909.02453, in our words. What only the authors can
know is left to them, and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import TYPE_CHECKING, NamedTuple

from ..record.curves import Block

if TYPE_CHECKING:
    from ...bench.store.manifest import Manifest, StrategySpec

YES, PARTLY, NO, AUTHORS = "yes", "partly", "no", "authors"
"""Answers: the folder shows it, shows some of it, shows the contrary, or cannot know."""


class Item(NamedTuple):
    """One point: the ``question``, the ``answer`` (one of the four above) and what it rests on."""

    section: str
    question: str
    answer: str
    reason: str


def checklist(manifest: Manifest, blocks: Sequence[Block]) -> list[Item]:
    """Every point of the checklist, in the paper's order."""
    return [*_release(manifest), *_comparison(manifest, blocks), *_reporting(manifest, blocks)]


def _release(manifest: Manifest) -> list[Item]:
    experiment, git = manifest.experiment, manifest.git
    sources = sorted({facts.citation for facts in manifest.tasks.values()})
    settings = [spec for spec in experiment.strategies if spec.settings]
    foreign = [spec.name for spec in experiment.strategies if ".py" in spec.name]
    section = "Releasing code"
    if git is None:
        code = Item(section, _CODE, AUTHORS, "The folder it was run in was no git checkout.")
    else:
        state = "with uncommitted changes" if git.dirty else "without uncommitted changes"
        text = f"Run at commit {git.commit} {state}; say where it is published."
        code = Item(section, _CODE, AUTHORS, text)
    if foreign:
        code = code._replace(reason=f"Own files: {', '.join(foreign)}. {code.reason}")
    return [
        Item(
            section,
            "Is the code that trains the architectures released?",
            PARTLY,
            f"Nothing was trained here: answers come from published tables ({'; '.join(sources)}), "
            "whose authors describe the training.",
        ),
        Item(
            section,
            "Is the search space released?",
            YES,
            "; ".join(
                f"{task}: {facts.architectures:,} architectures, table hash {facts.hash}"
                for task, facts in manifest.tasks.items()
            ),
        ),
        code,
        Item(
            section,
            "Are the strategies' hyperparameters and random seeds stated?",
            YES,
            f"The manifest holds them: {len(settings)} of {len(experiment.strategies)} "
            f"strategies with other than default settings; seed indices 0 to "
            f"{experiment.seeds - 1} of experiment seed {experiment.seed}.",
        ),
    ]


_CODE = "Is the code of the search strategies released?"


def _comparison(manifest: Manifest, blocks: Sequence[Block]) -> list[Item]:
    experiment = manifest.experiment
    names = [spec.name for spec in experiment.strategies]
    section = "Comparing strategies"
    return [
        Item(
            section,
            "Did all strategies meet exactly the same benchmark: data, split, space, training?",
            *_coverage(manifest, blocks),
        ),
        Item(
            section,
            "Are confounding factors controlled, such as hardware and library versions?",
            YES,
            "Accuracies and costs are read from one table for all; the simulated clock does not "
            f"depend on the machine ({manifest.machine.system}). Runs of one seed index "
            "share their random stream.",
        ),
        Item(
            section,
            "Is there an ablation of what makes the strategy work?",
            *_ablation(experiment.strategies),
        ),
        Item(
            section,
            "Is the evaluation protocol the same for all?",
            YES,
            f"Budget {experiment.budget}; {experiment.workers} worker(s); "
            f"noise {experiment.noise}; duplicates {experiment.duplicates}; chosen by validation, "
            "scored by the truth averaged over training seeds.",
        ),
        Item(
            section,
            "Is performance shown over time, not only at the end?",
            YES,
            "Regret by queries and by simulated cost, from the first query to the budget.",
        ),
        Item(
            section,
            "Is there a comparison with random search?",
            YES if "random" in names else NO,
            "Strategy random is among them."
            if "random" in names
            else "Add the strategy random to the experiment.",
        ),
        Item(section, "Are there several runs, with their seeds?", *_runs(blocks)),
        Item(
            section,
            "Are tabular or surrogate benchmarks used where a thorough study needs them?",
            YES,
            f"{len(manifest.tasks)} tabular task(s): {', '.join(manifest.tasks)}.",
        ),
    ]


def _coverage(manifest: Manifest, blocks: Sequence[Block]) -> tuple[str, str]:
    there = {(block.task, block.strategy) for block in blocks}
    missing = [f"{s} on {t}" for t in manifest.tasks for s in manifest.specs if (t, s) not in there]
    if missing:
        return PARTLY, f"The same tables for all, but not every pair was run: {_few(missing)}."
    return YES, "Every strategy was run on every task, from the same table (see the hashes)."


def _ablation(strategies: Sequence[StrategySpec]) -> tuple[str, str]:
    names = [spec.name for spec in strategies]
    several = sorted({name for name in names if names.count(name) > 1})
    if several:
        return YES, f"Run with several settings: {', '.join(several)}."
    return AUTHORS, "No strategy was run with more than one setting here."


def _runs(blocks: Sequence[Block]) -> tuple[str, str]:
    counts = sorted({len(block.seeds) for block in blocks})
    text = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    reason = f"{text} run(s) a task and strategy; the record names each seed index."
    if counts[0] < 2:
        return NO, reason + " One run shows no spread."
    return YES, reason


def _reporting(manifest: Manifest, blocks: Sequence[Block]) -> list[Item]:
    section = "Reporting what matters"
    thinking = sum(block.thinking * float(block.lengths.sum()) for block in blocks)
    took = "is not known" if isnan(thinking) else f"took {thinking:.3g} s in all"
    return [
        Item(
            section,
            "Is it said how hyperparameters were tuned, and what that took?",
            AUTHORS,
            "Settings are in the manifest; how they were chosen is not.",
        ),
        Item(
            section,
            "Is the time of the whole method reported, not of the search alone?",
            PARTLY,
            "Simulated cost of every query is charged, from epoch 0; the strategies' own thinking "
            f"{took}. Training the final architecture anew is not included.",
        ),
        Item(
            section,
            "Are all details of the set-up reported?",
            YES,
            f"Manifest: Python {manifest.python}, "
            f"{', '.join(f'{k} {v}' for k, v in manifest.packages.items())}, "
            f"begun {manifest.created}.",
        ),
    ]


def _few(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
