"""The model card of a retrained network: what its user must know, as plain data and as Markdown.

What it tells follows Mitchell et al. 2019, "Model Cards for Model Reporting" (arXiv:1810.03993):
details, data, training, metrics with their spread, where it came from, and its limits.
"""

from __future__ import annotations

import os
import platform
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from ..store.manifest import versions
from .journal import weights_file
from .training import METRICS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .journal import Trained
    from .retrain import Plan

LEVEL = 0.95
_PACKAGES = ("safetensors", "tokenizers", "sacrebleu")


def card(plan: Plan, trained: Sequence[Trained]) -> dict[str, Any]:
    """All that is known of a retraining, ready for JSON."""
    from .model import about

    task, dataset = plan.task, plan.task.dataset
    metric = task.training.metric
    unit, maximize = METRICS[metric]
    seeds = [
        {
            "seed": one.replica,
            "validation": None if one.failed else one.validation[-1],
            "test": None if one.failed else one.test[-1],
            "epochs": one.epochs,
            "seconds": one.seconds[-1] if one.seconds else 0.0,
            "weights": None if one.failed else weights_file(one.replica),
            "failed": one.failed,
        }
        for one in trained
    ]
    good = [one for one in trained if not one.failed]
    return {
        "schema": 1,
        "task": plan.winner.task,
        "data": {
            "name": dataset.name,
            "hash": dataset.hash,
            "citation": dataset.citation or "not stated",
            "examples": {name: len(part.inputs) for name, part in task.objective.parts.items()},
        },
        "architecture": {
            "space": task.space.name,
            "choices": list(plan.arch),
            "words": task.space.describe(plan.arch),
        },
        "parameters": good[0].parameters,
        "flops": good[0].flops,
        "network": about(dataset, task.objective),
        "training": task.training.facts()
        | {"epochs": list(task.training.epochs)}
        | {"loss": "cross-entropy", "start": "search checkpoint" if plan.weights else "scratch"},
        "seeds": seeds,
        "best": max(good, key=lambda one: one.validation[-1] * (1 if maximize else -1)).replica,
        "metrics": {
            "metric": metric,
            "unit": unit,
            "maximize": maximize,
            "validation": summary([one.validation[-1] for one in good]),
            "test": summary([one.test[-1] for one in good]),
        },
        "found": _found(plan),
        "made": _made(task.device),
        "limits": _limits(plan, len(good)),
    }


def summary(values: Sequence[float]) -> dict[str, Any]:
    """Mean, standard deviation and Student's interval of the mean; of one value the mean alone."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return {"mean": mean, "deviation": None, "low": None, "high": None, "level": LEVEL}
    from scipy.stats import t  # type: ignore[import-untyped, unused-ignore]

    deviation = float(np.std(values, ddof=1))
    half = float(t.ppf((1 + LEVEL) / 2, len(values) - 1)) * deviation / len(values) ** 0.5
    bounds = {"low": mean - half, "high": mean + half}
    return {"mean": mean, "deviation": deviation, **bounds, "level": LEVEL}


def _found(plan: Plan) -> dict[str, Any]:
    """The search that the architecture came from."""
    won = plan.winner
    return {
        "results": plan.results,
        "strategy": won.strategy,
        "settings": plan.settings,
        "seed": won.seed,
        "step": won.step,
        "epochs": won.epochs,
        "replica": won.replica,
        "validation_loss": won.loss,
        "choices": list(won.arch),
        "table": plan.searched.hash,
        "citation": plan.searched.citation,
        "rule": "least validation loss among the queries at the most epochs, test unseen",
    }


def _made(device: Any) -> dict[str, Any]:
    """Where and with what the network was trained."""
    found = versions()
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    name = device.type
    if name == "cuda":
        import torch

        name = f"cuda ({torch.cuda.get_device_name(device)})"
    return {
        "device": name,
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "packages": found,
    }


def _limits(plan: Plan, seeds: int) -> list[str]:
    """What the figures do not say."""
    task = plan.task
    spread = (
        "The interval is over training seeds alone: not over splits of the data, nor over searches."
        if seeds > 1
        else "One training seed: nothing is known of the spread."
    )
    found = [
        spread,
        f"The test part has {len(task.objective.parts['test'])} examples; the data's own biases "
        "are the network's.",
        "Without a seed, `load` takes the weights with the best validation metric, which "
        "flatters them.",
    ]
    if plan.searched.data != task.dataset.hash:
        found.append("The architecture was found on other data than it was trained on here.")
    if task.dataset.kind == "pairs":
        found.append("It writes the likeliest token at each step; there is no beam search.")
    if task.device.type == "cuda":
        found.append(
            "Trained and measured in bfloat16; on a GPU no training is quite like another."
        )
    return found


# In words.


def shown(summary: dict[str, Any], unit: str) -> str:
    """A mean with its interval."""
    word = f" {unit}" if unit else ""
    if summary["low"] is None:
        return f"{summary['mean']:.2f}{word} (one seed)"
    return (
        f"{summary['mean']:.2f}{word}, 95 % interval {summary['low']:.2f} to {summary['high']:.2f}"
    )


def markdown(card: dict[str, Any]) -> str:
    """The card as a page."""
    metrics, found, made, data = (card[key] for key in ("metrics", "found", "made", "data"))
    unit, good = metrics["unit"], [one for one in card["seeds"] if not one["failed"]]
    lines = [
        f"# {card['architecture']['words']}",
        "",
        f"A network for {data['name']}, found by {found['strategy']} on {card['task']} and trained "
        f"{_start(card)} with {len(good)} seed{'s' * (len(good) != 1)}.",
        "",
        f"**Test {metrics['metric']}: {shown(metrics['test'], unit)}.**",
        "",
        *_table(["", ""], _facts(card)),
        "",
        "## Seeds",
        "",
        *_table(
            ["seed", f"validation {metrics['metric']}", f"test {metrics['metric']}", "seconds"],
            [_row(one, card["best"]) for one in card["seeds"]],
        ),
        "",
        "![learning curves](curves.png)",
        "",
        "## Training",
        "",
        *_table(["setting", "value"], [[k, _plain(v)] for k, v in card["training"].items()]),
        "",
        "## Where it came from",
        "",
        *_table(
            ["", ""],
            [
                ["results", f"`{found['results']}`"],
                ["strategy", f"{found['strategy']} {_plain(found['settings'])}".strip()],
                ["query", f"seed {found['seed']}, step {found['step']}, {found['epochs']} epochs"],
                ["rule", found["rule"]],
                ["hash of the searched task", found["table"]],
                ["source of the searched task", found["citation"]],
                ["device", made["device"]],
                ["machine", f"{made['system']}, {made['cores']} cores, Python {made['python']}"],
                ["packages", ", ".join(f"{k} {v}" for k, v in made["packages"].items())],
            ],
        ),
        "",
        "## Limits",
        "",
        *(f"- {limit}" for limit in card["limits"]),
        "",
        "## Use",
        "",
        "```python",
        "from nasarena.bench.live import load",
        'model = load("this folder")',
        _example(card["network"]),
        "```",
    ]
    return "\n".join(lines) + "\n"


def _start(card: dict[str, Any]) -> str:
    scratch = card["training"]["start"] == "scratch"
    return "from scratch" if scratch else "on from the search's weights"


def _facts(card: dict[str, Any]) -> list[list[str]]:
    metrics, data, made = card["metrics"], card["data"], card["architecture"]
    parts = ", ".join(f"{count:,} {name}" for name, count in data["examples"].items())
    return [
        ["task", card["task"]],
        ["data", f"{data['name']}: {parts} examples"],
        ["hash of the data", data["hash"]],
        ["source and licence of the data", data["citation"]],
        ["search space", made["space"]],
        ["architecture", made["words"]],
        ["choices", f"`{tuple(made['choices'])}`"],
        ["parameters", f"{card['parameters']:,}"],
        ["FLOPs of one example", f"{card['flops']:,}"],
        [f"validation {metrics['metric']}", shown(metrics["validation"], metrics["unit"])],
        [f"test {metrics['metric']}", shown(metrics["test"], metrics["unit"])],
    ]


def _row(one: dict[str, Any], best: int) -> list[str]:
    if one["failed"]:
        return [str(one["seed"]), "failed", one["failed"], f"{one['seconds']:.1f}"]
    mark = " (best on validation)" if one["seed"] == best else ""
    numbers = [f"{one[name]:.2f}" for name in ("validation", "test")]
    return [f"{one['seed']}{mark}", *numbers, f"{one['seconds']:.1f}"]


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    cells = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells]


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k}={v}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "none" if value is None else str(value)


def _example(network: dict[str, Any]) -> str:
    if network["kind"] != "images":
        return 'model.predict(["a text", "another"])'
    shape = ", ".join(str(network["sizes"][name]) for name in ("channels", "height", "width"))
    return f"model.predict(images)  # (n, {shape}), pixels from 0 to 255"
