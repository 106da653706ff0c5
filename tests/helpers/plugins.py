"""Strategies that do what they should not."""

import contextlib
import ctypes
import decimal
import gc
import locale
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings

import numpy as np

from nasarena.bench import strategy


@strategy()
def raises(problem, rng):
    yield problem.space.sample(rng)
    raise RuntimeError("planted")


@strategy()
def invalid(problem, rng):
    while True:
        yield (99,) * len(problem.space.sizes)


@strategy()
def hangs(problem, rng):
    yield problem.space.sample(rng)
    while True:
        time.sleep(0.01)


@strategy()
def exits(problem, rng):
    yield problem.space.sample(rng)
    sys.exit(3)


@strategy()
def dies(problem, rng):
    yield problem.space.sample(rng)
    os._exit(3)


@strategy()
def good(problem, rng):
    while True:
        yield problem.space.sample(rng)


@strategy()
def uses_global_random(problem, rng):
    while True:
        yield problem.space.sample(random)


_shared = []


@strategy()
def shares_state(problem, rng):
    while True:
        _shared.append(1)
        seen = problem.space.sample(rng)
        yield problem.space.arch(0) if len(_shared) % 7 == 0 else seen


@strategy()
def trips_over_inf(problem, rng):
    while True:
        seen = yield problem.space.sample(rng)
        int(seen.losses[0])


@strategy(asynchronous=True)
class NotReallyAsynchronous:
    def __init__(self, problem, rng):
        self.space, self.rng, self.waiting = problem.space, rng, False

    def ask(self):
        assert not self.waiting, "asked while waiting"
        self.waiting = True
        return self.space.sample(self.rng)

    def tell(self, observation):
        self.waiting = False


@strategy()
def hangs_in_c(problem, rng):
    """Deaf to every signal that can be blocked."""
    yield problem.space.sample(rng)
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    time.sleep(60)


@strategy()
def hangs_in_numpy(problem, rng):
    """One call that never looks at Python's signal handlers."""
    yield problem.space.sample(rng)
    np.convolve(np.ones(2**18), np.ones(2**18))


@strategy()
def swallows_everything(problem, rng):
    yield problem.space.sample(rng)
    while True:
        with contextlib.suppress(BaseException):
            time.sleep(60)


@strategy()
def hangs_at_seed_two(problem, rng):
    """The third run of a process does not end."""
    _shared.append(1)
    yield problem.space.sample(rng)
    while len(_shared) == 3:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
        time.sleep(0.01)


@strategy()
def dies_happily(problem, rng):
    yield problem.space.sample(rng)
    print("good-bye")
    os._exit(0)


@strategy()
def kills_itself(problem, rng):
    yield problem.space.sample(rng)
    os.kill(os.getpid(), signal.SIGKILL)


@strategy()
def segfaults(problem, rng):
    yield problem.space.sample(rng)
    ctypes.string_at(0)


@strategy()
def dies_once(problem, rng, *, mark):
    """A process that is lost by no fault of the unit, as far as anyone can tell."""
    yield problem.space.sample(rng)
    if not os.path.exists(mark):
        open(mark, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    while True:
        yield problem.space.sample(rng)


@strategy()
def allocates(problem, rng):
    held = []
    while True:
        yield problem.space.sample(rng)
        held.append(np.empty(2**27))  # 1 GiB of address space, of which nothing is touched


@strategy()
def leaks(problem, rng, *, mebibytes):
    _shared.append(np.ones(mebibytes * 2**17))
    while True:
        yield problem.space.sample(rng)


@strategy()
def prints(problem, rng):
    """50 MB, and then the last word."""
    yield problem.space.sample(rng)
    for _ in range(50):
        print("x" * 999_999)
    os.system("echo said by a child")
    print("the last word", file=sys.stderr, flush=True)
    raise RuntimeError("planted")


@strategy()
def interrupts(problem, rng):
    yield problem.space.sample(rng)
    raise KeyboardInterrupt


@strategy()
def forks(problem, rng, *, pids):
    """Leaves a child behind, a program, a daemon that has left the session, and a copy of itself
    that runs on."""
    yield problem.space.sample(rng)
    child = os.fork()
    if not child:
        time.sleep(600)
    program = subprocess.Popen(["sleep", "600"]).pid
    read, write = os.pipe()
    if not os.fork():
        os.setsid()
        if os.fork():
            os._exit(0)
        os.write(write, str(os.getpid()).encode())
        time.sleep(600)
    daemon = int(os.read(read, 100))
    copy = os.fork()
    if copy:
        with open(pids, "a") as file:
            file.write(f"{child} {program} {daemon} {copy} ")
    while True:
        yield problem.space.sample(rng)


@strategy()
def leaves_a_thread(problem, rng):
    yield problem.space.sample(rng)
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    while True:
        yield problem.space.sample(rng)


def global_state():
    """Everything of the process that `changes_everything` changes."""
    return {
        "cwd": os.getcwd(),
        "environment": dict(os.environ),
        "random": random.getstate(),
        "numpy": [str(part) for part in np.random.get_state()],  # noqa: NPY002
        "numpy errors": np.geterr(),
        "warnings": list(warnings.filters),
        "signal": [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGALRM, signal.SIGINT)],
        "mask": signal.pthread_sigmask(signal.SIG_BLOCK, []),
        "recursion": sys.getrecursionlimit(),
        "locale": locale.setlocale(locale.LC_ALL),
        "path": list(sys.path),
        "streams": [sys.stdout, sys.stderr, sys.stdin],
        "precision": decimal.getcontext().prec,
        "collector": (gc.isenabled(), gc.get_threshold()),
        "logging": (logging.getLogger().level, list(logging.getLogger().handlers)),
        "hooks": (sys.excepthook, threading.excepthook),
        "mode mask": (os.umask(mask := os.umask(0o77)), mask)[1],
    }


@strategy()
def changes_everything(problem, rng):
    os.chdir("/")
    os.environ["HOME"] = "/nowhere"
    os.environ.pop("PATH", None)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    np.seterr(all="raise")
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    sys.setrecursionlimit(5000)
    locale.setlocale(locale.LC_ALL, "C" if "UTF" in locale.setlocale(locale.LC_ALL) else "C.UTF-8")
    sys.path.insert(0, "/nowhere")
    sys.stdout = sys.stderr = sys.stdin = None
    decimal.getcontext().prec = 3
    gc.disable()
    logging.getLogger().setLevel(logging.CRITICAL)
    logging.getLogger().addHandler(logging.NullHandler())
    sys.excepthook = threading.excepthook = print
    os.umask(0o777)
    while True:
        yield problem.space.sample(rng)


@strategy()
def depends_on_everything(problem, rng):
    """Searches differently wherever the process's state is another one."""
    state = global_state()
    for kind in ("signal", "streams", "hooks", "logging"):  # objects of this process
        del state[kind]
    here = random.Random(repr(sorted(state.items(), key=str)))
    while True:
        yield problem.space.sample(here)


@strategy()
def slow(problem, rng):
    while True:
        time.sleep(0.02)
        yield problem.space.sample(rng)


@strategy()
def kills_its_parent(problem, rng):
    yield problem.space.sample(rng)
    os.kill(os.getppid(), 9)
    time.sleep(60)


@strategy()
def leaves_a_trace(problem, rng):
    """Writes when it ran, and for which worker, to the file that the environment names."""
    begin = time.time()
    for _ in range(5):
        time.sleep(0.02)
        yield problem.space.sample(rng)
    with open(os.environ["TRACE"], "a") as file:
        file.write(f"{os.getppid()} {begin} {time.time()}\n")
