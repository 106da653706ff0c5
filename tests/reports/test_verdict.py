from dataclasses import replace

import numpy as np
import pytest
import stores

from nasarena.bench._base.errors import StoreError
from nasarena.reports.verdict import ALL, RandomCurve, Verdict, verdict, write_verdict

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
    [
        *((4.0, 10), (2.0, 100), (8.0, 1), (9.0, 0), (0.5, np.inf), (np.nan, np.nan)),
        *((1.5, 10**2.5), (1.0, 1000), (6.0, 10**0.5)),
    ],
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
    compared = {(c.task, c.second) for c in found.comparisons}
    assert compared == {("t/a", "part"), *((task, "weak") for task in found.tasks)}


def test_tasks_that_only_others_ran_are_shown_but_not_compared():
    made = runs(mine=5.0, weak=6.0) | {("t/c", "weak"): {0: 1.0, 1: 2.0}}
    found = verdict(made, "mine", {}, 9)
    assert found.tasks == ["t/a", "t/b"]
    assert [line.strategy for line in found.lines if line.task == "t/c"] == ["weak"]


def test_the_curve_is_read_off_along_the_logarithm_of_the_queries():
    assert CURVE.at(10) == pytest.approx(4)
    assert CURVE.at(10**1.5) == pytest.approx(3)
    assert (CURVE.at(0.5), CURVE.at(5000)) == (8, 1)


def test_the_tables_say_how_the_strategy_fares_and_against_whom():
    made = {
        ("t/a", "mine"): dict.fromkeys(range(9), 4.0),
        ("t/b", "mine"): dict.fromkeys(range(9), 0.5),
        ("t/a", "rival"): dict.fromkeys(range(9), 2.0),
        ("t/b", "rival"): dict.fromkeys(range(8), 2000.0),
        ("t/b", "other"): dict.fromkeys(range(9), 0.25),
    }
    standing, against = verdict(made, "mine", {"t/a": CURVE, "t/b": CURVE}, 100).tables()
    assert standing.name == "standing"
    assert standing.caption == (
        "mine: final validation regret; over all tasks in units of what random search expects at "
        "this budget"
    )
    assert standing.header == [
        *("task", "mean final regret", "rank", "worth in random queries", "runs")
    ]
    assert standing.rows == [
        ["t/a", "4", "2 of 2", "10", "9"],
        ["t/b", "0.5", "2 of 3", "more than can be told", "9"],
        ["all tasks", "1.12", "1 of 2", "–", "9"],
    ]
    assert against.name == "verdict"
    assert against.caption == (
        "mine against each baseline: Wilcoxon signed-rank tests paired by seed, Holm-corrected "
        "over this table, α = 0.05"
    )
    assert against.header == ["against", "t/a", "t/b", "all tasks"]
    assert against.rows == [
        ["rival", "worse", "better", "better"],
        ["other", "–", "worse", "–"],
    ]


def test_lines_count_failed_runs_but_average_those_that_finished():
    made = {
        ("t", "mine"): {0: 1.0, 1: 3.0, 2: np.nan},
        ("t", "rival"): {0: 1500.0},
        ("t", "failed"): {0: np.nan},
        ("t", "absent"): {},
    }
    found = verdict(made, "mine", {"t": CURVE}, 100)
    assert [(x.strategy, x.runs, x.rank, x.of) for x in found.lines] == [
        ("mine", 3, 1, 3),
        ("rival", 1, 2, 3),
        ("failed", 1, 3, 3),
    ]
    np.testing.assert_allclose([x.regret for x in found.lines], [2, 1500, np.nan])
    np.testing.assert_allclose([x.worth for x in found.lines], [100, 0, np.nan])
    assert [line["regret"] for line in found.to_json()["standing"]] == [2, 1500, "nan"]


def test_a_word_follows_from_the_corrected_p_value():
    some = {("t", "mine"): {0: 1.0, 1: 2.0}, ("t", "rival"): {0: 2.0, 1: 3.0}}
    (comparison,) = verdict(some, "mine", {}, 9).comparisons

    def word(corrected, sign=-1.0, refused=""):
        only = replace(comparison, corrected=corrected, sign=sign, refused=refused)
        found = Verdict("mine", ("rival",), (), (only,))
        assert found.word("t", "nobody") == found.word("u", "rival") == "–"
        return found.word("t", "rival")

    assert word(0.049) == "better"
    assert word(0.049, sign=1.0) == "worse"
    assert word(0.05) == "no evidence"
    assert word(0.049, refused="too few") == "–"


def test_a_results_folder_is_judged(tmp_path):
    tasks = {"t/1": stores.facts(), "t/2": stores.facts()}
    data = stores.synthetic(("weak", "mine"), tuple(tasks), seeds=8)
    results = stores.write(tmp_path / "results", data, stores.manifest(("weak", "mine"), tasks))
    curves = {task: ([1, 4, 100], [2, 1, 0.5]) for task in tasks}
    page, found = write_verdict(results, "mine", curves)
    assert page is None
    assert (found.label, found.baselines) == ("mine", ("weak",))
    assert found.tasks == ["t/1", "t/2", ALL]
    lines = {(line.task, line.strategy): line.regret for line in found.lines}
    for task in tasks:
        runs = data[(data.task == task) & (data.strategy == "mine")].groupby("seed")
        last = [run.validation[run.loss.idxmin()] + 95 for _, run in runs]
        assert lines[task, "mine"] == pytest.approx(np.mean(last))
    # Random search expects 1 after the 4 queries of the budget: regrets are in units of that.
    assert lines[ALL, "mine"] == pytest.approx(np.mean([lines[t, "mine"] for t in tasks]))
    page, _ = write_verdict(results, "mine", curves, formats=["md"])
    text = (page / "report.md").read_text(encoding="utf-8")
    assert text.index("mine against each baseline") < text.index("Final validation regret of")
    with pytest.raises(StoreError, match=r"results: expected runs of 'nobody'"):
        write_verdict(results, "nobody", curves)


def test_a_results_folder_without_a_budget_of_queries_is_judged_by_a_hundred(tmp_path):
    tasks = {"t/1": stores.facts(), "t/2": stores.facts()}
    budget = {"queries": None, "epochs": None, "seconds": 9.0}
    data = stores.synthetic(("mine", "weak"), tuple(tasks), seeds=3)
    plan = stores.manifest(("mine", "weak"), tasks, budget)
    results = stores.write(tmp_path / "results", data, plan)
    curves = {task: ([1, 10_000], [1, 0]) for task in tasks}
    lines = {x.task: x.regret for x in write_verdict(results, "mine", curves)[1].lines[::2]}
    assert lines[ALL] == pytest.approx(np.mean([lines[t] for t in tasks]) / 0.5)
