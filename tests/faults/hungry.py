"""A strategy that wants more memory than there is."""

from nasarena.bench import strategy


@strategy()
def hungry(problem, rng):
    yield problem.space.sample(rng)
    bytearray(4 << 30)
    yield problem.space.sample(rng)
