"""How long it takes to quantise a network as a training ends and to validate it in INT8, measured with plain."""

import time
from collections.abc import Callable

from senet_nas.data.batches import normalise
from senet_nas.data.load import Data
from senet_nas.deploy.paired_images import BATCH
from senet_nas.network.build import build, sites
from senet_nas.recipe import Task
from senet_nas.training import int8_validation
from spaces.architecture import Architecture


def of_plain(backbone: str, data: Data, task: Task, clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds for plain, with random weights; 0 if the task has no metric in INT8. Raises Refused, UserError.

    The time of a batch is measured once and counted for all validation images.
    """
    if not int8_validation.metrics_of(task):
        return 0.0
    plain = Architecture.plain(backbone, len(sites(backbone)))
    network = build(plain, in_channels=data.channels, num_classes=data.num_classes)
    began = clock()
    form = int8_validation.quantised(network, data, task)
    opened = clock()
    form(normalise(data.x_val[:BATCH], data))
    batches = -(-len(data.y_val) // BATCH)
    return opened - began + batches * (clock() - opened)
