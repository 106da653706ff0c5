"""Results at a URL: shared, fetched, compared, never half-written."""

import pytest
from plans import bits, plan

from nasarena.bench._base.errors import StoreError
from nasarena.bench.execute.executor import execute
from nasarena.bench.store import manifest as manifests
from nasarena.bench.store.mirror import Mirror, pull

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def memory():
    """A bucket in memory, empty before and after."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield "memory://bucket/results"
    system.store.clear()
    system.pseudo_dirs[:] = [""]


@pytest.fixture(params=["memory", "file", "renaming"])
def url(request, tmp_path, memory, monkeypatch):
    if request.param == "renaming":  # as over SFTP or SMB, where files grow while they are written
        monkeypatch.setattr("nasarena.bench.store.mirror._WHOLE", set())
    return f"file://{tmp_path}/far/results" if request.param == "file" else memory


def names(url):
    system, root = fsspec.core.url_to_fs(url)
    return sorted(path.removeprefix(root) for path in system.find(root))


def test_a_run_is_kept_in_both_places_and_elsewhere_nothing_runs_again(tmp_path, url):
    one = tmp_path / "one"
    execute(one, plan("random", "good"), processes=1, mirror=Mirror(url))
    assert len([name for name in names(url) if name.endswith(".parquet")]) == 2
    assert not any("part" in name for name in names(url))
    other = tmp_path / "other"
    assert execute(other, plan("random", "good"), processes=1, mirror=Mirror(url)) == []
    assert bits(other) == bits(one)
    more = execute(other, plan("random", "good", seeds=5), processes=1, mirror=Mirror(url))
    assert [done.unit[2:] for done in more] == [(3, 4)] * 2
    assert Mirror(url).manifest().experiment.seeds == 5


def test_what_is_here_already_is_put_there(tmp_path, url):
    execute(tmp_path / "one", plan(), processes=1)
    assert execute(tmp_path / "one", plan(), processes=1, mirror=Mirror(url)) == []
    assert pull(url, tmp_path / "two") == (1, [])
    assert bits(tmp_path / "two") == bits(tmp_path / "one")
    assert pull(url, tmp_path / "two") == (0, [])
    assert manifests.read(tmp_path / "two").tasks == manifests.read(tmp_path / "one").tasks


def test_a_failed_unit_is_not_put_there(tmp_path, url):
    execute(tmp_path, plan("raises"), processes=1, mirror=Mirror(url))
    assert names(url) == ["/manifest.json"]


@pytest.mark.parametrize(
    "harm", [lambda b: b[:-9], lambda b: b[:40] + bytes(80) + b[120:], lambda _: b""]
)
def test_a_damaged_file_there_is_run_again_and_replaced(tmp_path, memory, harm):
    execute(tmp_path / "one", plan(), processes=1, mirror=Mirror(memory))
    system = fsspec.filesystem("memory")
    (place,) = system.glob("/bucket/results/runs/**/*.parquet")
    whole = system.cat_file(place)
    system.pipe_file(place, harm(whole))
    taken, damaged = pull(memory, tmp_path / "pulled")
    assert (taken, len(damaged)) == (0, 1)
    ran = execute(tmp_path / "two", plan(), processes=1, mirror=Mirror(memory))
    assert len(ran) == 1
    assert bits(tmp_path / "two") == bits(tmp_path / "one")
    assert pull(memory, tmp_path / "again") == (1, [])


def test_a_damaged_file_here_is_fetched(tmp_path, memory):
    execute(tmp_path, plan(), processes=1, mirror=Mirror(memory))
    before = bits(tmp_path)
    (path,) = tmp_path.glob("runs/**/*.parquet")
    path.write_bytes(path.read_bytes()[:-20])
    assert execute(tmp_path, plan(), processes=1, mirror=Mirror(memory)) == []
    assert bits(tmp_path) == before


def test_another_experiment_there_is_refused(tmp_path, memory):
    execute(tmp_path / "one", plan(), processes=1, mirror=Mirror(memory))
    with pytest.raises(StoreError, match="memory://bucket/results holds results of another"):
        execute(tmp_path / "two", plan(seed=1), processes=1, mirror=Mirror(memory))
    execute(tmp_path / "three", plan(seed=1), processes=1)
    with pytest.raises(StoreError, match="another experiment"):
        pull(memory, tmp_path / "three")


def test_a_file_is_there_whole_or_not_at_all(memory, monkeypatch):
    monkeypatch.setattr("nasarena.bench.store.mirror._WHOLE", set())
    mirror = Mirror(memory)

    def torn(self, place, data, **_):
        with self.open(place, "wb") as file:
            file.write(data[:3])
        raise ConnectionError("lost")

    monkeypatch.setattr(type(mirror._system), "pipe_file", torn)
    with pytest.raises(StoreError, match=r"manifest\.json cannot be written: lost"):
        mirror.write("manifest.json", b"{ whole }")
    assert names(memory) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "--store", "results"], "--store: expected a URL"),
        (["run", "--store", "nosuch://place"], "nosuch"),
        (["run", "--out", "s3://bucket/results"], "a URL goes to --store"),
        (["pull", "memory://nothing", "here"], "holds no results"),
        (["run", "--scheduler", "tcp://127.0.0.1:1"], "goes with --executor dask, not with local"),
        (["run", "--executor", "serial", "--dashboard", ":1"], "--dashboard goes with"),
    ],
)
def test_misuse_is_one_line_and_exit_code_2(nasarena, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    code, out, err = nasarena(*words)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert not any(tmp_path.iterdir())


def test_the_command_line(nasarena, tmp_path, memory):
    words = ["--tasks", plan().tasks[0], "--strategies", "random", "--seeds", 2, "--queries", 5]
    run = ["run", *words, "--no-report", "--executor", "serial", "--store", memory]
    code, out, err = nasarena(*run, "--out", tmp_path / "one")
    assert (code, err) == (0, "")
    code, out, err = nasarena("pull", memory, tmp_path / "two")
    assert (code, err) == (0, "")
    assert out.startswith("1 units copied")
    assert bits(tmp_path / "two") == bits(tmp_path / "one")
