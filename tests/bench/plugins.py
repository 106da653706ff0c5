"""Strategies that do what they should not."""

import os
import random
import sys
import time

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
