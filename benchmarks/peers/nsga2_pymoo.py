"""pymoo's NSGA-II over indices of choices (Deb et al. 2002), in generations of 12, the smallest that works here."""

from collections.abc import Sequence

import numpy as np
from protocol import Choices, Point, serve
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.mixed import MixedVariableDuplicateElimination, MixedVariableMating, MixedVariableSampling
from pymoo.core.problem import Problem
from pymoo.core.variable import Choice


class Nsga2:
    """Offspring are handed out one by one; a generation is told when all of it came back."""

    def __init__(self, space: Choices, seed: int, trainings: int) -> None:
        self._problem = Problem(n_obj=2, vars={name: Choice(options=list(c)) for name, c in space.items()})
        unique = MixedVariableDuplicateElimination()
        self._algorithm = NSGA2(
            pop_size=12,
            sampling=MixedVariableSampling(),
            mating=MixedVariableMating(eliminate_duplicates=unique),
            eliminate_duplicates=unique,
        )
        self._algorithm.setup(self._problem, termination=("n_gen", 10_000), seed=seed, verbose=False)
        self._known: dict[tuple[str, ...], Sequence[float]] = {}
        self._offspring: list = []
        self._next = 0

    def tell(self, point: Point, losses: Sequence[float]) -> None:
        self._known[tuple(point.values())] = losses

    def ask(self) -> Point:
        if self._next == len(self._offspring):
            self._close()
            self._offspring, self._next = self._algorithm.ask(), 0
        self._next += 1
        return {name: str(value) for name, value in self._offspring[self._next - 1].X.items()}

    def _close(self) -> None:
        """What was replaced by another proposal never came back: it is as bad as the worst."""
        if len(self._offspring) == 0:
            return
        worst = np.max(list(self._known.values()), axis=0)
        for individual in self._offspring:
            individual.F = np.array(self._known.get(tuple(map(str, individual.X.values())), worst), dtype=float)
            individual.evaluated |= {"F"}
        self._algorithm.tell(infills=self._offspring)


if __name__ == "__main__":
    serve(Nsga2)
