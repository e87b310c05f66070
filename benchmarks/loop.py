"""What the tool adds to training: images per second of a whole search over bare PyTorch loops, and the gap between trainings.

    python -m benchmarks.loop [--seconds 5 60] [--rounds N] [--trainings 10 100 1000]

Efficiency: `senet-search run` on all slots once they are under way, gaps included, against as many hand-written loops
with the same network, data, recipe and threads; rounds alternate. What the start costs is measured by startup.py. The gap: scripted trainings on real Ray, each of which
notes when it begins and ends; what lies between two of one worker is the gap.
"""

import argparse
import itertools
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import environment

SLOTS = len(os.sched_getaffinity(0))
BACKBONE, SIZE, TRAIN, BATCH = "cifar_resnet8", 16, 1000, 100
COMMAND = [sys.executable, "-c", "from search.cli import main; main()"]

CONFIG = """
data: {{dataset: digits, image_size: {size}, train: {train}}}
model: {{backbone: {backbone}}}
search: {{sampler: random}}
space: {{reduction: [16], position: [pre_addition]}}
budget: {{trainings: {trainings}}}
train: {{epochs: {epochs}, batch_size: {batch}}}
"""
SCRIPTED = """
data: digits
model: {{backbone: cifar_resnet56}}
space: {{granularity: block, squeeze: [avg, max]}}
search: {{sampler: random}}
budget: {{trainings: {trainings}}}
evaluate: python:scripted:train
"""
TRAIN_FUNCTION = """
import os, time
from pathlib import Path

def train(architecture, seed):
    began = time.time()
    while time.time() < began + {seconds}:
        pass
    with Path(__file__).with_name(f"{{os.getpid()}}.times").open("a") as file:
        file.write(f"{{began}} {{time.time()}}\\n")
    return 50 + seed.block % 7
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, nargs="*", default=[5.0, 60.0], help="length of a training")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--trainings", type=int, nargs="*", default=[10, 100, 1000])
    arguments.add_argument("--bare", type=int, help="run one bare loop of so many epochs and print when it ran")
    given = arguments.parse_args()
    if given.bare:
        print(json.dumps(bare_loop(given.bare)))
        return
    speed = measured_speed()
    efficiency = {f"{s:g} s": compare(max(1, round(s * speed / TRAIN)), given.rounds) for s in given.seconds}
    gaps = {str(n): gap(n) for n in given.trainings}
    result = {
        "slots": SLOTS,
        "backbone": BACKBONE,
        "image_size": SIZE,
        "batch": BATCH,
        "efficiency": efficiency,
        "gap": gaps,
    }
    print(environment.write("loop", result).read_text())


def measured_speed() -> float:
    """Images per second of one bare loop while all slots are busy."""
    return images_per_second(bare(4), 4) / SLOTS


def compare(epochs: int, rounds: int) -> dict[str, Any]:
    """Alternating rounds of the tool (six trainings a slot) and of bare loops that train for as long as three."""
    tool, loops = [], []
    for _ in range(rounds):
        tool.append(searched(epochs, 6 * SLOTS))
        loops.append(images_per_second(bare(3 * epochs), 3 * epochs))
    ratios = [a / b for a, b in zip(tool, loops, strict=True)]
    return {
        "epochs": epochs, "training_seconds": round(epochs * TRAIN * SLOTS / statistics.median(loops), 1),
        "tool_images_per_second": [round(v) for v in tool], "bare_images_per_second": [round(v) for v in loops],
        "efficiency": round(statistics.median(ratios), 3), "each": [round(r, 3) for r in ratios],
    }  # fmt: skip


def images_per_second(spans: list[dict[str, float]], epochs: int) -> float:
    wall = max(s["ended"] for s in spans) - min(s["began"] for s in spans)
    return len(spans) * epochs * TRAIN / wall


def bare(epochs: int) -> list[dict[str, float]]:
    """As many loops side by side as the tool has slots."""
    command = [sys.executable, "-m", "benchmarks.loop", "--bare", str(epochs)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, env=one_thread(), text=True) for _ in range(SLOTS)]
    return [json.loads(process.communicate()[0]) for process in running]


def bare_loop(epochs: int) -> dict[str, float]:
    """What one would write by hand: network, SGD, cosine, batches, validation after each epoch."""
    import torch
    from torch.nn import functional as F

    from senet_nas.build import build, sites
    from senet_nas.data import batches, load, normalise
    from senet_nas.recipe import DataSpec, Recipe

    torch.set_num_threads(1)
    data, recipe = load(DataSpec(dataset="digits", image_size=SIZE, train=TRAIN)), Recipe(batch_size=BATCH)
    key = "/".join([BACKBONE, *["-"] * len(sites(BACKBONE))])
    model = build(key, in_channels=1, num_classes=10).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, 0.9, nesterov=True, weight_decay=5e-4, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * (TRAIN // BATCH))
    generator, began = torch.Generator().manual_seed(0), time.time()
    for _ in range(epochs):
        model.train()
        for x, y in batches(data.x_train, data.y_train, data, recipe, generator):
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
        model.eval()
        with torch.inference_mode():
            (model(normalise(data.x_val, data)).argmax(1) == data.y_val).float().mean().item()
    return {"began": began, "ended": time.time()}


def searched(epochs: int, trainings: int) -> float:
    """Images per second of a search, from the second training of every slot to where the first slot runs out of work."""
    with tempfile.TemporaryDirectory() as folder:
        text = CONFIG.format(size=SIZE, train=TRAIN, backbone=BACKBONE, trainings=trainings, epochs=epochs, batch=BATCH)
        run(Path(folder), text)
        database = sqlite3.connect(f"file:{folder}/runs/bench/ledger.sqlite?mode=ro", uri=True)
        ended = sorted(row[0] for row in database.execute("SELECT ended FROM trainings WHERE state = 'finished'"))
        window = ended[2 * SLOTS - 1 : len(ended) - SLOTS + 1]
        return (len(window) - 1) * epochs * TRAIN / (window[-1] - window[0])


def gap(trainings: int, seconds: float = 0.2) -> dict[str, float]:
    """Seconds between the end of a scripted training and the begin of the next one of the same worker."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "scripted.py").write_text(TRAIN_FUNCTION.format(seconds=seconds))
        run(Path(folder), SCRIPTED.format(trainings=trainings))
        found = []
        for path in Path(folder).glob("*.times"):
            times = [[float(word) for word in line.split()] for line in path.read_text().splitlines()]
            found += [(after[0], after[0] - before[1]) for before, after in itertools.pairwise(times)]
    gaps = [gap for _, gap in sorted(found)]
    last = gaps[-max(1, len(gaps) // 10) :]
    return {
        "n": len(gaps), "median": round(statistics.median(gaps), 4), "p95": round(sorted(gaps)[int(0.95 * len(gaps))], 4),
        "median_of_the_last_tenth": round(statistics.median(last), 4),
    }  # fmt: skip


def run(folder: Path, config: str) -> None:
    (folder / "bench.yaml").write_text(config)
    subprocess.run([*COMMAND, "run", "bench.yaml"], cwd=folder, env=one_thread(), check=True, stdout=subprocess.DEVNULL)


def one_thread() -> dict[str, str]:
    root = str(Path(__file__).parent.parent)
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": root}


if __name__ == "__main__":
    main()
