"""``senet-search check``: checks config, data, network and machine, and estimates what the run takes."""

import math
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from search.cli.options import CONFIG, JSON, SET, TARGET, load, print_json, print_lines
from search.state.facts import encode
from spaces.errors import UserError
from spaces.text import plural, rough

if TYPE_CHECKING:
    from search.config import Experiment
    from search.setup.experiment_setup import Prepared
    from search.setup.pilot import Pilot
    from senet_nas.costs.epoch_time import EpochTime
    from senet_nas.deploy.targets import Finding


# Of a run shorter than this, in seconds, `check` names the start, too: on 2 cores the first result takes 10 to 28 s.
STARTING = 120


@click.command()
@CONFIG
@SET
@click.option(
    "--pilot",
    "has_pilot",
    is_flag=True,
    help="Train plain some times, with other epochs too, and say how noisy a training is and how many epochs it needs. "
    "Takes as long as a dozen trainings.",
)
@TARGET
@JSON
def check(config: Path, overrides: tuple[str, ...], has_pilot: bool, targets: tuple[str, ...], as_json: bool) -> None:
    """Check config, data, network and machine, and estimate the time. Keeps nothing that it trains."""
    experiment = load(config, overrides)
    experiment.check_new()
    if has_pilot:
        check_pilot(experiment)
    found = examine(experiment, targets)
    if as_json:
        _print_json(found, has_pilot)
        return
    # A pilot takes as long as a dozen trainings: what can fail or be said without it comes first.
    print_lines(found.lines())
    found.check_store()
    pilot = pilot_of(found) if has_pilot else None
    if pilot is not None:
        print_lines(pilot.lines())
    click.echo(f"Nothing was started. {_next(config, overrides, targets, pilot)}")


def _print_json(found: "Checked", has_pilot: bool) -> None:
    """The same for a machine; without the pilot if nothing can be tracked. Raises UserError in that case."""
    body = found.to_dict()
    if has_pilot and found.store_error is None:
        pilot = pilot_of(found)
        body |= {"cautions": [*body["cautions"], *pilot.cautions], "pilot": pilot.to_dict()}
    print_json("check", found.prepared.experiment.name, body)
    found.check_store()


def _next(config: Path, overrides: Sequence[str], targets: Sequence[str], pilot: "Pilot | None") -> str:
    """What to type next, and what to do before it."""
    advice = pilot.advice if pilot else None
    if advice is None or not advice.caution:
        return f"Next: {shlex.join(_run(config, overrides))}"
    if advice.longer is None:
        return f"Next, with another section train: {shlex.join(_check(config, overrides, targets))}"
    kept = [text for text in overrides if text.partition("=")[0].strip() != "train.epochs"]
    return f"Next: {shlex.join(_check(config, [*kept, f'train.epochs={advice.longer}'], targets))}"


def _run(config: Path, overrides: Sequence[str]) -> list[str]:
    return ["senet-search", "run", str(config), *(word for text in overrides for word in ("--set", text))]


def _check(config: Path, overrides: Sequence[str], targets: Sequence[str]) -> list[str]:
    """The command for another pilot."""
    sets = [word for text in overrides for word in ("--set", text)]
    named = [word for target in targets for word in ("--target", target)]
    return ["senet-search", "check", str(config), *sets, *named, "--pilot"]


@dataclass(frozen=True)
class Checked:
    """A run that can start, and what it takes.

    ``epoch`` is measured on a few images; None if the user's own code or a table gives the results.
    ``store_error`` says why nothing can be tracked; a run would keep everything in its ledger. ``silent_cluster`` says
    why the Ray cluster does not answer, which may be started later. ``slowdown`` is how many times as long a training
    takes beside the others of its GPU as alone. ``targets``: what is known of them. ``quantising``: seconds
    of a training that quantisation and validation in INT8 take. ``timing``: seconds for which architectures are timed
    before the first training.
    """

    prepared: "Prepared"
    epoch: "EpochTime | None"
    free_bytes: int
    store_error: UserError | None = None
    silent_cluster: str = ""
    slowdown: float = 1.0
    targets: tuple["Finding", ...] = ()
    quantising: float = 0.0
    timing: float = 0.0

    @property
    def seconds_per_training(self) -> float | None:
        if self.epoch is None:
            return None
        return self.epoch.seconds * self.prepared.experiment.train.epochs + self.quantising

    @property
    def seconds(self) -> float | None:
        """The time of the whole run in seconds."""
        if self.seconds_per_training is None:
            return None
        slots = self.prepared.slots.count or 1  # a cluster may hold any number
        trainings = self.prepared.experiment.budget.trainings
        return self.timing + self.seconds_per_training * self.slowdown * trainings / slots

    def to_dict(self) -> dict[str, Any]:
        space = self.prepared.space
        return {
            "data": encode(self.prepared.data) if self.prepared.data else {},
            "space": {"size": space.size, "nominal": space.nominal_size},
            "sites": [site.name for site in space.sites],
            "positions": {site.name: dict(site.channels) for site in space.sites},
            "training": self._fine_tuning(),
            "notes": list(self._remarks()),
            "cautions": [line[10:] for line in self.lines() if line.startswith("caution")],
            "slots": asdict(self.prepared.slots),
            "device": self.prepared.device,
            "trainings": self.prepared.experiment.budget.trainings,
            "seconds_per_training": self.seconds_per_training,
            **({"seconds_in_int8": self.quantising} if self.quantising else {}),
            **({"seconds_of_timing": self.timing} if self.timing else {}),
            "seconds": self.seconds,
            "free_bytes": self.free_bytes,
            "silent_store": self.store_error.message if self.store_error else "",
            "silent_cluster": self.silent_cluster,
            **({"targets": [finding.to_dict() for finding in self.targets]} if self.targets else {}),
        }

    def _fine_tuning(self) -> dict[str, Any] | None:
        """What trains at which peak learning rates, and what the weights left open; None from scratch."""
        tuning = self.prepared.fine_tuning
        if tuning is None:
            return None
        recipe = self.prepared.experiment.train
        backbone = recipe.lr if recipe.backbone_lr is None else recipe.backbone_lr
        rates = {"lr": recipe.lr, "backbone_lr": 0.0 if recipe.freeze == "backbone" else backbone}
        return {**rates, "freeze": recipe.freeze, **asdict(tuning)}

    def check_store(self) -> None:
        """Raises UserError if nothing can be tracked."""
        if self.store_error is not None:
            raise self.store_error

    def lines(self) -> list[str]:
        from search.report.plan_lines import plan_lines, positions_line

        return [
            "ok        config, data, network, machine",
            *plan_lines(self.prepared),
            positions_line(self.prepared.space),
            *(f"note      {text}" for text in self._remarks()),
            f"time      {self._time()}",
            f"disk      {self.free_bytes / 1e9:.0f} GB free",
            *(f"target    {finding.line()}" for finding in self.targets),
            *(f"caution   {text}" for text in self._cautions()),
        ]

    def _remarks(self) -> tuple[str, ...]:
        """What was found in the network besides units, and where images lie."""
        from senet_nas.network import build
        from senet_nas.network.backbones.table import is_own

        backbone = self.prepared.space.backbone
        if not self.prepared.evaluate.trains_networks:
            return ()
        found = build.remarks(backbone) if is_own(backbone) else ()
        return (*found, *self._place_of_images())

    def _place_of_images(self) -> tuple[str, ...]:
        """Where the training images lie, if a GPU of this machine trains."""
        from senet_nas.data import residence
        from senet_nas.training.evaluate import images

        slots = self.prepared.slots
        if self.prepared.device != "cuda" or not slots.is_local:
            return ()
        experiment = self.prepared.experiment
        data = images(experiment.data, str(experiment.base.resolve()))
        size = f"{residence.size(data) / 1e9:.1f} GB of training images"
        if residence.is_resident(data, self.prepared.device, slots.gpus):
            return (f"{size} stay on the GPU, once for each of its {plural(slots.on_one_gpu, 'training')}",)
        return (
            f"{size} do not fit onto the GPU: they stay in the memory of this machine and are copied a batch ahead",
        )

    def _time(self) -> str:
        from search.config import seconds

        if self.epoch is None or self.seconds_per_training is None or self.seconds is None:
            return "depends on your code or table"
        one = rough(self.seconds_per_training)
        images = plural(self.epoch.images, "image")
        quantising = f", of which {rough(self.quantising)} in INT8" if self.quantising else ""
        timing = f", of which {rough(self.timing)} to time architectures before it" if self.timing else ""
        most = self.prepared.experiment.budget.time
        ends_it = (seconds(most) or math.inf) < self.seconds
        limit = f"; budget.time ends it after {most}, before its trainings are used" if ends_it else ""
        start = ", and up to half a minute to start" if self.seconds < STARTING else ""
        whole = f"the run about {rough(self.seconds)}{timing}{start}{limit}"
        return f"one training about {one} (measured on {images}){quantising}, {whole}"

    def _cautions(self) -> list[str]:
        """What does not stop a run, but is hardly meant."""
        from search.setup import gpu_sharing, latency_setup
        from search.setup.machine import idle_gpus
        from search.setup.setting_checks import odd_settings

        found = []
        experiment = self.prepared.experiment
        slots = self.prepared.slots
        if experiment.evaluate == "train":
            found += odd_settings(experiment.train)
        if self.silent_cluster:
            found.append(self.silent_cluster)
        latency = (latency_setup.launches(experiment), latency_setup.doubles(experiment))
        texts = (idle_gpus(experiment, slots), gpu_sharing.without_mps(slots), *latency)
        found += [text for text in texts if text]
        return found


def examine(experiment: "Experiment", targets: Sequence[str] = ()) -> Checked:
    """Prepares a run as `run` does, and measures one training. Raises UserError for what would stop the run."""
    from search.setup import latency_setup, pause_setup, shared_setup, target_check, training_time
    from search.setup.experiment_setup import at_its_line, prepare
    from search.state.run_folder import RunFolder
    from search.state.schema import check_length
    from search.track.store import store_to_write
    from search.track.store_check import check_store

    check_length(RunFolder(Path("runs").resolve() / experiment.name).ledger)
    prepared = prepare(experiment)
    shared_setup.check(prepared)
    pause_setup.check(prepared)
    with at_its_line(experiment):
        latency_setup.check(experiment)
    known = tuple(target_check.known(prepared, targets))
    with at_its_line(experiment):
        epoch = training_time.of_epoch(prepared) if prepared.evaluate.trains_networks else None
        slowdown = training_time.slowdown(prepared)
        quantising = training_time.quantising(prepared)
        timing = latency_setup.modelling_seconds(prepared) if prepared.data is not None else 0.0
    runs = Path("runs")
    store_error = None
    try:
        check_store(store_to_write(experiment.tracking.uri, runs), runs)
    except UserError as error:
        store_error = error
    free = shutil.disk_usage(".").free
    silent = _silent_cluster(prepared.slots.ray)
    return Checked(
        prepared,
        epoch,
        free,
        store_error,
        silent,
        slowdown=slowdown,
        targets=known,
        quantising=quantising,
        timing=timing,
    )


def check_pilot(experiment: "Experiment") -> None:
    """Raises UserError if this experiment can have no pilot."""
    from search.setup.pilot import check_possible

    check_possible(experiment)


def pilot_of(found: Checked) -> "Pilot":
    """What a pilot of plain finds. Raises UserError if plain cannot be trained."""
    from search.setup.experiment_setup import at_its_line
    from search.setup.pilot import pilot

    with at_its_line(found.prepared.experiment):
        return pilot(found.prepared, lambda text: click.echo(text, err=True), seconds=found.seconds_per_training)


def _silent_cluster(address: str) -> str:
    from search.execute.ray import cluster

    error = cluster.silent(address)
    if not error:
        return ""
    return f"no Ray cluster answers at {address} yet: {error}; {cluster.HEAD} before the search"
