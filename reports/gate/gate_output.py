"""A gate's outcome as rows, Markdown, JSON, JUnit XML, and what GitHub and GitLab show."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from math import isfinite, isnan
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from ...bench._base.errors import visible
from ..text.escaping import markdown as plain
from ..text.tables import Table, number
from .gate import METRICS, Comparison, Gate, Pair, Verdict

_QUIET = (Verdict.IDENTICAL,)
_SEVERITY = {Verdict.REGRESSED: "major", Verdict.MISSING: "critical"}


# In words.


def headline(gate: Gate) -> str:
    """How many pairs got which verdict, the gravest first."""
    counts = [(verdict, gate.count(verdict)) for verdict in Verdict]
    return ", ".join(f"{count} {verdict.value}" for verdict, count in counts if count) or "nothing"


def amount(value: float, unit: str) -> str:
    """A number with its unit; a dash where there is none."""
    shown = number(value) if isfinite(value) else ("–" if isnan(value) else "∞")
    return f"{shown} {unit}".strip() if isfinite(value) else shown


def chance(p: float) -> str:
    """A p-value to two digits."""
    if isnan(p):
        return "–"
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def change(c: Comparison) -> str:
    """The mean difference with its interval."""
    if isnan(c.low):
        return number(c.difference)
    sign = "+" if c.difference > 0 else ""
    return f"{sign}{number(c.difference)} [{number(c.low)}, {number(c.high)}]"


def parted(pair: Pair) -> str:
    """Where the bits part, in words."""
    if pair.parting is None:
        return ""
    p = pair.parting
    return (
        f"{p.seeds} of {pair.seeds} seeds differ, first seed {p.seed} at step {p.step} ({p.column})"
    )


def rows(gate: Gate) -> list[dict[str, str]]:
    """One row a task, strategy and metric, the gravest first; identical pairs have one row each."""
    ordered = sorted(gate.pairs, key=lambda pair: list(Verdict).index(pair.verdict))
    return [
        _row(pair, c, first=number == 0)
        for pair in ordered
        for number, c in enumerate(pair.comparisons or (Comparison("", pair.verdict),))
    ]


def _row(pair: Pair, c: Comparison, *, first: bool) -> dict[str, str]:
    return {
        "task": pair.task,
        "strategy": pair.strategy,
        "metric": METRICS.get(c.metric, c.metric),
        "verdict": c.verdict.value,
        "baseline": amount(c.baseline, c.unit),
        "current": amount(c.current, c.unit),
        "difference [95 %]": change(c) if c.metric else "–",
        "p (Holm)": chance(c.p_adjusted),
        "A12": number(c.superiority),
        "can find": amount(c.detectable, ""),
        "seeds needed": str(c.seeds_needed) if c.seeds_needed else "–",
        "note": c.note or (pair.note or parted(pair) if first else ""),
    }


def tables(gate: Gate) -> list[Table]:
    """What is not identical, and what may explain it."""
    found = []
    shown = [row for row in rows(gate) if row["verdict"] not in _QUIET]
    if shown:
        header = list(shown[0])
        bold = {(i, 3) for i, row in enumerate(shown) if row["verdict"] in ("regressed", "missing")}
        cells = [list(row.values()) for row in shown]
        caption = (
            "Current minus baseline, paired by seed: positive is worse. A12 is the chance that a "
            "current run is worse; “can find” is the least difference that these seeds find in "
            f"{100 * gate.options.power:g} % of cases"
        )
        found.append(Table("gate", caption, header, cells, frozenset(bold)))
    if gate.why:
        cells = [[d.what, d.baseline, d.current] for d in gate.why]
        caption = "What else differs between the two"
        found.append(Table("why", caption, ["", "baseline", "current"], cells))
    return found


def markdown(gate: Gate, fail_on: Sequence[Verdict] = (Verdict.REGRESSED, Verdict.MISSING)) -> str:
    """For a pull request or ``$GITHUB_STEP_SUMMARY``."""
    mark = "❌" if gate.fails(fail_on) else "✅"
    current, baseline = Path(gate.current).name, Path(gate.baseline).name
    lines = [
        f"### {mark} nasarena gate: {headline(gate)}",
        "",
        f"{plain(current)} against {plain(baseline)}, "
        f"alpha {gate.options.alpha:g} over all (Holm).",
        "",
    ]
    for table in tables(gate):
        lines += [plain(table.caption) + ":", "", table.markdown()]
    same = [
        plain(f"{pair.strategy} on {pair.task}") for pair in gate.pairs if pair.verdict in _QUIET
    ]
    if same:
        lines += [f"<details><summary>{len(same)} identical</summary>", "", ", ".join(same), ""]
        lines += ["</details>", ""]
    lines += [f"- {plain(note)}" for note in gate.notes]
    return "\n".join(lines).rstrip() + "\n"


# For programs.


def to_json(gate: Gate) -> dict[str, Any]:
    """Everything as plain data; numbers that are not finite become null."""
    plain: dict[str, Any] = _plain(asdict(gate))
    plain["pairs"] = [
        {**shown, "parting": pair.parting._asdict() if pair.parting else None}
        for shown, pair in zip(plain["pairs"], gate.pairs, strict=True)
    ]
    plain["why"] = [d._asdict() for d in gate.why]
    plain["counts"] = {verdict.value: gate.count(verdict) for verdict in Verdict}
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not isfinite(value):
        return None
    return value


def _story(pair: Pair) -> str:
    """A pair in a few lines of plain text."""
    lines = [f"{pair.strategy} on {pair.task}: {pair.verdict.value}"]
    lines += [
        f"{METRICS.get(c.metric, c.metric)}: {amount(c.baseline, c.unit)} -> "
        f"{amount(c.current, c.unit)}, {change(c)}, p {chance(c.p_adjusted)}: {c.verdict.value}"
        for c in pair.comparisons
    ]
    lines += [text for text in (pair.note, parted(pair)) if text]
    return visible("\n".join(lines))


def junit(gate: Gate, fail_on: Sequence[Verdict]) -> str:
    """JUnit XML: a suite a task, a case a strategy."""
    root = ElementTree.Element("testsuites", name="nasarena gate")
    for task in dict.fromkeys(pair.task for pair in gate.pairs):
        own = [pair for pair in gate.pairs if pair.task == task]
        failed = sum(pair.verdict in fail_on for pair in own)
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=visible(task),
            tests=str(len(own)),
            failures=str(failed),
            errors="0",
        )
        for pair in own:
            case = ElementTree.SubElement(
                suite, "testcase", classname=visible(task), name=visible(pair.strategy), time="0"
            )
            if pair.verdict in fail_on:
                failure = ElementTree.SubElement(
                    case, "failure", message=pair.verdict.value, type=pair.verdict.value
                )
                failure.text = _story(pair)
            else:
                ElementTree.SubElement(case, "system-out").text = _story(pair)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def github(gate: Gate, fail_on: Sequence[Verdict]) -> list[str]:
    """GitHub's workflow commands: an error a pair that fails, a notice an improved one."""
    found = []
    for pair in gate.pairs:
        if pair.verdict in fail_on or pair.verdict is Verdict.IMPROVED:
            kind = "error" if pair.verdict in fail_on else "notice"
            title = f"{pair.strategy} on {pair.task} {pair.verdict.value}"
            found.append(f"::{kind} title={_property(visible(title))}::{_message(_story(pair))}")
    return found


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")


def code_quality(gate: Gate, fail_on: Sequence[Verdict]) -> list[dict[str, Any]]:
    """GitLab's code-quality report; an issue lies in the strategy's file where it has one."""
    found = []
    for pair in gate.pairs:
        if pair.verdict in fail_on:
            identity = f"{pair.task}/{pair.strategy}/{pair.verdict.value}"
            found.append(
                {
                    "description": _story(pair).replace("\n", "; "),
                    "check_name": f"nasarena/{pair.verdict.value}",
                    "fingerprint": hashlib.sha256(identity.encode()).hexdigest(),
                    "severity": _SEVERITY.get(pair.verdict, "minor"),
                    "location": {"path": pair.place or gate.baseline, "lines": {"begin": 1}},
                }
            )
    return found
