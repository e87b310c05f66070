"""Syne Tune's multi-objective regularized evolution (MO-REA: Real et al. 2019 with non-dominated sorting)."""

from collections.abc import Sequence

from protocol import Choices, Point, serve
from syne_tune.config_space import choice
from syne_tune.optimizer.schedulers.multiobjective import MultiObjectiveRegularizedEvolution


class MoRea:
    def __init__(self, space: Choices, seed: int, trainings: int) -> None:
        self._searcher = MultiObjectiveRegularizedEvolution(
            config_space={name: choice(list(c)) for name, c in space.items()},
            random_seed=seed,
            population_size=12,
            sample_size=4,
        )
        self._number = 0

    def tell(self, point: Point, losses: Sequence[float]) -> None:
        self._searcher.on_trial_complete(self._number, dict(point), list(losses))
        self._number += 1

    def ask(self) -> Point:
        return {name: str(value) for name, value in self._searcher.suggest().items()}


if __name__ == "__main__":
    serve(MoRea)
