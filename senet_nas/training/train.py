"""The training of one network, epoch by epoch: SGD with (Nesterov) momentum, then validation.

Weights decay; biases and normalisation do not. Within an epoch nothing is copied from the device: sums stay there.
"""

import logging
import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from senet_nas.data import residence
from senet_nas.data.batches import batches, fed, planned, policy, scale, steps
from senet_nas.data.load import Data
from senet_nas.data.sampling import class_weights
from senet_nas.distributed import ALONE, Group
from senet_nas.recipe import Diverged, Recipe, Seed, stable_hash
from senet_nas.training import precision
from senet_nas.training.captured_batches import CapturedBatches
from senet_nas.training.captured_steps import CapturedSteps, obstacle
from senet_nas.training.fine_tuning import freeze, moving_norms, parameter_groups, set_to_train
from senet_nas.training.moving_average import moving_average
from senet_nas.training.passes import CURVE_IMAGES
from senet_nas.training.predictions import Predictions, measured
from senet_nas.training.quality_metrics import metric_of
from senet_nas.training.validate import Validation, scorer, validate


def fit(model: nn.Module, data: Data, recipe: Recipe, *, seed: Seed, device: str = "cpu") -> Iterator[dict[str, float]]:
    """Trains ``model`` in place and yields the metrics of each epoch, as :meth:`Training.epoch` returns them."""
    training = Training(model, data, recipe, seed=seed, device=device)
    for _ in range(recipe.epochs):
        yield training.epoch()


class Training:
    """One training between two epochs; :meth:`state` is all that it needs to resume, as tensors and plain values.

    ``correct_N`` says which validation images were classified correctly in the last validation; None before the first.
    ``metrics`` names what a validation measures beside accuracy and log-loss; with some, ``predictions`` are kept, too.
    In a ``group`` each process trains on its part of every batch; after an epoch all of them are in the same state.
    ``gpu_share``: the part of its GPU that the training has. ``is_fixed``: every step of the network launches the same
    kernels, so that a GPU may replay one step for all.
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
        is_fixed: bool = True,
        metrics: Sequence[str] = (),
    ) -> None:
        self.model = model.to(device).to(memory_format=torch.channels_last)
        freeze(self.model, recipe.freeze, tuple(data.shape))
        self._called = group.wrapped(self.model)
        self.data = data
        self._recipe = recipe
        self._device = device
        self._seed = seed
        self._group = group
        self._x, self._y = residence.training_images(data, device, gpu_share)
        weighted = recipe.balance == "weights"
        self._weights_K = class_weights(data.y_train, data.num_classes).to(device) if weighted else None
        self._generator = torch.Generator().manual_seed(stable_hash(seed.block, seed.replicate, "data"))
        self._optimizer = sgd(self.model, recipe, tuple(data.shape))
        self._shares = [group["lr"] / recipe.lr for group in self._optimizer.param_groups]
        self._average = moving_average(self.model, recipe)
        dtype = precision.chosen(recipe, device)
        self._autocast = torch.autocast(torch.device(device).type, dtype or torch.bfloat16, enabled=dtype is not None)
        self._scaler = precision.scaler(dtype, device)
        self._first_weight = _first_weight(self.model)
        self._steps = steps(len(self._y), recipe)
        self._captured = self._capturing(is_fixed)
        self._score = self._scoring()
        self._done = 0
        self._keeps = bool(metrics)
        # The log-loss of a validation comes from logits, which is more precise than from probabilities.
        self._metrics = [metric_of(name) for name in metrics if name != "log_loss"]
        self.correct_N: Tensor | None = None
        self.predictions: Predictions | None = None

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
        found = self._validate(slice(None) if self._done == self._recipe.epochs else slice(CURVE_IMAGES))
        if not math.isfinite(found.log_loss):
            raise Diverged(f"the validation loss is {found.log_loss} after epoch {self._done}; try a lower train.lr")
        self.correct_N = found.correct
        self.predictions = found.predictions
        return {
            "lr": self._optimizer.param_groups[0]["lr"],
            "train_loss": loss,
            "val_accuracy": found.accuracy,
            "val_log_loss": found.log_loss,
            "val_brier": found.brier,
            **(measured(found.predictions, self._metrics) if found.predictions else {}),
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
        if self._captured is not None:
            self._captured.forget()
        if self._score is not None:
            self._score.forget()
        if self._scaler is not None and state["scaler"]:
            self._scaler.load_state_dict(state["scaler"])
        self._generator.set_state(state["generator"])
        self._done = state["epoch"]

    def skip(self, epochs: int) -> None:
        """Begins after this many epochs, which an earlier training has done: with the learning rate of the epochs that
        follow, another order of the images, and no momentum."""
        self._done = epochs
        self._generator.manual_seed(stable_hash(self._seed.block, self._seed.replicate, "data", epochs))

    def _validate(self, part: slice) -> Validation:
        """The validation on a part of the validation images."""
        x, y = self.data.x_val[part], self.data.y_val[part]
        return validate(self.result, x, y, self.data, device=self._device, keeps=self._keeps, score=self._score)

    def _train(self) -> tuple[float, float]:
        """The mean training loss and gradient norm of one epoch."""
        set_to_train(self.model, self._recipe.freeze)
        # What a network draws itself (dropout) follows from seed and epoch, so a resumed training draws the same.
        torch.manual_seed(stable_hash(self._seed, "dropout", self._done, self._group.rank))
        rates = [learning_rate(self._recipe, self._done + step / self._steps) for step in range(self._steps)]
        loss_sum, norm_sum = self._replayed(rates) if self._captured is not None else self._launched(rates)
        self._set_rate(rates[-1])
        self._group.average_statistics(moving_norms(self.model, self._recipe.freeze))
        if self._average is not None:
            self._group.average_statistics(moving_norms(self._average.network, self._recipe.freeze))
        return float(self._group.mean(loss_sum)) / self._steps, float(norm_sum) / self._steps

    def _launched(self, rates: list[float]) -> tuple[Tensor, Tensor]:
        """The sums of losses and gradient norms of an epoch whose steps are launched one kernel after the other."""
        loss_sum = torch.zeros((), device=self._device)
        norm_sum = torch.zeros((), device=self._device)
        found = batches(self._x, self._y, self.data, self._recipe, self._generator, self._device, group=self._group)
        for rate, (x_NCHW, y_N) in zip(rates, found, strict=True):
            self._count_step()
            loss, norm = self._step(x_NCHW, y_N, rate)
            loss_sum += loss
            norm_sum += norm
        return loss_sum, norm_sum

    def _replayed(self, rates: list[float]) -> tuple[Tensor, Tensor]:
        """The same for an epoch whose steps are replays of one CUDA graph."""
        assert self._captured is not None
        where = torch.device(self._device)
        plan = planned(self._x, self._y, self.data, self._recipe, self._generator, where)
        size = len(plan.order) // self._steps
        parts = [slice(begin, begin + size) for begin in range(0, len(plan.order), size)]
        # Lazy: nothing of it is read where the images lie on the GPU.
        found = fed(self._x, self._y, plan, parts, where, is_mapped=False)
        loss_sum, norm_sum = self._captured.epoch(plan, rates, found, self._count_step)
        return loss_sum, norm_sum

    def _capturing(self, is_fixed: bool) -> CapturedSteps | None:
        """The steps as one CUDA graph; None where they cannot be, which on a GPU is said in the log."""
        where = torch.device(self._device)
        reason = obstacle(self._recipe, self._device, is_fixed=is_fixed, processes=self._group.size)
        if reason:
            if where.type == "cuda":
                logging.getLogger(__name__).info("the steps are launched one kernel at a time: %s", reason)
            return None
        how = policy(self.data, self._recipe)
        moments = scale(self.data.mean, self.data.std, where, self._x.ndim)
        return CapturedSteps(self._step, self._x, self._y, how, moments)

    def _scoring(self) -> CapturedBatches | None:
        """The validation of a batch as a CUDA graph, where the steps are one; else None."""
        if self._captured is None:
            return None
        return CapturedBatches(scorer(self.result, self.data, self._device), self._device)

    def _count_step(self) -> None:
        if self._average is not None:
            self._average.count(1)

    def _set_rate(self, rate: float | Tensor) -> None:
        for group, share in zip(self._optimizer.param_groups, self._shares, strict=True):
            group["lr"] = rate * share

    def _loss(self, logits_NK: Tensor, y_N: Tensor) -> Tensor:
        """The mean cross-entropy of a batch; with weights, of each image times the weight of its class."""
        smoothing = self._recipe.label_smoothing
        if self._weights_K is None:
            return F.cross_entropy(logits_NK, y_N, label_smoothing=smoothing)
        weights = self._weights_K.to(logits_NK.dtype)
        return F.cross_entropy(logits_NK, y_N, weights, label_smoothing=smoothing, reduction="none").mean()

    def _step(self, x_NCHW: Tensor, y_N: Tensor, rate: float | Tensor) -> tuple[Tensor, Tensor]:
        """Trains on a batch. Returns its loss, and the norm of the gradient of the first convolution that trains."""
        self._set_rate(rate)
        with self._autocast:
            loss = self._loss(self._called(x_NCHW), y_N)
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
            self._average.average()
        grad = self._first_weight.grad  # a network of the user's may leave layers out at random
        return loss.detach(), torch.zeros_like(loss) if grad is None else self._finite(grad.norm())

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
