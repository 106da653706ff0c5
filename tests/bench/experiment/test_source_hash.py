"""What makes a strategy another one, and what does not."""

import ast
import inspect
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from nasarena.bench import strategy
from nasarena.bench.experiment import source_hash

STRATEGY = '''
"""What this file is for."""
from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, NamedTuple

from nasarena.bench import strategy
from nasarena.bench.core.types import Problem

import helper
from other import pick

if TYPE_CHECKING:
    from nasarena.spaces import Arch

TRIES = 3
"""How often it is tried."""


class Step(NamedTuple):
    """One of them."""

    size: int = 1
    name: str = "a"


@strategy(family="mine", source="a paper", asynchronous=True, lanes="somewhere:Else")
class Mine:
    def __init__(self, problem: Problem, rng: Random, /, *, share: float = 0.5) -> None:
        """Make one."""
        self.share: float = share
        self.step = Step(2)

    def ask(self) -> Arch:
        # The best of some.
        for _ in range(TRIES):
            arch = pick(helper.draw(self.share, f"{self.step.size}"))
        return arch
'''
HELPER = '''
def draw(share, text):
    """Draw one."""
    return share * 2, text
'''
OTHER = "def pick(it):\n    return it\n\n\ndef pick_last(it):\n    return it[-1]\n"


@pytest.fixture
def files(tmp_path):
    """Writes the files of a strategy; gives their digest. Names are paths without .py."""
    numbers = iter(range(100))

    def write(text=STRATEGY, start="mine", name="Mine", **modules):
        root = tmp_path / str(next(numbers))
        modules = {start: text} | ({"helper": HELPER, "other": OTHER} | modules)
        for module, code in modules.items():
            if code is not None:
                path = root / f"{module}.py"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(code)

        def locate(module):
            if module.startswith("nasarena"):
                return source_hash.ARENA
            path = root / module.replace(".", "/")
            found = [p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()]
            return found[0] if found else module

        package = start.rpartition("/")[0].replace("/", ".")
        return source_hash.digest(root / f"{start}.py", package, name, locate)[0]

    return write


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""What this file is for."""', '"""Something else."""'),
        ('"""What this file is for."""', ""),
        ('"""How often it is tried."""', '"""Times."""'),
        ('    """One of them."""\n', ""),
        ('        """Make one."""\n', "        '''Make another.'''\n        pass\n"),
        ("# The best of some.", "# The last of some."),
        (
            "        self.step = Step(2)",
            "\n\n        self.step = (\n            Step(2)\n        )",
        ),
        ('"mine"', '"yours"'),
        ('source="a paper", ', ""),
        ("somewhere:Else", "else.where:Else"),
        ("rng: Random, ", "rng: object, "),
        ("self.share: float = share", "self.share = share"),
        ("def ask(self) -> Arch:", "def ask(self):"),
        ("    from nasarena.spaces import Arch", "    from nasarena.spaces.base import Arch"),
        ("from nasarena.bench import strategy", "from nasarena.bench.core import strategy"),
        ("from nasarena.bench import strategy", "from nasarena import strategy"),
        ("from other import pick", "from other import pick as pick"),
        ("import helper\nfrom other import pick", "from other import pick\nimport helper"),
        ("from __future__ import annotations\n", ""),
        ('f"{self.step.size}"', 'f"{self.step.size:}" ""'),
    ],
)
def test_what_does_nothing_keeps_the_hash(files, old, new):
    assert old in STRATEGY
    assert files(STRATEGY.replace(old, new)) == files()


@pytest.mark.parametrize(
    ("statement", "decorator"),
    [
        ("import nasarena as na", "@na.strategy"),
        ("import nasarena.bench", "@nasarena.bench.strategy"),
        ("import nasarena.bench as arena", "@arena.strategy"),
        ("from nasarena.bench import strategy as declare", "@declare"),
    ],
)
def test_the_decorator_is_known_however_it_is_imported(files, statement, decorator):
    text = STRATEGY.replace("from nasarena.bench import strategy", statement)
    assert files(text.replace("@strategy", decorator).replace("a paper", "a book")) == files()


def test_reformatting_by_a_tool_keeps_the_hash(files):
    assert files(ast.unparse(ast.parse(STRATEGY)), helper=ast.unparse(ast.parse(HELPER))) == files()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("TRIES = 3", "TRIES = 4"),
        ("TRIES = 3", "TRIES = 3.0"),
        ("share: float = 0.5", "share: float = 0.6"),
        ("*, share", "share"),
        ("size: int = 1", "size: int = 2"),
        ('    size: int = 1\n    name: str = "a"', '    name: str = "a"\n    size: int = 1'),
        ("Step(2)", "Step(+2)"),
        ("asynchronous=True", "asynchronous=False"),
        ("import pick", "import pick_last as pick"),
        ("helper.draw(self.share", "helper.draw(-self.share"),
        ("from random import Random", "from random import SystemRandom as Random\nRandom()"),
        ('f"{self.step.size}"', 'f"{self.step.size!r}"'),
        ('f"{self.step.size}"', 'f"{self.step.size:d}"'),
        ("        return arch", "    return arch"),
        ("class Mine:", "class Mine(Step):"),
    ],
)
def test_what_does_something_changes_the_hash(files, old, new):
    assert old in STRATEGY
    assert files(STRATEGY.replace(old, new)) != files()


def test_a_helper_counts_by_what_it_holds(files):
    assert files(helper=HELPER.replace("Draw one", "Draw another")) == files()
    assert files(helper=HELPER.replace("share * 2", "share + 2")) != files()
    assert files(helper="FACTOR = 2\n" + HELPER) != files()
    assert files(helper=HELPER + "\nimport deeper\n", deeper="X = 1") != files()
    deeper = HELPER + "\nfrom deeper import X\n"
    assert files(helper=deeper, deeper="X = 1") != files(helper=deeper, deeper="X = 2")


@pytest.mark.parametrize(
    ("helper", "statement", "call"),
    [
        ("renamed", "import renamed", "renamed.draw"),
        ("renamed", "import renamed as helper", "helper.draw"),
        ("renamed", "from renamed import draw", "draw"),
        ("renamed", "from renamed import draw as sample", "sample"),
        ("inner/helper", "import inner.helper", "inner.helper.draw"),
        ("inner/helper", "import inner.helper as h", "h.draw"),
        ("inner/helper", "from inner import helper", "helper.draw"),
        ("inner/helper", "from inner.helper import draw", "draw"),
    ],
)
@pytest.mark.parametrize("initial", [None, '"""A package."""\n'])
def test_a_module_that_is_renamed_or_moved_keeps_the_hash(files, helper, statement, call, initial):
    text = STRATEGY.replace("import helper", statement).replace("helper.draw", call)
    modules = {"helper": None, helper: HELPER}
    assert files(text, **modules, **{"inner/__init__": initial}) == files()
    changed = {"helper": None, helper: HELPER.replace("2", "3")}
    assert files(text, **changed, **{"inner/__init__": initial}) != files()


def test_a_moved_strategy_with_relative_imports_keeps_the_hash(files):
    text = STRATEGY.replace("import helper", "from . import helper")
    text = text.replace("from other", "from ..other")
    modules = {"helper": None, "other": None, "a/__init__": "", "a/b/__init__": ""}
    modules |= {"a/b/helper": HELPER, "a/other": OTHER}
    assert files(text, "a/b/renamed", **modules) == files()


def test_a_package_that_hands_a_function_on_keeps_the_hash(files):
    text = STRATEGY.replace("import helper", "from inner import draw").replace(
        "helper.draw", "draw"
    )
    modules = {"helper": None, "inner/impl": HELPER}
    assert files(text, **modules, **{"inner/__init__": "from .impl import draw\n"}) == files()
    assert (
        files(text, **modules, **{"inner/__init__": "from .impl import pick as draw\n"}) != files()
    )


def test_a_strategy_that_is_handed_on_keeps_the_hash(files):
    inner = {"inner/impl": STRATEGY + "\n\nclass Other(Mine):\n    pass\n"}
    handed = files("from .impl import Mine\n", "inner/__init__", **inner)
    assert handed == files(inner["inner/impl"])
    assert handed != files("from .impl import Other as Mine\n", "inner/__init__", **inner)
    assert handed != files("from .impl import Mine\nMine.ask = len\n", "inner/__init__", **inner)
    assert files(name="Mine") != files(name="Step")


def test_code_may_be_nested_deeply(files):
    text = "x = 0\n" + "if x == 0:\n    x = 1\n" + "elif x == 2:\n    x = 1\n" * 300
    assert files(text) != files(text + "y = 1")


def test_two_helpers_that_change_places_change_the_hash(files):
    text = "from a import f\nfrom b import f as g\nprint(f(), g())\n"
    a, b = "def f():\n    return 1\n", "def f():\n    return 2\n"
    assert files(text, a=a, b=b) != files(text, a=b, b=a)
    assert files(text, a=a, b=b) == files(text.replace("from a", "from c"), c=a, b=b)
    handed = "from both import f, g\nprint(f(), g())\n"
    both = "from a import f\nfrom b import f as g\nf()\ng()\n"
    swapped = "from a import f as g\nfrom b import f\ng()\nf()\n"
    assert files(handed, a=a, b=b, both=both) != files(handed, a=a, b=b, both=swapped)


def test_an_import_for_its_effect_alone_counts(files):
    text = STRATEGY.replace("import helper", "import helper\nimport effect")
    one = files(text, effect="import helper\nhelper.draw = len\n")
    assert len({one, files(), files(text, effect="import helper\nhelper.draw = max\n")}) == 3


def test_modules_that_import_each_other_have_a_hash(files):
    a, b = "import b\ndef f():\n    return b.g()\n", "import a\ndef g():\n    return a.f() + 1\n"
    text = "import a\na.f()\n"
    one = files(text, a=a, b=b)
    assert one == files(text, a=a, b=b)
    assert one != files(text, a=a, b=b.replace("1", "2"))
    assert files("from a import x\nx()", a="from b import x", b="from a import x")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # A name that is bound twice is looked at as it is written.
        ("import helper\ndef f(helper):\n    return helper", "import helper as h\n"),
        (
            "try:\n    import helper as h\nexcept ImportError:\n    import other as h\nh.x()",
            "try:\n    import other as h\nexcept ImportError:\n    import helper as h\nh.x()",
        ),
        (
            "class A:\n    from helper import draw as f\nA().f()",
            "class A:\n    from helper import other as f\nA().f()",
        ),
        (
            "def f():\n    from helper import filter\ndef g():\n    return filter()",
            "from helper import filter\ndef g():\n    return filter()",
        ),
        (
            "from helper import draw, pick\nprint(globals()['draw'])",
            "from helper import draw as pick, pick as draw\nprint(globals()['draw'])",
        ),
        ("from helper import *\ndraw()", "from other import *\ndraw()"),
        ("import numpy as np\nnp.x()", "import scipy as np\nnp.x()"),
        ("def f():\n    x: int\n    return x", "def f():\n    return x"),
        ("class A:\n    x: int", "class A:\n    x: float"),
        ("@validated\ndef f(x: int):\n    f()", "@validated\ndef f(x: str):\n    f()"),
        ("x = 'a', 'b'", "x = 'a' 'b'"),
        ("x = 1", "x = True"),
        ("x = 0.0", "x = -0.0"),
    ],
)
def test_these_two_differ(files, one, other):
    assert files(one) != files(other)


PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
PYTHONS = [
    *filter(None, (shutil.which(f"python3.{minor}") for minor in range(11, 16))),
    *map(str, sorted(PYENV.glob("versions/3.1[1-9].*/bin/python"))),
]
SCRIPT = """
import importlib, sys, types
from pathlib import Path
package = sys.modules["package"] = types.ModuleType("package")
package.__path__ = [sys.argv[1]]
module = importlib.import_module("package.source_hash")
for path in sys.argv[2:]:
    print(module.digest(Path(path), "", "", str)[0])
"""
HARD = r"""
x = f"a{1}b" "c" f"{x!r:>{width}}{x:}{x = }" "ü\u2028"
y = b"\0", 1e400, 2j, ..., 10**9
"""


@pytest.mark.parametrize("python", [p for p in PYTHONS if "shims" not in p])
def test_every_version_of_python_gives_the_same_hash(python, tmp_path):
    hard = tmp_path / "hard.py"
    hard.write_text(HARD)
    strategies = Path(source_hash.__file__).parents[1] / "strategies"
    paths = [hard, *sorted(strategies.rglob("*.py"))[::4]]
    command = [python, "-I", "-c", SCRIPT, Path(source_hash.__file__).parent, *paths]
    said = subprocess.run(command, capture_output=True, text=True)
    assert said.stdout.split() == [source_hash.digest(path, "", "", str)[0] for path in paths]


def test_the_arguments_of_the_decorator_that_do_nothing_are_there():
    assert set(inspect.signature(strategy).parameters) >= source_hash._NO_EFFECT
