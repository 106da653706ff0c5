"""The files to copy for SLURM, PBS, LSF and Kubernetes: they parse, and every option exists."""

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from nasarena.cli import main

FOLDER = Path(__file__).parents[1] / "examples" / "cluster"
SCRIPTS = sorted(FOLDER.glob("*.sh"))
PROGRAMS = sorted(FOLDER.glob("*.py"))
COMMANDS = re.compile(r"(?:dask (?:scheduler|worker)|nasarena (?:run|pull)) [^&\n]*")


def options(words):
    """The options that a program of ours or of Dask's takes."""
    if words[0] == "nasarena":
        command = typer.main.get_command(main.app).commands[words[1]]
    else:
        pytest.importorskip("distributed")
        from distributed.cli import dask_scheduler, dask_worker

        command = {"scheduler": dask_scheduler, "worker": dask_worker}[words[1]].main
    return {name for each in command.params for name in (*each.opts, *each.secondary_opts)}


def check(words):
    assert words[0] in ("dask", "nasarena")
    used = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert used <= options(words), words


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_shell_script(path):
    subprocess.run(["bash", "-n", path], check=True)
    text = path.read_text().replace("\\\n", " ")
    found = [m[0] for line in text.splitlines() if line[:1] != "#" for m in COMMANDS.finditer(line)]
    assert found
    for command in found:
        check([word for word in shlex.split(command) if word])


def test_the_manifests_of_kubernetes():
    yaml = pytest.importorskip("yaml")
    documents = list(yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text()))
    assert [each["kind"] for each in documents] == [
        *("Deployment", "Service", "NetworkPolicy", "Deployment", "Job")
    ]
    pods = [each["spec"]["template"] for each in documents if "template" in each["spec"]]
    (service,) = (each["spec"] for each in documents if each["kind"] == "Service")
    assert service["type"] == "ClusterIP"
    assert service["selector"] == pods[0]["metadata"]["labels"]
    for pod in pods:
        (container,) = pod["spec"]["containers"]
        check(container["args"])
        mounted = {mount["name"] for mount in container.get("volumeMounts", ())}
        assert mounted == {volume["name"] for volume in pod["spec"].get("volumes", ())}


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.name)
def test_a_program_hands_its_words_to_nasarena(path):
    tree = ast.parse(path.read_text())
    compile(tree, path, "exec")
    (run,) = (n.value for n in tree.body if isinstance(n, ast.Assign) and n.targets[0].id == "run")
    check([n.value for n in run.elts if isinstance(n, ast.Constant)] + ["--scheduler"])


@pytest.mark.cluster
@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.name)
def test_a_program_writes_a_job_script(path, tmp_path):
    """Runs it as far as the job's script, on the loopback interface."""
    pytest.importorskip("dask_jobqueue")
    before, _, _ = path.read_text().replace('"ib0"', '"lo"').partition("cluster.adapt")
    program = tmp_path / "program.py"
    program.write_text(f"{before}\nprint(cluster.job_script())\ncluster.close()\n")
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=True)
    assert "distributed.cli.dask_worker tcp://127.0.0.1:" in done.stdout
    assert "OMP_NUM_THREADS=1" in done.stdout or "GPU=1" in done.stdout
