"""rliable's library, for comparison. Its only use of the package arch is the bootstrap."""

import importlib
import sys
from importlib.util import find_spec
from types import ModuleType

import pytest


def rliable_library():
    """`rliable.library`, or skip.

    arch 7.2, the newest that rliable 1.2 takes, cannot be imported whole beside pandas 3: its time
    series part calls a private function of pandas. Its bootstrap can.
    """
    pytest.importorskip("rliable")
    if "arch" not in sys.modules:
        found = find_spec("arch")
        package = ModuleType("arch")
        package.__path__ = found.submodule_search_locations
        sys.modules["arch"] = package
    try:
        return importlib.import_module("rliable.library")
    except ImportError as error:
        pytest.skip(f"rliable cannot be imported: {error}")
