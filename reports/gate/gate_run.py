"""What the command line asks of a gate: read both sides, judge, write."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from ...bench._base.errors import StoreError
from . import gate_files, gate_output, gate_record, speed
from .gate import Gate, Options, Pair, Verdict, judge, parse_options, settle, share


class Outcome(NamedTuple):
    """A gate with the two records it judged, baseline first; none where it judged speed alone."""

    gate: Gate
    sides: tuple[gate_record.Record, ...]

    @property
    def unsettled(self) -> list[tuple[str, str]]:
        """The pairs (task, strategy) that more seeds could still tell something of."""
        final = (Verdict.REGRESSED, Verdict.MISSING, Verdict.IDENTICAL)
        settled = (*final, Verdict.IMPROVED, Verdict.EQUIVALENT)
        return [
            (pair.task, pair.strategy)
            for pair in self.gate.pairs
            if pair.verdict not in final and any(c.verdict not in settled for c in pair.comparisons)
        ]


def compare(
    baseline: str | os.PathLike[str],
    current: str | os.PathLike[str],
    benchmarks: tuple[str | os.PathLike[str], str | os.PathLike[str]] | None = None,
    slower: str = "25%",
    **words: Any,
) -> Outcome:
    """Judge ``current`` against ``baseline``; ``words`` as `parse_options` takes them.

    ``benchmarks`` are two files of pytest-benchmark, baseline first, judged with the rest; two such
    files may also stand in for the results.

    Raises:
        StoreError: if either cannot be read, the two cannot be compared, or an option is wrong.
    """
    options = parse_options(**words)
    if all(Path(where).suffix == ".json" for where in (baseline, current)):
        pairs, why = _speed((baseline, current), slower, options)
        settled = tuple(settle(pairs, options))
        return Outcome(Gate(str(baseline), str(current), settled, tuple(why), (), options), ())
    if benchmarks is not None:
        pairs, why = _speed(benchmarks, slower, options)
        sides = gate_record.read(baseline), gate_record.read(current)
        gate = judge(*sides, options, pairs)
        return Outcome(replace(gate, why=(*gate.why, *why)), sides)
    sides = gate_record.read(baseline), gate_record.read(current)
    return Outcome(judge(*sides, options), sides)


def _speed(files: tuple[Any, Any], slower: str, options: Options) -> tuple[list[Pair], list[Any]]:
    old, new = (speed.read(file) for file in files)
    return speed.compare(old, new, share(slower), options), speed.differences(old, new)


def verdicts(names: Sequence[str]) -> tuple[Verdict, ...]:
    """The verdicts with these names.

    Raises:
        StoreError: if one is unknown.
    """
    try:
        return tuple(Verdict(name.replace("-", " ")) for name in names)
    except ValueError:
        known = ", ".join(verdict.value for verdict in Verdict)
        raise StoreError(f"verdicts: expected some of {known}; got {', '.join(names)}") from None


def write(
    outcome: Outcome, folder: Path | None, formats: Sequence[str], fail_on: Sequence[Verdict]
) -> list[Path]:
    """Write the files asked for; on GitHub also the step's summary. Returns the files."""
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        with open(summary, "a", encoding="utf-8") as file:
            file.write(gate_output.markdown(outcome.gate, fail_on))
    if folder is None:
        return []
    return gate_files.write_gate(outcome.gate, outcome.sides, folder, formats, fail_on)


def shown(outcome: Outcome) -> list[dict[str, str]]:
    """The rows for a terminal: what is not identical."""
    left_out = ("note",)
    return [
        {key: value for key, value in row.items() if key not in left_out}
        for row in gate_output.rows(outcome.gate)
        if row["verdict"] != Verdict.IDENTICAL
    ]


def remarks(outcome: Outcome) -> list[str]:
    """Lines under the table: where bits part, what else differs, notes, the count."""
    gate = outcome.gate
    lines = [
        f"{pair.strategy} on {pair.task}: {text}"
        for pair in gate.pairs
        for text in (pair.note, gate_output.parted(pair), *{c.note for c in pair.comparisons})
        if text
    ]
    lines += [f"{d.what}: {d.baseline} -> {d.current}" for d in gate.why]
    return [*lines, *gate.notes, gate_output.headline(gate)]


def commands(outcome: Outcome, fail_on: Sequence[Verdict]) -> list[str]:
    """GitHub's annotations, where this is a GitHub job."""
    on_github = os.environ.get("GITHUB_ACTIONS") == "true"
    return gate_output.github(outcome.gate, fail_on) if on_github else []


def to_json(outcome: Outcome) -> dict[str, Any]:
    return gate_output.to_json(outcome.gate)


def looks(seeds: int, block: int) -> tuple[int, ...]:
    """The numbers of seeds at which a sequential gate looks."""
    from ..stats.sequential import plan

    return plan(seeds, block)


def explain(outcome: Outcome, names: tuple[str, str]) -> str:
    """The table and the curves as text; ``names`` are what baseline and current are called."""
    from ..text.text_curve import draw

    lines = []
    for row in gate_output.rows(outcome.gate):
        words = [f"{key} {row[key]}" for key in ("difference [95 %]", "p (Holm)", "A12")]
        lines.append(
            f"{row['metric'] or 'bits'}: {row['verdict']}; {names[0]} {row['baseline']}, "
            f"{names[1]} {row['current']}, {', '.join(words)}"
        )
    for key in outcome.sides[0].runs:
        if key in outcome.sides[1].runs:
            blocks = [side.runs[key].block for side in outcome.sides]
            named = [replace(b, strategy=n) for b, n in zip(blocks, names, strict=True)]
            lines += ["", draw(named)]
    return "\n".join([*lines, *outcome.gate.notes])


def other_bits(first: Path, second: Path) -> str | None:
    """Where the bits of two results folders part, in words; None if they are the same."""
    for pair in compare(first, second).gate.pairs:
        if pair.verdict is not Verdict.IDENTICAL:
            return pair.note or gate_output.parted(pair)
    return None
