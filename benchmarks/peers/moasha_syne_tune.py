"""Syne Tune's MOASHA (Schmucker et al. 2021).

It proposes at random and adds early stopping, which has no effect here: the budget is in whole trainings.
"""

from collections.abc import Sequence

import numpy as np
from protocol import Choices, Point, serve
from syne_tune.backend.trial_status import Trial
from syne_tune.config_space import choice
from syne_tune.optimizer.schedulers.multiobjective.moasha import MOASHA

METRICS = ["loss", "overhead"]


class Moasha:
    def __init__(self, space: Choices, seed: int, trainings: int) -> None:
        np.random.seed(seed)  # what it draws from
        self._scheduler = MOASHA(
            {name: choice(list(c)) for name, c in space.items()}, METRICS, max_t=1, random_seed=seed
        )
        self._number = 0

    def tell(self, point: Point, losses: Sequence[float]) -> None:
        trial = Trial(self._number, dict(point), None)
        self._scheduler.on_trial_add(trial)
        self._scheduler.on_trial_complete(trial, {"training_iteration": 1, **dict(zip(METRICS, losses, strict=True))})
        self._number += 1

    def ask(self) -> Point:
        return {name: str(value) for name, value in self._scheduler.suggest().config.items()}


if __name__ == "__main__":
    serve(Moasha)
