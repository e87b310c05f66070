"""Train one network: a generator, one epoch for each ``next()``.

SGD with (Nesterov) momentum; weights decay, biases and normalisation do not. Nothing is copied from the device within
an epoch: sums are kept there.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from senet_nas.data.load import Data, batches, normalise
from senet_nas.distributed import ALONE, Group
from senet_nas.network.squeeze_excitation import SqueezeExcitation
from senet_nas.recipe import Diverged, Recipe, Seed, stable_hash

# As many images as make so many numbers, up to so many images: of 332 at 224 x 224 the largest map of a ResNet-50 is 1.1 GB.
EVALUATION_BATCH, EVALUATION_SIZE = 1000, 50_000_000
# Before the last epoch so many images are enough for a curve; the result is always validated on all of them.
CURVE_IMAGES = 2000
# A gate below or above these passes a channel hardly, or wholly.
SATURATED = (0.05, 0.95)


def fit(model: nn.Module, data: Data, recipe: Recipe, *, seed: Seed, device: str = "cpu") -> Iterator[dict[str, float]]:
    """Train ``model`` in place; yields the metrics of each epoch. Raises Diverged where a loss is no number.

    Accuracy in percent; ``grad_norm`` is the L2 norm of the gradient at the first convolution, averaged over steps.
    """
    run = Training(model, data, recipe, seed=seed, device=device)
    for _ in range(recipe.epochs):
        yield run.epoch()


class Training:
    """One training between two epochs. :meth:`state` holds all that is needed to go on, as tensors and plain values;
    ``correct_N`` says which validation images were right after the last epoch.

    In a ``group`` each process trains on its part of every batch; after an epoch all of them are in the same state.
    """

    def __init__(
        self, model: nn.Module, data: Data, recipe: Recipe, *, seed: Seed, device: str = "cpu", group: Group = ALONE
    ) -> None:
        self.model = model.to(device).to(memory_format=torch.channels_last)
        self._called = group.wrapped(self.model)
        self._data, self._recipe, self._device, self._seed, self._group = data, recipe, device, seed, group
        where = "cpu" if data.folder else device  # what may not fit into memory fits onto no GPU
        self._x, self._y = data.x_train.to(where), data.y_train.to(where)
        self._generator = torch.Generator().manual_seed(stable_hash(seed.block, seed.replicate, "data"))
        self._optimizer = _optimizer(self.model, recipe)
        self._average = _average(self.model, recipe)
        self._autocast = torch.autocast(torch.device(device).type, torch.bfloat16, enabled=_is_short(recipe, device))
        self._first = next(m for m in model.modules() if isinstance(m, nn.modules.conv._ConvNd))
        self._steps = max(1, len(self._y) // recipe.batch_size)
        self._done = 0
        self.correct_N: Tensor | None = None

    def epoch(self) -> dict[str, float]:
        """Train for one epoch, then validate."""
        began = time.perf_counter()
        loss, grad_norm = self._train()
        self._done += 1
        if not math.isfinite(loss):
            raise Diverged(f"the training loss is {loss} in epoch {self._done}; try a lower train.lr")
        part = slice(None) if self._done == self._recipe.epochs else slice(CURVE_IMAGES)
        found = validate(self.result, self._data.x_val[part], self._data.y_val[part], self._data, device=self._device)
        if not math.isfinite(found["log_loss"]):
            raise Diverged(f"the validation loss is {found['log_loss']} after epoch {self._done}; try a lower train.lr")
        self.correct_N = found["correct"]
        return {
            "lr": self._optimizer.param_groups[0]["lr"], "train_loss": loss,
            "val_accuracy": found["accuracy"], "val_log_loss": found["log_loss"], "val_brier": found["brier"],
            "grad_norm": grad_norm,
            **{name: found[name] for name in ("gate_mean", "gate_saturation") if name in found},
            "seconds": time.perf_counter() - began,
        }  # fmt: skip

    @property
    def result(self) -> nn.Module:
        """The network that is validated and kept: the one that trains, or the moving average of its weights."""
        return self.model if self._average is None else self._average.module

    def state(self) -> dict[str, Any]:
        """Not a copy: the next epoch changes it."""
        return {
            "model": self.model.state_dict(), "optimizer": self._optimizer.state_dict(),
            "average": {} if self._average is None else self._average.state_dict(),
            "generator": self._generator.get_state(), "epoch": self._done,
        }  # fmt: skip

    def load_state(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        if self._average is not None:
            self._average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        # Each gets the layout of its parameter back: a sum over tensors of two layouts need not round alike.
        for parameter, values in self._optimizer.state.items():
            for name, value in values.items():
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    values[name] = torch.empty_like(parameter).copy_(value)
        self._generator.set_state(state["generator"])
        self._done = state["epoch"]

    def _train(self) -> tuple[float, float]:
        self.model.train()
        # What a network draws itself (dropout) follows from seed and epoch, so that it is the same after a stop.
        torch.manual_seed(stable_hash(self._seed, "dropout", self._done, self._group.rank))
        loss_sum = torch.zeros((), device=self._device)
        norm_sum = torch.zeros((), device=self._device)
        found = batches(self._x, self._y, self._data, self._recipe, self._generator, self._device, group=self._group)
        for step, (x_NCHW, y_N) in enumerate(found):
            for group in self._optimizer.param_groups:
                group["lr"] = learning_rate(self._recipe, self._done + step / self._steps)
            loss_sum += self._step(x_NCHW, y_N)
            norm_sum += self._first.weight.grad.norm()  # type: ignore[union-attr]
        for network in (self.model, self._average):
            if network is not None:
                self._group.average_statistics(network)
        return float(self._group.mean(loss_sum)) / self._steps, float(norm_sum) / self._steps

    def _step(self, x_NCHW: Tensor, y_N: Tensor) -> Tensor:
        with self._autocast:
            loss = F.cross_entropy(self._called(x_NCHW), y_N, label_smoothing=self._recipe.label_smoothing)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()
        if self._average is not None:
            self._average.update_parameters(self.model)
        return loss.detach()


def _average(model: nn.Module, recipe: Recipe) -> AveragedModel | None:
    """w' <- d w' + (1 - d) w after every step, running statistics included, from the weights after the first step on
    (Polyak and Juditsky, SIAM J. Control Optim. 30, 1992; exponential as in Tan and Le, arXiv 1905.11946)."""
    if not recipe.ema:
        return None
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(recipe.ema), use_buffers=True)


def learning_rate(recipe: Recipe, epoch: float) -> float:
    """The rate after so many epochs: linear warm-up, then cosine to zero or a tenth at each milestone."""
    if epoch < recipe.warmup:
        return recipe.lr * (epoch + 1e-3) / recipe.warmup
    done = epoch / recipe.epochs
    if recipe.schedule == "step":
        return float(recipe.lr * 0.1 ** sum(done >= milestone for milestone in recipe.milestones))
    start = recipe.warmup / recipe.epochs
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * min(1.0, (done - start) / max(1e-9, 1 - start))))


def validate(model: nn.Module, x: Tensor, y: Tensor, data: Data, *, device: str = "cpu") -> dict[str, Any]:
    """Accuracy in percent, log-loss, Brier score, ``correct`` (N,) bool; with SE also the mean and saturation of gates.

    The Brier score is the mean over images of sum_k (p_k - [k is the label])^2, from 0 to 2 (Brier 1950).
    """
    model.eval()
    correct, losses, squares, sizes = [], [], [], []
    n = max(1, min(EVALUATION_BATCH, EVALUATION_SIZE // math.prod(data.shape)))
    with torch.inference_mode(), _gates(model) as gates:
        for begin in range(0, len(y), n):
            part = slice(begin, begin + n)
            logits_NK, labels_N = model(normalise(x[part].to(device), data)), y[part].to(device)
            correct.append(logits_NK.argmax(1) == labels_N)
            losses.append(F.cross_entropy(logits_NK, labels_N, reduction="sum"))
            misses_NK = logits_NK.float().softmax(1) - F.one_hot(labels_N, logits_NK.shape[1])
            squares.append(misses_NK.square().sum())
            sizes.append(len(labels_N))
    correct_N = torch.cat(correct).cpu()
    return {
        "accuracy": 100 * float(correct_N.double().mean()),
        "log_loss": float(sum(losses)) / sum(sizes),
        "brier": float(sum(squares)) / sum(sizes),
        "correct": correct_N,
        **_gate_summary(gates),
    }


@contextmanager
def _gates(model: nn.Module) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """Collects (mean, saturated share) of every gate's values, batch by batch, while it is open."""
    seen: list[tuple[Tensor, Tensor]] = []

    def look(_module: nn.Module, _inputs: Any, gate_NC: Tensor) -> None:
        low, high = SATURATED
        seen.append((gate_NC.mean(), ((gate_NC < low) | (gate_NC > high)).float().mean()))

    blocks = [m for m in model.modules() if isinstance(m, SqueezeExcitation)]
    handles = [block.gate.register_forward_hook(look) for block in blocks]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _gate_summary(gates: list[tuple[Tensor, Tensor]]) -> dict[str, float]:
    if not gates:
        return {}
    mean, saturation = (float(torch.stack(values).mean()) for values in zip(*gates, strict=True))
    return {"gate_mean": mean, "gate_saturation": saturation}


def _is_short(recipe: Recipe, device: str) -> bool:
    """Whether to train in bfloat16. Weights, their updates and validation stay in float32: so is what is exported."""
    if recipe.precision == "auto":
        return torch.device(device).type == "cuda" and torch.cuda.is_bf16_supported()
    return recipe.precision == "bfloat16"


def _optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.SGD:
    weights = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    return optimizer_of(weights, others, recipe)


def optimizer_of(weights: list[nn.Parameter], others: list[nn.Parameter], recipe: Recipe) -> torch.optim.SGD:
    """SGD of a recipe: weights decay, biases and normalisation do not."""
    groups = [{"params": weights, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    nesterov = recipe.nesterov and recipe.momentum > 0
    # One kernel for all parameters: 4 times as fast as one after the other, on a CPU too.
    return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=nesterov, fused=True)
