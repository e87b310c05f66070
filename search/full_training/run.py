"""One architecture trained in full, in a folder of its own: begun, gone on with after a stop, tested, exported, tracked."""

import csv
import io
import json
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from search.config import Experiment
from search.execute import signals
from search.execute.environment import versions
from search.execute.ray import runtime as schedule
from search.execute.ray.resources import Job, Slots
from search.execute.signals import Signals
from search.setup.experiment_setup import Prepared, prepare, validation
from search.setup.machine import together
from search.state import run_folder as folder
from search.state.facts import DataFact
from search.state.run_folder import RunFolder
from search.track import tracker as track
from senet_nas.recipe import Diverged, Report, Seed
from spaces import durable
from spaces.errors import NOTHING_USABLE, UserError
from spaces.text import plural

_ELSEWHERE = "choose another with --to DIR"
RECORD, CURVE, WEIGHTS, NETWORK = "training.json", "training.csv", "weights.safetensors", "network"


@dataclass(frozen=True)
class Plan:
    """What is trained, on what, and from which weights (None: from scratch). ``runs`` is where MLflow's own store is.

    Of several ``devices`` each takes its part of every batch.
    """

    architecture: str
    name: str
    experiment: Experiment
    start: Path | None
    seed: Seed
    runs: Path
    devices: int = 1

    def request(self, prepared: Prepared) -> dict[str, Any]:
        """What makes it this training and no other: noted at its begin, compared when it goes on."""
        return {
            "architecture": self.architecture, "seed": str(self.seed), "start": str(self.start or "scratch"),
            "devices": self.devices,
            "data": prepared.images.fingerprint, "image_size": prepared.images.image_size,
            "recipe": json.loads(json.dumps(asdict(self.experiment.train))),
        }  # fmt: skip


@dataclass(frozen=True)
class Trained:
    """What came of it. Accuracies in percent; ``test`` by the side of the images that were tested, in pixels."""

    architecture: str
    words: str
    seed: str
    folder: Path
    epochs: int
    seconds: float
    metrics: Mapping[str, float]
    test: Mapping[str, Mapping[str, float]]
    files: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "folder": str(self.folder)}

    def lines(self) -> list[str]:
        tested = ", ".join(f"{found['accuracy']:.2f} % at {size} pixels" for size, found in self.test.items())
        return [
            f"{self.words}: {self.epochs} epochs, seed {self.seed}",
            f"Validation: {self.metrics['val_accuracy']:.2f} %   Test ({next(iter(self.test.values()))['n']:,.0f} images): {tested}",
            f"Every epoch: {self.folder / CURVE}",
            f"Network: {self.folder / NETWORK}",
            *(f"  {name:<20} {about}" for name, about in self.files.items()),
        ]


def train(
    plan: Plan, to: Path, *, sizes: Sequence[int] = (), onnx: bool | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Trained:  # fmt: skip
    """Trains, or goes on where it was stopped, tests once, and exports. The same again returns what is there.

    ``sizes``: further image sizes to test at (Touvron et al., arXiv 1906.06423); ``onnx``: whether to write that form too,
    None where its packages are installed. Raises UserError; Interrupted after a
    signal.
    """
    _check_free(to)
    with signals.taken() as taken, folder.writable(to):
        prepared = prepare(plan.experiment)
        slots = together(plan.experiment, prepared.device, plan.devices)
        request = plan.request(prepared)
        folder.make(to, hint=_ELSEWHERE)
        with RunFolder(to).lock():
            record = _record(to, request)
            if "trained" in record:
                say("this training is finished: here is its result (train another with --to DIR)")
            else:
                record = _trained(plan, prepared, slots, to, taken, say)
                record["request"] = request
                record["test"] = _tested(plan, prepared, to / WEIGHTS, sizes)
                record["files"] = _exported(plan, prepared, to, record, onnx)
                record["trained"] = True
                _note(to, record)
            if "mlflow_run" not in record:
                _tracked(plan, to, record, say)
    return Trained(
        plan.architecture, plan.name, str(plan.seed), to, plan.experiment.train.epochs, record["seconds"], record["metrics"],
        record["test"], record["files"],
    )  # fmt: skip


# -- its folder -------------------------------------------------------------------------------------------------------


def _check_free(to: Path) -> None:
    """Raises UserError where somebody's files lie. Asked before anything is written: not even a lock may be left there."""
    if to.exists() and not to.is_dir():
        raise UserError(f"{to} is a file; a training is a folder", hint=_ELSEWHERE)
    if not to.exists() or (to / RECORD).exists():
        return
    others = sorted(path.name for path in to.iterdir() if path.name != "lock")
    if others:
        raise UserError(f"{to} is not empty and holds no training ({others[0]})", hint=_ELSEWHERE)


def _record(to: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """What the folder says of the training that lives there. Raises UserError where that is another one."""
    path = to / RECORD
    if not path.exists():
        _check_free(to)
        _note(to, {"request": dict(request)})
        return {"request": dict(request)}
    record = durable.unseal(path.read_bytes())
    if record is None:
        raise UserError(f"{path} is damaged", hint="train into another folder with --to DIR")
    if lines := "\n".join(_differences(record["request"], request)):
        raise UserError(f"{to} holds another training:\n{lines}", hint="choose another folder with --to DIR")
    return record


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], section: str = "") -> Iterator[str]:
    for name, value in new.items():
        if isinstance(value, Mapping):
            yield from _differences(old.get(name, {}), value, f"{name}.")
        elif old.get(name) != value:
            yield f"  {section}{name}: was {old.get(name)}, is {value}"


def _note(to: Path, record: Mapping[str, Any]) -> None:
    durable.write(to / RECORD, durable.seal(record))


# -- the training -----------------------------------------------------------------------------------------------------


def _trained(
    plan: Plan, prepared: Prepared, slots: Slots, to: Path, taken: Signals, say: Callable[[str], None]
) -> dict[str, Any]:
    from senet_nas.training import checkpoint

    recipe, curve = plan.experiment.train, checkpoint.curve(to)
    where = f"{plan.devices} devices ({prepared.device})" if plan.devices > 1 else prepared.device
    say(f"{plan.name}: {plural(recipe.epochs, 'epoch')} on {where}" + (f", {len(curve)} are done" if curve else ""))
    began, report = time.monotonic(), None
    try:
        with closing(_reports(plan, prepared, slots, to.resolve(), taken)) as reports:
            for report in reports:
                curve.append({"epoch": report.epoch, **report.metrics})
                durable.write(to / CURVE, _csv(curve))
                say(_progress(report, recipe.epochs, time.monotonic() - began, len(curve)))
    except Diverged as error:
        raise UserError(str(error), hint="train.warmup helps too", key="train.lr", code=NOTHING_USABLE) from error
    assert report is not None
    checkpoint.remove(to)
    seconds = sum(epoch.get("seconds", 0.0) for epoch in curve)
    return {"seconds": seconds, "metrics": dict(report.metrics), "versions": versions()}


def _reports(plan: Plan, prepared: Prepared, slots: Slots, to: Path, taken: Signals) -> Generator[Report]:
    """A report after each epoch, from a training in this process or in one for each device."""
    from senet_nas.training.evaluate import evaluate

    trainer, weights = prepared.evaluate, to / WEIGHTS
    task = trainer.training_task
    if plan.devices == 1:
        yield from evaluate(plan.architecture, plan.seed, task, weights=weights, checkpoint=to, start=plan.start)
        return
    with schedule.running(slots, taken) as scratch:
        task = replace(trainer.shared(scratch).training_task, threads=slots.cpus)
        start = plan.start and plan.start.resolve()
        yield from schedule.together(Job(plan.architecture, plan.seed, task, weights, to, start), slots, scratch)


def _progress(report: Report, epochs: int, seconds: float, done: int) -> str:
    left = report.metrics.get("seconds", seconds / done) * (epochs - report.epoch)
    return (
        f"epoch {report.epoch:>{len(str(epochs))}}/{epochs}   loss {report.metrics['train_loss']:.4f}   "
        f"validation {report.metrics['val_accuracy']:.2f} %   lr {report.metrics['lr']:.3g}   about {left:,.0f} s left"
    )


def _csv(curve: Sequence[Mapping[str, float]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(dict.fromkeys(name for epoch in curve for name in epoch)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(curve)
    return out.getvalue()


def _read_csv(path: Path) -> list[dict[str, float]]:
    rows = csv.DictReader(path.read_text().splitlines())
    return [{name: float(value) for name, value in row.items() if value} for row in rows]


def _tested(plan: Plan, prepared: Prepared, weights: Path, sizes: Sequence[int]) -> dict[str, dict[str, float]]:
    """One centre crop at the size of the training, and at others: of the same images, read again."""
    from senet_nas.training.evaluate import test_accuracy

    task, own = prepared.evaluate.training_task, int(prepared.images.image_size)
    found = {str(own): test_accuracy(plan.architecture, weights, task)}
    for size in sizes:
        found[str(size)] = test_accuracy(plan.architecture, weights, task, size=size)
    return found


def _exported(plan: Plan, prepared: Prepared, to: Path, record: Mapping[str, Any], onnx: bool | None) -> dict[str, str]:
    from safetensors.torch import load_file

    from senet_nas.export import bundle as export
    from senet_nas.network.build import build

    data = prepared.images
    network = build(plan.architecture, in_channels=data.channels, num_classes=len(data.classes))
    network.load_state_dict(load_file(to / WEIGHTS))
    labelled, _ = validation(plan.experiment, data)
    return export.export(
        network.eval(), plan.architecture, to / NETWORK, input_shape=tuple(data.shape), mean=data.mean,
        std=data.std, classes=data.classes, extra={"trained": record["request"], "versions": record["versions"]},
        card=_card(plan, data, record), labelled=labelled, resize=plan.experiment.data.resize,
        timing=plan.experiment.latency, forms=export.wanted(onnx), force=True,
    ).files  # fmt: skip


def _tracked(plan: Plan, to: Path, record: dict[str, Any], say: Callable[[str], None]) -> None:
    """Tells MLflow. Where that cannot be, it is said, and the same command tries again."""
    from search.track import single

    experiment, request = plan.experiment, record["request"]
    uri = track.store(experiment.tracking.uri, plan.runs)
    flat = {name: value for name, value in request.items() if name != "recipe"} | request["recipe"]
    told = single.Single(
        uid=durable.digest(request), name=f"full training of {plan.name}",
        params={name: str(value) for name, value in flat.items()}, curve=_read_csv(to / CURVE),
        metrics=record["metrics"] | {f"test_accuracy_{size}": found["accuracy"] for size, found in record["test"].items()},
        files=[to / CURVE, to / NETWORK],
    )  # fmt: skip
    try:
        plan.runs.mkdir(parents=True, exist_ok=True)
        record["mlflow_run"] = single.send(
            told, uri, plan.runs, experiment=experiment.tracking.experiment or experiment.name
        )
    except Exception as error:  # each store throws what its own client throws
        say(f"MLflow: {track.told(error)}; nothing else depends on it, and the same command tries again")
    else:
        _note(to, record)


def _card(plan: Plan, data: DataFact, record: Mapping[str, Any]) -> str:
    tested = "; ".join(f"{found['accuracy']:.2f} % at {size} pixels" for size, found in record["test"].items())
    recipe = {name: value for name, value in record["request"]["recipe"].items() if value is not None}
    return "\n".join([
        "## What was measured", "",
        f"One training of {plan.name}, seed {plan.seed}, from {record['request']['start']}. Validation accuracy "
        f"{record['metrics']['val_accuracy']:.2f} %, test accuracy {tested}. One training says what these weights do, not "
        "what the architecture gains over plain: that is in the report of the search.", "",
        f"Data: {plan.experiment.data.dataset}, {data.train:,} training, {data.validation:,} validation and "
        f"{data.test:,} test images, fingerprint `{data.fingerprint}`.", "",
        f"Recipe: `{json.dumps(recipe)}`",
    ])  # fmt: skip
