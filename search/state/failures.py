"""Why trainings fail: how often each is tried again, and what most often helps."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from senet_nas.training.quality_metrics import ACCURACY, VALIDATION, Metric


@dataclass(frozen=True)
class Kind:
    """A reason of failure, and what most often helps (``remedy``).

    ``attempts``: tries in a session before the training counts as failed. ``alone``: retry with nothing else running.
    ``for_good``: nothing that can be changed within a run mends it.
    """

    remedy: str
    attempts: int = 1
    alone: bool = False
    for_good: bool = False


OUT_OF_MEMORY = "out of memory"
WORKER_DIED = "worker died"
NOT_STARTED = "worker did not start"
HANG = "hang"
LOST = "lost"
GPU_FAILED = "GPU failed"
NOT_MEASURED = "no metric"
REFUSED = "refused"
KINDS = {
    "diverged": Kind("start another run (--new) with a lower train.lr, or with train.warmup", for_good=True),
    OUT_OF_MEMORY: Kind(
        "use fewer resources.slots (on a GPU: a larger resources.gpus_per_slot), or start another run (--new) with a "
        "smaller train.batch_size",
        attempts=2,
        alone=True,
    ),
    # A training whose worker dies every time probably kills it, so the number of tries is limited.
    WORKER_DIED: Kind("the machine probably ran out of memory: use fewer resources.slots", attempts=3),
    NOT_STARTED: Kind("mend what its last line says, and type the same command again", attempts=3),
    HANG: Kind(
        "see where it stood in the detail; where a training may be silent for longer, set resources.patience", 2
    ),
    # Not a fault of the training; but one that takes its node down each time must not be started without end.
    LOST: Kind("its node left the cluster each time, or did not fit: see why, and type the same command again", 10),
    # The process whose GPU failed has ended, and the training starts in a new one. A GPU that keeps failing is barred.
    GPU_FAILED: Kind("see the system log (dmesg) for Xid messages of the GPU; restart it or its machine", attempts=3),
    REFUSED: Kind("the runtime cannot run this placement, which is a result; another one may run it", for_good=True),
    "no accuracy": Kind("the evaluation must give val_accuracy, a number in percent"),
    NOT_MEASURED: Kind("the evaluation must give each metric of the objectives, as a number"),
    "no result": Kind("the evaluation must end with a last report"),
}
_OTHER = Kind("mend the cause and type the same command again")


def kind(reason: str) -> Kind:
    """What is known about a reason; the same for every name of an exception."""
    return KINDS.get(NOT_MEASURED if reason.startswith(NOT_MEASURED) else reason, _OTHER)


def unusable(metrics: Mapping[str, float], needed: Sequence[Metric] = (ACCURACY,)) -> str:
    """Why metrics cannot be a result, or an empty string. NaN and infinity must never reach an average.

    ``needed`` are the metrics of the objectives.
    """
    for metric in needed:
        value = metrics.get(metric.column)
        if value is None or isinstance(value, bool) or not isinstance(value, int | float):
            return "no accuracy" if metric == ACCURACY else f"{NOT_MEASURED}: {metric.column}{_given(metrics)}"
        if metric.is_percent and not 0 <= value <= 100 and math.isfinite(value):
            return f"{metric.title} {value:g} is no percentage from 0 to 100"
    bad = [name for name, value in metrics.items() if not math.isfinite(value)]
    return f"not a number: {_listed(bad)}" if bad else ""


def _given(metrics: Mapping[str, float]) -> str:
    """What there is in place of a metric."""
    return f" (there is {_listed([*metrics])})" if metrics else ""


def _listed(names: Sequence[str]) -> str:
    """Names of metrics; one that also stands there with the prefix of the validation images is named once."""
    twins = {f"{VALIDATION}{name}" for name in names}
    return ", ".join(name for name in names if name not in twins)
