"""Files that are there whole or not at all."""

import os

import pytest

from nasarena.bench._base import atomic
from nasarena.bench._base.errors import StoreError
from nasarena.spaces.atomic import replace_file


def test_what_was_there_stays_where_the_writer_raises(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("before")

    def half(temporary):
        temporary.write_text("ha")
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        replace_file(path, half)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_without_sync_no_disk_is_waited_for(tmp_path, monkeypatch):
    def waits(handle):
        raise AssertionError("synced")

    monkeypatch.setattr(os, "fsync", waits)
    replace_file(tmp_path / "x.txt", lambda part: part.write_text("x"), sync=False)
    assert (tmp_path / "x.txt").read_text() == "x"


def test_a_folder_is_made_where_results_are_written_and_nowhere_else(tmp_path):
    with pytest.raises(FileNotFoundError):
        replace_file(tmp_path / "a" / "x.txt", lambda part: part.write_text("x"))
    atomic.write_text(tmp_path / "a" / "x.txt", "µ")
    assert (tmp_path / "a" / "x.txt").read_text(encoding="utf-8") == "µ"
    with pytest.raises(StoreError, match=r"cannot write .*x\.txt: File exists"):
        atomic.write_text(tmp_path / "a" / "x.txt" / "x.txt", "x")


def test_living_writers_are_swept_around(tmp_path):
    def write(temporary):
        assert atomic.sweep(tmp_path) == []
        assert list(atomic.parts(tmp_path)) == [temporary]
        temporary.write_text("x")

    replace_file(tmp_path / "x.txt", write)
    dead = tmp_path / ".y.txt.abcdefgh.part"
    dead.write_text("")
    assert atomic.sweep(tmp_path) == [dead]
    assert (tmp_path / "x.txt").exists()
