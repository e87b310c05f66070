"""What becomes of a network that was trained in full: files to take home, a model card, and a run in MLflow."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from search.full_training.plan import Plan
from search.full_training.training_folder import CURVE, NETWORK, WEIGHTS, note, read_curve
from search.setup.experiment_setup import Prepared
from search.setup.validation_images import validation_images
from search.state.facts import DataFact
from search.track.client import error_line
from search.track.store import store_address
from senet_nas.user_code import evaluating
from spaces import durable


def exported(plan: Plan, prepared: Prepared, to: Path, record: Mapping[str, Any], onnx: bool | None) -> dict[str, str]:
    """Writes the network in all its forms; returns what each file is, by name.

    ``onnx``: whether to write that form too, None if its packages are installed.
    """
    from safetensors.torch import load_file

    from senet_nas.export import bundle
    from senet_nas.network.build import build

    data = prepared.images
    network = build(plan.architecture, in_channels=data.channels, num_classes=len(data.classes))
    network.load_state_dict(load_file(to / WEIGHTS))
    images = validation_images(plan.experiment, data, plan.seed)
    return bundle.export(
        evaluating(network),
        plan.architecture,
        to / NETWORK,
        input_shape=tuple(data.shape),
        mean=data.mean,
        std=data.std,
        classes=data.classes,
        extra={"trained": record["request"], "versions": record["versions"]},
        card=_card(plan, data, record),
        labelled=images.labelled,
        files=images.files,
        resize=plan.experiment.data.resize,
        white=data.white,
        timing=plan.experiment.latency,
        forms=bundle.wanted(onnx),
        force=True,
    ).files


def track(plan: Plan, to: Path, record: dict[str, Any], say: Callable[[str], None]) -> None:
    """Sends the training to MLflow, and notes its run. If that fails, it says so, and the same command tries again."""
    from search.track import single

    tracking = plan.experiment.tracking
    uri = store_address(tracking.uri, plan.runs)
    try:
        plan.runs.mkdir(parents=True, exist_ok=True)
        record["mlflow_run"] = single.send(
            _mlflow_run(plan, to, record), uri, plan.runs, experiment=tracking.experiment or plan.experiment.name
        )
    except Exception as error:  # each store throws what its own client throws
        say(f"MLflow: {error_line(error)}; nothing else depends on it, and the same command tries again")
    else:
        note(to, record)


def _mlflow_run(plan: Plan, to: Path, record: Mapping[str, Any]) -> Any:
    from search.track import single

    request = record["request"]
    settings = {name: value for name, value in request.items() if name != "recipe"} | request["recipe"]
    measured = dict.fromkeys(["accuracy", plan.metric.name])
    tests = {f"test_{name}_{size}": found[name] for size, found in record["test"].items() for name in measured}
    return single.Single(
        uid=durable.digest(request),
        name=f"full training of {plan.name}",
        params={name: str(value) for name, value in settings.items()},
        curve=read_curve(to),
        metrics=record["metrics"] | tests,
        files=[to / CURVE, to / NETWORK],
    )


def _card(plan: Plan, data: DataFact, record: Mapping[str, Any]) -> str:
    """What was measured, in markdown, for the model card."""
    metric = plan.metric
    tested = "; ".join(f"{metric.shown(found[metric.name])} at {size} pixels" for size, found in record["test"].items())
    validated = metric.shown(record["metrics"][metric.column])
    recipe = {name: value for name, value in record["request"]["recipe"].items() if value is not None}
    return f"""## What was measured

One training of {plan.name}, seed {plan.seed}, from {record["request"]["start"]}. \
Validation {metric.title} {validated}, test {metric.title} {tested}. \
One training says what these weights do, not what the architecture gains over plain: \
that is in the report of the search.

Data: {plan.experiment.data.dataset}, {data.train:,} training, {data.validation:,} validation and \
{data.test:,} test images, fingerprint `{data.fingerprint}`.

Recipe: `{json.dumps(recipe)}`"""
