"""Which SE operators survive INT8? Small networks, trained on Fashion-MNIST and quantised by two quantisers.

    python -m benchmarks.int8_drop --data DIR [--seeds 8] [--work FILE] [--finish]

Every network has the same operator in all of its three units. A training is a line of FILE as soon as it is done, so a
second call continues. ``--finish`` writes results/int8_drop.json from the lines that are there: of each operator the
mean drop over the seeds, and its excess over the drop of plain with the same seed, with Student's intervals (95 %).
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import environment, json_lines
from senet_nas.recipe import DataSpec, Recipe, Seed, Task

BACKBONE = "cifar_resnet8_w8"
UNITS = 3
# Hidden widths of a ratio of 2 at 8, 16 and 32 channels.
HIDDEN = (4, 8, 16)
DATA = DataSpec(dataset="fashion_mnist", image_size=14, train=4000, split_seed=0)
RECIPE = Recipe(epochs=8, batch_size=100, lr=0.2, warmup=1.0, weight_decay=5e-4, flip=False, crop=0)
FORMS = ("onnxruntime", "openvino")
IMAGES = 10_000
GATES = ("sigmoid", "hard_sigmoid", "sigmoid2", "hard_sigmoid2", "tanh", "relu")
POSITIONS = ("pre_addition", "post_addition", "pre_unit", "identity")
SQUEEZES = ("avg", "max", "avgmax", "std", "l2", "gem", "attention", "dct")
WHOLE = {
    "ese": "avg:ese:hard_sigmoid",
    "coord": "coord:axes4:sigmoid",
    "spatial": "spatial:conv7:sigmoid",
    "simam": "simam:none:sigmoid",
}


def parts() -> list[dict[str, str]]:
    """Names and architectures in the order in which they are trained: two gates and all positions, then other gates,
    squeezes and whole operators, then every gate at every position."""
    first = {"plain": "/".join([BACKBONE, *["-"] * UNITS])}
    first |= {f"avg {gate}@pre_addition": _everywhere("avg", gate, "pre_addition") for gate in GATES[:2]}
    first |= {f"avg sigmoid@{place}": _everywhere("avg", "sigmoid", place) for place in POSITIONS}
    gates = {f"avg {gate}@pre_addition": _everywhere("avg", gate, "pre_addition") for gate in GATES[2:]}
    then = {f"{name} sigmoid@pre_addition": _everywhere(name, "sigmoid", "pre_addition") for name in SQUEEZES[1:]}
    then |= {f"{name}@pre_addition": _same(f"{text}@pre_addition") for name, text in WHOLE.items()}
    others = {f"avg {gate}@{place}": _everywhere("avg", gate, place) for place in POSITIONS for gate in GATES}
    return [first, gates, then, {name: key for name, key in others.items() if name not in first | gates}]


def operators() -> dict[str, str]:
    """Names and architectures of all parts."""
    return {name: key for part in parts() for name, key in part.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder that torchvision's dataset was downloaded to")
    parser.add_argument("--work", type=Path, default=environment.RESULTS / "int8_drop.jsonl")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--finish", action="store_true")
    given = parser.parse_args()
    if given.finish:
        print(environment.write("int8_drop", summary(list(json_lines.read(given.work)))))
        return
    done = {(line["operator"], line["seed"]) for line in json_lines.read(given.work)}
    task = Task(DataSpec(**{**vars(DATA), "path": str(given.data.resolve())}), RECIPE)
    for part in parts():
        for seed in range(given.seeds):
            for name, key in part.items():
                if (name, seed) not in done:
                    json_lines.append(given.work, one(name, key, seed, task))


def one(name: str, key: str, seed: int, task: Task) -> dict[str, Any]:
    """A training, and the drop of each INT8 form, as a line."""
    from safetensors.torch import load_file

    from senet_nas import quantised
    from senet_nas.data.batches import normalise
    from senet_nas.deploy import deployed, deploying, paired_images
    from senet_nas.network.build import build
    from senet_nas.training.evaluate import evaluate, prepare
    from senet_nas.user_code import evaluating

    began = time.perf_counter()
    data = prepare(task)
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.safetensors"
        *_, last = evaluate(key, Seed(seed), task, weights=weights)
        state = load_file(weights)

    def network() -> Any:
        made = build(key, in_channels=data.channels, num_classes=data.num_classes)
        made.load_state_dict(state)
        return evaluating(made)

    x, y_N = data.x_val[:IMAGES], data.y_val[:IMAGES]
    truth_N = paired_images.classes(network(), x, lambda part: normalise(part, data))
    found: dict[str, Any] = {}
    for runtime in FORMS:
        wanted = deployed.Wanted(
            tuple(data.shape), "int8", batch=0, calibration=normalise(data.x_train[: deployed.CALIBRATION], data)
        )
        try:
            form = deploying.deploy(network(), runtime, wanted).open(0)
            classes_N = paired_images.classes(form, x, lambda part: normalise(part, data))
            found[runtime] = paired_images.paired(truth_N, classes_N, y_N).to_dict()
        except quantised.Refused as refused:
            found[runtime] = {"refused": str(refused)}
    return {
        "operator": name,
        "architecture": key,
        "seed": seed,
        "val_accuracy": round(last.metrics["val_accuracy"], 4),
        "seconds": round(time.perf_counter() - began, 2),
        "int8": found,
    }


def summary(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """For each quantiser and operator: accuracy in fp32, mean drop and excess over plain, with intervals."""
    names = [name for name in operators() if any(line["operator"] == name for line in found)]
    return {
        "backbone": BACKBONE,
        "data": {name: value for name, value in vars(DATA).items() if value is not None},
        "recipe": RECIPE.text,
        "images": IMAGES,
        "trainings": len(found),
        "forms": {form: {name: _operator(found, form, name) for name in names} for form in FORMS},
    }


def _operator(found: Sequence[dict[str, Any]], form: str, name: str) -> dict[str, Any]:
    by_seed = {line["seed"]: line for line in found if line["operator"] == name}
    refused = [line["int8"][form]["refused"] for line in by_seed.values() if "refused" in line["int8"][form]]
    if refused:
        return {"refused": refused[0]}
    plain = {line["seed"]: line["int8"][form]["drop"] for line in found if line["operator"] == "plain"}
    drops = {seed: line["int8"][form]["drop"] for seed, line in by_seed.items()}
    excess = [drop - plain[seed] for seed, drop in drops.items() if seed in plain]
    return {
        "seeds": len(drops),
        "fp32": round(float(np.mean([line["val_accuracy"] for line in by_seed.values()])), 2),
        "drop": _interval(list(drops.values())),
        "largest": round(max(drops.values()), 2),
        "excess": _interval(excess) if name != "plain" else None,
        "agreement": round(float(np.mean([line["int8"][form]["agreement"] for line in by_seed.values()])), 2),
    }


def _interval(values: Sequence[float]) -> list[float]:
    """Mean, and Student's interval at 95 %."""
    from scipy.stats import t as student

    mean = float(np.mean(values))
    if len(values) < 2:
        return [round(mean, 3)]
    reach = float(student.ppf(0.975, len(values) - 1)) * float(np.std(values, ddof=1)) / len(values) ** 0.5
    return [round(mean, 3), round(mean - reach, 3), round(mean + reach, 3)]


def _everywhere(squeeze: str, gate: str, position: str) -> str:
    units = (f"{squeeze}:fc{width}:{gate}@{position}" for width in HIDDEN)
    return "/".join([BACKBONE, *units])


def _same(se: str) -> str:
    return "/".join([BACKBONE, *[se] * UNITS])


if __name__ == "__main__":
    main()
