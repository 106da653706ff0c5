"""How hypothesis is used here: examples are drawn anew in every run, in CI as well.

What failed is kept in ``.hypothesis`` and tried first in the next run; the log of a run elsewhere
names the decorator that replays its failure. ``NASARENA_EXAMPLES=1000`` asks for so many of each
property. ``--hypothesis-profile=fixed`` tries the same examples every time.
"""

import os
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis.database import DirectoryBasedExampleDatabase

MANY = os.environ.get("NASARENA_EXAMPLES")
DATABASE = Path(__file__).parents[2] / ".hypothesis" / "examples"


def load_profile() -> None:
    """Set what hypothesis itself would set otherwise where ``CI`` is set: fixed examples."""
    # A test does not fail for being slow.
    settings.register_profile(
        "nasarena",
        derandomize=False,
        database=DirectoryBasedExampleDatabase(DATABASE),
        print_blob=True,
        deadline=None,
    )
    settings.register_profile("fixed", derandomize=True, database=None, deadline=None)
    settings.load_profile("nasarena")


def examples(few: int) -> settings:
    """The settings of a property with ``few`` examples by default."""
    return settings(
        max_examples=int(MANY) if MANY else few, suppress_health_check=list(HealthCheck)
    )
