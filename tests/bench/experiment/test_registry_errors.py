"""Whose fault an error is: a module of the user's is told of, one of ours comes out as it is."""

import sys

import pytest

from nasarena.bench._base.errors import NasarenaError
from nasarena.bench.experiment import registry


def load(path, text):
    path.write_text(text)
    registry._module_from_file.cache_clear()
    return registry.load(f"{path}:thing")


@pytest.mark.parametrize(
    ("text", "said", "line"),
    [
        ("import math\nmath.tau.nothing", "AttributeError: 'float' object", 2),
        ("def f(): return 1 + ''\nf()", "TypeError: unsupported operand", 1),
        ("{}['key']", "KeyError: 'key'", 1),
        ("from nasarena.bench import Nothing", "ImportError: cannot import name 'Nothing'", 1),
        ("import nothing_of_that_name", "ModuleNotFoundError: No module named", 1),
        ("from nasarena.bench import strategy\n@strategy(famly='x')\ndef f(): ...", "TypeError", 2),
    ],
)
def test_what_a_file_of_the_user_s_raises_is_told_as_its_own(tmp_path, text, said, line):
    path = tmp_path / "mine.py"
    with pytest.raises(NasarenaError) as failure:
        load(path, text)
    message = str(failure.value)
    assert message.startswith(f"{path}:thing does not import: {said}")
    assert message.endswith(f"({path}, line {line})")
    assert failure.value.__cause__ is not None


def test_a_syntax_error_names_its_line(tmp_path):
    with pytest.raises(NasarenaError, match=r"SyntaxError: .*line 2"):
        load(tmp_path / "mine.py", "x = 1\nx = = 2")


@pytest.fixture
def faulty(tmp_path, monkeypatch):
    """A module of the package's own that fails while it is imported."""
    import nasarena.strategies

    def write(text):
        (tmp_path / "faulty.py").write_text(text)
        return "nasarena.strategies.faulty:thing"

    monkeypatch.setattr(nasarena.strategies, "__path__", [str(tmp_path)])
    yield write
    sys.modules.pop("nasarena.strategies.faulty", None)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("None.nothing", AttributeError),
        ("1 + ''", TypeError),
        ("{}['key']", KeyError),
        ("from nasarena.bench import Nothing", ImportError),
    ],
)
def test_a_module_of_the_package_s_own_fails_as_it_is(tmp_path, faulty, text, error):
    where = faulty(text)
    with pytest.raises(error):
        registry.load(where)
    # Also where a file of the user's imports it.
    with pytest.raises(error):
        load(tmp_path / "mine.py", "import nasarena.strategies.faulty")


def test_a_package_that_is_missing_is_told_of(faulty):
    with pytest.raises(NasarenaError, match="does not import: ModuleNotFoundError"):
        registry.load(faulty("import nothing_of_that_name"))


@pytest.mark.parametrize("text", ["thing = 7", "class thing:\n    datasets = ('a',)"])
def test_what_is_no_benchmark_is_told_of(tmp_path, text):
    path = tmp_path / "mine.py"
    path.write_text(text)
    registry._module_from_file.cache_clear()
    with pytest.raises(NasarenaError, match="expected a member"):
        registry.task(f"{path}:thing/a")
