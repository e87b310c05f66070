"""How many trainings this machine runs side by side, and on what: device, processor cores, GPUs."""

from search.config import Experiment
from search.execute.ray.resources import Slots
from senet_nas import hardware
from spaces.errors import ENVIRONMENT, UserError
from spaces.text import plural


def machine(experiment: Experiment) -> tuple[str, Slots]:
    """The device of this machine (cpu or cuda), and its slots. Raises UserError (ENVIRONMENT) if it is too small."""
    gpus = _gpus() if _wants_gpus(experiment) else 0
    if experiment.resources.ray != "local":
        return ("cuda" if gpus else "cpu"), _slots_of_cluster(experiment)
    if experiment.resources.device == "cuda" and not gpus:
        raise UserError(
            "resources.device is cuda, but torch finds no GPU here",
            hint="use `device: cpu`",
            key="resources.device",
            code=ENVIRONMENT,
        )
    _check_share(experiment, gpus)
    slots = _slots_here(experiment, gpus)
    return ("cuda" if slots.gpus else "cpu"), slots


def together(experiment: Experiment, device: str, count: int) -> Slots:
    """One slot with ``count`` devices of this machine, for one training.

    Raises UserError if the machine has fewer, or if they cannot share a batch evenly.
    """
    batch = experiment.train.batch_size
    cores = hardware.cores()
    if count > 1 and experiment.resources.ray != "local":
        hint = "add --set resources.ray=local"
        raise UserError("several devices are those of this machine, not of a cluster", hint=hint, key="resources.ray")
    if batch % count:
        near = max(1, round(batch / count)) * count
        raise UserError(
            f"a batch of {batch} images cannot be shared by {count} devices",
            hint=f"add --set train.batch_size={near}",
            key="train.batch_size",
        )
    gpus = _gpus() if device == "cuda" else 0
    if count > (gpus or cores):
        what = "GPU" if gpus else "CPU core"
        other = ", or add --set resources.device=cpu" if gpus else ""
        raise UserError(
            f"{count} devices were asked for, but this machine has {plural(gpus or cores, what)}",
            hint=f"give fewer to --devices{other}",
            code=ENVIRONMENT,
        )
    return Slots(count, max(1, cores // count), 1.0 if gpus else 0.0)


# -- inside -----------------------------------------------------------------------------------------------------------


def _wants_gpus(experiment: Experiment) -> bool:
    """A function of the user's gets GPUs only if the config says how much of one."""
    resources = experiment.resources
    return resources.device != "cpu" and (experiment.evaluate == "train" or resources.gpus_per_slot != "auto")


def _gpus_per_slot(experiment: Experiment) -> float:
    share = experiment.resources.gpus_per_slot
    return 1.0 if share == "auto" else float(share)


def _slots_of_cluster(experiment: Experiment) -> Slots:
    """Slots on a cluster. Whether its nodes have GPUs is known later: :func:`search.execute.ray.runtime.settled`."""
    resources = experiment.resources
    count = None if resources.slots == "auto" else int(resources.slots)
    cpus = 1 if resources.cpus_per_slot == "auto" else int(resources.cpus_per_slot)
    gpus = _gpus_per_slot(experiment) if _wants_gpus(experiment) else 0.0
    return Slots(count, cpus, gpus, resources.ray, resources.insecure)


def _slots_here(experiment: Experiment, gpus: int) -> Slots:
    resources = experiment.resources
    cores = hardware.cores()
    share = _gpus_per_slot(experiment) if gpus else 0.0
    most = int(gpus / share) if share else cores
    count = min(most, cores) if resources.slots == "auto" else int(resources.slots)
    cpus = max(1, cores // count) if resources.cpus_per_slot == "auto" else int(resources.cpus_per_slot)
    if count * cpus > cores or (share and count * share > gpus):
        of_a_gpu = f" and {share:g} GPU" if share else ""
        raise UserError(
            f"{plural(count, 'slot')} with {plural(cpus, 'CPU core')}{of_a_gpu} each do not fit: "
            f"this machine has {plural(cores, 'core')} and {plural(gpus, 'GPU')}",
            hint=_fitting_slots(experiment, cores, int(gpus / share) if share else cores),
            key="resources.slots",
            code=ENVIRONMENT,
        )
    return Slots(count, cpus, share)


def _check_share(experiment: Experiment, gpus: int) -> None:
    """Raises UserError if trainings are to share a GPU that is not there, or that the config does not want."""
    share = experiment.resources.gpus_per_slot
    if share in ("auto", 0) or gpus:
        return
    if experiment.resources.device == "cpu":
        raise UserError(
            f"resources.gpus_per_slot is {share:g}, but `resources.device: cpu` uses no GPU",
            hint="remove one of them",
            key="resources.gpus_per_slot",
        )
    raise UserError(
        f"resources.gpus_per_slot is {share:g}, but torch finds no GPU here",
        hint="remove it to train on the CPU",
        key="resources.gpus_per_slot",
        code=ENVIRONMENT,
    )


def _fitting_slots(experiment: Experiment, cores: int, most: int) -> str:
    """What to write in place of slots that do not fit."""
    asked = experiment.resources.cpus_per_slot
    cpus = 1 if asked == "auto" else int(asked)
    if cpus > cores:
        return f"use `cpus_per_slot: {cores}` or less, and `slots: 1` or `slots: auto`"
    return f"use `slots: {max(1, min(most, cores // cpus))}` or less, or `slots: auto`"


def _gpus() -> int:
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0
