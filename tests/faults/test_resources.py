"""Disk full, read-only, out of handles or memory, clocks that lie, folders that are elsewhere."""

import errno
import fcntl
import os
import resource
import shutil
import subprocess
import sys
from contextlib import contextmanager

import harness
import pytest
from msgspec.structs import replace

from nasarena.bench._base import atomic, locks
from nasarena.bench._base.errors import StoreError
from nasarena.bench.execute.executor import execute
from nasarena.bench.experiment.experiment import parse
from nasarena.bench.store import doctor, store
from nasarena.bench.store import manifest as manifests

LABELS = ("random", "local-search")


def plan(**keys):
    given = {"tasks": [harness.TASK], "strategies": list(LABELS), "seeds": 20}
    return parse(given | {"budget": {"queries": 60}} | keys)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    root = tmp_path_factory.mktemp("undisturbed") / "results"
    execute(root, plan(), processes=1)
    return root


@contextmanager
def mounted(folder, options):
    """A small disk in memory; skipped where mounting is not allowed."""
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting needs root")
    made = subprocess.run(words, capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"mounting is not allowed here: {made.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_full_disk(tmp_path, undisturbed, processes):
    """The run stops and says why; what is finished stays; with room it goes on."""
    with mounted(tmp_path / "disk", "size=100k") as disk:
        ballast = disk / "ballast"
        ballast.write_bytes(b"x" * 40 * 1024)
        root = disk / "results"
        with pytest.raises(StoreError, match=r"cannot write .*No space left"):
            execute(root, plan(), processes=processes)
        kept = harness.check(root, tmp_path, harness.bits(undisturbed))
        units = len(list(root.glob("runs/**/*.parquet")))
        assert 0 < units < 8 and len(kept) == 5 * units
        assert not list(atomic.parts(root))
        with pytest.raises(StoreError, match="No space left"):
            execute(root, plan(), processes=processes)
        ballast.unlink()
        done = execute(root, plan(), processes=processes)
        assert len(done) <= 8 - units
        assert harness.bits(root) == harness.bits(undisturbed)
        assert list(doctor.examine(root)) == []


def test_a_disk_without_room_for_the_manifest(tmp_path):
    with mounted(tmp_path / "disk", "size=64k") as disk:
        (disk / "ballast").write_bytes(b"x" * 60 * 1024)
        with pytest.raises(StoreError, match=r"cannot write .*No space left"):
            execute(disk / "results", plan(), processes=1)
        assert not (disk / "results" / "manifest.json").exists()
        (disk / "ballast").unlink()
        execute(disk / "results", plan(seeds=1, strategies=["random"]), processes=1)
        assert len(store.read(disk / "results")) == 60


def test_a_read_only_disk(tmp_path, undisturbed):
    with mounted(tmp_path / "disk", "size=1m") as disk:
        root = disk / "results"
        shutil.copytree(undisturbed, root)
        store.unit_files(root, harness.TASK, "random")[0, 4].unlink()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        for call in (execute, lambda *_: execute(disk / "new", plan())):
            with pytest.raises(StoreError, match=r"cannot write .*Read-only file system"):
                call(root, plan())
        assert len(harness.check(root, tmp_path, harness.bits(undisturbed))) == 35
        assert list(doctor.examine(root)) == []
        code, _, err = nasarena(*harness.run_words(root, labels=LABELS))
        assert code == 2
        assert "Read-only file system" in err
        assert err.count("\n") == 1


def nasarena(*words, before=None):
    """The command in a process of its own: exit code, output, errors."""
    done = subprocess.run(
        [sys.executable, "-m", "nasarena", *map(str, words)],
        capture_output=True,
        text=True,
        preexec_fn=before,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("handles", [64, 12])
def test_out_of_file_handles(tmp_path, undisturbed, handles):
    """Whether it can run or not: no unit is taken for damaged, none is lost."""
    root = tmp_path / "results"
    shutil.copytree(undisturbed, root)
    for path in store.unit_files(root, harness.TASK, "random").values():
        path.unlink()
    code, _, err = nasarena(
        *harness.run_words(root, labels=LABELS),
        before=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (handles, handles)),
    )
    assert code == (2 if handles == 12 else 0), err
    assert handles != 12 or err == "nasarena: [Errno 24] Too many open files\n"
    harness.check(root, tmp_path, harness.bits(undisturbed))
    assert not list(root.rglob("*.damaged-*"))
    execute(root, plan(), processes=1)
    assert harness.bits(root) == harness.bits(undisturbed)


@pytest.mark.parametrize("megabytes", [500, 2500])
def test_out_of_memory(tmp_path, undisturbed, megabytes):
    """Too little to start or to run anything, or enough for all but one, which fails alone.

    How much it takes to start depends on what is installed.
    """
    root = tmp_path / "results"
    shutil.copytree(undisturbed, root)
    store.unit_files(root, harness.TASK, "random")[0, 4].unlink()
    limit = megabytes << 20
    hungry = f"{harness.HERE}/hungry.py:hungry"
    code, _, err = nasarena(
        *harness.run_words(root, labels=(*LABELS, hungry), processes=1),
        before=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    assert code == 1 or (code == 2 and megabytes == 500)
    assert megabytes == 500 or err.count("MemoryError") == 4
    kept = harness.check(root, tmp_path, harness.bits(undisturbed))
    assert len(kept) == (35 if megabytes == 500 else 40)
    assert not list(root.rglob("*.damaged-*"))
    execute(root, plan(), processes=1)
    assert harness.bits(root) == harness.bits(undisturbed)


@pytest.mark.parametrize("stamp", [0, 2**31 - 1, 4_000_000_000])
def test_clocks_that_lie(tmp_path, undisturbed, stamp):
    """Files from 1970 or from the future, and a manifest that is made after they are."""
    root = tmp_path / "results"
    shutil.copytree(undisturbed, root)
    manifests.write(root, replace(manifests.read(root), created="2999-01-01T00:00:00+00:00"))
    part = root / "runs" / ".0-4.parquet.abcdefgh.part"
    part.write_text("half")
    for path in root.rglob("*"):
        os.utime(path, (stamp, stamp))
    (root / locks.HOLDER).write_text(
        '{"process": 1, "host": "x", "since": "2999-01-01", "command": ""}'
    )
    assert execute(root, plan(), processes=1) == []
    assert not part.exists()
    assert {done.unit.first for done in execute(root, plan(seeds=25), processes=1)} == {20, 21}
    assert harness.bits(undisturbed).items() <= harness.bits(root).items()


def test_a_symlinked_results_folder(tmp_path, undisturbed):
    """The folder may be a link; nothing is written through one within it."""
    (tmp_path / "elsewhere").mkdir()
    root = tmp_path / "results"
    root.symlink_to("elsewhere")
    execute(root, plan(seeds=1), processes=1)
    execute(root, plan(), processes=2)
    assert root.is_symlink() and (tmp_path / "elsewhere" / "manifest.json").exists()
    assert (
        store.read(root)
        .drop(columns=["thinking", "arch"])
        .equals(store.read(undisturbed).drop(columns=["thinking", "arch"]))
    )
    assert list(doctor.examine(root)) == []
    shutil.move(root / "runs", tmp_path / "runs")
    (root / "runs").symlink_to(tmp_path / "runs")
    with pytest.raises(StoreError, match="lies behind, a link that leads out of"):
        execute(root, plan(seeds=25), processes=1)
    assert len(list(tmp_path.glob("runs/**/*.parquet"))) > 8


# A network file system, as far as it can be had without one: what may fail there, fails.


def test_a_folder_without_locks(tmp_path, undisturbed, monkeypatch, capsys):
    """It is said, nothing is swept that may be alive, and the run goes on."""

    def flock(handle, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    root = tmp_path / "results"
    part = root / "runs" / ".0-4.parquet.abcdefgh.part"
    part.parent.mkdir(parents=True)
    part.write_text("half")
    manifests.write(root, manifests.read(undisturbed))
    execute(root, plan(), processes=1)
    assert "lies on a file system without locks: run only one command" in capsys.readouterr().err
    assert part.exists()
    assert harness.bits(root) == harness.bits(undisturbed)
    monkeypatch.undo()
    (finding,) = doctor.examine(root)
    assert finding.path == part


def test_a_folder_where_nothing_can_be_replaced(tmp_path, undisturbed, monkeypatch):
    """What is there stays whole; it can be filled, but not added to."""
    replace = os.replace

    def only_new(source, target, **keys):
        if os.path.exists(target):
            raise PermissionError(errno.EPERM, "Operation not permitted")
        replace(source, target, **keys)

    monkeypatch.setattr(os, "replace", only_new)
    root = tmp_path / "results"
    execute(root, plan(), processes=1)
    assert harness.bits(root) == harness.bits(undisturbed)
    with pytest.raises(StoreError, match=r"cannot write .*manifest\.json: Operation not permitted"):
        execute(root, plan(seeds=25), processes=1)
    assert harness.bits(root) == harness.bits(undisturbed)
    assert not list(atomic.parts(root))


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_disk_that_cannot_sync(tmp_path, monkeypatch, kind):
    """Folders often cannot be synced there; a file that cannot is not finished."""
    sync = os.fsync

    def failing(handle):
        if os.path.isdir(f"/proc/self/fd/{handle}") == (kind == "folder"):
            raise OSError(errno.EIO, "Input/output error")
        sync(handle)

    monkeypatch.setattr(os, "fsync", failing)
    path = tmp_path / "x.txt"
    if kind == "folder":
        store.write_atomically(path, lambda temporary: temporary.write_text("x") and None)
        assert path.read_text() == "x"
    else:
        with pytest.raises(StoreError, match=r"cannot write .*x\.txt: Input/output error"):
            store.write_atomically(path, lambda temporary: temporary.write_text("x") and None)
        assert list(tmp_path.iterdir()) == []
