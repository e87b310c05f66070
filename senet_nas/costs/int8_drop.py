"""What a trained network loses when a runtime computes it in INT8: on all validation images, paired."""

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file
from torch import nn

from senet_nas.data.batches import normalise
from senet_nas.data.folds import of_fold
from senet_nas.deploy.deployed import Wanted, calibration_images
from senet_nas.deploy.deploying import deploy
from senet_nas.deploy.paired_images import classes, paired
from senet_nas.deploy.precisions import INT8
from senet_nas.network.build import build
from senet_nas.quantised import Refused
from senet_nas.recipe import Seed, Task
from senet_nas.training.evaluate import prepare
from senet_nas.user_code import evaluating


def of_training(architecture: str, seed: Seed, weights: Path, task: Task, runtime: str) -> Mapping[str, float] | str:
    """Points of accuracy that INT8 loses against the same network in fp32, with their interval at 95 %.

    ``seed`` is that of the training, and ``weights`` its safetensors file. Or why the runtime refuses the network.
    """
    data = of_fold(prepare(task), task.data.fold(seed))

    def network() -> nn.Module:
        made = build(architecture, in_channels=data.channels, num_classes=data.num_classes)
        made.load_state_dict(load_file(weights))
        return evaluating(made)

    wanted = Wanted(
        tuple(data.shape), INT8, batch=0, calibration=normalise(calibration_images(data.x_train), data).contiguous()
    )
    try:
        form = deploy(network(), runtime, wanted).open(0)
    except Refused as refused:
        return str(refused)
    truth_N, given_N = (classes(each, data.x_val, lambda part: normalise(part, data)) for each in (network(), form))
    found = paired(truth_N, given_N, data.y_val)
    low, high = found.interval
    return {"drop": found.drop, "low": low, "high": high, "images": found.n, "agreement": found.agreement}
