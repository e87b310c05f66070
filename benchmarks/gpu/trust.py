"""Whether the figures of a GPU can be believed: latency, number formats, resuming, memory, a group of processes."""

import copy
import itertools
import random
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch.nn import functional as F

from benchmarks.gpu.bench import LARGE, SE_ALL, SMALL, Bench, key_of, short, training
from senet_nas import gpus
from senet_nas.costs import runtimes
from senet_nas.costs.latency_model import Timed, fit, sample
from senet_nas.costs.timing import Call, compare
from senet_nas.data.load import load
from senet_nas.distributed import Group, joined
from senet_nas.network.build import build, sites
from senet_nas.recipe import DataSpec, LatencySpec, Recipe
from senet_nas.training import checkpoint
from spaces import Architecture, Space, SpaceSpec


def latency(bench: Bench) -> None:
    """Plain against plain, whose ratio must be 1 within its interval, and what SE everywhere costs."""
    backbone, side = bench.pick((LARGE, 32), (SMALL, 8))
    for runtime, batch in bench.pick(
        [("eager", 1), ("cudagraph", 1), ("eager", 256), ("cudagraph", 256)], [("eager", 1)]
    ):
        spec = LatencySpec(device=bench.device.type, batch=batch, runtime=runtime)

        def make(se: str, spec: LatencySpec = spec) -> Callable[[], Call]:
            return lambda: runtimes.forward(build(key_of(backbone, se), num_classes=10), (3, side, side), spec)

        with runtimes.threads(1):
            for word, se in (("plain", "-"), ("SE everywhere", SE_ALL)):
                watch = runtimes.stopwatch(spec)
                found = compare(make("-"), make(se), seconds=bench.pick(5.0, 0.05), watch=watch)
                remark = f"[{found.low:.4f}, {found.high:.4f}], {found.plain_ms:.3f} ms, {found.n} rounds"
                bench.row(f"{runtime} b{batch} {backbone}: {word} over plain", found.ratio, remark)


def additive(bench: Bench) -> None:
    """The additive model of latency: its error on architectures that were left out."""
    backbone, side = bench.pick((LARGE, 32), (SMALL, 8))
    spec = SpaceSpec(granularity="block", tie=(), reduction=(4, 16), squeeze=("avg", "max", "std"), gate=("sigmoid",))
    space = Space(backbone, sites(backbone), spec)
    plain = Architecture.plain(backbone, len(space.sites))
    for runtime, batch in bench.pick([("cudagraph", 1), ("eager", 256)], [("eager", 1)]):
        how = LatencySpec(device=bench.device.type, batch=batch, runtime=runtime)

        def make(key: Architecture, how: LatencySpec = how) -> Callable[[], Call]:
            return lambda: runtimes.forward(build(key, num_classes=10), (3, side, side), how)

        with runtimes.threads(1):
            chosen = sample(space, bench.pick(20, 8), random.Random(0))
            seconds, watch = bench.pick(0.6, 0.01), runtimes.stopwatch(how)
            found = [(a, compare(make(plain), make(a), seconds=seconds, watch=watch)) for a in chosen]
        timed = [Timed(a, c.overhead, 100 * c.half_width) for a, c in found]
        model = fit(space.sites, timed, statistics.median(c.plain_ms for _, c in found))
        bench.row(
            f"additive model, {runtime} b{batch}: mean error, %", model.error, f"tau {model.tau:.2f}, n = {model.n}"
        )


def parity(bench: Bench) -> None:
    """bfloat16 against float32 on real images, with the same seeds: accuracy, and the gain of SE."""
    spec = DataSpec(dataset=bench.dataset, path=bench.data, train=bench.pick(1000, 100), validation=bench.pick(400, 50))
    data = load(spec)
    epochs, seeds = bench.pick(15, 1), range(bench.pick(8, 2))
    found: dict[tuple[str, str], list[float]] = {}
    for precision, (word, se) in itertools.product(("float32", "bfloat16"), (("plain", "-"), ("SE", SE_ALL))):
        for seed in seeds:
            recipe = Recipe(epochs=epochs, batch_size=bench.pick(100, 50), precision=precision)
            run = training(bench, key_of(SMALL, se), data, recipe, seed)
            last = [run.epoch() for _ in range(epochs)][-1]
            found.setdefault((precision, word), []).append(last["val_accuracy"])
    for word in ("plain", "SE"):
        pairs = [a - b for a, b in zip(found["bfloat16", word], found["float32", word], strict=True)]
        _mean(bench, f"{bench.dataset}, {word}: bfloat16 less float32, points", pairs)
    for precision in ("float32", "bfloat16"):
        gains = [a - b for a, b in zip(found[precision, "SE"], found[precision, "plain"], strict=True)]
        _mean(bench, f"{bench.dataset}: gain of SE in {precision}, points", gains)


def resume(bench: Bench) -> None:
    """The same training twice, and stopped and continued from its checkpoint: how far its weights are apart."""
    data = load(DataSpec(dataset="digits", train=200, validation=50))
    key = key_of(SMALL, SE_ALL)
    for precision, ema in bench.pick((("float32", 0.0), ("bfloat16", 0.0), ("float32", 0.9)), (("float32", 0.9),)):
        recipe = Recipe(epochs=4, batch_size=50, precision=precision, ema=ema)
        whole, twice, first, again = (training(bench, key, data, recipe) for _ in range(4))
        for run in (whole, twice):
            for _ in range(4):
                run.epoch()
        first.epoch()
        first.epoch()
        with tempfile.TemporaryDirectory() as folder:
            checkpoint.save(Path(folder), first.state(), [], owner={})
            kept = checkpoint.load(Path(folder), owner={})
        assert kept is not None
        again.load_state(kept[0])
        again.epoch()
        again.epoch()
        figures = f"{_apart(whole.result, twice.result):.1e} / {_apart(whole.result, again.result):.1e}"
        bench.row(f"{precision}{', ema' if ema else ''}: twice / continued, largest difference of a weight", figures)


def memory(bench: Bench) -> None:
    """What stays of a training in a slot, what a limit does, and whether the next training can run after it."""
    data = load(DataSpec(dataset="digits", train=200, validation=50))
    recipe = Recipe(epochs=1, batch_size=50)
    run = training(bench, key_of(SMALL), data, recipe)
    run.epoch()
    bench.row("beside a training: allocated / reserved, GB", bench.memory())
    del run
    gpus.release()
    bench.row("after it, given back: allocated / reserved, GB", bench.memory(), "the images stay for the next training")
    gpus.limit(0.02)
    try:
        size = 2**40 if not bench.is_gpu else torch.cuda.get_device_properties(0).total_memory
        torch.empty(size, dtype=torch.uint8, device=bench.device).fill_(1)
        bench.row("more than its part", "NO ERROR")
    except (RuntimeError, MemoryError) as error:
        bench.row("more than its part", gpus.failure(error) or short(error))
    gpus.limit(1.0)
    gpus.release()
    bench.row("the next training, accuracy", training(bench, key_of(SMALL), data, recipe).epoch()["val_accuracy"])


def group(bench: Bench) -> None:
    """One process as a group of its own: the backend starts, gradients are reduced, states are told."""
    with tempfile.TemporaryDirectory() as folder, joined(0, 1, Path(folder) / "meeting", bench.name):
        two = Group(0, 2)  # so that nothing is left out; means are halved
        model = build(key_of(SMALL), num_classes=10).to(bench.device)
        wrapped = two.wrapped(copy.deepcopy(model))
        x = torch.randn(8, 3, 16, 16, device=bench.device)
        for network in (model, wrapped):
            F.cross_entropy(network(x), torch.arange(8, device=bench.device)).backward()
        pairs = zip(model.parameters(), wrapped.parameters(), strict=True)
        apart = max(float((a.grad - b.grad).abs().max()) for a, b in pairs if a.grad is not None and b.grad is not None)
        halved = float(two.mean(torch.ones((), device=bench.device)))
        told = two.from_first({"epoch": 3})
    bench.row("gradients of a group of one against those of one process: largest difference", apart)
    bench.row(
        "a mean over a group, and a state from its first process", f"{halved}, {told['epoch']}", "0.5 and 3 are right"
    )


def _mean(bench: Bench, what: str, values: list[float]) -> None:
    error = statistics.stdev(values) / len(values) ** 0.5
    bench.row(what, statistics.mean(values), f"s.e. {error:.3f}, n = {len(values)}")


def _apart(one: torch.nn.Module, other: torch.nn.Module) -> float:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return max(float((a.double() - b.double()).abs().max()) for a, b in pairs)


SECTIONS = {
    "latency": latency,
    "additive": additive,
    "parity": parity,
    "resume": resume,
    "memory": memory,
    "group": group,
}
