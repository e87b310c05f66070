"""Measures the peak memory of trainings, and compares the estimate of ``senet_nas.costs.footprint`` with it.

``python -m benchmarks.training_memory`` prints a line for each network below; ``... NAME SIDE BATCH EMA`` measures one.
"""

import json
import resource
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Network, side of the images in pixels, batch size, decay of the moving average.
CASES = (
    ("cifar_resnet20", 32, 128, 0.0),
    ("cifar_resnet20", 32, 512, 0.0),
    ("resnet18", 128, 32, 0.0),
    ("resnet18", 160, 64, 0.0),
    ("resnet50", 96, 16, 0.99),
    ("mobilenet_v2", 128, 32, 0.0),
)


def compared(name: str, side: int, batch: int, ema: float) -> dict[str, int]:
    """Estimated and measured bytes at the peak of a training with SE everywhere, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.training_memory", name, str(side), str(batch), str(ema)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    if len(sys.argv) > 1:
        name, side, batch, ema = sys.argv[1:]
        print(json.dumps(_measured(name, int(side), int(batch), float(ema))))
        return
    for case in CASES:
        found = compared(*case)
        ratio = found["estimated"] / found["measured"]
        name, side, batch, ema = case
        print(
            f"{name:<16} {side:>4} px, batch {batch:>4}, ema {ema:g}: "
            f"estimated {found['estimated'] / 1e9:.2f} GB, measured {found['measured'] / 1e9:.2f} GB, ratio {ratio:.2f}"
        )


def _measured(name: str, side: int, batch: int, ema: float) -> dict[str, int]:
    import ray.tune  # noqa: F401 - a worker has it
    import torch
    import torchvision.models  # noqa: F401 - a worker may have it

    from senet_nas.costs.footprint import footprint
    from senet_nas.data.load import Data
    from senet_nas.network import build
    from senet_nas.recipe import Recipe, Seed
    from senet_nas.training.train import Training
    from spaces import Space, SpaceSpec
    from spaces.placements import baselines

    torch.set_num_threads(1)
    sites = build.sites(name)
    space = Space(name, sites, SpaceSpec(position=tuple(sites[0].channels)[:1], min_hidden=1))
    network = build.build(baselines(space)[1], in_channels=3, num_classes=10)
    x_NCHW = torch.zeros(2 * batch, 3, side, side, dtype=torch.uint8)
    y_N = torch.arange(2 * batch) % 10
    half = slice(batch)
    names = tuple("abcdefghij")
    moments = (0.5, 0.5, 0.5)
    data = Data(
        x_NCHW, y_N, x_NCHW[half], y_N[half], x_NCHW[half], y_N[half], names, moments, moments, True, 4, fingerprint=""
    )
    recipe = Recipe(epochs=2, batch_size=batch, ema=ema)
    estimated = footprint(network, data.shape, recipe, batch).total
    training = Training(network, data, recipe, seed=Seed(0))
    training.epoch()
    training.epoch()
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage counts bytes on macOS, KiB elsewhere
    return {"estimated": estimated, "measured": unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}


if __name__ == "__main__":
    main()
