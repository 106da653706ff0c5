"""How many units go into a task: by what is known of their duration, and less towards the end."""

from pathlib import Path

from nasarena.bench.execute.batcher import LEAST, MOST, RATE, ROWS, Portions
from nasarena.bench.execute.units import Done, Job
from nasarena.bench.experiment.experiment import Experiment, StrategySpec
from nasarena.bench.store.store import Unit

EXPERIMENT = Experiment(tasks=(), strategies=())


def jobs(count, label="quick"):
    spec = StrategySpec(label, label)
    return [Job(Path("out"), EXPERIMENT, spec, Unit("task", label, i, i)) for i in range(count)]


def ended(seconds, label="quick", error=None, queries=1):
    return Done(Unit("task", label, 0, 0), queries, seconds, error)


def test_a_unit_of_unknown_duration_goes_alone():
    portions = Portions(jobs(50))
    assert [len(portions.take(2)) for _ in range(3)] == [1, 1, 1]
    portions.learn(ended(0.0, error="failed at once"))
    assert len(portions.take(2)) == 1


def test_short_units_go_together_and_long_ones_alone():
    portions = Portions(jobs(4000))
    portions.learn(ended(LEAST / 10))
    assert len(portions.take(2)) == 10
    portions.learn(ended(LEAST / 10 * 19))
    assert len(portions.take(2)) == 1


def test_more_workers_get_larger_portions_so_that_the_scheduler_keeps_up():
    portions = Portions(jobs(60_000))
    portions.learn(ended(0.2))
    threads = 1000
    portion = portions.take(threads)
    assert threads / (len(portion) * 0.2) <= RATE * 1.01


def test_what_is_lost_with_a_worker_stays_small_and_the_end_is_shared_out():
    portions = Portions(jobs(10_000))
    portions.learn(ended(1e-6))
    assert len(portions.take(2)) == MOST
    while len(portions) > 12:
        portions.take(2)
    assert len(portions.take(2)) <= 3


def test_results_that_travel_as_one_stay_small():
    portions = Portions(jobs(4000))
    portions.learn(ended(1e-6, queries=ROWS // 4))
    assert len(portions.take(2)) == 4


def test_every_job_is_handed_out_once_in_its_order_and_what_is_put_back_comes_next():
    given = jobs(30) + jobs(20, "other")
    portions = Portions(given)
    portions.learn(ended(LEAST / 5))
    first = portions.take(3)
    portions.put_back(reversed(first))
    taken = []
    while portions:
        taken += portions.take(3)
    assert taken == given
    assert portions.take(3) == []


def test_a_portion_ends_where_units_of_unknown_duration_begin():
    portions = Portions(jobs(3) + jobs(3, "other"))
    portions.learn(ended(1e-6))
    seen = []
    while portions:
        seen.append({job.spec.label for job in portions.take(1)})
    assert all(len(labels) == 1 for labels in seen)
