"""What the tool adds to training: images per second of a search over bare PyTorch loops, and gaps between trainings.

    python -m benchmarks.loop [--seconds 5 60] [--rounds N] [--trainings 10 100 1000]

Efficiency compares `senet-search run`, on all slots once they are under way and with gaps, with as many hand-written
loops over the same architectures, with the same data, recipe and threads. Rounds alternate. startup.py measures what
the start costs. The gap is the time between two scripted trainings of one worker on real Ray; each training notes when
it begins and ends. Figures that are not asked for stay as they are in the file.
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
from senet_nas import hardware

SLOTS = hardware.cores()
BACKBONE, SIZE, TRAIN, BATCH = "cifar_resnet8", 16, 1000, 100
COMMAND = [sys.executable, "-c", "from search.cli.app import main; main()"]

# When a training began and when it ended, in seconds.
Span = tuple[float, float]

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
    arguments.add_argument(
        "--bare", nargs="+", help="train these architectures in a bare loop, and print when each ran"
    )
    arguments.add_argument("--epochs", type=int, default=1, help="of each training of a bare loop")
    given = arguments.parse_args()
    if given.bare:
        print(json.dumps(bare_loop(given.bare, given.epochs)))
        return
    known = environment.read("loop")
    efficiency, gaps = known.get("efficiency", {}), known.get("gap", {})
    speed = measured_speed() if given.seconds else 0.0
    for seconds in given.seconds:
        efficiency[f"{seconds:g} s"] = compare(seconds, max(1, round(seconds * speed / TRAIN)), given.rounds)
    gaps.update({str(n): gap(n) for n in given.trainings})
    about = {"slots": SLOTS, "backbone": BACKBONE, "image_size": SIZE, "batch": BATCH}
    print(environment.write("loop", {**about, "efficiency": efficiency, "gap": gaps}).read_text())


def measured_speed() -> float:
    """Images per second of one bare loop while all slots are busy."""
    plain = "/".join([BACKBONE, "-", "-", "-"])
    return images_per_second(bare([plain] * SLOTS, 8), 8) / SLOTS


def compare(seconds: float, epochs: int, rounds: int) -> dict[str, Any]:
    """Alternating rounds of the tool (half a minute, or two trainings a slot) and of bare loops on the same nets."""
    tool = []
    loops = []
    for _ in range(rounds):
        spans, architectures = searched(epochs, SLOTS * max(2, round(30 / seconds)))
        tool.append(images_per_second(spans, epochs))
        # The first of each slot was not counted.
        loops.append(images_per_second(bare(architectures[SLOTS:], epochs), epochs))
    ratios = [a / b for a, b in zip(tool, loops, strict=True)]
    return {
        "epochs": epochs,
        "training_seconds": round(epochs * TRAIN * SLOTS / statistics.median(loops), 1),
        "tool_images_per_second": [round(v) for v in tool],
        "bare_images_per_second": [round(v) for v in loops],
        "efficiency": round(statistics.median(ratios), 3),
        "each": [round(r, 3) for r in ratios],
    }


def images_per_second(spans: list[Span], epochs: int) -> float:
    """All slots together, from when each has ended or begun its first training to when the first has no more to do.

    Of a training that lies partly in that time, its share of the images counts. A span begins when the slot was free.
    """
    spans = sorted(spans)
    begin = max(began for began, _ in spans[:SLOTS])
    end = min(ended for _, ended in sorted(spans, key=lambda span: span[1])[-SLOTS:])
    inside = (max(0.0, min(ended, end) - max(began, begin)) / (ended - began) for began, ended in spans)
    return sum(inside) * epochs * TRAIN / (end - begin)


def bare(architectures: list[str], epochs: int) -> list[Span]:
    """As many loops side by side as the tool has slots, and each architecture in one of them."""
    command = [sys.executable, "-m", "benchmarks.loop", "--epochs", str(epochs), "--bare"]
    shares = [architectures[i::SLOTS] for i in range(SLOTS)]
    loops = [
        subprocess.Popen([*command, *share], stdout=subprocess.PIPE, env=one_thread(), text=True) for share in shares
    ]
    return [tuple(span) for process in loops for span in json.loads(process.communicate()[0])]


def bare_loop(architectures: list[str], epochs: int) -> list[Span]:
    """What one would write by hand: network, SGD, cosine, batches, validation after each epoch."""
    import torch
    from torch.nn import functional as F

    from senet_nas.data.batches import batches, normalise
    from senet_nas.data.load import load
    from senet_nas.network.build import build
    from senet_nas.recipe import DataSpec, Recipe

    torch.set_num_threads(1)
    data, recipe = load(DataSpec(dataset="digits", image_size=SIZE, train=TRAIN)), Recipe(batch_size=BATCH)
    spans = []
    for key in architectures:
        began = time.time()
        model = build(key, in_channels=1, num_classes=10).to(memory_format=torch.channels_last)
        optimizer = torch.optim.SGD(model.parameters(), 0.1, 0.9, nesterov=True, weight_decay=5e-4, fused=True)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * (TRAIN // BATCH))
        generator = torch.Generator().manual_seed(0)
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
        spans.append((began, time.time()))
    return spans


def searched(epochs: int, trainings: int) -> tuple[list[Span], list[str]]:
    """When the trainings of a search ran after the first of every slot, and all architectures in the order of starting.

    A training counts from when one before it ended, so gaps are in the figures; the start of the workers is not, which
    startup.py measures.
    """
    with tempfile.TemporaryDirectory() as folder:
        text = CONFIG.format(size=SIZE, train=TRAIN, backbone=BACKBONE, trainings=trainings, epochs=epochs, batch=BATCH)
        run(Path(folder), text)
        database = sqlite3.connect(f"file:{folder}/runs/bench/ledger.sqlite?mode=ro", uri=True)
        rows = database.execute(
            "SELECT t.ended, e.key FROM trainings t JOIN architectures e ON t.architecture = e.number "
            "ORDER BY t.started"
        ).fetchall()
    ended = sorted(row[0] for row in rows)
    return list(zip(ended, [row[0] for row in rows[SLOTS:]], strict=False)), [row[1] for row in rows]


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
        "n": len(gaps),
        "median": round(statistics.median(gaps), 4),
        "p95": round(sorted(gaps)[int(0.95 * len(gaps))], 4),
        "median_of_the_last_tenth": round(statistics.median(last), 4),
    }


def run(folder: Path, config: str) -> None:
    (folder / "bench.yaml").write_text(config)
    subprocess.run([*COMMAND, "run", "bench.yaml", "-q"], cwd=folder, env=one_thread(), check=True, capture_output=True)


def one_thread() -> dict[str, str]:
    root = str(Path(__file__).parent.parent)
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": root}


if __name__ == "__main__":
    main()
