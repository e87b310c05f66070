"""``senet-search export``: the network of a finished search, as files that need nothing of ours."""

from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from search import config, folder, front, worker
from search.folder import RunFolder
from search.front import Point
from search.ledger import Ledger, Training
from search.prepare import rules
from spaces.errors import NOTHING_USABLE, UserError


@dataclass(frozen=True)
class Taken:
    """What was written, and how far each form is from the trained network (largest difference of outputs)."""

    point: Point
    seed: str
    folder: Path
    files: dict[str, str]
    differences: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        return {
            "architecture": self.point.architecture, "id": self.point.id, "seed": self.seed, "folder": str(self.folder),
            "files": self.files, "differences": self.differences, "verdict": self.point.verdict,
        }  # fmt: skip

    def lines(self) -> list[str]:
        checked = ", ".join(f"{name} {value:.1g}" for name, value in self.differences.items())
        return [
            f"{self.point.id}: {self.point.words}{_verdict(self.point)}, seed {self.seed}, the median of its fresh seeds",
            *(f"  {name:<20} {about}" for name, about in self.files.items()),
            f"Checked against the trained network, largest difference: {checked}",
            f'Wrote {self.folder}. Try: cd {self.folder} && python -c "from model import load; print(load())"',
        ]


def _verdict(point: Point) -> str:
    return "" if point.is_plain else f" ({point.verdict})"


def export(run: str, *, pick: str, to: Path | None, onnx: bool | None, force: bool, runs: Path) -> Taken:
    """Exports ``best`` or an architecture by id. Raises UserError where it has no weights or the target exists."""
    place = folder.find(run, runs)
    with closing(Ledger(place.ledger, read_only=True)) as ledger:
        experiment = config.load(place.config)
        found = front.compute(place.name, ledger, rules(experiment))
        point = found.pick(pick)
        training = _median(point, ledger, place)
        facts = ledger.facts()
    return _write(point, training, place, to or place.export / point.id, facts, onnx=onnx, force=force)


def _median(point: Point, ledger: Ledger, place: RunFolder) -> Training:
    """The training whose weights to take: the median validation accuracy, neither the lucky nor the unlucky one."""
    kept = [
        t for t in ledger.trainings if (place.trainings / t.uid / worker.WEIGHTS).exists() and t.state == "finished"
    ]
    mine = sorted((t for t in kept if f"a{t.architecture}" == point.id), key=lambda t: t.metrics["val_accuracy"])
    if not mine:
        names = ", ".join(sorted({f"a{t.architecture}" for t in kept})) or "none"
        raise UserError(
            f"{point.id} has no weights: only the trainings of finalists and of plain keep theirs ({names})",
            hint="take one of those, or search with at least 16 trainings so that finalists are trained",
            code=NOTHING_USABLE,
        )
    return mine[(len(mine) - 1) // 2]


def _write(
    point: Point, training: Training, place: RunFolder, target: Path, facts: dict[str, Any], *, onnx: bool | None,
    force: bool,
) -> Taken:  # fmt: skip
    from safetensors.torch import load_file

    from senet_nas import build
    from senet_nas import export as networks

    data = facts["data"]
    model = build.build(point.architecture, in_channels=data["channels"], num_classes=len(data["classes"]))
    model.load_state_dict(load_file(place.trainings / training.uid / worker.WEIGHTS))
    size = data["image_size"]
    written = networks.export(
        model.eval(), point.architecture, target, input_shape=(data["channels"], size, size), mean=data["mean"],
        std=data["std"], classes=data["classes"], extra=_about(point, training, place, facts), force=force,
        onnx=find_spec("onnxscript") is not None if onnx is None else onnx,
    )  # fmt: skip
    return Taken(point, str(training.seed), target, written.files, written.differences)


def _about(point: Point, training: Training, place: RunFolder, facts: dict[str, Any]) -> dict[str, Any]:
    return {
        "run": place.name, "training": training.name, "seed": str(training.seed), "words": point.words,
        "verdict": point.verdict, "val_accuracy_of_this_seed": training.metrics["val_accuracy"],
        "val_accuracy": point.val_accuracy, "gain": point.gain, "gain_low": point.gain_low, "gain_high": point.gain_high,
        "params_overhead": point.params_overhead, "macs_overhead": point.macs_overhead, "versions": facts.get("versions"),
        "data_fingerprint": facts["data"].get("fingerprint"),
    }  # fmt: skip
