"""BoTorch's qLogNEHVI (Ament et al. 2023): a mixed Gaussian process for accuracy, one-hot choices, known overheads."""

import random
import warnings
from collections.abc import Sequence

import torch
from botorch.acquisition.multi_objective.logei import qLogNoisyExpectedHypervolumeImprovement
from botorch.fit import fit_gpytorch_mll
from botorch.models import ModelListGP, SingleTaskGP
from botorch.models.transforms import Standardize
from botorch.sampling import SobolQMCNormalSampler
from gpytorch.mlls import SumMarginalLogLikelihood
from protocol import Choices, Point, serve

STARTUP, POOL = 8, 512


class QLogNehvi:
    """Both losses are modelled, as the library's own tutorial does; candidates are a random part of the space."""

    def __init__(self, space: Choices, seed: int, trainings: int) -> None:
        self._space = space
        self._rng = random.Random(seed)
        self._points: list[Point] = []
        self._losses: list[Sequence[float]] = []
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        warnings.simplefilter("ignore")

    def tell(self, point: Point, losses: Sequence[float]) -> None:
        self._points.append(point)
        self._losses.append(losses)

    def ask(self) -> Point:
        pool = [self._draw() for _ in range(POOL)]
        if len(self._points) < STARTUP:
            return pool[0]
        x, y = self._encoded(self._points), -torch.tensor(self._losses, dtype=torch.double)
        models = [SingleTaskGP(x, y[:, i : i + 1], outcome_transform=Standardize(1)) for i in range(2)]
        model = ModelListGP(*models)
        fit_gpytorch_mll(SumMarginalLogLikelihood(model.likelihood, model))
        acquisition = qLogNoisyExpectedHypervolumeImprovement(
            model,
            ref_point=(y.min(0).values - 0.1 * (y.max(0).values - y.min(0).values)).tolist(),
            X_baseline=x,
            sampler=SobolQMCNormalSampler(torch.Size([64]), seed=0),
            prune_baseline=True,
        )
        with torch.no_grad():
            values = acquisition(self._encoded(pool).unsqueeze(1))
        return pool[int(values.argmax())]

    def _draw(self) -> Point:
        return {name: self._rng.choice(choices) for name, choices in self._space.items()}

    def _encoded(self, points: Sequence[Point]) -> torch.Tensor:
        rows = [[float(point[name] == c) for name, choices in self._space.items() for c in choices] for point in points]
        return torch.tensor(rows, dtype=torch.double)


if __name__ == "__main__":
    serve(QLogNehvi)
