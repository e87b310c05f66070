"""How fast each source of images is read, beside a folder of the same images.

    python -m benchmarks.data_sources [--rounds N] [--side PIXELS]

The 300 images of the contract of all sources (tests/senet_nas/data/sources.py), drawn as PNG of the given side and read
at 64 pixels. Seconds of CPU of the process, because they repeat on a machine that others use; the least of the rounds.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import environment
from senet_nas.data import own_dataset, torchvision_sets
from senet_nas.data.load import load
from senet_nas.recipe import DataSpec
from tests.senet_nas.data.sources import IMAGES, SOURCES

READ_AT = 64


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--side", type=int, default=224)
    given = arguments.parse_args()
    images = np.stack([np.asarray(Image.fromarray(x_HWC).resize((given.side, given.side))) for x_HWC in IMAGES])
    with tempfile.TemporaryDirectory() as root:
        specs = {name: _spec(name, Path(root) / name.replace(" ", "_"), images) for name in SOURCES}
        # Rounds over all sources, so that a busy minute does not fall on one of them.
        rounds = [{name: _seconds(spec) for name, spec in specs.items()} for _ in range(given.rounds)]
    least = {name: min(each[name] for each in rounds) for name in specs}
    result = {
        "images": len(images),
        "side": given.side,
        "rounds": given.rounds,
        "cpu_seconds": {name: round(seconds, 3) for name, seconds in least.items()},
        "times_the_folder": {name: round(seconds / least["folder"], 2) for name, seconds in least.items()},
    }
    print(environment.write("data_sources", result).read_text())


def _spec(name: str, folder: Path, images: np.ndarray) -> DataSpec:
    folder.mkdir()
    return DataSpec(**{"image_size": READ_AT, **SOURCES[name](folder, images, split=False)})


def _seconds(spec: DataSpec) -> float:
    for module in (own_dataset, torchvision_sets):
        module.read.cache_clear()
    began = time.process_time()
    load(spec)
    return time.process_time() - began


if __name__ == "__main__":
    main()
