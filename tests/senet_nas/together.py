"""One of two processes that train as one. ``test_distributed.py`` starts it with its rank and the folder to meet in."""

import itertools
import json
import sys
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from senet_nas.data.load import load
from senet_nas.distributed import ALONE, Group, joined
from senet_nas.network.build import build
from senet_nas.recipe import DataSpec, Recipe, Seed, Task
from senet_nas.training.evaluate import evaluate
from senet_nas.training.train import Training

SE = "cifar_resnet8/-/-/avg:fc4:sigmoid@pre_addition"
DATA = DataSpec(dataset="digits", train=400, validation=400)
RECIPE = Recipe(epochs=5, batch_size=50, lr=0.1, ema=0.9, label_smoothing=0.1, flip=True, jitter=0.2)


def frozen(group: Group, epochs: int = 1) -> tuple[dict[str, torch.Tensor], Training]:
    """Gradients of the first step and the training after some epochs, with the batch statistics frozen."""
    model = build(SE, in_channels=1, num_classes=10).eval()
    model.train = lambda mode=True: model
    training = Training(model, load(DATA), replace(RECIPE, lr=0.01), seed=Seed(0), group=group)
    gradients: dict[str, torch.Tensor] = {}

    def keep(*_: object) -> None:
        for name, parameter in model.named_parameters():
            gradients.setdefault(name, parameter.grad.contiguous().clone())

    training._optimizer.register_step_pre_hook(keep)
    for _ in range(epochs):
        training.epoch()
    return gradients, training


def curve(seed: Seed, group: Group = ALONE) -> tuple[list[dict[str, float]], Training]:
    """Every epoch of a training, with the batch statistics of each process's own part."""
    model = build(SE, in_channels=1, num_classes=10, block_seed=seed.block)
    training = Training(model, load(DATA), RECIPE, seed=seed, group=group)
    return [training.epoch() for _ in range(RECIPE.epochs)], training


def interrupted(group: Group, folder: Path) -> None:
    """Trains whole, and stopped after two epochs and gone on with; leaves the weights of both."""
    task, clock = Task(DATA, RECIPE), itertools.count(0, 100)
    folders = {"whole": None, "part": folder / "checkpoints"}
    (folder / "checkpoints").mkdir(exist_ok=True)

    def train(name: str) -> list[int]:
        reports = evaluate(
            SE,
            Seed(1),
            task,
            weights=folder / f"{name}.safetensors",
            checkpoint=folders[name],
            clock=clock.__next__,
            group=group,
        )
        return [report.epoch for report in (reports if name == "whole" or stopped else itertools.islice(reports, 2))]

    stopped = False
    epochs = [train("whole"), train("part")]
    stopped = True
    epochs.append(train("part"))
    assert epochs == [[1, 2, 3, 4, 5], [1, 2], [3, 4, 5]], epochs


def main(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    with joined(rank, 2, folder / "meeting", "cpu") as group:
        gradients, training = frozen(group)
        save_file(gradients, folder / f"gradients-{rank}")
        save_file(state(training), folder / f"frozen-{rank}")
        found, training = curve(Seed(0), group)
        (folder / f"curve-{rank}.json").write_text(json.dumps(found))
        save_file(state(training), folder / f"state-{rank}")
        interrupted(group, folder)


def state(training: Training) -> dict[str, torch.Tensor]:
    """All tensors of a training's state."""
    found = training.state()
    named = {f"{kind}.{name}": value for kind in ("model", "average") for name, value in found[kind].items()}
    for index, values in found["optimizer"]["state"].items():
        named[f"momentum.{index}"] = values["momentum_buffer"]
    return {name: value.detach().contiguous().clone() for name, value in named.items()} | {
        "generator": found["generator"].clone()
    }


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
