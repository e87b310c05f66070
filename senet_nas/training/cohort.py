"""Several trainings as one: their networks stacked along a new dimension, one step for all of them.

The networks are one superset, dressed as one architecture each, so that their states have the same shapes; vmap makes
of a convolution over M networks one grouped convolution. Every network learns what it would have learned alone.
"""

import copy
from collections.abc import Sequence

from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional as F

from senet_nas.recipe import Recipe
from senet_nas.training.train import optimizer_of


class Cohort:
    """M networks of one shape that train side by side, each on its own batches."""

    def __init__(self, networks: Sequence[nn.Module], recipe: Recipe) -> None:
        self._recipe = recipe
        self._shadow = copy.deepcopy(networks[0]).to("meta").train()
        self._parameters, self._buffers = stack_module_state([*networks])
        decays = [self._parameters[name] for name, p in self._shadow.named_parameters() if p.ndim > 1]
        others = [self._parameters[name] for name, p in self._shadow.named_parameters() if p.ndim <= 1]
        self._optimizer = optimizer_of(decays, others, recipe)

    def step(self, x_MNCHW: Tensor, y_MN: Tensor, lr: float) -> Tensor:
        """One step of each network on its own batch. Returns the losses (M,)."""
        for group in self._optimizer.param_groups:
            group["lr"] = lr
        loss_M = vmap(self._loss)(self._parameters, self._buffers, x_MNCHW, y_MN)
        self._optimizer.zero_grad(set_to_none=True)
        loss_M.sum().backward()
        self._optimizer.step()
        return loss_M.detach()

    def write_back(self, networks: Sequence[nn.Module]) -> None:
        """Gives every network what it has learned, running statistics included."""
        states = {**self._parameters, **self._buffers}
        for i, network in enumerate(networks):
            network.load_state_dict({name: tensor[i].detach() for name, tensor in states.items()})

    def _loss(self, parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        logits_NK = functional_call(self._shadow, (parameters, buffers), (x,))
        return F.cross_entropy(logits_NK, y, label_smoothing=self._recipe.label_smoothing)
