"""SMAC3 with ParEGO (Knowles 2006): random forests over categorical choices, a random weighting of the losses."""

import tempfile
from collections.abc import Sequence

from ConfigSpace import Categorical, ConfigurationSpace
from protocol import Choices, Point, serve
from smac import HyperparameterOptimizationFacade, Scenario
from smac.multi_objective.parego import ParEGO
from smac.runhistory.dataclasses import TrialInfo, TrialValue


class ParEgo:
    def __init__(self, space: Choices, seed: int, trainings: int) -> None:
        self._space = ConfigurationSpace({name: Categorical(name, list(c)) for name, c in space.items()}, seed=seed)
        scenario = Scenario(
            self._space,
            objectives=["error", "overhead"],
            n_trials=10 * trainings,
            seed=seed,
            deterministic=True,
            output_directory=tempfile.mkdtemp(),
        )
        self._smac = HyperparameterOptimizationFacade(
            scenario,
            lambda config, seed=0: (0.0, 0.0),
            multi_objective_algorithm=ParEGO(scenario),
            overwrite=True,
            initial_design=HyperparameterOptimizationFacade.get_initial_design(scenario, n_configs=8),
            logging_level=False,
        )
        self._seed = 0

    def tell(self, point: Point, losses: Sequence[float]) -> None:
        from ConfigSpace import Configuration

        config = Configuration(self._space, values=point)
        self._smac.tell(TrialInfo(config, seed=self._seed), TrialValue(cost=list(losses)), save=False)

    def ask(self) -> Point:
        trial = self._smac.ask()
        self._seed = trial.seed or 0
        return {name: str(value) for name, value in dict(trial.config).items()}


if __name__ == "__main__":
    serve(ParEgo)
