"""Keeps to itself what a unit's code does to the process it runs in.

What can be put back is put back: the global random generators, the working directory, the
environment, warnings filters, signal handlers, … What cannot, such as a module whose functions
were exchanged, ends with the process; see docs/reliability.md.
"""

from __future__ import annotations

import contextlib
import decimal
import gc
import hashlib
import io
import locale
import logging
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from .._base.usage import memory

TAIL = 16_384
"""So many bytes of what a unit prints are kept, the last."""


class UserInterrupt(KeyboardInterrupt):
    """Ctrl-C by the user, not a KeyboardInterrupt that a strategy raised."""


def seed_globals(*what: object) -> None:
    """Seed the global random generators of those libraries that are there.

    A strategy has a stream of its own. One that draws from a global generator all the same does
    not depend on what ran before it.
    """
    number = int.from_bytes(hashlib.sha256(repr(what).encode()).digest()[:4])
    random.seed(number)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(number)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(number)


def _signals() -> dict[int, Any]:
    """Handlers of all signals that have one known to Python; only a main thread may set them."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    fixed = {getattr(signal, name, None) for name in ("SIGKILL", "SIGSTOP")}
    return {n: h for n, h in handlers.items() if h is not None and n not in fixed}


def _put_back_signals(before: dict[int, Any]) -> None:
    for number, handler in before.items():
        if signal.getsignal(number) is not handler:
            signal.signal(number, handler)


def _environment(before: dict[str, str]) -> None:
    if dict(os.environ) != before:
        os.environ.clear()
        os.environ.update(before)


def _attributes(thing: Any, *names: str) -> Callable[[], object]:
    before = {name: getattr(thing, name) for name in names}

    def put_back() -> None:
        for name, value in before.items():
            setattr(thing, name, value)

    return put_back


def _collector(enabled: bool, threshold: tuple[int, ...]) -> None:
    (gc.enable if enabled else gc.disable)()
    gc.set_threshold(*threshold)


def _numpy(numpy: Any) -> list[Callable[[], object]]:
    state, errors, shown = (
        numpy.random.get_state(),
        numpy.geterr(),
        numpy.get_printoptions(),
    )
    return [
        lambda: numpy.random.set_state(state),
        lambda: numpy.seterr(**errors),
        lambda: numpy.set_printoptions(**shown),
    ]


def _torch(torch: Any) -> list[Callable[[], object]]:
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    kind, grad = torch.get_default_dtype(), torch.is_grad_enabled()
    strict = torch.are_deterministic_algorithms_enabled()
    warn = torch.is_deterministic_algorithms_warn_only_enabled()
    return [
        lambda: torch.set_rng_state(state),
        lambda: torch.set_num_threads(threads),
        lambda: torch.set_default_dtype(kind),
        lambda: torch.set_grad_enabled(grad),
        lambda: torch.use_deterministic_algorithms(strict, warn_only=warn),
    ]


def _posix() -> list[Callable[[], object]]:
    """Signal mask, timer, file mode mask."""
    undo: list[Callable[[], object]] = []
    mask = os.umask(0o077)
    os.umask(mask)
    undo.append(lambda: os.umask(mask))
    if hasattr(signal, "pthread_sigmask"):
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        undo.append(lambda: signal.pthread_sigmask(signal.SIG_SETMASK, blocked))
    return undo


def _snapshot() -> list[Callable[[], object]]:
    """What puts the state back that this process is in now."""
    here, handlers, environment = os.getcwd(), _signals(), dict(os.environ)
    python, root = random.getstate(), logging.getLogger()
    deepest, regional = sys.getrecursionlimit(), locale.setlocale(locale.LC_ALL)
    path, level, disabled = list(sys.path), root.level, root.manager.disable
    arithmetic, switching = decimal.getcontext().copy(), sys.getswitchinterval()
    tracing, profiling = sys.gettrace(), sys.getprofile()
    collecting = gc.isenabled(), gc.get_threshold()
    logs = list(root.handlers)

    def put_back_logs() -> None:
        root.handlers[:] = logs
        root.setLevel(level)
        logging.disable(disabled)

    def put_back_path() -> None:
        sys.path[:] = path

    undo: list[Callable[[], object]] = [
        lambda: os.chdir(here),
        lambda: _put_back_signals(handlers),
        lambda: _environment(environment),
        lambda: random.setstate(python),
        lambda: sys.setrecursionlimit(deepest),
        lambda: locale.setlocale(locale.LC_ALL, regional),
        put_back_path,
        put_back_logs,
        lambda: decimal.setcontext(arithmetic),
        lambda: sys.setswitchinterval(switching),
        lambda: sys.settrace(tracing),
        lambda: sys.setprofile(profiling),
        lambda: _collector(*collecting),
        _attributes(sys, "stdin", "stdout", "stderr", "argv", "excepthook", "displayhook"),
        _attributes(threading, "excepthook"),
        *_posix(),
    ]
    if numpy := sys.modules.get("numpy"):
        undo += _numpy(numpy)
    if torch := sys.modules.get("torch"):
        undo += _torch(torch)
    return undo


@contextmanager
def state_kept() -> Iterator[None]:
    """Puts back what the code within changed of the process's state, as far as can be."""
    undo = _snapshot()
    with warnings.catch_warnings():
        try:
            yield
        finally:
            for put_back in undo:
                # One that cannot be put back, such as a folder that was removed, is no reason
                # not to put back the rest.
                with contextlib.suppress(Exception):
                    put_back()


@contextmanager
def _own_interrupts() -> Iterator[None]:
    """Ctrl-C raises UserInterrupt, where Python's own handler would raise KeyboardInterrupt."""
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise UserInterrupt

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def memory_limit(mebibytes: float) -> Iterator[None]:
    """Lets this process take so much more address space than it has; 0 is no limit. POSIX only."""
    if not mebibytes or os.name != "posix":
        yield
        return
    import resource

    before, most = resource.getrlimit(resource.RLIMIT_AS)
    wanted = memory("VmSize") + int(mebibytes * 2**20)
    if most != resource.RLIM_INFINITY:
        wanted = min(wanted, most)
    resource.setrlimit(resource.RLIMIT_AS, (wanted, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (before, most))


class _LastBytes(io.RawIOBase):
    """Keeps the end of what is written to it."""

    def __init__(self) -> None:
        self.kept = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.kept += data
        if len(self.kept) > 2 * TAIL:
            del self.kept[:-TAIL]
        return len(data)


class Tail(io.TextIOWrapper):
    """A text file that keeps the end of what is written to it."""

    def __init__(self) -> None:
        self._last = _LastBytes()
        super().__init__(
            self._last,  # type: ignore[arg-type]
            encoding="utf-8",
            errors="replace",
            write_through=True,
        )

    def __str__(self) -> str:
        return in_words(self._last.kept)


def in_words(printed: bytes | bytearray) -> str:
    """The end of what was printed, as text."""
    return bytes(printed[-TAIL:]).decode("utf-8", "replace").strip()


@contextmanager
def contained() -> Iterator[Tail]:
    """As much of a worker's containment as this process can give to a unit that runs within.

    Its output is kept from the terminal, and only the user's Ctrl-C leaves as a
    KeyboardInterrupt (`UserInterrupt`).
    """
    tail = Tail()
    with (
        _own_interrupts(),
        contextlib.redirect_stdout(tail),
        contextlib.redirect_stderr(tail),
    ):
        yield tail
