"""The steps of a training as one CUDA graph: captured once, replayed for every batch, one launch for each.

Small networks are bound by launches: a step of ResNet-20 is some hundred kernels, each of which takes the host longer
to launch than the GPU to run. The graph holds the whole step: the batch is taken out of images on the GPU and
augmented, then forward and backward pass, fused SGD and the moving average. Between two replays nothing is copied: what
is random in an epoch and its learning rates lie on the GPU, and a number there says which step is next.

As torch's notes on CUDA graphs ask for it: the first steps run on a side stream, so that libraries make their choices
before the capture; gradients are set to None before it; what changes lies in tensors that stay where they are.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from senet_nas.data.augment import Policy
from senet_nas.data.batches import Plan, augment
from senet_nas.data.prefetch import Batch
from senet_nas.recipe import Recipe

# Steps before the capture; they train, too.
WARM_UP = 3

# Computes a step from a batch, its labels and the learning rate: its loss, and the norm of a gradient.
Step = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def obstacle(recipe: Recipe, device: str, *, is_fixed: bool, processes: int) -> str:
    """Why the steps of a training cannot be one graph; empty if they may.

    ``is_fixed``: whether every step of the network launches the same kernels.
    """
    if torch.device(device).type != "cuda":
        return "the device is no GPU"
    if recipe.cudagraph == "off":
        return "train.cudagraph is off"
    if processes > 1:
        return "several processes train together"
    return "" if is_fixed else "the steps of this network may differ"


class CapturedSteps:
    """Runs epochs with a step that is captured after WARM_UP steps. Without a capture the step runs eagerly.

    ``x`` and ``y`` are images and labels: on the GPU, or of the host, whose batches are then given to :meth:`epoch`.
    """

    def __init__(self, step: Step, x: Tensor, y: Tensor, how: Policy, scale: tuple[Tensor, Tensor]) -> None:
        self._step = step
        self._x = x
        self._y = y
        self._how = how
        self._mean, self._std = scale
        self._device = self._mean.device
        self._is_resident = x.device.type == self._device.type
        self._done = 0
        self._graph: Any = None
        self._has_failed = False
        self._static: dict[str, Tensor] = {}
        self._side = side_stream(self._device)

    def epoch(self, plan: Plan, rates: Sequence[float], batches: Iterable[Batch], begin: Callable[[], None]) -> Tensor:
        """Trains for an epoch: one step for each learning rate. Returns the sums (2,) of losses and gradient norms.

        ``batches`` are used where images do not lie on the GPU. ``begin`` is called before each step, on the host.
        """
        n_steps = len(rates)
        self._fill({f"draws {name}": _in_steps(values, n_steps) for name, values in plan.draws.items()})
        self._fill({"rates": torch.tensor(rates, dtype=torch.float32)})
        self._fill({"next": torch.zeros(1, dtype=torch.long), "sums": torch.zeros(2)})
        if self._is_resident:
            self._fill({"order": _in_steps(plan.order, n_steps)})
            for _ in range(n_steps):
                begin()
                self._run()
        else:
            for _, x, y in batches:
                begin()
                self._fill({"x": x, "y": y})
                self._run()
        return self._static["sums"]

    def forget(self) -> None:
        """Captures again: the tensors that a step uses were replaced."""
        self._graph = None
        self._done = 0

    # -- inside -------------------------------------------------------------------------------------------------------

    def _fill(self, values: dict[str, Tensor]) -> None:
        """Puts values where the step finds them: at the same address for as long as their shape is the same."""
        for name, value in values.items():
            known = self._static.get(name)
            if known is None or known.shape != value.shape:
                self._static[name] = value.to(self._device, copy=True)
                self.forget()
            else:
                known.copy_(value, non_blocking=True)

    def _run(self) -> None:
        """One step: a replay, or one of those before the capture, or an eager one after a capture that failed."""
        if self._graph is not None:
            self._graph.replay()
        elif self._has_failed:
            self._compute()
        elif self._done < WARM_UP:
            on_side_stream(self._side, self._compute)
        else:
            self._capture()
        self._done += 1

    def _capture(self) -> None:
        """Captures the step and runs it; if it cannot be captured, says why and runs it eagerly from now on."""
        try:
            self._graph = captured(self._compute, self._side)
        except RuntimeError as error:
            self._has_failed = True
            reason = str(error).splitlines()[0]
            logging.getLogger(__name__).warning("the steps are launched one kernel at a time: %s", reason)
            self._compute()
        else:
            self._graph.replay()

    def _compute(self) -> None:
        """The step that is captured. It reads and writes tensors on the GPU alone."""
        place = self._static["next"]
        now = {name: values.index_select(0, place)[0] for name, values in self._static.items() if _is_drawn(name)}
        if self._is_resident:
            rows = self._static["order"].index_select(0, place)[0]
            x, y = self._x.index_select(0, rows), self._y.index_select(0, rows)
        else:
            x, y = self._static["x"], self._static["y"]
        draws = {name.removeprefix("draws "): values for name, values in now.items()}
        rate = self._static["rates"].index_select(0, place)[0]
        loss, norm = self._step(augment(x, self._how, draws, self._mean, self._std), y, rate)
        self._static["sums"].add_(torch.stack([loss, norm]))
        place.add_(1)


def side_stream(device: torch.device) -> Any:
    """A stream of the GPU beside the usual one; None without a GPU."""
    return torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]  # torch's own


def on_side_stream(side: Any, compute: Callable[[], None]) -> None:
    """Computes on a side stream, in order with what came before and what follows."""
    usual = torch.cuda.current_stream()
    side.wait_stream(usual)
    with torch.cuda.stream(side):
        compute()
    usual.wait_stream(side)


def captured(compute: Callable[[], None], side: Any) -> Any:
    """The CUDA graph of a computation, which does not run meanwhile. Raises RuntimeError if it cannot be captured.

    Other threads may go on with the GPU: one gathers batches into pinned memory.
    """
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph, stream=side, capture_error_mode="thread_local"):
            compute()
    except RuntimeError:
        graph.reset()
        raise
    return graph


def _is_drawn(name: str) -> bool:
    return name.startswith("draws ")


def _in_steps(values: Tensor, n_steps: int) -> Tensor:
    """Values of all images of an epoch (N, ...), one row for each step (steps, batch, ...)."""
    return values.view(n_steps, len(values) // n_steps, *values.shape[1:])
