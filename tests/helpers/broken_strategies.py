"""Strategies that were broken in ways a careless change breaks them, and one sound one."""

from random import Random

from nasarena.bench import strategy
from nasarena.strategies.regularized_evolution import RegularizedEvolution


@strategy(asynchronous=True)
class Sound(RegularizedEvolution):
    def __init__(self, problem, rng):
        super().__init__(problem, rng, population_size=15, sample_size=5)


@strategy(asynchronous=True)
class Rewritten(Sound):
    """Other code for the same search: a reordering that changes no bits."""

    def tell(self, observation):
        arch, losses = observation.query.arch, observation.losses
        self._archs.append(arch)
        self._losses.append(losses[0])


@strategy(asynchronous=True)
class Unmutated(Sound):
    """Mutation rate 0: proposes parents again."""

    def ask(self):
        if self._begin > 0 or not self._losses:
            return super().ask()
        self._rng.random()
        return self._archs[self._losses.index(min(self._losses))]


@strategy(asynchronous=True)
class Lonely(RegularizedEvolution):
    """A population of 1: a random walk."""

    def __init__(self, problem, rng):
        super().__init__(problem, rng, population_size=1, sample_size=1)


@strategy(asynchronous=True)
class Deaf(Sound):
    """Ignores what it is told."""

    def ask(self):
        return self._space.sample(self._rng)

    def tell(self, observation):
        pass


@strategy(asynchronous=True)
class Late(Sound):
    """The same search, until the 51st proposal."""

    def __init__(self, problem, rng):
        super().__init__(problem, rng)
        self.asked = 0

    def ask(self):
        self.asked += 1
        if self.asked == 51:
            self._rng = Random(self._rng.random())
        return super().ask()


_runs = 0


@strategy()
def remembers(problem, rng):
    """Keeps state between runs."""
    global _runs
    _runs += 1
    stream = Random(rng.random() + _runs)
    while True:
        yield problem.space.sample(stream)


@strategy()
def hashes(problem, rng):
    """Goes by the order of a set of strings."""
    order = [problem.space.arch(int(text)) for text in {str(i) for i in range(200)}]
    while True:
        yield order[rng.randrange(200)]
