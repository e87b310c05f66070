"""What is said about an exported network: the facts in its record, and the page for its model card."""

from typing import Any

from search.config import Experiment
from search.exporting.exported_choice import ExportedChoice


def about(choice: ExportedChoice) -> dict[str, Any]:
    """The facts about an exported network, by name."""
    point = choice.point
    training = choice.training
    metric = choice.run.front.quality
    counted = [measure.overhead for measure in choice.run.front.measures if measure.is_counted]
    return {
        "run": choice.run.name,
        "training": training.name,
        "seed": str(training.seed),
        "words": point.label,
        "verdict": point.verdict,
        f"{metric.column}_of_this_seed": training.metrics[metric.column],
        metric.column: point.value,
        "gain": point.gain,
        "gain_low": point.gain_low,
        "gain_high": point.gain_high,
        **{overhead: point.costs[overhead] for overhead in counted},
        "versions": choice.run.facts.versions,
        "data_fingerprint": choice.data.fingerprint,
    }


def card(choice: ExportedChoice) -> str:
    """What was measured, in markdown, for the model card."""
    data = choice.data
    experiment = choice.run.experiment
    recipe = experiment.train
    samples = "images" if len(choice.input_shape) == 3 else "signals"
    how = [
        f"Data: {experiment.data.dataset}, {data.train:,} training and {data.validation:,} "
        f"validation {samples}, fingerprint `{data.fingerprint}`.",
        f"Recipe: {recipe.epochs} epochs of SGD, batch {recipe.batch_size}, learning rate {recipe.lr:g} "
        f"({recipe.schedule}), weight decay {recipe.weight_decay:g}{_start(experiment)}. "
        "These are weights of the search: a longer training may give better ones.",
    ]
    if experiment.evaluate != "train":
        how = [
            f"Trained and measured by `{experiment.evaluate.partition(':')[2]}`, a function of its owner's: inputs are "
            "to be prepared as there."
        ]
    lines = [
        "## What was measured",
        "",
        f"{choice.run.front.verdict} ({choice.run.name})",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in _rows(choice)),
        "",
        *how,
    ]
    return "\n".join(lines)


def _start(experiment: Experiment) -> str:
    """How a fine-tuning begins, and what of it is frozen; nothing for a training from scratch."""
    recipe = experiment.train
    parts = []
    if experiment.model.init == "pretrained":
        parts.append(f"from {experiment.model.weights or 'published weights'}")
    if recipe.freeze != "none":
        parts.append(f"frozen: {recipe.freeze}")
    elif recipe.backbone_lr is not None:
        parts.append(f"the backbone at a learning rate of {recipe.backbone_lr:g}")
    return "".join(f", {part}" for part in parts)


def _rows(choice: ExportedChoice) -> list[tuple[str, str]]:
    point = choice.point
    metric = choice.run.front.quality
    value = metric.shown(choice.training.metrics[metric.column])
    level = f"{100 * choice.run.front.rules.level:.0f} %"
    gain = "-" if point.is_plain else metric.gain(point.gain, point.gain_low, point.gain_high)
    costs = [
        (f"{m.title} ({m.description})", f"{m.shown(point.costs[m.column])} ({point.costs[m.overhead]:+.3g} %)")
        for m in choice.run.front.measures
        if m.is_counted
    ]
    tested = choice.run.facts.test
    tests = tested.results.get(point.id, ()) if tested else ()
    return [
        (f"validation {metric.title}, estimated", metric.shown(point.value)),
        (f"validation {metric.title} of this seed", f"{value} (seed {choice.training.seed})"),
        *(
            (f"test {metric.title} of this seed", metric.shown(found[metric.name]))
            for found in tests
            if found["seed"] == str(choice.training.seed) and metric.name in found
        ),
        (f"gain over plain [{level} interval]", gain),
        ("verdict", point.verdict),
        *costs,
    ]
