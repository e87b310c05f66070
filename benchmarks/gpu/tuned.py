"""A hand-tuned training step in the manner of airbench, which the tool is measured against.

Images on the device, augmentation, forward, backward and SGD in one CUDA graph. An epoch copies its order and its draws
to the device once; a step moves them into the inputs of the graph. Without a GPU the same step runs eagerly.
"""

from typing import Any

import torch
from torch.nn import functional as F

from benchmarks.gpu.bench import Bench
from senet_nas.data.augment import draw
from senet_nas.data.batches import augment, policy, scale
from senet_nas.data.load import Data
from senet_nas.network.build import build
from senet_nas.recipe import Recipe


class Tuned:
    """One network and its step."""

    def __init__(self, bench: Bench, key: str, data: Data, recipe: Recipe) -> None:
        device = bench.device
        self._recipe = recipe
        self._device = device
        self._n = len(data.y_train)
        self._shape = tuple(data.x_train.shape[2:])
        self.model = build(key, in_channels=data.channels, num_classes=data.num_classes, block_seed=0)
        self.model = self.model.to(device).to(memory_format=torch.channels_last).train()
        self._x, self._y = data.x_train.to(device), data.y_train.to(device)
        self._how, (self._mean, self._std) = policy(data, recipe), scale(data.mean, data.std, device, 4)
        self._rows = torch.arange(recipe.batch_size, device=device)
        drawn = draw(self._how, recipe.batch_size, self._shape, torch.Generator())
        self._drawn = {name: values.to(device) for name, values in drawn.items()}
        self._rate = torch.full((), 0.01, device=device)
        self._weights = [*self.model.parameters()]
        self._decaying = [p for p in self._weights if p.ndim > 1]
        self._momenta = [torch.zeros_like(p) for p in self._weights]
        self._is_short = recipe.precision == "bfloat16"
        self._graph: Any = self._captured() if device.type == "cuda" else None

    def step(self) -> None:
        """Trains on the batch that the inputs describe."""
        if self._graph is not None:
            self._graph.replay()
        else:
            self._compute()

    def epoch(self) -> None:
        order = torch.randperm(self._n, device=self._device)
        drawn = draw(self._how, self._n, self._shape, torch.Generator())
        drawn = {name: values.to(self._device) for name, values in drawn.items()}
        size = self._recipe.batch_size
        for begin in range(0, self._n - size + 1, size):
            part = slice(begin, begin + size)
            self._rows.copy_(order[part])
            for name, values in drawn.items():
                self._drawn[name].copy_(values[part])
            self.step()

    def _compute(self) -> None:
        x = augment(self._x.index_select(0, self._rows), self._how, self._drawn, self._mean, self._std)
        for weight in self._weights:
            weight.grad = None
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._is_short):
            loss = F.cross_entropy(self.model(x), self._y.index_select(0, self._rows))
        loss.backward()
        with torch.no_grad():
            grads = [weight.grad for weight in self._weights]
            decayed = [weight.grad for weight in self._decaying]
            torch._foreach_add_(decayed, self._decaying, alpha=self._recipe.weight_decay)
            torch._foreach_mul_(self._momenta, self._recipe.momentum)
            torch._foreach_add_(self._momenta, grads)
            torch._foreach_add_(grads, self._momenta, alpha=self._recipe.momentum)  # Nesterov
            torch._foreach_mul_(grads, self._rate)
            torch._foreach_sub_(self._weights, grads)

    def _captured(self) -> Any:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(4):
                self._compute()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._compute()
        return graph
