"""Syne Tune's expected hypervolume improvement (Daulton et al. 2020), a Gaussian process for each of both losses."""

from collections.abc import Sequence

import torch
from protocol import Choices, Point, serve
from syne_tune.config_space import choice
from syne_tune.optimizer.schedulers.multiobjective.expected_hyper_volume_improvement import (
    ExpectedHyperVolumeImprovement,
)


class Ehvi:
    """One training runs at a time, so nothing is pending; it also hears of trainings that it did not propose."""

    def __init__(self, space: Choices, seed: int, trainings: int) -> None:
        torch.set_default_dtype(torch.float64)  # its own tensors are single otherwise, and its model wants double
        torch.set_num_threads(1)
        config_space = {name: choice(list(c)) for name, c in space.items()}
        # The best of 200 draws, which is one of its two ways: with gradients a search of 32 trainings took too long.
        self._searcher = ExpectedHyperVolumeImprovement(
            config_space=config_space, random_seed=seed, optimization_strategy="random"
        )

    def tell(self, point: Point, losses: Sequence[float]) -> None:
        number = len(self._searcher.trial_configs)
        self._searcher.trial_configs[number] = dict(point)
        self._searcher.on_trial_complete(number, dict(point), list(losses))

    def ask(self) -> Point:
        found = {name: str(value) for name, value in self._searcher.suggest().items()}
        self._searcher.trial_configs.popitem()  # it comes back when it is told, or not at all
        self._searcher.pending_trials.clear()
        return found


if __name__ == "__main__":
    serve(Ehvi)
