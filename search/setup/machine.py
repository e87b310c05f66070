"""How many trainings this machine runs side by side, and on what: device, processor cores, GPUs."""

from dataclasses import replace

from search.config import Experiment
from search.execute.ray.resources import Slots, fitting, share_of, sharing, spread
from senet_nas import gpus, hardware
from spaces.errors import ENVIRONMENT, UserError
from spaces.text import plural


def machine(experiment: Experiment) -> tuple[str, Slots]:
    """The device of this machine (cpu or cuda), and its slots. Raises UserError (ENVIRONMENT) if it is too small."""
    here = gpus.count() if _wants_gpus(experiment) else 0
    if experiment.resources.ray != "local":
        _check_group(experiment, here)
        return ("cuda" if here else "cpu"), _slots_of_cluster(experiment)
    if experiment.resources.device == "cuda" and not here:
        raise UserError(
            "resources.device is cuda, but torch finds no GPU here",
            hint="use `device: cpu`",
            key="resources.device",
            code=ENVIRONMENT,
        )
    _check_share(experiment, here)
    _check_group(experiment, here)
    slots = _slots_here(experiment, here)
    return ("cuda" if slots.gpus else "cpu"), slots


def together(experiment: Experiment, device: str, count: int) -> Slots:
    """One slot with ``count`` devices of this machine or of a cluster, for one training.

    Raises UserError if the machine has fewer, or if they cannot share a batch evenly.
    """
    batch = experiment.train.batch_size
    cores = hardware.cores()
    if batch % count:
        near = max(1, round(batch / count)) * count
        raise UserError(
            f"a batch of {batch} images cannot be shared by {count} devices",
            hint=f"add --set train.batch_size={near}",
            key="train.batch_size",
        )
    if count > 1 and experiment.resources.ray != "local":
        there = _slots_of_cluster(experiment)
        return replace(there, count=count, gpus=1.0 if there.gpus else 0.0)
    here = gpus.count() if device == "cuda" else 0
    if count > (here or cores):
        what = "GPU" if here else "CPU core"
        other = ", or add --set resources.device=cpu" if here else ""
        raise UserError(
            f"{count} devices were asked for, but this machine has {plural(here or cores, what)}",
            hint=f"give fewer to --devices{other}",
            code=ENVIRONMENT,
        )
    return Slots(count, max(1, cores // count), 1.0 if here else 0.0)


def idle_gpus(experiment: Experiment, slots: Slots) -> str:
    """A caution about GPUs of this machine on which nothing would train; empty if all of them train."""
    if not slots.is_local or experiment.resources.device == "cpu":
        return ""
    here = gpus.count()
    used = slots.gpus_used
    if used >= here:
        return ""
    if slots.gpus > 1:
        remedy = f"use another `resources.gpus_per_slot`, which divides {here}, or more slots"
    elif not used:
        remedy = "give each training some of a GPU with `resources.gpus_per_slot: 1`"
    else:
        remedy = f"use `resources.slots: {here * slots.on_one_gpu}`, or a smaller `resources.cpus_per_slot`"
    return f"{here - used} of {plural(here, 'GPU')} of this machine would stand idle: {remedy}"


# -- inside -----------------------------------------------------------------------------------------------------------


def _wants_gpus(experiment: Experiment) -> bool:
    """A function of the user's gets GPUs only if the config says so."""
    resources = experiment.resources
    is_asked_for = resources.device == "cuda" or resources.gpus_per_slot != "auto"
    return resources.device != "cpu" and (experiment.evaluate == "train" or is_asked_for)


def _gpus_per_slot(experiment: Experiment) -> float:
    share = experiment.resources.gpus_per_slot
    return 1.0 if share == "auto" else float(share)


def _slots_of_cluster(experiment: Experiment) -> Slots:
    """Slots on a cluster. Whether its nodes have GPUs is known later: :func:`search.execute.ray.runtime.settled`."""
    resources = experiment.resources
    count = None if resources.slots == "auto" else int(resources.slots)
    cpus = 1 if resources.cpus_per_slot == "auto" else int(resources.cpus_per_slot)
    share = _gpus_per_slot(experiment) if _wants_gpus(experiment) else 0.0
    if share <= 1:
        share = share_of(sharing(share)) if share else 0.0
    return Slots(count, cpus, share, resources.ray, resources.insecure)


def _slots_here(experiment: Experiment, here: int) -> Slots:
    resources = experiment.resources
    cores = hardware.cores()
    share = _gpus_per_slot(experiment) if here else 0.0
    most = fitting(share, here) if share else cores
    count = min(most, cores) if resources.slots == "auto" else int(resources.slots)
    cpus = max(1, cores // count) if resources.cpus_per_slot == "auto" else int(resources.cpus_per_slot)
    # Without a word about shares, more slots than GPUs share them.
    shares_freely = bool(share) and resources.gpus_per_slot == "auto"
    if count * cpus > cores or (share and count > most and not shares_freely):
        of_a_gpu = f" and {share:g} GPU" if share else ""
        raise UserError(
            f"{plural(count, 'slot')} with {plural(cpus, 'CPU core')}{of_a_gpu} each do not fit: "
            f"this machine has {plural(cores, 'core')} and {plural(here, 'GPU')}",
            hint=_fitting_slots(experiment, cores, cores if shares_freely else most),
            key="resources.slots",
            code=ENVIRONMENT,
        )
    if share <= 1:
        share = spread(count, here) if share else 0.0
    return Slots(count, cpus, share)


def _check_group(experiment: Experiment, here: int) -> None:
    """Raises UserError if trainings are to take several GPUs each, and cannot."""
    share = experiment.resources.gpus_per_slot
    if share == "auto" or share <= 1:
        return
    key = "resources.gpus_per_slot"
    if experiment.evaluate != "train":
        if here and share > here:
            raise _too_few(share, here)
        return
    if experiment.resources.ray != "local":
        hint = "use `gpus_per_slot: 1`, or `resources.ray: local` on a machine with several GPUs"
        raise UserError("several GPUs for a training of a search are those of this machine", hint=hint, key=key)
    if experiment.search.shared == "on":
        hint = "use `search.shared: off`, or `gpus_per_slot: 1`"
        raise UserError("a shared network trains on one GPU", hint=hint, key=key)
    batch = experiment.train.batch_size
    if batch % int(share):
        near = max(1, round(batch / share)) * int(share)
        raise UserError(
            f"a batch of {batch} images cannot be shared by {share:g} GPUs",
            hint=f"write `train.batch_size: {near}`",
            key="train.batch_size",
        )
    if here and share > here:
        raise _too_few(share, here)


def _too_few(share: float, here: int) -> UserError:
    return UserError(
        f"a training is to take {share:g} GPUs, but this machine has {plural(here, 'GPU')}",
        hint=f"use `gpus_per_slot: {here}` or less",
        key="resources.gpus_per_slot",
        code=ENVIRONMENT,
    )


def _check_share(experiment: Experiment, here: int) -> None:
    """Raises UserError if trainings are to share a GPU that is not there, or that the config does not want."""
    share = experiment.resources.gpus_per_slot
    if share == 0 and experiment.resources.device == "cuda":
        raise UserError(
            "resources.gpus_per_slot is 0, so `resources.device: cuda` would train on the CPU",
            hint="remove one of them",
            key="resources.gpus_per_slot",
        )
    if share in ("auto", 0) or here:
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
