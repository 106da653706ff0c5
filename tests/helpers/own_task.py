"""A task with the required members of the contract and nothing else; it inherits nothing."""

from nasarena.bench import Answer, InvalidProposal, Observation, Problem, Query
from nasarena.bench._base.errors import NasarenaError
from nasarena.spaces import Decision, SearchSpace

NOISE, DUPLICATES = ("sampled",), ("charge", "free", "resample")

SPACE = SearchSpace("two", [Decision("a", ("1", "2", "3")), Decision("b", ("1", "2", "3"))])


class Oracle:
    def __init__(self, problem, rng, duplicates):
        self.problem, self.rng, self.duplicates = problem, rng, duplicates
        self.seen = {}

    def evaluate(self, proposal, /):
        query = proposal if isinstance(proposal, Query) else Query(proposal)
        known = isinstance(query.arch, tuple) and SPACE.is_valid(query.arch)
        if not known or query.epochs not in (None, 4) or query.replica not in (None, 0, 1):
            raise InvalidProposal(f"not a query of {SPACE.name}: {proposal!r}")
        repeat = query.arch in self.seen and query.replica in (None, self.seen[query.arch])
        if not repeat or self.duplicates == "resample":
            seed = int(self.rng.random() * 2) if query.replica is None else query.replica
            self.seen[query.arch] = seed
        seed = self.seen[query.arch]
        loss = float(sum(query.arch) + seed / 10)
        free = repeat and self.duplicates == "free"
        cost, epochs = (0.0, 0) if free else (2.0, 4)
        return Answer(Observation(Query(query.arch, 4, seed), (loss,), 2.0), cost, epochs)


class Bare:
    def __init__(self, task_id):
        self.id, self.space, self.hash = task_id, SPACE, "bare-1"
        self.problem = Problem(SPACE, (4,))

    def oracle(self, rng, *, noise="sampled", duplicates="charge"):
        for value, known in ((noise, NOISE), (duplicates, DUPLICATES)):
            if value not in known:
                raise NasarenaError(f"{self.id}: expected one of {known}, got {value!r}")
        return Oracle(self.problem, rng, duplicates)

    def reveal(self, queries):
        return {"validation": [sum(query.arch) + 0.05 for query in queries]}


class Benchmark:
    datasets = ("bare",)

    def task(self, task_id, dataset, objectives=()):
        return Bare(task_id)


BENCHMARK = Benchmark()
