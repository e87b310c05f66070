"""Train a whole space for real, and keep every result: the tables of SE-Placement-Bench.

    python -m benchmarks.make_table fashion113 --data DIR --to WORK [--blocks 8] [--jobs 2] [--device cuda] [--finish]

WORK holds one line for each finished training, so a second call continues an interrupted one; trainings of the finished
table are not repeated. Blocks are trained one after the other, with plain several times in each, because everything is
compared with it. ``--finish`` writes complete blocks to benchmarks/tables/NAME.csv.gz, and beside it NAME.csv.gz.json:
recipe, hardware, date, sites, and how much of the differences is due to architectures and how much to noise. With fewer
than eight complete blocks it writes all trainings to NAME.jsonl.gz, from which any later call continues. Training needs
torch, torchvision and numpy alone; ``--finish`` also needs SciPy.
"""

import argparse
import csv
import gzip
import io
import itertools
import json
import multiprocessing
import platform
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import json_lines
from benchmarks.table_columns import columns_of, components
from senet_nas import hardware
from senet_nas.recipe import DataSpec, Recipe, Seed, Task
from spaces import Space, SpaceSpec

TABLES = Path(__file__).parent / "tables"
# A table of fewer blocks has no truth to speak of.
FEWEST_BLOCKS = 8
Results = dict[tuple[str, str], dict[str, Any]]
# What every epoch shows. The first table was made before the last two were measured.
FIRST_MEASURES = ("val_accuracy", "train_loss")
MEASURES = (*FIRST_MEASURES, "val_log_loss", "val_brier")
DIGITS = {"val_accuracy": 4}


@dataclass(frozen=True)
class Plan:
    """What is trained: every architecture of the space once in each block, and plain more often."""

    backbone: str
    data: DataSpec
    recipe: Recipe
    space: SpaceSpec
    plain: int = 8
    measures: tuple[str, ...] = MEASURES

    @property
    def columns(self) -> tuple[str, ...]:
        return ("architecture", "seed", "epoch", *self.measures, "params", "macs", "train_seconds")


# Written down before anything was trained. Add a table here.
PLANS = {
    # Many validation images and no augmentation: as little noise as a few core-seconds a training allow.
    "fashion113": Plan(
        "cifar_resnet8_w8",
        DataSpec(dataset="fashion_mnist", image_size=14, train=4000, split_seed=0),
        Recipe(epochs=8, batch_size=100, lr=0.2, warmup=1.0, weight_decay=5e-4, flip=False, crop=0),
        SpaceSpec(
            reduction=(2, 8), position=("pre_addition", "post_addition", "pre_unit", "identity"), squeeze=("avg", "max")
        ),
        measures=FIRST_MEASURES,
    ),
    # The same space in a recipe nearer to convergence: more images, augmentation, twice the epochs.
    "fashion113b": Plan(
        "cifar_resnet8_w8",
        DataSpec(dataset="fashion_mnist", image_size=14, train=10_000, split_seed=0),
        Recipe(epochs=16, batch_size=100, lr=0.2, warmup=1.0, weight_decay=5e-4, flip=True, crop=2),
        SpaceSpec(
            reduction=(2, 8), position=("pre_addition", "post_addition", "pre_unit", "identity"), squeeze=("avg", "max")
        ),
    ),
    # Another kind: a network that needs what SE brings, with SE chosen unit by unit. A pilot compared seven networks
    # and recipes, on nine to thirteen architectures in two or three blocks; this has the highest tau/sigma, about 1.9.
    "local121": Plan(
        "benchmarks.local_network:network",
        DataSpec(dataset="fashion_mnist", image_size=14, train=4000, split_seed=0),
        Recipe(epochs=8, batch_size=100, lr=0.05, warmup=1.0, weight_decay=5e-4, flip=False, crop=0),
        SpaceSpec(
            granularity="block",
            reduction=(2, 8),
            position=("mid", "pre_addition"),
            squeeze=("avg", "max"),
            min_hidden=1,
        ),
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=PLANS)
    parser.add_argument("--data", type=Path, required=True, help="folder that torchvision's dataset was downloaded to")
    parser.add_argument("--to", type=Path, required=True, help="working folder")
    parser.add_argument("--blocks", type=int, default=8)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--finish", action="store_true", help="write the table of the blocks that are whole")
    given = parser.parse_args()
    given.to.mkdir(parents=True, exist_ok=True)
    work = Work(given.name, given.to / f"{given.name}.jsonl", given.data.resolve(), given.device)
    if given.finish:
        print(finish(work))
    else:
        train(work, given.blocks, given.jobs)


@dataclass(frozen=True)
class Work:
    """One table in the making."""

    name: str
    path: Path
    data: Path
    device: str

    @property
    def plan(self) -> Plan:
        return PLANS[self.name]

    @property
    def task(self) -> Task:
        """One thread a training, so that the numbers do not depend on how many run side by side."""
        spec = replace(self.plan.data, path=str(self.data))
        return Task(spec, self.plan.recipe, device=self.device, threads=1)

    @property
    def space(self) -> Space:
        from senet_nas.network.build import sites

        return Space(self.plan.backbone, sites(self.plan.backbone), self.plan.space)

    @property
    def begun(self) -> Path:
        """What earlier work left in the repository."""
        return TABLES / f"{self.name}.jsonl.gz"

    @property
    def table(self) -> Path:
        return TABLES / f"{self.name}.csv.gz"

    def wanted(self, blocks: int) -> list[tuple[str, str]]:
        """Architectures and seeds, block by block."""
        plain, *others = [architecture.key for architecture in self.space]
        rows = [
            [(plain, Seed(b, r)) for r in range(self.plan.plain)] + [(key, Seed(b)) for key in others]
            for b in range(blocks)
        ]
        return [(key, str(seed)) for block in rows for key, seed in block]

    def results(self) -> Iterator[dict[str, Any]]:
        """Of the finished table, and of working files whole lines alone: the last one may have been cut by a kill."""
        if self.table.exists():
            yield from _read_table(self.table, self.plan.measures)
        texts = [gzip.decompress(self.begun.read_bytes()).decode()] if self.begun.exists() else []
        texts += [self.path.read_text()] if self.path.exists() else []
        for text in texts:
            yield from json_lines.whole(text)


def train(work: Work, blocks: int, jobs: int) -> None:
    """Trains the missing rows, block by block."""
    done = {(result["architecture"], result["seed"]) for result in work.results()}
    missing = [item for item in work.wanted(blocks) if item not in done]
    print(f"{len(done)} trainings are there, {len(missing)} to go", flush=True)
    context = multiprocessing.get_context("spawn")
    with work.path.open("a") as file, ProcessPoolExecutor(jobs, mp_context=context) as pool:
        futures = [pool.submit(train_one, work.task, key, seed, work.plan.measures) for key, seed in missing]
        for count, future in enumerate(as_completed(futures), start=1):
            result = future.result()
            file.write(json.dumps(result) + "\n")
            file.flush()
            if count % 20 == 0:
                print(f"{count}/{len(missing)}  {result['curve'][-1]['val_accuracy']:.2f} %", flush=True)


def train_one(task: Task, key: str, seed: str, measures: Sequence[str]) -> dict[str, Any]:
    """One training as a line of the working file."""
    from senet_nas.training.evaluate import evaluate

    began = time.perf_counter()
    curve = [
        {"epoch": report.epoch, **{name: report.metrics[name] for name in measures}}
        for report in evaluate(key, Seed.parse(seed), task)
    ]
    return {"architecture": key, "seed": seed, "seconds": round(time.perf_counter() - began, 2), "curve": curve}


# -- the finished table -----------------------------------------------------------------------------------------------


def finish(work: Work) -> Path:
    """Writes the whole blocks as a table that ``evaluate: table:FILE`` and ``senet-search bench`` read."""
    results = {(r["architecture"], r["seed"]): r for r in work.results()}
    blocks = 0
    while all(item in results for item in work.wanted(blocks + 1)):
        blocks += 1
    TABLES.mkdir(exist_ok=True)
    if blocks >= FEWEST_BLOCKS:
        return _write_table(work, results, blocks)
    lines = "".join(json.dumps(result) + "\n" for result in results.values())
    work.begun.write_bytes(gzip.compress(lines.encode(), 9, mtime=0))
    return work.begun


def _write_table(work: Work, results: Results, blocks: int) -> Path:
    from senet_nas.costs.overhead import price_list
    from senet_nas.data.load import load

    data = load(work.task.data)
    prices = price_list(
        work.plan.backbone, in_channels=data.channels, num_classes=data.num_classes, image_size=data.image_size
    )
    costs = {a.key: prices.of(a) for a in work.space}
    wanted = sorted(work.wanted(blocks), key=lambda item: (list(costs).index(item[0]), Seed.parse(item[1])))
    out = io.StringIO()
    writer = csv.DictWriter(out, work.plan.columns, lineterminator="\n")
    writer.writeheader()
    for item in wanted:
        writer.writerows(_rows(results[item], costs[item[0]], work.plan.measures))
    work.table.write_bytes(gzip.compress(out.getvalue().encode(), 9, mtime=0))
    about = _about(work, data, [results[item] for item in wanted])
    work.table.with_name(work.table.name + ".json").write_text(json.dumps(about, indent=1) + "\n")
    return work.table


def _read_table(path: Path, measures: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The trainings of a finished table, as the lines of a working file tell them."""
    with gzip.open(path, "rt", newline="") as file:
        for (key, seed), rows in itertools.groupby(
            csv.DictReader(file), lambda row: (row["architecture"], row["seed"])
        ):
            epochs = list(rows)
            curve = [{"epoch": int(row["epoch"]), **{name: float(row[name]) for name in measures}} for row in epochs]
            yield {"architecture": key, "seed": seed, "seconds": float(epochs[-1]["train_seconds"]), "curve": curve}


def _rows(result: dict[str, Any], costs: dict[str, float], measures: Sequence[str]) -> Iterator[dict[str, Any]]:
    for epoch in result["curve"]:
        last = epoch is result["curve"][-1]
        yield {
            "architecture": result["architecture"],
            "seed": result["seed"],
            "epoch": epoch["epoch"],
            **{name: round(epoch[name], DIGITS.get(name, 5)) for name in measures},
            "params": int(costs["params"]) if last else "",
            "macs": int(costs["macs"]) if last else "",
            "train_seconds": result["seconds"] if last else "",
        }


def _about(work: Work, data: Any, results: list[dict[str, Any]]) -> dict[str, Any]:
    import torch

    from senet_nas.training.passes import CURVE_IMAGES

    plan = work.plan
    final: dict[str, dict[str, float]] = {}
    for result in results:
        final.setdefault(result["architecture"], {})[result["seed"]] = result["curve"][-1]["val_accuracy"]
    first = [[values[seed] for seed in values if Seed.parse(seed).replicate == 0] for values in final.values()]
    return {
        "name": work.name,
        "backbone": plan.backbone,
        "sites": [{"name": s.name, "stage": s.stage, "channels": dict(s.channels)} for s in work.space.sites],
        "data": {
            **asdict(plan.data),
            "path": None,
            "fingerprint": data.fingerprint,
            "train": len(data.y_train),
            "validation": len(data.y_val),
            "validation_before_the_last_epoch": min(CURVE_IMAGES, len(data.y_val)),
        },
        "recipe": asdict(plan.recipe),
        "space": asdict(plan.space),
        "architectures": len(final),
        "blocks": len(first[0]),
        "trainings_of_plain_in_a_block": plan.plain,
        "variance": components(first),
        "columns": columns_of(results, plan.measures),
        "hardware": {
            "processor": hardware.processor(),
            "cores": hardware.cores_of_machine(),
            "device": work.device,
            "threads": 1,
        },
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "seconds_in_all": round(sum(result["seconds"] for result in results)),
    }


if __name__ == "__main__":
    main()
