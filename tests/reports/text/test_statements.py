import numpy as np
import pytest

from nasarena.reports.record.curves import Block
from nasarena.reports.text.statements import MOST, final_values, finding, pairs, statements

nan = np.nan


def block(task, strategy, finals, test=None, seeds=None):
    """Runs of one step each that end at ``finals``."""
    validation = np.array(finals, dtype=float)[:, None]
    ones = np.ones_like(validation)
    return Block(
        task=task,
        strategy=strategy,
        seeds=np.arange(len(finals)) if seeds is None else np.array(seeds),
        lengths=np.ones(len(finals), dtype=np.int64),
        validation=validation,
        test=np.full_like(validation, nan)
        if test is None
        else np.array(test, dtype=float)[:, None],
        queries=ones,
        epochs=ones,
        finish=ones,
        ends=ones[:, 0],
        failed=0,
        unique=1.0,
        thinking=0.0,
    )


def far_apart(tasks=1, seeds=10):
    rng = np.random.default_rng(0)
    return [
        block(f"t/{t}", label, base + rng.random(seeds))
        for t in range(tasks)
        for label, base in (("a", 1.0), ("b", 5.0), ("c", 1.01))
    ]


def test_a_clear_difference_is_claimed_and_an_unclear_one_is_not():
    (claims,) = statements(far_apart(), ["a", "b", "c"])
    assert claims.metric == "validation"
    said = {(c.first, c.second): finding(c) for c in claims.comparisons}
    assert said == {("a", "b"): "a is better", ("a", "c"): "no evidence", ("b", "c"): "c is better"}
    sentences = claims.on("t/0")
    assert sentences[0].startswith("a is better than b on t/0 (median difference -")
    assert "no evidence of a difference between a and c" in sentences[1]
    assert "more seeds would show such a difference" in sentences[1]
    assert "equal" not in "".join(sentences)
    assert claims.on("t/9") == []


def test_the_table_has_the_numbers_behind_each_sentence():
    (claims,) = statements(far_apart(), ["a", "b", "c"])
    table = claims.table()
    assert "Holm-corrected over 3 comparisons: every pair" in table.caption
    first = dict(zip(table.header, table.rows[0], strict=True))
    assert (first["A12"], first["seeds"], first["more seeds needed"]) == ("1", "10", "–")
    assert first["p"] == "0.0020"
    assert first["p (Holm)"] == "0.0059"
    assert int(table.rows[1][-1].replace(",", "")) > 0


def test_over_few_tasks_the_statement_is_refused_and_says_why():
    (few,) = statements(far_apart(tasks=3), ["a", "b", "c"])
    assert few.across.startswith("There is no statement over all tasks: 3 tasks")
    assert "a ranks first" in few.across or "c ranks first" in few.across
    (many,) = statements(far_apart(tasks=7), ["a", "b", "c"])
    assert "has the best average rank over 7 tasks" in many.across
    assert "it differs from b" in many.across


def test_test_regret_is_claimed_apart_and_only_where_it_is_known():
    both = [
        block("t/1", "a", [1, 2, 3], test=[1, 2, 3]),
        block("t/1", "b", [1, 2, 4], test=[1, 2, 4]),
        block("t/2", "a", [1, 2, 3]),
        block("t/2", "b", [1, 2, 4]),
    ]
    validation, test = statements(both, ["a", "b"])
    assert {c.task for c in validation.comparisons} == {"t/1", "t/2"}
    assert {c.task for c in test.comparisons} == {"t/1"}


def test_pairs_go_by_seed_and_a_failed_run_counts_as_worst():
    finals = final_values([block("t/1", "a", [1, nan, 3], seeds=[4, 7, 9])], "validation")
    assert list(finals["t/1", "a"]) == [4, 7, 9]
    seeds = range(3, 11)
    found = [
        block("t/1", "a", [1, 1, 1, 1, 1, 1, nan, nan], seeds=seeds),
        block("t/1", "b", [1, 1, 1, 1, 1, 1, 2, 2], seeds=seeds),
        block("t/1", "c", [1], seeds=[99]),
    ]
    (claims,) = statements(found, ["a", "b", "c"])
    (first,) = claims.comparisons  # c has no seed in common with the others
    assert (first.failed, first.seeds) == (2, 8)
    assert first.sign > 0
    (refused,) = statements([block("t", "a", [1, 2]), block("t", "b", [1])], ["a", "b"])
    assert finding(refused.comparisons[0]) == "not compared"
    assert refused.table().rows[0][-3:] == ["–", "–", "–"]


@pytest.mark.parametrize(("random", "reference"), [(True, "random"), (False, "s0")])
def test_many_strategies_are_compared_with_one(random, reference):
    labels = [f"s{i}" for i in range(MOST)] + (["random"] if random else ["last"])
    found, family = pairs({}, labels)
    assert len(found) == MOST
    assert {second for _, second in found} == {reference}
    assert family == f"every strategy with {reference} on every task"


def test_one_strategy_is_nothing_to_compare():
    assert statements([block("t", "a", [1, 2])], ["a"]) == []
