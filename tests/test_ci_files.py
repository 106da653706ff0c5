"""The action, the workflow, the GitLab job and the hook, run in a scratch repository."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parents[1]
EXPERIMENT = """
name = "mine"
tasks = ["nasbench201/cifar10"]
strategies = ["mine.py:mine"]
seeds = 15
budget = { queries = 60 }
"""
SOUND = """
from nasarena.bench import strategy

@strategy(family="local search")
def mine(problem, rng):
    best = problem.space.sample(rng)
    loss = (yield best).losses[0]
    while True:
        arch = problem.space.mutate(best, rng)
        seen = yield arch
        if seen.losses[0] <= loss:
            best, loss = arch, seen.losses[0]
"""
WORSE = SOUND.replace("<= loss", ">= loss")
RENAMED = SOUND.replace("seen", "told")


class Repository:
    """A git repository with a remote, and a job's environment in it."""

    def __init__(self, root):
        self.root = root
        self.work = root / "work"
        self.git("init", "--quiet", "--bare", "--initial-branch=main", "remote.git", cwd=root)
        self.git("clone", "--quiet", str(root / "remote.git"), "work", cwd=root)
        self.commit(SOUND, "sound")
        self.git("push", "--quiet", "origin", "HEAD:main")
        self.tools = root / "tools"
        self.tools.mkdir()
        # One process: to start more takes longer than what they would do.
        python = shlex.quote(sys.executable)
        alone = 'case $1 in run|gate) set -- "$@" --processes 1;; esac'
        self.shim("nasarena", f'{alone}\nexec {python} -m nasarena "$@"')
        self.shim("pip", f'echo "$@" >> {root}/pip.log')

    def shim(self, name, line):
        path = self.tools / name
        path.write_text(f"#!/usr/bin/env bash\n{line}\n")
        path.chmod(0o755)

    def git(self, *words, cwd=None):
        who = ["-c", "user.name=t", "-c", "user.email=t@t"]
        done = subprocess.run(
            ["git", *who, *words], cwd=cwd or self.work, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, strategy, message):
        (self.work / "mine.py").write_text(strategy)
        (self.work / "experiment.toml").write_text(EXPERIMENT)
        self.git("add", "-A")
        self.git("commit", "--quiet", "-m", message)
        return self.git("rev-parse", "HEAD")

    def shell(self, script, **env):
        """Run ``script`` as a CI service would."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "CI"))}
        path = f"{self.tools}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=self.work,
            env=kept | {"PATH": path} | env,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def baseline(tmp_path_factory):
    """A packed baseline of the sound strategy."""
    repository = Repository(tmp_path_factory.mktemp("baseline"))
    script = "nasarena run experiment.toml --out ../base --no-report && "
    done = repository.shell(script + "nasarena pack ../base baseline.parquet")
    assert done.returncode == 0, done.stderr
    return repository.work / "baseline.parquet"


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path)


def action(repository, job, **given):
    """Run the steps of action.yml with inputs ``given``; the steps' results by name."""
    data = yaml.safe_load((ROOT / "action.yml").read_text())
    inputs = {name: each.get("default", "") for name, each in data["inputs"].items()}
    assert set(given) <= set(inputs)
    inputs |= {"install": "false"} | given
    temp = repository.root / job
    temp.mkdir()
    env = {
        "RUNNER_TEMP": str(temp),
        "GITHUB_ACTION_PATH": str(ROOT),
        "GITHUB_OUTPUT": str(temp / "output"),
        "GITHUB_STEP_SUMMARY": str(temp / "summary.md"),
        "GITHUB_ACTIONS": "true",
    }
    results, failed = {}, False
    for step in data["runs"]["steps"]:
        assert step["shell"] == "bash"
        assert "${{" not in step["run"], "inputs reach the shell through env only"
        if not wanted(step.get("if", ""), inputs, failed):
            continue
        own = {
            key: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda m: inputs[m[1]], value)
            for key, value in step.get("env", {}).items()
        }
        results[step["name"]] = done = repository.shell(step["run"], **env, **own)
        failed = failed or done.returncode != 0
    return results, temp


def wanted(condition, inputs, failed):
    parts = condition.split(" && ") if condition else []
    if "always()" in parts:
        parts.remove("always()")
    elif failed:
        return False
    for part in parts:
        name, operator, value = re.fullmatch(r"inputs\.([\w-]+) (==|!=) '(.*)'", part).groups()
        if (inputs[name] == value) != (operator == "=="):
            return False
    return True


def test_a_pull_request_that_makes_it_worse(repository):
    base = repository.git("rev-parse", "HEAD")
    head = repository.commit(WORSE, "oops")
    steps, temp = action(
        repository,
        "job",
        experiment="experiment.toml",
        options="--metrics final,mean --alpha 0.01",
        **{"base-ref": base},
    )
    assert steps["Run the base"].returncode == 0, steps["Run the base"].stderr
    gate = steps["Gate"]
    assert gate.returncode == 1, gate.stderr
    assert "::error title=mine on nasbench201/cifar10 regressed::" in gate.stdout
    summary = (temp / "summary.md").read_text()
    assert "❌ nasarena gate: 1 regressed" in summary
    assert f"| git commit | {base} | {head} |" in summary
    assert "time to target" not in summary
    folder = Path((temp / "output").read_text().strip().removeprefix("folder="))
    assert (folder / "gate.html").exists()
    assert repository.git("worktree", "list").count("\n") == 0


def test_a_pull_request_that_changes_no_bits(repository):
    base = repository.git("rev-parse", "HEAD")
    repository.commit(RENAMED, "other names")
    steps, temp = action(repository, "job", experiment="experiment.toml", **{"base-ref": base})
    assert steps["Gate"].returncode == 0, steps["Gate"].stderr
    assert "✅ nasarena gate: 1 identical" in (temp / "summary.md").read_text()


def test_a_committed_baseline_and_a_history(repository, baseline):
    shutil.copy(baseline, repository.work)
    head = repository.commit(WORSE, "oops")
    steps, _ = action(repository, "job", baseline="baseline.parquet", history="results")
    assert list(steps) == ["Gate", "Keep the history"]
    assert steps["Gate"].returncode == 1
    assert steps["Keep the history"].returncode == 0, steps["Keep the history"].stderr
    files = repository.git("ls-tree", "-r", "--name-only", "origin/results")
    assert files.startswith(f"history/{head[:12]}")
    assert "\n" not in files
    assert repository.git("worktree", "list").count("\n") == 0
    assert repository.git("status", "--porcelain") == ""


def test_two_jobs_that_push_at_once_lose_nothing(repository):
    """Both start from a remote without the branch; each knows nothing of the other."""
    clones = []
    for name in ("one", "two"):
        repository.git(
            "clone", "--quiet", str(repository.root / "remote.git"), name, cwd=repository.root
        )
        clone = repository.root / name
        (clone / "note").write_text(name)
        repository.git("add", "-A", cwd=clone)
        repository.git("commit", "--quiet", "-m", name, cwd=clone)
        clones.append(clone)
    made = repository.shell("nasarena run experiment.toml --out ../now --seeds 5 --no-report")
    assert made.returncode == 0, made.stderr
    script = ROOT / "examples" / "ci" / "push-history.sh"
    env = os.environ | {"PATH": f"{repository.tools}{os.pathsep}{os.environ['PATH']}"}
    jobs = [
        subprocess.Popen(["bash", script, repository.root / "now", "results"], cwd=clone, env=env)
        for clone in clones
    ]
    assert [job.wait() for job in jobs] == [0, 0]
    repository.git("fetch", "--quiet", "origin", "results")
    files = repository.git("ls-tree", "-r", "--name-only", "FETCH_HEAD").splitlines()
    heads = {repository.git("rev-parse", "HEAD", cwd=clone)[:12] for clone in clones}
    assert {Path(file).name[:12] for file in files} == heads
    # The same job again finds its rows there and adds none.
    again = subprocess.run(
        ["bash", script, repository.root / "now", "results"], cwd=clones[0], env=env, check=False
    )
    assert again.returncode == 0
    repository.git("fetch", "--quiet", "origin", "results")
    assert repository.git("ls-tree", "-r", "--name-only", "FETCH_HEAD").splitlines() == files


def test_the_workflow_gives_the_action_inputs_it_has():
    workflow = yaml.safe_load((ROOT / "examples" / "ci" / "github.yml").read_text())
    inputs = yaml.safe_load((ROOT / "action.yml").read_text())["inputs"]
    (step,) = [s for s in workflow["jobs"]["gate"]["steps"] if s.get("id") == "gate"]
    assert set(step["with"]) <= set(inputs)
    assert step["with"]["experiment"] == "experiment.toml"


def test_the_gitlab_job(repository, baseline):
    shutil.copy(baseline, repository.work)
    repository.commit(WORSE, "oops")
    job = yaml.safe_load((ROOT / "examples" / "ci" / "gitlab.yml").read_text())["nasarena"]
    done = repository.shell("\n".join(job["script"]), CI="true")
    assert done.returncode == 1, done.stderr
    assert "install --quiet nasarena" in (repository.root / "pip.log").read_text()
    for kind in ("junit", "codequality"):
        assert (repository.work / job["artifacts"]["reports"][kind]).exists()
    issues = json.loads((repository.work / "gate" / "gl-code-quality-report.json").read_text())
    assert issues[0]["location"]["path"] == "mine.py"


def test_the_hook(repository, baseline):
    shutil.copy(baseline, repository.work)
    repository.commit(WORSE, "oops")
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    done = repository.shell(shlex.join([*shlex.split(hook["entry"]), *hook["args"]]))
    assert done.returncode == 1, done.stderr
    assert "regressed" in done.stdout
    # A hook must not change the checkout, or it would find itself in its own results.
    assert repository.git("status", "--porcelain") == ""
