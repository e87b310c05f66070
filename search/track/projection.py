"""What MLflow gets from a ledger, and whether it has it. This file imports no MLflow, so a check needs none."""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from search.config import Experiment
from search.report.answer_card import subject
from search.report.markdown import markdown
from search.report.verdict_styles import VERDICT_STYLES
from search.results.point import Estimate
from search.results.result import Front
from search.state.facts import DataFact, Facts, GitFact
from search.state.records import Entry, Training
from search.track.gain_series import FOUND, HISTORY
from search.track.metric_names import judged_by, mlflow_name, recorded
from search.track.views import COLOUR, REPRESENTATIVE
from senet_nas.costs.measures import MEASURES, known
from senet_nas.training.quality_metrics import ACCURACY, Metric
from spaces.architecture import Architecture
from spaces.placements import label
from spaces.spec import Site

_CURVES = ("train_loss", "val_accuracy", "val_log_loss", "lr")
# With what is judged a dozen at most: each further name is one more chart and one more column of MLflow's page.
_FIGURES = ("val_accuracy", "grad_norm", "train_seconds")
# Columns of a training on a GPU, under names that MLflow's page shows as system metrics.
_SYSTEM = {
    "gpu_busy": "system/gpu_utilization_percentage",
    "gpu_memory_gb": "system/gpu_memory_usage_gigabytes",
    "gpu_energy_wh": "system/gpu_energy_watt_hours",
}
_JUDGED = ("gain", "gain_low", "gain_high", "n_seeds", "on_front")
# Facts that say in what a run was trained.
_ENVIRONMENT = ("versions", "machine", "device", "git", "slots")
STATUS = {
    "finished": "FINISHED",
    "failed": "FAILED",
    "stopped": "KILLED",
    "paused": "KILLED",  # until it continues, as one that waits after an interruption; its tags say what it is
    "waiting": "KILLED",
    "running": "RUNNING",
}
ENDED = ("FINISHED", "FAILED")
# Stores may keep fewer digits than a double has.
_PRECISION = 1e-9


@dataclass(frozen=True)
class Child:
    """A training as MLflow has it. ``described``: with its parameters, which are written right after it is made.

    ``epochs`` is how many epochs of its curve are there from a pause.
    """

    run_id: str
    uid: str
    status: str
    val_accuracy: float | None
    described: bool = True
    epochs: int = 0


def is_told(training: Training) -> bool:
    """Whether MLflow gets this training: not if it was never started."""
    return training.state != "waiting" or training.attempts > 0


def describe(experiment: Experiment, facts: Facts) -> dict[str, Any]:
    """The parameters of the parent, from the facts of a run.

    Beside them: ``config``, the text; ``environment``, versions and machine; ``tags``, the git state; ``input``, the
    images.
    """
    data = facts.data or DataFact()
    stored = facts.to_json()
    return {
        "backbone": experiment.model.network,
        "dataset": experiment.data.dataset,
        "sampler": experiment.search.sampler,
        "trainings": experiment.budget.trainings,
        "epochs": experiment.train.epochs,
        **_fine_tuning(experiment),
        "seed": experiment.search.seed,
        "space": facts.space.size if facts.space else "",
        "device": facts.device,
        "config": facts.config,
        "data_fingerprint": data.fingerprint,
        "environment": {name: stored[name] for name in _ENVIRONMENT if name in stored},
        "tags": git_tags(facts.git or GitFact()) | judged_by(experiment),
        "qualities": recorded(experiment),
        "input": dataset(experiment, data),
    }


def _fine_tuning(experiment: Experiment) -> dict[str, Any]:
    """What a fine-tuning begins with and what it changes; empty for trainings from scratch."""
    if experiment.model.init != "pretrained":
        return {}
    recipe = experiment.train
    rates = {"lr": recipe.lr, "backbone_lr": recipe.lr if recipe.backbone_lr is None else recipe.backbone_lr}
    return {"init": "pretrained", "weights": experiment.model.weights or "published", "freeze": recipe.freeze, **rates}


def git_tags(state: GitFact) -> dict[str, str]:
    """The tags that MLflow's page shows as the source of a run, and whether that was changed; none without a commit."""
    if state.commit is None:
        return {}
    tags = {"mlflow.source.git.commit": state.commit, "senet.git_dirty": "true" if state.dirty else "false"}
    if state.branch:
        tags["mlflow.source.git.branch"] = state.branch
    return tags


def dataset(experiment: Experiment, data: DataFact) -> dict[str, str]:
    """Name, digest, source and profile of the images, as MLflow keeps an input; empty where a table has the results."""
    if not data.fingerprint:
        return {}
    path = experiment.data.path
    source = {"dataset": experiment.data.dataset, **({"path": str(experiment.base / path)} if path else {})}
    sizes = {"train": data.train, "validation": data.validation, "test": data.test}
    return {
        "name": experiment.data.dataset,
        "digest": data.fingerprint[:36],
        "source": json.dumps(source),
        "profile": json.dumps({**sizes, "classes": len(data.classes)}),
    }


def params(training: Training, entry: Entry, sites: Sequence[Site]) -> dict[str, str]:
    """The parameters of a child: what was trained."""
    found = {"architecture": entry.name, "placement": entry.label, **stages(entry.architecture, sites)}
    return found | {"seed": str(training.seed), "role": training.role}


def stages(whole: Architecture, sites: Sequence[Site]) -> dict[str, str]:
    """What each stage has, in words: ``{"stage1": "-", "stage2": "avg r=8 pre_addition"}``."""
    found = {}
    for stage in sorted({site.stage for site in sites}):
        own = [(site, se) for site, se in zip(sites, whole.blocks, strict=True) if site.stage == stage]
        part = Architecture(whole.backbone, tuple(se for _, se in own))
        said = "-" if part.is_plain else label(part, [site for site, _ in own])
        found[f"stage{stage}"] = said.removeprefix(f"stage {stage}: ")
    return found


def figures(training: Training, entry: Entry, qualities: Sequence[str] = ()) -> dict[str, float]:
    """The last metrics of a training and what its architecture costs; ``qualities`` are further columns."""
    names = dict.fromkeys([*_FIGURES, *qualities])
    found = {mlflow_name(name): training.metrics[name] for name in names if name in training.metrics}
    found |= {shown: training.metrics[name] for name, shown in _SYSTEM.items() if name in training.metrics}
    return found | {column: entry.price[column] for column in _cost_columns(entry.price)}


def _cost_columns(price: Mapping[str, float]) -> list[str]:
    """Overheads of all costs, and values of timed ones. The value of a counted cost adds nothing to its overhead."""
    return [
        column
        for measure in known(price)
        for column in (measure.column, measure.overhead)
        if column in price and (column == measure.overhead or not measure.is_counted)
    ]


def curve(training: Training, after: int = 0, qualities: Sequence[str] = ()) -> list[tuple[int, str, float]]:
    """(epoch, name, value) of each metric that MLflow draws over the epochs; of those ``after`` an epoch."""
    return curve_rows([epoch for epoch in training.curve if epoch["epoch"] > after], qualities)


def curve_rows(epochs: Sequence[Mapping[str, float]], qualities: Sequence[str] = ()) -> list[tuple[int, str, float]]:
    """(epoch, name, value) of each metric of these epochs that MLflow draws."""
    names = dict.fromkeys([*_CURVES, *qualities])
    return [(int(e["epoch"]), mlflow_name(name), e[name]) for e in epochs for name in names if name in e]


def judged(front: Front, trainings: Sequence[Training]) -> Iterator[tuple[Training, dict[str, str], dict[str, float]]]:
    """Each training with the tags and numbers of its architecture; one of them represents it in charts."""
    for point in front.points:
        # Rounded to fit the columns of MLflow's table; front.json has every digit.
        judged = point.to_dict()
        names = (*_JUDGED, *(name for column in point.further for name in Estimate.columns(column)[1:]))
        numbers = {mlflow_name(name): round(float(judged[name]), front.rules.quality.digits) for name in names}
        mine = [t for t in trainings if t.architecture == point.number]
        shown = next((t for t in mine if t.state == "finished"), None)
        for training in mine:
            tags = {"senet.verdict": point.verdict, COLOUR: VERDICT_STYLES[point.verdict].colour}
            yield training, {**tags, REPRESENTATIVE: str(int(training is shown))}, numbers


def summary(front: Front) -> tuple[dict[str, str], dict[str, float]]:
    """Tags and numbers of the parent: the result."""
    best = front[front.recommended]
    tags = {
        "senet.recommended": best.architecture,
        "senet.recommended_id": best.id,
        "senet.verdict": front.verdict,
        "mlflow.note.content": markdown(front),
    }
    numbers = {"front_size": float(len(front.members)), "sigma": front.sigma, "recommended_gain": best.gain}
    if front.insights is not None:
        p = front.insights.progress
        numbers |= {FOUND: p.score, f"{FOUND}_low": p.low, f"{FOUND}_high": p.high, "tau": p.tau}
    return tags, numbers


def under_way(front: Front) -> tuple[dict[str, str], dict[str, float]]:
    """The same while a run goes on, without the series that follow from its history, which is sent at the end."""
    tags, numbers = summary(front)
    ours = {name: value for name, value in numbers.items() if name not in HISTORY.values()}
    best = subject(front)
    interval = {"best_gain": best.gain, "best_gain_low": best.gain_low, "best_gain_high": best.gain_high}
    return tags, {**ours, **interval}


def table(front: Front) -> dict[str, list[Any]]:
    """The front's members, cheapest first, as the columns and rows of a table of MLflow."""
    members = sorted(front.members, key=lambda point: point.costs[front.leading_cost.column])
    rows = [point.to_dict() for point in members]
    names = _table_columns(front)
    return {"columns": list(names), "data": [[row[name] for name in names] for row in rows]}


def _table_columns(front: Front) -> tuple[str, ...]:
    return (
        "id",
        "words",
        "verdict",
        "gain",
        "gain_low",
        "gain_high",
        "n_seeds",
        front.quality.column,
        *front.plain.further,
        *dict.fromkeys(measure.overhead for measure in (*MEASURES.values(), *front.measures)),
        "architecture",
    )


def carriers(front: Front, trainings: Sequence[Training]) -> list[Training]:
    """The trainings whose weights MLflow gets: of each member of the front the one that ``export`` takes."""
    members = {point.number for point in front.members}
    found = defaultdict(list)
    for training in trainings:
        if training.state == "finished" and training.weights and training.architecture in members:
            found[training.architecture].append(training)
    return [median(mine, front.quality) for _, mine in sorted(found.items())]


def median(trainings: Sequence[Training], metric: Metric = ACCURACY) -> Training:
    """The training of the median result (the worse of two): neither the lucky nor the unlucky one."""
    return sorted(trainings, key=lambda t: metric.score(t.metrics))[(len(trainings) - 1) // 2]


def charted_cost(front: Front) -> str:
    """The overhead that a chart shows: of a timed cost where the run has one, else of the cost that texts name."""
    found = (m.overhead for m in front.measures if not m.is_counted)
    return next(found, front.leading_cost.overhead)


def spoilt(trainings: Sequence[Training], children: Sequence[Child]) -> list[Child]:
    """The children that cannot be mended by writing more: doubled, unknown, without parameters, or ended wrongly."""
    wrong = differences(trainings, children)
    known = {training.uid for training in trainings}
    count = Counter(child.uid for child in children)
    return [
        child
        for child in children
        if child.uid in wrong
        and (child.uid not in known or count[child.uid] > 1 or not child.described or child.status in ENDED)
    ]


def differences(trainings: Sequence[Training], children: Sequence[Child]) -> dict[str, str]:
    """What is wrong in MLflow, by the uid of the training; empty where it says what the ledger says."""
    made: defaultdict[str, list[Child]] = defaultdict(list)
    for child in children:
        made[child.uid].append(child)
    told = {training.uid: training for training in trainings if is_told(training)}
    found = {uid: "unknown to the ledger" for uid in made if uid not in told}
    for uid, training in told.items():
        if wrong := _wrong(training, made.get(uid, [])):
            found[uid] = wrong
    return found


def _wrong(training: Training, made: Sequence[Child]) -> str:
    if len(made) != 1:
        return f"there {len(made)} times" if made else "not there"
    (child,) = made
    if not child.described:
        return "without parameters"
    if child.status != STATUS[training.state]:
        return f"{child.status} instead of {STATUS[training.state]}"
    expected = training.metrics.get("val_accuracy")
    seen = child.val_accuracy
    if training.state == "finished" and expected is not None:
        is_same = seen is not None and math.isclose(seen, expected, rel_tol=_PRECISION)
        return "" if is_same else f"val_accuracy {seen} instead of {expected}"
    return ""
