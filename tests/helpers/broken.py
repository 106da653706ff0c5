"""For each check of a strategy one that breaks this rule and, as far as can be, no other."""

import random
import socket
import sys
import time
from pathlib import Path
from random import Random, SystemRandom

import numpy as np

from nasarena.bench import Query, strategy
from nasarena.bench.experiment import registry


def samples(problem, rng):
    while True:
        yield problem.space.sample(rng)


@strategy()
def proposes_valid_architectures(problem, rng):
    for arch in samples(problem, rng):
        yield (9, *arch[1:])


@strategy()
def same_seed_same_run(problem, rng):
    yield from samples(problem, Random())  # noqa: RUF100


@strategy()
def same_run_in_another_process(problem, rng):
    names = {"alpha", "beta", "gamma", "delta", "epsilon", "zeta"}
    yield from samples(problem, Random("".join(names)))


_made = []


@strategy()
def keeps_instances_apart(problem, rng):
    _made.append(rng)  # an instance looks at how many there are
    for arch in samples(problem, rng):
        yield arch if _made[-1] is rng else problem.space.simplest()


@strategy()
def resumes_by_replay(problem, rng):
    """Asks twice, and tells answers apart by identity, which no record keeps."""
    for arch in samples(problem, rng):
        first = yield arch
        again = yield arch
        if first.query is not again.query:
            rng.random()


@strategy()
def no_other_randomness(problem, rng):
    for arch in samples(problem, rng):
        np.random.rand()  # noqa: NPY002
        yield arch


@strategy()
def no_entropy(problem, rng):
    for arch in samples(problem, rng):
        np.random.default_rng()
        yield arch


@strategy()
def draws_globally(problem, rng):
    for arch in samples(problem, rng):
        random.choice("ab")
        yield arch


@strategy()
def no_clock(problem, rng):
    for arch in samples(problem, rng):
        time.perf_counter()
        yield arch


@strategy()
def sleeps(problem, rng):
    yield from samples(problem, rng)
    time.sleep(0)


@strategy()
def no_files(problem, rng):
    for arch in samples(problem, rng):
        Path(__file__).with_suffix(".txt").exists()
        list(Path(__file__).parent.iterdir())
        yield arch


@strategy()
def reads_the_published_table(problem, rng):
    from nasarena.spaces.published.fcnet import source

    for arch in samples(problem, rng):
        source("protein").read_bytes()[:1]
        yield arch


@strategy()
def no_network(problem, rng):
    with socket.socket() as here:
        here.bind(("127.0.0.1", 0))
    yield from samples(problem, rng)


@strategy()
def asks_no_table(problem, rng):
    look = getattr(sys.modules["nasarena.bench.experiment.registry"], "benchmark")  # noqa: B009
    for arch in samples(problem, rng):
        look("fcnet")
        yield arch


@strategy()
def holds_no_table(problem, rng):
    for arch in samples(problem, rng):
        if rng is None:
            registry.task("fcnet/protein")
        yield arch


@strategy()
class HoldsAColumn:
    """Took an array of the table's along; it never looks at it."""

    def __init__(self, problem, rng):
        from nasarena.bench.check.tasks import small

        self.column = small("conditional").table.columns["validation"][:5, 0]
        self.samples = samples(problem, rng)

    def ask(self):
        return next(self.samples)

    def tell(self, observation):
        pass


@strategy()
class IgnoresTestData:
    """Finds the oracle on the call stack, and waits for good test losses."""

    def __init__(self, problem, rng):
        self.space, self.rng = problem.space, rng

    def ask(self):
        frame = sys._getframe()
        while "evaluate" not in frame.f_locals:
            frame = frame.f_back
        table = frame.f_locals["evaluate"].__self__._task.table
        drawn = [self.space.sample(self.rng) for _ in range(5)]
        rows = [table.row_of[self.space.index(arch)] for arch in drawn]
        return drawn[int(np.argmax(table.columns["test"][rows, -1, 0]))]

    def tell(self, observation):
        pass


@strategy()
def asks_for_full_epochs(problem, rng):
    for arch in samples(problem, rng):
        yield Query(arch, problem.epochs[0])


@strategy()
def names_no_training_seed(problem, rng):
    for arch in samples(problem, rng):
        yield Query(arch, replica=0)


@strategy()
def survives_failures(problem, rng):
    for arch in samples(problem, rng):
        if (yield arch).losses[0] == float("inf"):
            return


@strategy()
def survives_nan(problem, rng):
    for arch in samples(problem, rng):
        loss = (yield arch).losses[0]
        if loss != float("inf"):
            int(loss)


@strategy()
def survives_failures_alone(problem, rng):
    seen = []
    for arch in samples(problem, rng):
        seen.append((yield arch).losses[0])
        if len(seen) == 10:
            min(loss for loss in seen if loss < float("inf"))


@strategy(asynchronous=True)
class WorksWithManyWorkers:
    """Ends when it is asked for a tenth query while nine are under way."""

    def __init__(self, problem, rng):
        self.samples, self.under_way = samples(problem, rng), 0

    def ask(self):
        self.under_way += 1
        return next(self.samples) if self.under_way < 10 else None

    def tell(self, observation):
        self.under_way -= self.under_way < 10


@strategy(asynchronous=True)
class TakesAnswersInAnyOrder:
    """Takes the first answer for that of its first query."""

    def __init__(self, problem, rng):
        self.samples, self.asked = samples(problem, rng), []

    def ask(self):
        self.asked.append(next(self.samples))
        return self.asked[-1]

    def tell(self, observation):
        if self.asked.pop(0) != observation.query.arch:
            raise LookupError("not the answer that was due")


@strategy(multi_objective=True)
def takes_several_losses(problem, rng):
    for arch in samples(problem, rng):
        (_only,) = (yield arch).losses


@strategy()
def bounded_memory(problem, rng):
    kept = []
    for arch in samples(problem, rng):
        kept.append(np.ones(2**17))
        yield arch


def trained(problem, rng):
    """An epoch of single paths."""
    net = problem.supernet(rng)
    for batches in net.epochs(1):
        for train, _ in batches:
            net.descend(net.loss(train, path=problem.space.sample(rng)))
            yield net


@strategy(weight_sharing=True)
def shares_weights(problem, rng):
    for _ in trained(problem, rng):
        pass
    yield from samples(problem, rng)


@strategy(weight_sharing=True)
def shares_and_draws(problem, rng):
    import torch

    for _ in trained(problem, rng):
        pass
    torch.rand(1)
    yield from samples(problem, rng)


@strategy(weight_sharing=True)
def shares_and_times(problem, rng):
    for _ in trained(problem, rng):
        time.perf_counter()
    yield from samples(problem, rng)


@strategy(weight_sharing=True)
def shares_and_differs(problem, rng):
    """Chance that comes from elsewhere, through the supernet."""
    net = problem.supernet(SystemRandom())
    rng.seed(str(net.weights[0].sum().item()))
    yield from samples(problem, rng)


@strategy()
def refuses_every_space(problem, rng):
    raise ValueError(f"{problem.space.name} is not to my taste")
    yield
