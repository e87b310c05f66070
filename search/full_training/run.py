"""Trains one architecture in full, in a folder of its own: begins or continues, tests once, exports, and tracks."""

import math
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from search.execute import signals
from search.execute.environment import versions
from search.execute.ray.driver import train_together
from search.execute.ray.resources import Job, Slots
from search.execute.ray.runtime import running
from search.execute.signals import Signals
from search.full_training import on_cluster
from search.full_training.extension import Begun, begun, extended, meaning
from search.full_training.plan import Plan
from search.full_training.publish import exported, track
from search.full_training.training_folder import (
    CURVE,
    ELSEWHERE,
    NETWORK,
    WEIGHTS,
    check_free,
    is_finished,
    note,
    opened,
    write_curve,
)
from search.results.held_out_intervals import held_out_intervals
from search.setup import memory_check, own_code
from search.setup.experiment_setup import Prepared, prepare
from search.setup.machine import together
from search.state import run_folder
from search.state.run_folder import RunFolder
from senet_nas.recipe import Diverged, Report
from senet_nas.training.quality_metrics import ACCURACY, Metric
from spaces.errors import NOTHING_USABLE, UserError
from spaces.text import interval, plural


@dataclass(frozen=True)
class Trained:
    """The result of a full training.

    ``metric`` is what the search is judged by. ``test`` holds it, the accuracy in percent and the number of images by
    the image size in pixels at which the network was tested. ``files`` says what each file of the network is. Signals
    (``of_signals``) have a length in values instead of a size.
    """

    architecture: str
    words: str
    seed: str
    folder: Path
    epochs: int
    seconds: float
    metrics: Mapping[str, float]
    test: Mapping[str, Mapping[str, float]]
    files: Mapping[str, str]
    metric: Metric = ACCURACY
    of_signals: bool = False

    def to_dict(self) -> dict[str, Any]:
        names = [field.name for field in fields(self) if field.name not in ("metric", "of_signals")]
        values = {name: getattr(self, name) for name in names}
        return {**values, "folder": str(self.folder)}

    def lines(self) -> list[str]:
        """What the command prints."""
        metric = self.metric
        samples, unit = ("signals", "values") if self.of_signals else ("images", "pixels")
        tested = ", ".join(f"{self._shown(found)} at {size} {unit}" for size, found in self.test.items())
        name = "" if metric.is_default else f"{metric.title} "
        n = next(iter(self.test.values()))["n"]
        return [
            f"{self.words}: {plural(self.epochs, 'epoch')}, seed {self.seed}",
            f"Validation: {name}{metric.shown(self.metrics[metric.column])}   Test ({n:,.0f} {samples}): {tested}",
            f"Every epoch: {self.folder / CURVE}",
            f"Network: {self.folder / NETWORK}",
            *(f"  {name:<20} {about}" for name, about in self.files.items()),
        ]

    def _shown(self, found: Mapping[str, float]) -> str:
        """A test result, with its interval for other images where it is known."""
        value = self.metric.shown(found[self.metric.name])
        known = held_out_intervals({"": [found]}, self.metric).get("")
        return f"{value} {interval(known['low'], known['high'], self.metric.form)}" if known else value


def _silent(text: str) -> None:
    """Says nothing."""


def train(
    plan: Plan,
    to: Path,
    *,
    sizes: Sequence[int] = (),
    onnx: bool | None = None,
    say: Callable[[str], None] = _silent,
) -> Trained:
    """Trains, or continues after a stop, tests once, and exports. The same call again returns the result.

    ``sizes``: further image sizes to test at, in pixels (Touvron et al., arXiv 1906.06423). ``onnx``: whether to write
    that form too, None if its packages are installed. Raises UserError, also for what a network of the user's throws in
    any epoch; Interrupted after a signal.
    """
    check_free(to)
    with signals.taken() as taken, run_folder.writable(to), own_code.blamed(plan.experiment):
        prepared = prepare(plan.experiment, is_search=False)
        slots = together(plan.experiment, prepared.device, plan.devices)
        if plan.extend or not is_finished(to):
            _check_memory(plan, prepared, sizes)
        request = plan.request(prepared)
        run_folder.make(to, hint=ELSEWHERE)
        with RunFolder(to).lock():
            if plan.extend:
                request = extended(to, request)
            record = opened(to, request)
            if "trained" in record:
                say("this training is finished: here is its result (train another with --to DIR)")
            else:
                before = begun(to, record)
                done = _trained(plan, prepared, slots, to, taken, say, before)
                record = {**record, **done}
                record["test"] = _tested(plan, prepared, to / WEIGHTS, sizes)
                record["files"] = exported(plan, prepared, to, record, onnx)
                record["trained"] = True
                note(to, record)
            if "mlflow_run" not in record:
                track(plan, to, record, say)
    shape = prepared.data.shape if prepared.data else ()
    return _result(plan, to, record, of_signals=len(shape) == 2)


def _check_memory(plan: Plan, prepared: Prepared, sizes: Sequence[int]) -> None:
    from senet_nas.training.evaluate import images

    experiment = plan.experiment
    data = images(experiment.data, str(experiment.base.resolve()))  # prepare has read them
    memory_check.check_full_training(experiment, plan.architecture, data, prepared.device, plan.devices, sizes)


def _result(plan: Plan, to: Path, record: Mapping[str, Any], *, of_signals: bool) -> Trained:
    return Trained(
        architecture=plan.architecture,
        words=plan.name,
        seed=str(plan.seed),
        folder=to,
        epochs=plan.experiment.train.epochs,
        seconds=record["seconds"],
        metrics=record["metrics"],
        test=record["test"],
        files=record["files"],
        metric=_metric_of(plan, record),
        of_signals=of_signals,
    )


def _metric_of(plan: Plan, record: Mapping[str, Any]) -> Metric:
    """The metric of the config; accuracy for a training that finished before the config asked for another one."""
    is_tested = all(plan.metric.name in found for found in record["test"].values())
    return plan.metric if is_tested and plan.metric.column in record["metrics"] else ACCURACY


# -- the training -----------------------------------------------------------------------------------------------------


def _trained(
    plan: Plan,
    prepared: Prepared,
    slots: Slots,
    to: Path,
    taken: Signals,
    say: Callable[[str], None],
    before: Begun,
) -> dict[str, Any]:
    """The record of the training, once its last epoch has ended. Raises UserError if it diverges."""
    from senet_nas.training import checkpoint

    done = checkpoint.curve(to)
    earlier = before.curve(to)
    curve = [*earlier, *done]
    say(_beginning(plan, prepared, len(curve)))
    if before.epochs:
        say(f"  {meaning(plan.experiment.train, before.epochs)}")
    began = time.monotonic()
    report = None
    try:
        with closing(_reports(plan, prepared, slots, to.resolve(), taken, before, say)) as reports:
            for report in reports:
                curve.append({"epoch": report.epoch, **report.metrics})
                write_curve(to, curve)
                say(_progress(plan.metric, report, plan.experiment.train.epochs, time.monotonic() - began, len(curve)))
    except Diverged as error:
        raise UserError(str(error), hint="train.warmup helps too", key="train.lr", code=NOTHING_USABLE) from error
    assert report is not None
    checkpoint.remove(to)
    seconds = sum(epoch.get("seconds", 0.0) for epoch in curve)
    return {"seconds": seconds, "metrics": dict(report.metrics), "versions": versions()}


def _reports(
    plan: Plan,
    prepared: Prepared,
    slots: Slots,
    to: Path,
    taken: Signals,
    before: Begun,
    say: Callable[[str], None],
) -> Generator[Report]:
    """A report after each epoch, from a training in this process or in one process for each device."""
    from senet_nas.training.evaluate import evaluate

    weights = to / WEIGHTS
    start = before.weights or plan.start
    if plan.devices == 1:
        task = prepared.evaluate.training_task
        yield from evaluate(
            plan.architecture, plan.seed, task, weights=weights, checkpoint=to, start=start, begun=before.epochs
        )
        return
    if not slots.is_local:
        yield from on_cluster.reports(plan, prepared, slots, to, taken, before, say)
        return
    with running(slots, taken) as scratch:
        task = replace(prepared.evaluate.shared(scratch).training_task, threads=slots.cpus)
        job = Job(plan.architecture, plan.seed, task, weights, to, start and start.resolve(), before.epochs)
        yield from train_together(job, slots, scratch)


def _beginning(plan: Plan, prepared: Prepared, done: int) -> str:
    epochs = plan.experiment.train.epochs
    where = f"{plan.devices} devices ({prepared.device})" if plan.devices > 1 else prepared.device
    resumed = f", {done} {'is' if done == 1 else 'are'} done" if done else ""
    return f"{plan.name}: {plural(epochs, 'epoch')} on {where}{resumed}"


def _progress(metric: Metric, report: Report, epochs: int, seconds: float, done: int) -> str:
    """A line about an epoch. ``seconds`` since the training began here, ``done`` epochs in all."""
    name = "" if metric.is_default else f"{metric.title} "
    value = metric.shown(report.metrics.get(metric.column, math.nan))
    left = report.metrics.get("seconds", seconds / done) * (epochs - report.epoch)
    return (
        f"epoch {report.epoch:>{len(str(epochs))}}/{epochs}   loss {report.metrics['train_loss']:.4f}   "
        f"validation {name}{value}   lr {report.metrics['lr']:.3g}   about {left:,.0f} s left"
    )


def _tested(plan: Plan, prepared: Prepared, weights: Path, sizes: Sequence[int]) -> dict[str, dict[str, float]]:
    """Test figures by image size in pixels: one centre crop at the size of the training, and at each further size."""
    from senet_nas.training.evaluate import test_accuracy

    task = prepared.evaluate.training_task
    own = str(prepared.images.image_size)
    found = {own: test_accuracy(plan.architecture, weights, task)}
    for size in sizes:
        found[str(size)] = test_accuracy(plan.architecture, weights, task, size=size)
    return found
