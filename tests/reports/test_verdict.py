import numpy as np
import pytest

from nasarena.reports.verdict import ALL, RandomCurve, verdict

CURVE = RandomCurve(np.array([1.0, 10.0, 100.0, 1000.0]), np.array([8.0, 4.0, 2.0, 1.0]))


def runs(seeds=40, **means):
    """Runs of strategies on two tasks around these means, with noise that pairs share."""
    rng = np.random.default_rng(0)
    found = {}
    for task in ("t/a", "t/b"):
        shared = rng.normal(size=seeds)
        for label, mean in means.items():
            values = mean + shared + rng.normal(scale=0.3, size=seeds)
            found[task, label] = dict(enumerate(values.tolist()))
    return found


def test_better_worse_and_no_evidence():
    found = verdict(
        runs(mine=5.0, weak=6.0, strong=4.0, same=5.0),
        "mine",
        {"t/a": CURVE, "t/b": CURVE},
        200,
    )
    assert found.tasks == ["t/a", "t/b", ALL]
    for task in found.tasks:
        assert found.word(task, "weak") == "better"
        assert found.word(task, "strong") == "worse"
        assert found.word(task, "same") == "no evidence"
    standing, against = found.tables()
    assert standing.rows[0][2] in ("2 of 4", "3 of 4")
    assert against.rows[0] == ["weak", "better", "better", "better"]


def test_with_few_seeds_nothing_is_claimed():
    found = verdict(runs(seeds=3, mine=5.0, weak=6.0), "mine", {}, 200)
    assert {found.word(task, "weak") for task in found.tasks} == {"no evidence"}
    found = verdict(runs(seeds=1, mine=5.0, weak=6.0), "mine", {}, 200)
    assert found.word("t/a", "weak") == "–"


def test_the_same_numbers_are_no_evidence():
    made = runs(mine=5.0)
    made |= {(task, "copy"): values for (task, _), values in made.items()}
    assert verdict(made, "mine", {}, 200).word("t/a", "copy") == "no evidence"


def test_holm_counts_all_comparisons():
    rng = np.random.default_rng(1)
    made = {("t", "mine"): dict(enumerate(rng.normal(size=20).tolist()))}
    made["t", "rival"] = {s: v + rng.normal(0.33, 0.5) for s, v in made["t", "mine"].items()}
    alone = verdict(made, "mine", {}, 200).comparisons[0]
    noise = {("t", f"n{i}"): dict(enumerate(rng.normal(size=20).tolist())) for i in range(30)}
    everyone = verdict(made | noise, "mine", {}, 200).comparisons
    among = next(c for c in everyone if c.second == "rival")
    assert alone.corrected == alone.p == among.p
    assert alone.corrected < 0.05 < among.corrected


def test_only_common_seeds_are_paired():
    made = runs(seeds=40, mine=5.0, slow=6.0)
    made["t/a", "slow"] = {s: v for s, v in made["t/a", "slow"].items() if s < 15}
    found = {c.task: c for c in verdict(made, "mine", {"t/a": CURVE, "t/b": CURVE}, 9).comparisons}
    assert (found["t/a"].seeds, found["t/a"].unpaired) == (15, 25)
    assert found["t/b"].seeds == 40
    assert found[ALL].seeds == 15


def test_over_all_tasks_each_counts_in_units_of_random_search():
    large = RandomCurve(CURVE.queries, CURVE.expected * 1000)
    made = {
        ("t/a", "mine"): dict.fromkeys(range(9), 1.0),
        ("t/b", "mine"): dict.fromkeys(range(9), 2000.0),
        ("t/a", "rival"): dict.fromkeys(range(9), 2.0),
        ("t/b", "rival"): dict.fromkeys(range(9), 500.0),
    }
    found = verdict(made, "mine", {"t/a": CURVE, "t/b": large}, 1000)
    lines = {line.strategy: line for line in found.lines if line.task == ALL}
    assert lines["mine"].regret == pytest.approx((1 + 2) / 2)
    assert lines["rival"].regret == pytest.approx((2 + 0.5) / 2)
    assert np.isnan(lines["mine"].worth)


def test_without_a_curve_of_every_task_there_is_no_verdict_over_all():
    assert ALL not in verdict(runs(mine=5.0, weak=6.0), "mine", {"t/a": CURVE}, 200).tasks


def test_a_run_without_an_incumbent_counts_as_worst():
    made = runs(mine=5.0, rival=5.0)
    for seed in range(20):
        made["t/a", "mine"][seed] = float("nan")
    found = verdict(made, "mine", {}, 200)
    assert found.word("t/a", "rival") == "worse"
    assert next(c for c in found.comparisons if c.task == "t/a").failed == 20


@pytest.mark.parametrize(
    ("regret", "worth"),
    [(4.0, 10), (2.0, 100), (8.0, 1), (9.0, 0), (0.5, np.inf), (np.nan, np.nan)],
)
def test_worth_in_random_queries(regret, worth):
    assert CURVE.worth(regret) == pytest.approx(worth, nan_ok=True)


def test_a_level_curve_is_worth_its_first_point():
    level = RandomCurve(np.array([1.0, 10.0, 100.0]), np.array([2.0, 1.0, 1.0]))
    assert level.worth(1.0) == pytest.approx(10)
    assert level.at(50) == pytest.approx(1.0)


def test_nobody_to_compare_with():
    with pytest.raises(ValueError, match="at least one other"):
        verdict({("t", "mine"): {0: 1.0}}, "mine", {}, 200)
    with pytest.raises(ValueError, match="'mine'"):
        verdict({("t", "other"): {0: 1.0}}, "mine", {}, 200)


def test_plain_data_is_json():
    import json

    found = verdict(runs(mine=5.0, weak=6.0), "mine", {"t/a": CURVE, "t/b": CURVE}, 200)
    plain = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert {c["verdict"] for c in plain["comparisons"]} == {"better"}


def test_the_ranks_say_who_is_better_and_not_the_median():
    # A little better on 21 seeds of 40, and much worse on 19.
    gains = np.concatenate([-0.01 - np.arange(21) / 1000, 1 + np.arange(19) / 10])
    rival = dict.fromkeys(range(40), 5.0)
    made = {("t", "mine"): dict(enumerate(5 + gains)), ("t", "rival"): rival}
    found = verdict(made, "mine", {}, 200)
    (only,) = found.comparisons
    assert only.difference < 0 < only.sign
    assert only.corrected < 0.05
    assert found.word("t", "rival") == "worse"
    assert only.statement().startswith("rival is better than mine on t")


@pytest.mark.parametrize("tasks", [("t/a", "t/b"), ("t/b", "t/a")])
def test_where_random_search_expects_no_regret_there_is_no_verdict_over_all(tasks):
    solved = RandomCurve(np.array([1.0, 10.0]), np.array([1.0, 0.0]))
    curves = dict(zip(tasks, (CURVE, solved), strict=True))
    assert verdict(runs(mine=5.0, weak=6.0), "mine", curves, 10).tasks == ["t/a", "t/b"]
    assert verdict(runs(mine=5.0, weak=6.0), "mine", curves, 9).tasks == ["t/a", "t/b", ALL]


@pytest.mark.parametrize("short", ["t/a", "t/b"])
def test_over_all_tasks_only_seeds_that_every_task_has_count(short):
    made = runs(seeds=40, mine=5.0, slow=6.0)
    made[short, "mine"] = {s: v for s, v in made[short, "mine"].items() if s != 3}
    found = {c.task: c for c in verdict(made, "mine", {"t/a": CURVE, "t/b": CURVE}, 9).comparisons}
    assert (found[ALL].seeds, found[ALL].unpaired) == (39, 1)


def test_over_all_tasks_there_is_no_verdict_on_a_baseline_that_is_missing_on_one():
    made = runs(mine=5.0, weak=6.0, part=6.0)
    del made["t/b", "part"]
    found = verdict(made, "mine", {"t/a": CURVE, "t/b": CURVE}, 9)
    assert found.word("t/a", "part") == found.word(ALL, "weak") == "better"
    assert found.word("t/b", "part") == found.word(ALL, "part") == "–"
