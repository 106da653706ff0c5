"""Puts one fault after another into a module and asks whether its tests notice.

    python tests/mutants/run.py [MODULE...] [--sample N --seed S] [--jobs N]

Modules and their tests are in `targets.toml`. Each mutant has a process of its own, forked from one
that has imported the libraries; it compiles the fault into the module when that is imported, and no
file is changed. Tests that call the mutated function come first, the quick ones before the slow.

What became of each mutant is kept in a file (``--known``), and not asked again unless the module
changes or, for a survivor, its tests do. The run fails where a mutant survives for which
`survivors.toml` gives no reason, where one that is listed does not survive any more, and where less
than 90 % of a module's mutants are killed.
"""

from __future__ import annotations

import argparse
import ast
import gc
import hashlib
import importlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any, NamedTuple

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from mutations import Mutation, mutations

HERE = Path(__file__).parent
ENOUGH = 0.9
_ORIGIN = "import importlib.util, sys; print(importlib.util.find_spec(sys.argv[1]).origin)"
_OPTIONS = ["-q", "-x", "--assert=plain", "-p", "no:cacheprovider"]


class Watch:
    """What a run of tests is asked: to go by ``first``, and what failed, took time and was called.

    ``source`` is the file whose functions are looked for in what a test calls; None: not at all.
    """

    def __init__(self, first: Mapping[str, float], source: str | None) -> None:
        self.first, self.source = first, source
        self.failed: str | None = None
        self.seconds: dict[str, float] = {}
        self.called: dict[str, list[str]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: self.first.get(item.nodeid, 0.0))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        begin, called = time.perf_counter(), set()

        def note(frame: Any, event: str, argument: object) -> None:
            if frame.f_code.co_filename == self.source:
                called.add(frame.f_code.co_qualname.replace(".<locals>", ""))

        if self.source is not None:
            sys.settrace(note)
        try:
            return (yield)
        finally:
            if self.source is not None:
                sys.settrace(None)
            self.called[item.nodeid] = sorted(called)
            self.seconds[item.nodeid] = time.perf_counter() - begin

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed = self.failed or (report.nodeid if report.failed else None)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.failed = self.failed or (report.nodeid if report.failed else None)


class Module:
    """A module, its mutants, its tests, and what is ``known`` of them from an earlier run."""

    def __init__(
        self, name: str, tests: Sequence[str], options: Sequence[str], known: dict[str, Any]
    ) -> None:
        self.name, self.tests, self.options = name, tests, options
        command = [sys.executable, "-c", _ORIGIN, name]
        self.path = subprocess.run(command, check=True, stdout=-1, text=True).stdout.strip()
        self.source = Path(self.path).read_text(encoding="utf-8")
        self.mutants = {mutation.name: mutation for mutation in mutations(self.source)}
        texts = [self.source, "".join(Path(test).read_text(encoding="utf-8") for test in tests)]
        source, tested = (hashlib.sha256(text.encode()).hexdigest() for text in texts)
        same = known.get("source") == source
        unchanged = same and known.get("tests") == tested
        self.known = {
            "source": source,
            "tests": tested,
            "baseline": known.get("baseline") if unchanged else None,
            "mutants": {
                name: found
                for name, found in (known["mutants"] if same else {}).items()
                if name in self.mutants and (unchanged or found["outcome"] != "survived")
            },
        }

    def run_tests(self, mutation: Mutation | None, folder: str) -> int:
        """Start the tests in a process of its own; its id. Without a mutation they are traced.

        What was found is in the folder then, if the process came to its end.
        """
        if mutation is None:
            watch, seconds = Watch({}, self.path), 3600
        else:
            watch, seconds = Watch(self.order(mutation), None), 10 + 4 * self.baseline["cpu"]
        if pid := os.fork():
            return pid
        code = 70
        try:
            os.setsid()
            said = os.open(f"{folder}/said.txt", os.O_CREAT | os.O_WRONLY)
            for stream in (1, 2):
                os.dup2(said, stream)
            resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds)))
            if mutation is not None:
                self.import_from(mutation.applied(self.source))
            words = [*_OPTIONS, f"--basetemp={folder}/tests", *self.options, *self.tests]
            code = int(pytest.main(words, [watch]))
            found = {"failed": watch.failed, "seconds": watch.seconds, "called": watch.called}
            Path(folder, "found.json").write_text(json.dumps(found), encoding="utf-8")
        finally:
            sys.stdout.flush()  # what is printed at exit otherwise is lost by leaving like this
            os._exit(code)

    @property
    def baseline(self) -> dict[str, Any]:
        """What the tests take and call without a mutation."""
        found: dict[str, Any] = self.known["baseline"]
        return found

    def order(self, mutation: Mutation) -> dict[str, float]:
        """Test -> when its turn is: first those that call what is mutated, by their time."""
        return {
            test: self.baseline["seconds"][test]
            + (0 if any(f"{name}.".startswith(f"{mutation.function}.") for name in called) else 1e6)
            for test, called in self.baseline["called"].items()
        }

    def import_from(self, tree: ast.Module) -> None:
        """Have the module made from ``tree`` when it is imported."""
        plain = SourceFileLoader.get_code

        def get_code(loader: SourceFileLoader, name: str) -> Any:
            if name == self.name:
                return compile(tree, self.path, "exec")
            return plain(loader, name)

        SourceFileLoader.get_code = get_code  # type: ignore[method-assign]


class Work(NamedTuple):
    """The tests of a module, with a mutation or without."""

    module: Module
    mutation: Mutation | None


Keep = Callable[[Work, int, dict[str, Any]], None]


def run_all(work: Sequence[Work], jobs: int, keep: Keep) -> None:
    """Do each piece of ``work``, ``jobs`` at once; ``keep`` is given its exit status and findings.

    A process that takes far longer than its tests do without a mutation is ended.
    """
    waiting = list(reversed(work))
    running: dict[int, tuple[Work, float, str]] = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            one, folder = waiting.pop(), tempfile.mkdtemp(prefix="mutant-")
            running[one.module.run_tests(one.mutation, folder)] = one, time.monotonic(), folder
        pid, status, usage = os.wait4(-1, os.WNOHANG)
        if pid == 0:
            for pid, (one, begin, _) in running.items():
                usual = 3600 if one.mutation is None else one.module.baseline["wall"]
                if time.monotonic() - begin > 60 + 20 * usual:
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
            continue
        one, begin, folder = running.pop(pid)
        end_group(pid)
        file = Path(folder, "found.json")
        found = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        found |= {"cpu": usage.ru_utime + usage.ru_stime, "wall": time.monotonic() - begin}
        if one.mutation is None and status:
            sys.exit(f"{one.module.name}: without a mutation its tests fail\n" + said(folder))
        shutil.rmtree(folder, ignore_errors=True)
        keep(one, status, found)


def said(folder: str) -> str:
    """What pytest said in a process."""
    return Path(folder, "said.txt").read_text(encoding="utf-8", errors="replace")


def end_group(pid: int) -> None:
    """End what the tests of a process have left running."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def report(chosen: Sequence[Work], listed: Mapping[str, Mapping[str, str]], whole: bool) -> int:
    """Print the share that was killed and whatever is wrong; the exit status."""
    wrong: list[str] = []
    for module in dict.fromkeys(one.module for one in chosen):
        names = [o.mutation.name for o in chosen if o.module is module and o.mutation is not None]
        outcomes = {name: module.known["mutants"][name]["outcome"] for name in names}
        survived = [name for name in names if outcomes[name] == "survived"]
        share = 1 - len(survived) / len(names)
        print(
            f"{module.name:32}{len(names):6} mutants{share:8.1%} killed{len(survived):5} survived"
        )
        reasons = listed.get(module.name, {})
        new = [f"{json.dumps(n, ensure_ascii=False)} = ''" for n in survived if n not in reasons]
        if new:
            wrong.append(f"\nsurvived, and survivors.toml gives no reason:\n[{module.name!r}]")
            wrong += new
        gone = [n for n in reasons if outcomes.get(n, "" if whole else "survived") != "survived"]
        wrong += [f"\n{module.name}: does not survive any more: {name}" for name in gone]
        if whole and share < ENOUGH:
            wrong.append(f"\n{module.name}: {share:.1%} killed, less than {ENOUGH:.0%}")
    print("\n".join(wrong))
    return 1 if wrong else 0


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("modules", nargs="*", help="names in targets.toml; none: all of them")
    parser.add_argument("--sample", type=int, help="only so many mutants")
    parser.add_argument("--seed", type=int, default=0, help="draws another sample")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--known", type=Path, default=Path(".mutants.json"), help="kept results")
    parser.add_argument("--lists", type=Path, default=HERE, help="folder of the two .toml files")
    options = parser.parse_args()
    targets, listed = (
        tomllib.loads((options.lists / f"{name}.toml").read_text(encoding="utf-8"))
        for name in ("targets", "survivors")
    )
    known: dict[str, Any] = {}
    if options.known.exists():
        known = json.loads(options.known.read_text(encoding="utf-8"))
    names = options.modules or list(targets["modules"])
    modules = [
        Module(name, targets["modules"][name], targets["options"], known.get(name, {}))
        for name in names
    ]
    for name in targets["preload"]:
        importlib.import_module(name)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # starts in half the time
    gc.freeze()

    def keep(one: Work, status: int, found: dict[str, Any]) -> None:
        module, mutation = one
        if mutation is None:
            module.known["baseline"] = found
        else:
            outcome = "survived" if status == 0 else "killed" if found.get("failed") else "ended"
            line = {"outcome": outcome, "by": found.get("failed"), "cpu": round(found["cpu"], 2)}
            module.known["mutants"][mutation.name] = line
            print(f"{outcome:9} {module.name}:{mutation.line} {mutation.name}", flush=True)
        known[module.name] = module.known
        options.known.write_text(json.dumps(known, ensure_ascii=False), encoding="utf-8")

    chosen = [Work(module, mutant) for module in modules for mutant in module.mutants.values()]
    if options.sample is not None:
        chosen = random.Random(options.seed).sample(chosen, min(options.sample, len(chosen)))
    todo = [o for o in chosen if o.mutation and o.mutation.name not in o.module.known["mutants"]]
    needed = dict.fromkeys(o.module for o in todo if o.module.known["baseline"] is None)
    run_all([Work(module, None) for module in needed], options.jobs, keep)
    run_all(todo, options.jobs, keep)
    return report(chosen, listed, whole=options.sample is None)


if __name__ == "__main__":
    sys.exit(main())
