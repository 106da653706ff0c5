"""Watches a strategy's code while it runs: what it reaches that a strategy must not reach.

Three witnesses: the interpreter's audit events for files, network and processes (whoever opens
them, the strategy or a library it calls); its profiling events for clocks, entropy and the
arena's own tables (whatever name they were imported under); and the state of the global random
generators before and after. The guard only takes notes: nothing is replaced and nothing raises.

It finds carelessness and plain cheating. Code that is written to deceive the interpreter itself,
or native code that opens files without telling Python, is beyond it.
"""

from __future__ import annotations

import os
import random
import secrets
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from functools import cache, cached_property
from types import CodeType, FrameType, FunctionType
from typing import Any, NamedTuple

import numpy as np

from ...spaces import Table, TableBenchmark
from ..core import runner
from ..core.oracle import TableOracle
from ..core.task import TableTask
from ..experiment import registry

RANDOMNESS, CLOCK, FILES, NETWORK, TABLE = "randomness", "clock", "files", "network", "table"

_CLOCKS = frozenset(
    (
        *("time", "perf_counter", "monotonic", "process_time", "thread_time", "clock_gettime"),
        *("time_ns", "perf_counter_ns", "monotonic_ns", "process_time_ns", "thread_time_ns"),
        *("clock_gettime_ns", "sleep", "localtime", "gmtime", "ctime", "now", "utcnow", "today"),
    )
)
_NETWORK = ("socket.", "subprocess.", "urllib.", "ftplib.", "http.", "smtplib.", "webbrowser.")
_PROCESSES = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.startfile")
_FILES = (
    "open",
    *("os.chmod", "os.link", "os.listdir", "os.mkdir", "os.remove", "os.rename", "os.rmdir"),
    *("os.scandir", "os.symlink", "os.truncate", "shutil.", "tempfile.", "sqlite3.connect"),
    *("glob.", "pathlib."),
)
_CODE = (".py", ".pyc", ".pyi", ".so", ".pyd", ".dll", ".dylib", ".pth")
_MACHINE = ("/proc/", "/sys/", "/dev/null", "/etc/")
"""What libraries ask about the machine: its cores, its memory. No table lies there."""


class Trespass(NamedTuple):
    """What was reached, of which kind, and from which line."""

    kind: str
    what: str
    where: str


class Guard:
    """Takes notes of trespasses inside ``with guard.watching():``; on this thread only.

    Args:
        package: the top-level package of the strategy, whose code counts as its own wherever it
            is installed. Libraries may look at the clock and draw entropy for their bookkeeping
            (a study's name, a trial's date): whether that moves the search, the comparison of
            two runs tells.
        profile: whether to watch clocks, entropy and tables too, which is slow where much is
            called, as when a large library is imported.
    """

    def __init__(self, package: str, *, profile: bool = True) -> None:
        self._profiling = profile
        self._own = ("nasarena", package)
        self._thread = threading.get_ident()
        self._notes: dict[Trespass, None] = {}
        self._on = False

    @property
    def trespasses(self) -> list[Trespass]:
        """In order of their first occurrence, each once."""
        return list(self._notes)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While this is open, the code that runs is the strategy's."""
        _install_audit_hook()
        _with_tables()  # asks the registry, which reads files itself
        before, profile = _global_states(), sys.getprofile()
        _watchers.append(self._audit)
        self._on = True
        if self._profiling:
            sys.setprofile(self._profile)
        try:
            yield
        finally:
            sys.setprofile(profile)
            self._on = False
            _watchers.remove(self._audit)
            after = _global_states()
            for name in before.keys() & after.keys():
                if before[name] != after[name]:
                    self._note(RANDOMNESS, f"the global generator of {name}", "")

    def _note(self, kind: str, what: str, where: str) -> None:
        self._notes[Trespass(kind, what, where)] = None

    # The witnesses.

    def _profile(self, frame: FrameType, event: str, arg: Any) -> None:
        if event == "c_call":
            found = _c_call(arg)
        elif event == "call":
            found = _arena().get(frame.f_code)
        else:
            return
        if found is not None and self._on:
            kind, what = found
            caller = frame.f_back if event == "call" else frame
            culprit = self._culprit(caller)
            if culprit is not None:
                self._note(kind, what, culprit)

    def _culprit(self, frame: FrameType | None) -> str | None:
        """The line of the strategy's that did it; None if a library did."""
        while frame is not None and _is_standard(frame.f_code.co_filename):
            frame = frame.f_back
        if frame is None or _is_supernet(frame) or not self._is_own(frame):
            return None
        return _line(frame)

    def _is_own(self, frame: FrameType) -> bool:
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        return package in self._own or not _is_library(frame.f_code.co_filename)

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if not self._on or threading.get_ident() != self._thread:
            return
        if event.startswith(_NETWORK) or event.startswith(_PROCESSES):
            kind, what, path = NETWORK, f"{event} {' '.join(map(str, args))[:80]}", None
        elif event.startswith(_FILES):
            path = _path(args)
            if path is None or path.endswith(_CODE) or path.startswith(_MACHINE):
                return
            kind, what = FILES, f"{event} {path!r}"
        else:
            return
        culprit = self._opener(sys._getframe(2), path)
        if culprit is not None:
            self._note(kind, what, culprit)

    def _opener(self, frame: FrameType | None, path: str | None) -> str | None:
        """The strategy's nearest line; None if an import opened it, or a library its own file."""
        while frame is not None:
            file = frame.f_code.co_filename
            if file.startswith("<frozen importlib"):
                return None
            if not _is_standard(file) and self._is_own(frame):
                return _line(frame)
            package = _package_folder(file)
            if package and path and path.startswith(package) and package not in _with_tables():
                return None
            frame = frame.f_back
        return ""


def _is_supernet(frame: FrameType) -> bool:
    """Whether code is that of the supernet's sessions, which measure what they cost."""
    return str(frame.f_globals.get("__name__", "")).startswith("nasarena.bench.live.")


def _c_call(function: Any) -> tuple[str, str] | None:
    """Whether a function in C is a clock or a source of entropy."""
    name = getattr(function, "__name__", "")
    owner = getattr(function, "__self__", None)
    if name in _CLOCKS:
        if owner is time:
            return CLOCK, f"time.{name}"
        if isinstance(owner, type) and issubclass(owner, date):
            return CLOCK, f"datetime.{name}"
    elif name in ("urandom", "getrandom") and getattr(owner, "__name__", "") in ("posix", "nt"):
        return RANDOMNESS, f"os.{name}"
    elif owner is _global_random and name not in ("getstate", "setstate"):
        # To save the state and put it back draws nothing; whether it was is looked at in the end.
        return RANDOMNESS, f"random.{name}"
    return None


_global_random = random.seed.__self__  # type: ignore[attr-defined]  # the module's hidden Random


@cache
def _arena() -> dict[CodeType, tuple[str, str]]:
    """The code of all that answers from a table, by what it is."""
    owners: tuple[Any, ...] = (TableTask, Table, TableBenchmark, TableOracle, registry, runner)
    found: dict[CodeType, tuple[str, str]] = {}
    for owner in owners:
        for name, member in vars(owner).items():
            function = _function(member)
            if function is not None and function.__module__.startswith("nasarena."):
                label = f"{owner.__name__.rpartition('.')[2]}.{name}"
                found[function.__code__] = TABLE, label
    return found


def _function(member: Any) -> FunctionType | None:
    if isinstance(member, (cached_property, classmethod, staticmethod)):
        member = getattr(member, "func", None) or getattr(member, "__func__", None)
    elif isinstance(member, property):
        member = member.fget
    member = getattr(member, "__wrapped__", member)
    return member if isinstance(member, FunctionType) else None


def _global_states() -> dict[str, Any]:
    legacy: Any = np.random.get_state()  # noqa: NPY002 - this is what it must not touch
    states: dict[str, Any] = {
        "random": random.getstate(),
        "numpy.random": (legacy[1].tobytes(), *legacy[2:]),
    }
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "get_rng_state"):
        states["torch"] = torch.get_rng_state().numpy().tobytes()
    return states


# Audit hooks stay for the life of the process: there is one, and it is silent without a guard.

_watchers: list[Callable[[str, tuple[Any, ...]], None]] = []


def _hook(event: str, args: tuple[Any, ...]) -> None:
    for watcher in _watchers:
        watcher(event, args)


@cache
def _install_audit_hook() -> None:
    sys.addaudithook(_hook)


# Whose code it is.


@cache
def _folders() -> tuple[tuple[str, ...], tuple[str, ...]]:
    paths = sysconfig.get_paths()
    standard = {paths["stdlib"], paths["platstdlib"], os.path.dirname(secrets.__file__)}
    libraries = {paths["purelib"], paths["platlib"], os.path.dirname(os.path.dirname(np.__file__))}

    def below(places: set[str]) -> tuple[str, ...]:
        return tuple(place.rstrip(os.sep) + os.sep for place in places)

    return below(standard), below(libraries)


@cache
def _is_library(file: str) -> bool:
    return file.startswith(_folders()[1]) or f"{os.sep}site-packages{os.sep}" in file


@cache
def _is_standard(file: str) -> bool:
    if file.startswith("<frozen "):
        return True
    return file.startswith(_folders()[0]) and not _is_library(file)


@cache
def _package_folder(file: str) -> str:
    """The folder of the installed package that a file belongs to; empty if it is in none."""
    for folder in _folders()[1]:
        if file.startswith(folder):
            package, slash, _ = file.removeprefix(folder).partition(os.sep)
            return f"{folder}{package}{slash}" if slash else ""
    return ""


@cache
def _with_tables() -> frozenset[str]:
    """The folders of the installed packages that carry registered benchmarks' tables."""
    found = set()
    for name in registry.benchmark_names():
        benchmark = registry.benchmark(name)
        # An imported one is read from the library, not from a package.
        if isinstance(benchmark, TableBenchmark):
            for dataset in benchmark.datasets:
                with suppress(ImportError, OSError):
                    found.add(_package_folder(str(benchmark.source(dataset))))
    return frozenset(found)


def _line(frame: FrameType) -> str:
    return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"


def _path(args: tuple[Any, ...]) -> str | None:
    """The path that an audit event names; None if it is a descriptor that is open already."""
    path = args[0] if args else ""
    if isinstance(path, int):
        return None
    return os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else str(path)
