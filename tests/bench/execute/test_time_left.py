"""The time left, on simulated runs whose lengths are known."""

import math
from pathlib import Path
from random import Random

import pytest

from nasarena.bench.execute.plan import Plan
from nasarena.bench.execute.time_left import Costs, TimeLeft
from nasarena.bench.execute.units import Done, Job, block_size
from nasarena.bench.experiment.experiment import Experiment, StrategySpec
from nasarena.bench.store.store import Unit

BEAT = 0.25
DEFAULT = {"random": 0.002, "evolution": 0.003, "local-search": 0.003, "tpe": 0.45}
MANY = {f"s{i}": 0.001 * 1.6**i for i in range(15)}  # the last takes 700 times the first
MODELS = {"gp": 0.17, "bananas": 1.6, "npenas": 0.24, "forest": 1.4, "random": 0.001}
LIVE = {"random": 300.0, "evolution": 290.0, "hyperband": 120.0}


def jobs(costs, tasks, seeds):
    experiment = Experiment()
    size = block_size(seeds)
    return [
        Job(
            Path(),
            experiment,
            StrategySpec(label, label),
            Unit(task, label, a, min(a + size, seeds) - 1),
        )
        for task in tasks
        for label in costs
        for a in range(0, seeds, size)
    ]


class Simulation:
    """Local processes without processes: the real order and estimate, on a simulated clock."""

    def __init__(self, costs, factors, seeds, workers, *, noise, overhead=0.01, rng):
        waiting = jobs(costs, factors, seeds)
        self.plan = Plan(waiting)
        self.left = TimeLeft([job.unit for job in waiting], workers)
        self.lengths = {
            job.unit: [
                costs[job.unit.label] * factors[job.unit.task] * math.exp(rng.gauss(0, noise))
                for _ in range(job.unit.first, job.unit.last + 1)
            ]
            for job in waiting
        }
        self.workers, self.overhead = workers, overhead

    def run(self):
        """[(time, time left as estimated)], a hundred times; and the time of the end."""
        clock, busy, estimates = 0.0, {}, []
        step = max(BEAT, sum(map(sum, self.lengths.values())) / self.workers / 100)
        beat = step
        while self.plan or busy:
            while self.plan and len(busy) < self.workers:
                busy[self.plan.next().unit] = clock
            ends = {u: begin + sum(self.lengths[u]) + self.overhead for u, begin in busy.items()}
            unit = min(ends, key=ends.get)
            if beat < ends[unit]:
                clock = beat
                beat += step
                for each, begin in busy.items():
                    self.look(each, clock - begin)
                estimates.append((clock, self.left.seconds()))
            else:
                clock = ends[unit]
                self.look(unit, math.inf)
                del busy[unit]
                took = sum(self.lengths[unit]) + self.overhead
                self.plan.ended(Done(unit, seconds=took))
                self.left.ended(unit, took)
        return estimates, clock

    def look(self, unit, since):
        """Tell how many seeds are finished by now."""
        done, spent = 0, 0.0
        for length in self.lengths[unit]:
            if spent + length > since:
                break
            done, spent = done + 1, spent + length
        self.plan.saw(unit, done, spent)
        self.left.saw(unit, done, spent)


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize(
    ("costs", "tasks", "seeds", "noise"),
    [
        (DEFAULT, 5, 10, 0.1),
        (DEFAULT, 5, 200, 0.1),
        (MANY, 8, 50, 0.15),
        (MODELS, 3, 20, 0.1),
        (LIVE, 3, 40, 0.15),
        ({"one": 0.05}, 1, 1000, 0.5),
    ],
)
def test_the_time_left_is_right_after_a_tenth(costs, tasks, seeds, noise, workers):
    """Within 20 % (or a second) of what remains, from a tenth of the time to eight tenths of it.

    Tasks take between 0.9 and 1.15 of what a strategy takes on average.
    """
    for number in range(2):
        rng = Random(f"{costs} {tasks} {seeds} {workers} {number}")
        factors = {f"task/{i}": rng.uniform(0.9, 1.15) for i in range(tasks)}
        made = Simulation(costs, factors, seeds, workers, noise=noise, rng=rng)
        estimates, end = made.run()
        checked = [(now, left) for now, left in estimates if end * 0.1 <= now <= end * 0.8]
        assert len(checked) > 10
        for now, left in checked:
            assert left == pytest.approx(end - now, rel=0.2, abs=1.0), (
                f"at {now:.1f} of {end:.1f} s"
            )


def test_the_longest_come_first_after_one_of_each():
    rng = Random(0)
    made = Simulation(DEFAULT, {"a": 1.0, "b": 1.2}, 40, 2, noise=0.0, rng=rng)
    order = []
    take = made.plan.next
    made.plan.next = lambda: order.append(job := take()) or job
    made.run()
    labels = [job.unit.label for job in order]
    assert set(labels[:4]) == set(DEFAULT)
    assert labels[4:11] == ["tpe"] * 7
    assert {job.unit.task for job in order[:4]} == {"a", "b"}
    assert len(order) == len({job.unit for job in order}) == 4 * 2 * 4


def test_what_was_not_seen_is_judged_by_what_was():
    costs = Costs()
    unit = Unit("a", "slow", 0, 9)
    assert costs.of("a", "slow") is None
    costs.ended(unit, 20.0)
    costs.ended(Unit("a", "fast", 0, 9), 2.0)
    costs.ended(Unit("b", "fast", 0, 9), 6.0)
    assert costs.of("a", "slow") == pytest.approx(2.0)
    # Task b takes thrice what a takes, by one strategy's word.
    assert 1.2 * costs.of("a", "slow") < costs.of("b", "slow") < 3 * costs.of("a", "slow")
    assert costs.of("a", "slow") < costs.of("c", "slow") < costs.of("b", "slow")
    assert costs.of("c", "fast") < costs.of("c", "new") < costs.of("c", "slow")


def test_seeds_that_were_seen_do_not_come_again():
    unit = Unit("a", "s", 0, 9)
    left = TimeLeft([unit])
    assert left.seconds() is None
    left.saw(unit, 4, 8.0)
    assert left.seconds() == pytest.approx(12.0)
    left.ended(unit, 21.0)
    assert left.seconds() == 0.0


def test_a_failure_tells_nothing_of_the_others():
    units = [Unit("a", "s", i, i) for i in range(3)]
    left = TimeLeft(units)
    left.ended(units[0], 10.0)
    left.ended(units[1], 0.001, failed=True)
    assert left.seconds() == pytest.approx(10.0)


def test_no_worker_can_help_with_the_last_unit():
    units = [Unit("a", "s", i, i) for i in range(2)]
    left = TimeLeft(units, workers=8)
    left.ended(units[0], 10.0)
    assert left.seconds() == pytest.approx(10.0)
