"""Measures the peak memory of trainings, and compares the estimate of ``senet_nas.costs.footprint`` with it.

``python -m benchmarks.training_memory`` prints a line for each training below, each in a process of its own.
"""

import json
import resource
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from senet_nas.data.load import Data

ROOT = Path(__file__).parents[1]
OWN = "benchmarks.training_memory:own_network@features.*"
CLASSES = 10


@dataclass(frozen=True)
class Case:
    """A training of ``network`` with SE everywhere on samples of ``shape`` (C, *spatial).

    ``ema`` is the decay of the moving average. As many samples as a batch has are validated, unless ``validation`` says
    how many. ``rotation``, in degrees, stands for an augmentation that interpolates.
    """

    network: str
    shape: tuple[int, ...]
    batch: int
    ema: float = 0.0
    validation: int | None = None
    threads: int = 1
    rotation: float = 0.0

    def __str__(self) -> str:
        extras = {"ema": self.ema, "validation": self.validation, "rotation": self.rotation}
        more = "".join(f", {name} {value:g}" for name, value in extras.items() if value)
        size = " x ".join(map(str, self.shape))
        threads = f", {self.threads} threads" if self.threads > 1 else ""
        return f"{self.network.partition('@')[0].split(':')[-1]}, {size}, batch {self.batch}{more}{threads}"


# The constants of the estimate were chosen on these.
CHOSEN = (
    Case("cifar_resnet20", (3, 32, 32), 128),
    Case("cifar_resnet20", (3, 32, 32), 512),
    Case("resnet18", (3, 128, 128), 32),
    Case("resnet18", (3, 160, 160), 64),
    Case("resnet50", (3, 96, 96), 16, ema=0.99),
    Case("mobilenet_v2", (3, 128, 128), 32),
    Case("signal_resnet20", (1, 4000), 256),
    Case("signal_resnet20", (1, 4000), 64),
    Case("signal_resnet8", (1, 4000), 128),
    Case("signal_resnet32", (1, 1000), 256),
)
# Others, which judge it.
JUDGES = (
    Case("densenet121", (3, 128, 128), 16),
    Case("efficientnet_b0", (3, 160, 160), 32, ema=0.99),
    Case("convnext_tiny", (3, 96, 96), 16),
    Case("vgg11_bn", (3, 224, 224), 8),
    Case("shufflenet_v2_x1_0", (3, 224, 224), 64, rotation=15.0),
    Case("inception_v3", (3, 299, 299), 8),
    Case("cifar_wrn16_8", (3, 32, 32), 64, threads=2),
    Case("resnet18", (3, 1000, 1000), 4, threads=2),
    Case("cifar_resnet8", (3, 32, 32), 16, validation=2000),
    Case("signal_resnet20_w32", (2, 1500), 64, ema=0.99),
    Case("signal_resnet8", (3, 8000), 32, threads=2),
    Case("signal_resnet20", (1, 500), 1024),
    Case(OWN, (1, 28, 28), 1024),
    Case(OWN, (3, 256, 256), 4),
)


def own_network(in_channels: int, num_classes: int) -> "nn.Module":
    """A network as a user may write it: no normalisation in its wide part, a large hidden layer, dropout."""
    from torch import nn

    def unit(c_in: int, c_out: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(c_in, c_out, 5, padding=2), nn.GELU(), nn.AvgPool2d(2))

    features = nn.Sequential(unit(in_channels, 24), unit(24, 48), nn.Sequential(nn.Conv2d(48, 96, 3), nn.LeakyReLU()))
    head = nn.Sequential(
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(16 * 96, 2048),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(2048, num_classes),
    )

    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = features
            self.head = head

        def forward(self, x: Any) -> Any:
            return self.head(self.features(x))

    return Own()


def compared(case: Case) -> dict[str, int]:
    """Estimated and measured bytes at the peak of a training, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.training_memory", json.dumps(asdict(case))]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    if len(sys.argv) > 1:
        given = json.loads(sys.argv[1])
        print(json.dumps(_measured(Case(**{**given, "shape": tuple(given["shape"])}))))
        return
    for title, cases in (("the constants were chosen on:", CHOSEN), ("judged on:", JUDGES)):
        print(title)
        for case in cases:
            found = compared(case)
            ratio = found["estimated"] / found["measured"]
            estimated = found["estimated"] / 1e9
            measured = found["measured"] / 1e9
            print(f"  {case}: estimated {estimated:.2f} GB, measured {measured:.2f} GB, ratio {ratio:.2f}", flush=True)


def _measured(case: Case) -> dict[str, int]:
    import ray.tune  # noqa: F401 - a worker has it
    import torch
    import torchvision.models  # noqa: F401 - a worker may have it

    from senet_nas.costs.footprint import footprint
    from senet_nas.network import build
    from senet_nas.recipe import Recipe, Seed
    from senet_nas.training.train import Training
    from spaces import Space, SpaceSpec
    from spaces.placements import baselines

    torch.set_num_threads(case.threads)
    sites = build.sites(case.network)
    space = Space(case.network, sites, SpaceSpec(position=tuple(sites[0].channels)[:1], min_hidden=1))
    network = build.build(baselines(space)[1], in_channels=case.shape[0], num_classes=CLASSES)
    recipe = Recipe(epochs=2, batch_size=case.batch, ema=case.ema, rotation=case.rotation)
    data = _data(case)
    estimated = footprint(network, data.shape, recipe, len(data.y_val)).total
    training = Training(network, data, recipe, seed=Seed(0))
    training.epoch()
    training.epoch()
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage counts bytes on macOS, KiB elsewhere
    return {"estimated": estimated, "measured": unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}


def _data(case: Case) -> "Data":
    import torch

    from senet_nas.data.load import Data

    dtype = torch.uint8 if len(case.shape) == 3 else torch.float32
    n_validation = case.validation or case.batch
    x = torch.zeros(max(2 * case.batch, n_validation), *case.shape, dtype=dtype)
    y_N = torch.arange(len(x)) % CLASSES
    moments = (0.5,) * case.shape[0]
    return Data(
        x_train=x[: 2 * case.batch],
        y_train=y_N[: 2 * case.batch],
        x_val=x[:n_validation],
        y_val=y_N[:n_validation],
        x_test=x[:1],
        y_test=y_N[:1],
        classes=tuple("abcdefghij"),
        mean=moments,
        std=moments,
        flip=dtype is torch.uint8,
        crop=4 if dtype is torch.uint8 else 0,
        fingerprint="",
    )


if __name__ == "__main__":
    main()
