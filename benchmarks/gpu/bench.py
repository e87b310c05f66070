"""What the sections share: the device, sizes, clocks, images, and rows that are written at once."""

import gc
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from senet_nas.data.load import Data
from senet_nas.network.build import build, sites
from senet_nas.recipe import Recipe, Seed
from senet_nas.training.train import Training

SE_ALL = "avg:fc8:sigmoid@pre_addition"
LARGE, SMALL = "cifar_resnet20", "cifar_resnet8"


class Bench:
    """Device, sizes and rows of one section; ``path`` holds the rows so far."""

    def __init__(self, device: str, tiny: bool, path: Path, dataset: str, data: str | None) -> None:
        self.name = device
        self.device = torch.device(device)
        self.is_gpu = self.device.type == "cuda"
        self.tiny = tiny
        self.dataset = dataset
        self.data = data
        self._path = path
        self._rows: list[dict[str, Any]] = []
        if not self.is_gpu:
            torch.set_num_threads(1)

    def row(self, what: str, figure: Any, remark: str = "") -> None:
        """Prints and writes a figure."""
        self._rows.append({"what": what, "figure": figure, "remark": remark})
        self._path.write_text(json.dumps(self._rows, indent=1))
        text = f"{figure:.4g}" if isinstance(figure, float) else str(figure)
        print(f"  {what:<72} {text:>16}  {remark}", flush=True)

    def pick(self, full: Any, tiny: Any) -> Any:
        return tiny if self.tiny else full

    def wait(self) -> None:
        if self.is_gpu:
            torch.cuda.synchronize()

    def seconds_of(self, call: Callable[[], Any], seconds: float | None = None) -> float:
        """Seconds of a call: the device is waited for before and after a growing number of calls, not in between."""
        least = self.pick(1.5, 0.02) if seconds is None else seconds
        for _ in range(self.pick(3, 1)):
            call()
        n = 1
        while True:
            self.wait()
            began = time.perf_counter()
            for _ in range(n):
                call()
            self.wait()
            took = time.perf_counter() - began
            if took >= least or n > 1_000_000:
                return took / n
            n = max(n + 1, min(20 * n, math.ceil(1.2 * n * least / max(took, 1e-6))))

    def free(self) -> None:
        gc.collect()
        if self.is_gpu:
            torch.cuda.empty_cache()

    def memory(self) -> str:
        """Memory that this process has allocated and reserved, in GB."""
        if not self.is_gpu:
            return "0 / 0"
        return f"{torch.cuda.memory_allocated() / 1e9:.3f} / {torch.cuda.memory_reserved() / 1e9:.3f}"


def key_of(backbone: str, se: str = "-") -> str:
    return "/".join([backbone, *[se] * len(sites(backbone))])


def images(n: int, side: int, classes: int, *, n_val: int = 64) -> Data:
    """Random uint8 images, described as the tool describes them."""
    g = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (n, 3, side, side), dtype=torch.uint8, generator=g)
    y = torch.randint(classes, (n,), generator=g)
    v = torch.randint(0, 256, (n_val, 3, side, side), dtype=torch.uint8, generator=g)
    w = torch.randint(classes, (n_val,), generator=g)
    return Data(x, y, v, w, v, w, tuple(map(str, range(classes))), (0.5,) * 3, (0.25,) * 3, True, 4, "random")


def training(bench: Bench, key: str, data: Data, recipe: Recipe, seed: int = 0) -> Training:
    model = build(key, in_channels=data.channels, num_classes=data.num_classes, block_seed=seed)
    return Training(model, data, recipe, seed=Seed(seed), device=bench.name)


def short(error: BaseException) -> str:
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0][:160]}"
