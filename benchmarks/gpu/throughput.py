"""Images per second: the ceilings of the machine, the tool against a hand-tuned loop, sharing, images of the host."""

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from benchmarks.gpu.bench import LARGE, SE_ALL, SMALL, Bench, images, key_of, short, training
from benchmarks.gpu.tuned import Tuned
from senet_nas import gpus, hardware, nvidia
from senet_nas.costs import overhead
from senet_nas.data import residence
from senet_nas.network.build import build
from senet_nas.recipe import Recipe, Seed
from senet_nas.training.train import Training
from spaces import Architecture

# Backbone, side of an image, batch, classes.
Case = tuple[str, int, int, int]
CASES = [(LARGE, 32, 128, 10), (LARGE, 32, 512, 10), ("resnet18", 64, 128, 200), ("resnet50", 224, 128, 1000)]


def ceilings(bench: Bench) -> None:
    """The device and what it can do at most, which shares are of."""
    bench.row("torch", torch.__version__)
    if bench.is_gpu:
        bench.row(
            "GPUs", nvidia.described(nvidia.visible()) or torch.cuda.get_device_name(), f"CUDA {torch.version.cuda}"
        )
        bench.row("bfloat16 of its own", gpus.has_native_bfloat16())
        bench.row("CUDA's MPS runs", gpus.has_mps())
    bench.row("bf16 matrix product, TFLOP/s", _peak(bench))
    n = bench.pick(2**30, 2**20)
    x = torch.zeros(n, dtype=torch.uint8, device=bench.device)
    y = torch.empty_like(x)
    bench.row("copy on the device, GB/s (read and written)", 2 * n / bench.seconds_of(lambda: y.copy_(x)) / 1e9)
    host = torch.zeros(bench.pick(2**28, 2**20), dtype=torch.uint8, pin_memory=bench.is_gpu)
    place = torch.empty(len(host), dtype=torch.uint8, device=bench.device)
    rate = len(host) / bench.seconds_of(lambda: place.copy_(host, non_blocking=True)) / 1e9
    bench.row("pinned memory of the host to the device, GB/s", rate)
    z = torch.zeros(16, device=bench.device)
    bench.row("one small kernel launched, us", 1e6 * bench.seconds_of(lambda: z.add_(1)))


def speed(bench: Bench) -> None:
    """The tool with a graph, the tool without, and the hand-tuned loop, on the same networks."""
    full: list[Case] = [
        (LARGE, 32, 128, 10),
        (LARGE, 32, 512, 10),
        ("resnet18", 64, 128, 200),
        ("resnet50", 224, 128, 1000),
    ]
    cases = bench.pick(full, [(SMALL, 8, 8, 10)])
    peak = _peak(bench)
    for backbone, side, batch, classes in cases:
        for label, se in (("plain", "-"), ("SE everywhere", SE_ALL)):
            name = f"{backbone} {side}px b{batch} {label}"
            try:
                _against_tuned(bench, name, key_of(backbone, se), (backbone, side, batch, classes), peak)
            except Exception as error:
                bench.row(name, "FAILED", short(error))
            bench.free()


def _against_tuned(bench: Bench, name: str, key: str, case: Case, peak: float) -> None:
    _, side, batch, classes = case
    steps = bench.pick(max(8, min(100, 2_000_000_000 // (batch * 24 * side * side))), 4)
    data = images(steps * batch, side, classes)
    recipe = Recipe(epochs=10_000, batch_size=batch, precision="bfloat16")
    rates = {}
    for word, cudagraph in (("the tool", "auto"), ("the tool, launched", "off")):
        run = training(bench, key, data, replace(recipe, cudagraph=cudagraph))
        run.epoch()
        rates[word] = steps * batch / bench.seconds_of(run._train)
        del run
        bench.free()
    tuned = Tuned(bench, key, data, recipe)
    rates["a hand-tuned loop"] = steps * batch / bench.seconds_of(tuned.epoch)
    flops = 6 * _macs(key, side, classes)
    for word, rate in rates.items():
        share = f"{100 * flops * rate / (peak * 1e12):.1f} % of peak"
        bench.row(f"{name}: {word}, images/s", rate, share)
    bench.row(f"{name}: the tool over the hand-tuned loop", rates["the tool"] / rates["a hand-tuned loop"])
    bench.row(f"{name}: the tool over the tool, launched", rates["the tool"] / rates["the tool, launched"])


def sharing(bench: Bench) -> None:
    """1, 2, 4 and 8 trainings on one GPU: images per second of all together."""
    for case in bench.pick([(LARGE, 32, 128, 10), ("resnet18", 64, 128, 200)], [(SMALL, 8, 8, 10)]):
        alone = 0.0
        for count in bench.pick((1, 2, 4, 8), (1, 2)):
            rate = _together(bench, case, count)
            alone = alone or rate
            bench.row(
                f"{count} trainings of {case[0]} {case[1]}px, images/s together", rate, f"{rate / alone:.2f} times one"
            )


def _together(bench: Bench, case: Case, count: int) -> float:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(count)
    with ProcessPoolExecutor(count, context, _meet, (barrier,)) as pool:
        rate = partial(_rate, case, bench.name, bench.tiny, max(1, hardware.cores() // count))
        return sum(pool.map(rate, range(count)))


_MEETING: dict[str, Any] = {}


def _meet(barrier: Any) -> None:
    _MEETING["barrier"] = barrier


def _rate(case: Case, device: str, tiny: bool, threads: int, seed: int) -> float:
    """Images per second of one of the trainings, in its own process, from when all of them are ready."""
    torch.set_num_threads(threads)
    backbone, side, batch, classes = case
    data = images((4 if tiny else 50) * batch, side, classes)
    recipe = Recipe(epochs=10**4, batch_size=batch, precision="bfloat16")
    run = Training(build(key_of(backbone), num_classes=classes), data, recipe, seed=Seed(seed), device=device)
    run._train()
    _MEETING["barrier"].wait(timeout=120)
    began = time.perf_counter()
    n = 0
    while time.perf_counter() - began < (0.2 if tiny else 5.0):
        run._train()  # waits for the device at its end
        n += len(data.y_train)
    return n / (time.perf_counter() - began)


def feeding(bench: Bench) -> None:
    """Images that do not fit onto the device, pinned and a batch ahead, against the same on the device."""
    side, batch = bench.pick((224, 128), (16, 8))
    data = images(bench.pick(4096, 64), side, 10)
    recipe = Recipe(epochs=10_000, batch_size=batch, precision="bfloat16", crop_area=0.3)
    fits = gpus.holds_images
    for backbone in bench.pick(("resnet18", "resnet50"), (SMALL,)):
        rates = {}
        for word, holds in (("on the device", True), ("of the host", False)):
            gpus.holds_images = lambda *given, answer=holds: answer
            run = training(bench, key_of(backbone), data, recipe)
            run._train()
            rates[word] = len(data.y_train) / bench.seconds_of(run._train)
            del run
            residence._KEPT.clear()
            bench.free()
        for word, rate in rates.items():
            bench.row(
                f"{backbone} {side}px, images {word}: images/s", rate, f"{rate / rates['on the device']:.2f} times"
            )
    gpus.holds_images = fits


def _peak(bench: Bench) -> float:
    n = bench.pick(8192, 128)
    x, y = (torch.randn(n, n, device=bench.device, dtype=torch.bfloat16) for _ in range(2))
    return 2 * n**3 / bench.seconds_of(lambda: x @ y) / 1e12


def _macs(key: str, side: int, classes: int) -> float:
    architecture = Architecture.parse(key)
    prices = overhead.price_list(architecture.backbone, in_channels=3, num_classes=classes, image_size=side)
    return float(prices.of(architecture)["macs"])


SECTIONS = {"ceilings": ceilings, "training": speed, "sharing": sharing, "feeding": feeding}
