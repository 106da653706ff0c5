"""Every check of a strategy can fail: a broken strategy for each, in broken.py."""

import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from nasarena.bench import checks
from nasarena.bench._base.errors import CheckFailed
from nasarena.bench.check import QUICK, Limits, findings
from nasarena.bench.check import strategy as rules
from nasarena.bench.core import runner

BROKEN = f"{Path(__file__).parents[2] / 'helpers'}/broken.py"
SMALL = {"tasks": [], "quick": True}

# What breaks it, which check says so, and what it says.
CASES = [
    ("proposes_valid_architectures", "proposes-valid-architectures", "not an architecture of"),
    ("refuses_every_space", "proposes-valid-architectures", "is not to my taste"),
    ("same_seed_same_run", "same-seed-same-run", "part at event 1: asked ("),
    ("same_run_in_another_process", "same-run-in-another-process", "part at event 1"),
    ("keeps_instances_apart", "keeps-instances-apart", "beside another instance part at event"),
    ("resumes_by_replay", "resumes-by-replay", "with 1 worker, the run and its replay part"),
    ("no_other_randomness", "no-other-randomness", "the global generator of numpy.random"),
    ("no_entropy", "no-other-randomness", "os.urandom at broken.py:"),
    ("draws_globally", "no-other-randomness", "random.getrandbits at broken.py:"),
    ("no_clock", "no-clock", "time.perf_counter at broken.py:"),
    ("no_files", "no-files", "os.listdir "),
    ("reads_the_published_table", "no-files", "protein_structure.pkl' at broken.py:"),
    ("no_network", "no-network", "socket.bind"),
    ("asks_no_table", "asks-no-table", "registry.benchmark at broken.py:"),
    ("holds_no_table", "holds-no-table", "names registry, of nasarena.bench.experiment.registry"),
    ("HoldsAColumn", "holds-no-table", "an array of the table's column 'validation'"),
    ("IgnoresTestData", "ignores-test-data", "upside down part at event"),
    ("IgnoresTestData", "resumes-by-replay", "AttributeError"),
    ("asks_for_full_epochs", "asks-for-full-epochs", "query 1 asks for 1 of 9 epochs"),
    ("names_no_training_seed", "names-no-training-seed", "never had that training seed"),
    ("survives_failures", "survives-failures", "ended after 3"),
    ("survives_nan", "survives-nan", "cannot convert float NaN"),
    ("survives_failures_alone", "survives-failures-alone", "ValueError: min() arg"),
    ("WorksWithManyWorkers", "works-with-many-workers", "with workers = 16, as with one"),
    ("TakesAnswersInAnyOrder", "takes-answers-in-any-order", "not the answer that was due"),
    ("takes_several_losses", "takes-several-losses", "too many values to unpack"),
]


def problems(name, rule, **more):
    made = checks(f"{BROKEN}:{name}", only=[rule], **(SMALL | more))
    return [finding.problem for finding in findings(made)]


@pytest.mark.parametrize(("name", "rule", "said"), CASES)
def test_a_broken_strategy_is_caught(name, rule, said):
    found = problems(name, rule)
    assert any(problem and said in problem for problem in found), found


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        (name, rule)
        for name, rule, _ in CASES
        if name in ("no_clock", "no_files", "survives_nan", "names_no_training_seed")
    ],
)
def test_what_breaks_one_rule_keeps_the_others(name, rule):
    made = checks(f"{BROKEN}:{name}", **SMALL)
    failed = {finding.check.partition(" on ")[0] for finding in findings(made) if finding.problem}
    assert rule in failed
    assert failed <= {rule, "same-run-in-another-process"}


def test_thinking_too_long_is_caught(monkeypatch):
    ticks = itertools.count(0.0, 100.0)
    monkeypatch.setattr(rules, "perf_counter", lambda: next(ticks))
    (check,) = checks("random", only=["bounded-thinking-time"], limits=Limits(5, 50, 1.9))
    with pytest.raises(AssertionError, match=r"at most 1.9 s a query over 50 queries\n.*came: 2 s"):
        check()
    (check,) = checks("random", only=["bounded-thinking-time"], limits=Limits(5, 50, 2.1))
    assert check() == "2e+03 ms a query over 50 queries"


def test_hoarding_memory_is_caught():
    limits = Limits(queries=5, long=30, megabytes=20)
    (found,) = problems("bounded_memory", "bounded-memory", limits=limits)
    assert "at most 20 MiB over 30 queries" in found
    assert "came: 3" in found


@pytest.mark.parametrize("rule", ["refused-several-workers", "refused-several-objectives"])
def test_a_runner_that_lets_everybody_in_is_caught(monkeypatch, rule):
    assert problems("no_clock", rule) == [None]
    monkeypatch.setattr(runner, "check_capabilities", lambda *any_: None)
    (found,) = problems("no_clock", rule)
    assert "came: the runner lets it take part" in found


def test_weight_sharing_is_refused_without_a_supernet(monkeypatch):
    made = checks(f"{BROKEN}:shares_weights")
    assert str(made[0]) == "refused-without-supernet on small/plain"
    made[0]()
    monkeypatch.setattr(runner, "check_capabilities", lambda *any_: None)
    with pytest.raises(CheckFailed, match="a refusal of a task without a supernet"):
        made[0]()


def test_without_torch_nothing_else_of_weight_sharing_is_tried(monkeypatch):
    monkeypatch.setattr(rules, "find_spec", lambda name: None)
    (only,) = checks(f"{BROKEN}:shares_weights")
    assert only() == 'no other check: supernets need torch: pip install "nasarena[live]"'


@pytest.mark.torch
def test_what_shares_weights_is_tried_on_a_supernet():
    pytest.importorskip("torch")
    made = checks(f"{BROKEN}:shares_weights", tasks=["fcnet/protein"], limits=Limits(3, 4))
    assert "bounded-thinking-time" not in {check.rule for check in made}
    found = {str(check): check() for check in made}
    assert len(found) > 20
    no_supernet = "it has no supernet, which this strategy needs"
    assert found["proposes-valid-architectures on fcnet/protein"] == no_supernet
    assert found["proposes-valid-architectures on small/cells"] == ""


@pytest.mark.torch
@pytest.mark.parametrize(
    ("name", "rule", "came"),
    [
        ("shares_and_draws", "no-other-randomness", "the global generator of torch"),
        ("shares_and_times", "no-clock", "time.perf_counter"),
        ("shares_and_differs", "same-seed-same-run", "they part at event"),
    ],
)
def test_a_broken_strategy_that_shares_weights_is_caught(name, rule, came):
    pytest.importorskip("torch")
    (found,) = problems(name, rule, limits=Limits(3, 4))
    assert came in found


def test_checks_are_chosen_by_what_is_declared():
    def named(what):
        return {check.rule for check in checks(what, tasks=[])}

    one, several = named("local-search"), named("random")
    assert {"refused-several-workers", "refused-several-objectives"} == one - several
    assert {
        "works-with-many-workers",
        "takes-answers-in-any-order",
        "takes-several-losses",
    } == several - one
    assert named("local-search") - named("asha") >= {"asks-for-full-epochs"}


def test_every_rule_has_a_broken_strategy():
    tried = {rule for _, rule, _ in CASES}
    tried |= {"bounded-thinking-time", "bounded-memory"}
    tried |= {"refused-several-workers", "refused-several-objectives"}
    assert {rule.__name__.replace("_", "-") for rule, _ in rules.RULES} <= tried


def test_an_import_is_no_trespass():
    """Modules that read their own files while they are imported, and at work later."""
    made = checks("optuna-qmc", only=["no-files", "no-clock", "no-other-randomness"], limits=QUICK)
    assert [finding.problem for finding in findings(made)] == [None] * 3


def test_pytest_users_parametrise_it_in_three_lines(tmp_path):
    text = (Path(__file__).parents[3] / "docs" / "extending.md").read_text()
    example = "import pytest" + text.partition("import pytest")[2].partition("```")[0]
    tried = (("no_clock", "clock", "1 failed"), ("shares_weights", "without", "1 passed"))
    for name, check, outcome in tried:
        file = tmp_path / f"test_{name}.py"
        file.write_text(example.replace("mine.py:mine", f"{BROKEN}:{name}"))
        words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(file)]
        done = subprocess.run([*words, "-k", check], capture_output=True, text=True)
        assert outcome in done.stdout, done.stdout
