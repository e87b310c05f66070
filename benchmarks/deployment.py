"""What does SE cost where a network runs? Eager, ONNX Runtime and OpenVINO, fp32 and INT8, beside plain in each form.

    python -m benchmarks.deployment [--seconds S] [--work FILE] [--networks NAME ...] [--finish]

A cell (network, placement, form) is a line of FILE as soon as it is measured, so a second call continues. The placement
`plain` is plain against plain: what the method finds where nothing differs. ``--finish`` writes
results/deployment.json. How well the additive model predicts each form: :mod:`benchmarks.additive_latency`.
Weights are random: they do not change the time. Networks take turns (plain, candidate, candidate, plain), each opened
again for every round, so other programs slow both; the load of the machine stands beside each cell. A pass of the small
network is shorter than a turn of the scheduler, so its time is that of the clock. A pass of the others is longer, so
theirs is the time of the processor (all threads of this process), from which the turns of other programs are left out.
"""

import argparse
import os
import time
from collections.abc import Callable
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import environment, json_lines
from senet_nas.costs import runtimes
from senet_nas.costs.runtimes import InRuntime
from senet_nas.costs.timing import compare
from senet_nas.network import published
from senet_nas.network.build import build, sites
from senet_nas.quantised import Refused
from senet_nas.recipe import LatencySpec
from spaces import Architecture

FORMS = (
    ("eager", "fp32"),
    ("onnxruntime", "fp32"),
    ("onnxruntime", "int8"),
    ("openvino", "fp32"),
    ("openvino", "int8"),
)
# The network of `configs/demo.yaml`, and three that people deploy. Image (C, H, W) and number of classes.
NETWORKS = {
    "cifar_resnet8": ((1, 8, 8), 10),
    "mobilenet_v3_large": ((3, 224, 224), 1000),
    "timm:efficientnet_b0": ((3, 224, 224), 1000),
    "resnet50": ((3, 224, 224), 1000),
}
# What authors published over these networks; timm's has its own SE, and SE-ResNet-50 is SE in every unit.
PUBLISHED = {"mobilenet_v3_large": "se_mobilenet_v3_large"}
PLACEMENTS = ("published", "all", "plain")
SE = {"reduction": "16", "squeeze": "avg", "excitation": "fc", "gate": "sigmoid"}
SMALL = {**SE, "reduction": "4"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="at most, for a cell; three rounds in any case")
    parser.add_argument("--work", type=Path, default=Path("deployment.jsonl"))
    parser.add_argument("--networks", nargs="*", default=[*NETWORKS], choices=NETWORKS)
    parser.add_argument("--finish", action="store_true")
    given = parser.parse_args()
    if given.finish:
        print(environment.write("deployment", summary(list(json_lines.read(given.work)))))
        return
    done = {(line["network"], line["placement"], line["form"]) for line in json_lines.read(given.work)}
    for network in given.networks:
        for form in FORMS:
            for placement in placements(network):
                if (network, placement, " ".join(form)) not in done:
                    json_lines.append(given.work, cell(network, placement, form, given.seconds))
            kept.cache_clear()


def placements(network: str) -> list[str]:
    """As published where somebody did, SE in every unit, and plain against itself."""
    keys = {placement: key_of(network, placement) for placement in PLACEMENTS}
    return [placement for placement, key in keys.items() if key]


def key_of(network: str, placement: str) -> str:
    """The architecture of a placement; empty if nobody published one."""
    se = SMALL if network.startswith("cifar") else SE
    if placement == "plain":
        return Architecture.plain(network, len(sites(network))).key
    if placement == "published" and network in PUBLISHED:
        return published.find(PUBLISHED[network], "all", se).key
    if placement == "published" and not network.startswith("timm:"):
        return ""
    return published.find(network, placement, se).key


def cell(network: str, placement: str, form: tuple[str, str], seconds: float) -> dict[str, Any]:
    """One line: time over that of plain in the same form, and sizes."""
    began = time.perf_counter()
    line: dict[str, Any] = {"network": network, "placement": placement, "form": " ".join(form)}
    line["architecture"] = key_of(network, placement)
    try:
        plain = kept(network, key_of(network, "plain"), form)
        candidate = plain if placement == "plain" else kept(network, line["architecture"], form)
        clock = clock_of(network)
        found = compare(plain.make, candidate.make, seconds=seconds, clock=clock)
        line["clock"] = clock.__name__
        line |= {name: round(value, 5) for name, value in found.to_dict().items()}
        line["size"] = candidate.deployed.size
    except Refused as refused:
        line["refused"] = str(refused)
    return {**line, "load": round(os.getloadavg()[0], 1), "wall_seconds": round(time.perf_counter() - began, 1)}


@cache
def kept(network: str, key: str, form: tuple[str, str]) -> InRuntime:
    """A network in a runtime. Files are written once, and opened for every round."""
    shape, classes = NETWORKS[network]
    make = partial(build, key, in_channels=shape[0], num_classes=classes)
    return InRuntime(make, form[0], runtimes.wanted(shape, spec_of(form)))


def clock_of(network: str) -> Callable[[], float]:
    """What times the passes of a network: see the first lines of this file."""
    return time.perf_counter if network.startswith("cifar") else time.process_time


def spec_of(form: tuple[str, str]) -> LatencySpec:
    runtime, precision = form
    settings: dict[str, Any] = {"runtime": runtime, "precision": precision}
    return LatencySpec(device="cpu", threads=1, batch=1, **settings)


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "versions": {name: version(name) for name in ("onnxruntime", "openvino", "nncf")},
        "threads": 1,
        "batch": 1,
        "cells": found,
    }


if __name__ == "__main__":
    main()
