"""A moving average of the weights of a network, updated on its device: no step waits for it."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from senet_nas.recipe import Recipe


class MovingAverage:
    """The average w' <- d w' + (1 - d) w of ``model``, from the weights after the first step on.

    It includes running statistics. Source: Polyak and Juditsky, SIAM J. Control Optim. 30, 1992; exponential as in Tan
    and Le, arXiv 1905.11946. Torch's AveragedModel holds the copy and its state, but its own update asks the device at
    every step whether it is the first.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._averaged = AveragedModel(model, use_buffers=True)
        self._average_of: Any = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]  # torch does not annotate it
        self._updates = 0
        pairs = [(own.detach(), new.detach()) for own, new in zip(*map(_tensors, (self.network, model)), strict=True)]
        # Floats and whole numbers, such as the batches that a normalisation counts, are averaged in different ways.
        kinds = ([p for p in pairs if p[0].is_floating_point()], [p for p in pairs if not p[0].is_floating_point()])
        self._kinds = [tuple(list(tensors) for tensors in zip(*kind, strict=True)) for kind in kinds if kind]

    @property
    def network(self) -> nn.Module:
        """The network with the averaged weights."""
        network: nn.Module = self._averaged.module
        return network

    def count(self, steps: int) -> None:
        """Counts steps, on the host, before their weights are taken in."""
        self._updates += steps

    @torch.no_grad()
    def average(self) -> None:
        """Takes in the weights after a step that was counted."""
        for own, new in self._kinds:
            if self._updates > 1:
                self._average_of(own, new, None)
                continue
            for mine, first in zip(own, new, strict=True):
                mine.copy_(first)

    def state_dict(self) -> dict[str, Any]:
        """As torch's AveragedModel has it."""
        return {**self._averaged.state_dict(), "n_averaged": torch.tensor(self._updates)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._averaged.load_state_dict(state)
        self._updates = int(state["n_averaged"])


def moving_average(model: nn.Module, recipe: Recipe) -> MovingAverage | None:
    """The moving average of a recipe; None if it has none."""
    return MovingAverage(model, recipe.ema) if recipe.ema else None


def _tensors(model: nn.Module) -> list[Tensor]:
    return [*model.parameters(), *model.buffers()]
