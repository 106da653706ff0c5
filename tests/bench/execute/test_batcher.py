"""How many units go into a task: by what is known of their duration, and less towards the end."""

from pathlib import Path

from nasarena.bench.execute.batcher import LEAST, MOST, RATE, ROWS, Portions
from nasarena.bench.execute.time_left import Costs
from nasarena.bench.execute.units import Job
from nasarena.bench.experiment.experiment import Experiment, StrategySpec
from nasarena.bench.store.store import Unit

EXPERIMENT = Experiment(tasks=(), strategies=())


def jobs(count, label="quick"):
    spec = StrategySpec(label, label)
    return [Job(Path("out"), EXPERIMENT, spec, Unit("task", label, i, i)) for i in range(count)]


def seen(*seconds, queries=1):
    """What is known after units of one seed that took so long."""
    costs = Costs()
    for each in seconds:
        costs.ended(Unit("task", "quick", 0, 0), each, queries)
    return costs


def test_a_unit_of_unknown_duration_goes_alone():
    costs = Costs()
    portions = Portions(jobs(50), costs)
    assert [len(portions.take(2)) for _ in range(3)] == [1, 1, 1]
    costs.failed(Unit("task", "quick", 0, 0), 0.0)
    costs.ended(Unit("another task", "quick", 0, 0), 1e-6)
    assert len(portions.take(2)) == 1


def test_short_units_go_together_and_long_ones_alone():
    assert len(Portions(jobs(4000), seen(LEAST / 10)).take(2)) == 10
    assert len(Portions(jobs(4000), seen(LEAST / 10, LEAST / 10 * 19)).take(2)) == 1


def test_a_unit_of_more_seeds_takes_longer():
    (job,) = jobs(1)
    many = [job._replace(unit=Unit("task", "quick", 10 * i, 10 * i + 9)) for i in range(100)]
    assert len(Portions(many, seen(LEAST / 50)).take(2)) == 5


def test_more_workers_get_larger_portions_so_that_the_scheduler_keeps_up():
    portions = Portions(jobs(60_000), seen(0.2))
    threads = 1000
    portion = portions.take(threads)
    assert threads / (len(portion) * 0.2) <= RATE * 1.01


def test_what_is_lost_with_a_worker_stays_small_and_the_end_is_shared_out():
    portions = Portions(jobs(10_000), seen(1e-6))
    assert len(portions.take(2)) == MOST
    while len(portions) > 12:
        portions.take(2)
    assert len(portions.take(2)) <= 3


def test_results_that_travel_as_one_stay_small():
    portions = Portions(jobs(4000), seen(1e-6, queries=ROWS // 4))
    assert len(portions.take(2)) == 4


def test_every_job_is_handed_out_once_in_its_order_and_what_is_put_back_comes_next():
    given = jobs(30) + jobs(20, "other")
    portions = Portions(given, seen(LEAST / 5))
    first = portions.take(3)
    portions.put_back(reversed(first))
    taken = []
    while portions:
        taken += portions.take(3)
    assert taken == given
    assert portions.take(3) == []


def test_a_portion_ends_where_units_of_unknown_duration_begin():
    portions = Portions(jobs(3) + jobs(3, "other"), seen(1e-6))
    labels = []
    while portions:
        labels.append({job.spec.label for job in portions.take(1)})
    assert all(len(each) == 1 for each in labels)
