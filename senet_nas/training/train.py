"""The training of one network, epoch by epoch: SGD with (Nesterov) momentum, then validation.

Weights decay; biases and normalisation do not. Within an epoch nothing is copied from the device: sums stay there.
"""

import math
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from senet_nas.data import residence
from senet_nas.data.batches import batches
from senet_nas.data.load import Data
from senet_nas.distributed import ALONE, Group
from senet_nas.recipe import Diverged, Recipe, Seed, stable_hash
from senet_nas.training import precision
from senet_nas.training.fine_tuning import freeze, moving_norms, parameter_groups, set_to_train
from senet_nas.training.moving_average import moving_average
from senet_nas.training.passes import CURVE_IMAGES
from senet_nas.training.validate import validate


def fit(model: nn.Module, data: Data, recipe: Recipe, *, seed: Seed, device: str = "cpu") -> Iterator[dict[str, float]]:
    """Trains ``model`` in place and yields the metrics of each epoch, as :meth:`Training.epoch` returns them."""
    training = Training(model, data, recipe, seed=seed, device=device)
    for _ in range(recipe.epochs):
        yield training.epoch()


class Training:
    """One training between two epochs; :meth:`state` is all that it needs to resume, as tensors and plain values.

    ``correct_N`` says which validation images were classified correctly in the last validation; None before the first.
    In a ``group`` each process trains on its part of every batch; after an epoch all of them are in the same state.
    ``gpu_share``: the part of its GPU that the training has.
    """

    def __init__(
        self,
        model: nn.Module,
        data: Data,
        recipe: Recipe,
        *,
        seed: Seed,
        device: str = "cpu",
        group: Group = ALONE,
        gpu_share: float = 1.0,
    ) -> None:
        self.model = model.to(device).to(memory_format=torch.channels_last)
        freeze(self.model, recipe.freeze, tuple(data.shape))
        self._called = group.wrapped(self.model)
        self._data = data
        self._recipe = recipe
        self._device = device
        self._seed = seed
        self._group = group
        self._x, self._y = residence.training_images(data, device, gpu_share)
        self._generator = torch.Generator().manual_seed(stable_hash(seed.block, seed.replicate, "data"))
        self._optimizer = sgd(self.model, recipe, tuple(data.shape))
        self._shares = [group["lr"] / recipe.lr for group in self._optimizer.param_groups]
        self._average = moving_average(self.model, recipe)
        dtype = precision.chosen(recipe, device)
        self._autocast = torch.autocast(torch.device(device).type, dtype or torch.bfloat16, enabled=dtype is not None)
        self._scaler = precision.scaler(dtype, device)
        self._first_weight = _first_weight(self.model)
        self._steps = max(1, len(self._y) // recipe.batch_size)
        self._done = 0
        self.correct_N: Tensor | None = None

    def epoch(self) -> dict[str, float]:
        """Trains for one epoch, then validates; returns the metrics of the epoch.

        Accuracy in percent; ``grad_norm`` is the L2 norm of the gradient of the first convolution that trains, averaged
        over steps.
        Raises Diverged if a loss is not finite.
        """
        began = time.perf_counter()
        loss, grad_norm = self._train()
        self._done += 1
        if not math.isfinite(loss):
            raise Diverged(f"the training loss is {loss} in epoch {self._done}; try a lower train.lr")
        part = slice(None) if self._done == self._recipe.epochs else slice(CURVE_IMAGES)
        found = validate(self.result, self._data.x_val[part], self._data.y_val[part], self._data, device=self._device)
        if not math.isfinite(found.log_loss):
            raise Diverged(f"the validation loss is {found.log_loss} after epoch {self._done}; try a lower train.lr")
        self.correct_N = found.correct
        return {
            "lr": self._optimizer.param_groups[0]["lr"],
            "train_loss": loss,
            "val_accuracy": found.accuracy,
            "val_log_loss": found.log_loss,
            "val_brier": found.brier,
            "grad_norm": grad_norm,
            **found.gates,
            "seconds": time.perf_counter() - began,
        }

    @property
    def result(self) -> nn.Module:
        """The network that is validated and kept: the one that trains, or the moving average of its weights."""
        if self._average is None:
            return self.model
        return self._average.network

    def state(self) -> dict[str, Any]:
        """The state between two epochs. It is not a copy: the next epoch changes it."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "average": {} if self._average is None else self._average.state_dict(),
            "scaler": {} if self._scaler is None else self._scaler.state_dict(),
            "generator": self._generator.get_state(),
            "epoch": self._done,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        if self._average is not None:
            self._average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        # Restore the memory layout of the parameter: a sum over tensors of two layouts may round differently.
        for parameter, values in self._optimizer.state.items():
            for name, value in values.items():
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    values[name] = torch.empty_like(parameter).copy_(value)
        if self._scaler is not None and state["scaler"]:
            self._scaler.load_state_dict(state["scaler"])
        self._generator.set_state(state["generator"])
        self._done = state["epoch"]

    def _train(self) -> tuple[float, float]:
        """The mean training loss and gradient norm of one epoch."""
        set_to_train(self.model, self._recipe.freeze)
        # What a network draws itself (dropout) follows from seed and epoch, so a resumed training draws the same.
        torch.manual_seed(stable_hash(self._seed, "dropout", self._done, self._group.rank))
        loss_sum = torch.zeros((), device=self._device)
        norm_sum = torch.zeros((), device=self._device)
        found = batches(self._x, self._y, self._data, self._recipe, self._generator, self._device, group=self._group)
        for step, (x_NCHW, y_N) in enumerate(found):
            rate = learning_rate(self._recipe, self._done + step / self._steps)
            for group, share in zip(self._optimizer.param_groups, self._shares, strict=True):
                group["lr"] = rate * share
            loss_sum += self._step(x_NCHW, y_N)
            if self._first_weight.grad is not None:  # a network of the user's may leave layers out at random
                norm_sum += self._finite(self._first_weight.grad.norm())
        self._group.average_statistics(moving_norms(self.model, self._recipe.freeze))
        if self._average is not None:
            self._group.average_statistics(moving_norms(self._average.network, self._recipe.freeze))
        return float(self._group.mean(loss_sum)) / self._steps, float(norm_sum) / self._steps

    def _step(self, x_NCHW: Tensor, y_N: Tensor) -> Tensor:
        with self._autocast:
            loss = F.cross_entropy(self._called(x_NCHW), y_N, label_smoothing=self._recipe.label_smoothing)
        self._optimizer.zero_grad(set_to_none=True)
        if self._scaler is None:
            torch.autograd.backward(loss)
            self._optimizer.step()
        else:
            torch.autograd.backward(self._scaler.scale(loss))
            self._scaler.unscale_(self._optimizer)
            self._scaler.step(self._optimizer)
            self._scaler.update()
        if self._average is not None:
            self._average.update()
        return loss.detach()

    def _finite(self, norm: Tensor) -> Tensor:
        """The norm of a gradient; 0 of one that overflowed in float16, whose step the scaler leaves out."""
        return norm if self._scaler is None else norm.nan_to_num(0.0, posinf=0.0)


def _first_weight(model: nn.Module) -> nn.Parameter:
    """The weight of the first convolution that trains; of a network without one, the first parameter that does."""
    convolutions = (module.weight for module in model.modules() if isinstance(module, nn.modules.conv._ConvNd))
    weights = (*convolutions, *model.parameters())
    # The weight of a parametrised convolution is computed, and no parameter.
    return next(weight for weight in weights if isinstance(weight, nn.Parameter) and weight.requires_grad)


def learning_rate(recipe: Recipe, epoch: float) -> float:
    """The learning rate after ``epoch`` epochs: linear warm-up, then cosine to zero or a tenth at each milestone."""
    if epoch < recipe.warmup:
        return recipe.lr * (epoch + 1e-3) / recipe.warmup
    done = epoch / recipe.epochs
    if recipe.schedule == "step":
        return float(recipe.lr * 0.1 ** sum(done >= milestone for milestone in recipe.milestones))
    start = recipe.warmup / recipe.epochs
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * min(1.0, (done - start) / max(1e-9, 1 - start))))


def sgd(model: nn.Module, recipe: Recipe, image: tuple[int, ...]) -> torch.optim.SGD:
    """The optimizer of a recipe for images of shape ``image``: weights decay, biases and normalisation do not."""
    nesterov = recipe.nesterov and recipe.momentum > 0
    # One kernel for all parameters: 4 times as fast as one after the other, also on a CPU.
    optimizer = torch.optim.SGD(
        parameter_groups(model, recipe, image), lr=recipe.lr, momentum=recipe.momentum, nesterov=nesterov, fused=True
    )
    if recipe.momentum:
        # torch begins a momentum with the first gradient, but fails if a layer has its first one later than others.
        for parameter in (p for p in model.parameters() if p.requires_grad):
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer
