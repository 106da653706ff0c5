import pytest

from nasarena.bench import Problem
from nasarena.spaces import Condition, Decision, SearchSpace


@pytest.fixture
def problem():
    sizes = {"width": 4, "depth": 3, "skip": 2, "norm": 3}
    decisions = [Decision(n, tuple(str(i) for i in range(size))) for n, size in sizes.items()]
    return Problem(SearchSpace("toy", decisions), (1,))


@pytest.fixture
def conditional():
    """The second decision counts only where the first is not 0; (2, 2) names no network."""

    class Space(SearchSpace):
        def is_valid(self, arch):
            return super().is_valid(arch) and arch != (2, 2)

    decisions = [
        Decision("cells", ("0", "1", "2")),
        Decision("kind", ("a", "b", "c"), Condition(0, frozenset({1, 2}))),
    ]
    return Problem(Space("conditional", decisions), (1,))
