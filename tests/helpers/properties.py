"""How hypothesis is used here: the same examples every time, few by default.

``NASARENA_EXAMPLES=1000`` asks for so many of each property, drawn anew.
"""

import os

from hypothesis import HealthCheck, settings

MANY = os.environ.get("NASARENA_EXAMPLES")


def examples(few: int) -> settings:
    """The settings of a property with ``few`` examples by default."""
    return settings(
        max_examples=int(MANY) if MANY else few,
        derandomize=not MANY,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
