"""How well does the additive model predict latency in each runtime? Judged on architectures that it has not seen.

    python -m benchmarks.additive_latency [--seconds S] [--work FILE] [--forms NAME ...] [--finish]

The network of `configs/demo.yaml` with random placements of SE: FITTED of them are timed beside plain to fit the model
that a search uses, UNSEEN others to judge it. A timed architecture is a line of FILE as soon as it is known, so a
second call continues. ``--finish`` writes results/additive_latency.json; `python -m benchmarks.deployment_page` then
writes the table. With the default of 1 second, eager takes a minute and each other form 2 to 3 minutes on a free core.
"""

import argparse
import os
import random
import time
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import environment, json_lines
from benchmarks.deployment import FORMS, NETWORKS, clock_of, kept, key_of, spec_of
from senet_nas.costs import latency_model, runtimes
from senet_nas.costs.runtimes import InRuntime
from senet_nas.costs.timing import compare
from senet_nas.network.build import build, sites
from senet_nas.quantised import Refused
from spaces import Architecture, Space, SpaceSpec

NETWORK = "cifar_resnet8"
SPACE = SpaceSpec(granularity="block", tie=(), reduction=(2, 4), squeeze=("avg", "max", "std"), gate=("sigmoid",))
FITTED = 24
UNSEEN = 20
NAMES = tuple(" ".join(form) for form in FORMS)
Line = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="at most, for an architecture; three rounds in any case"
    )
    parser.add_argument("--work", type=Path, default=Path("additive_latency.jsonl"))
    parser.add_argument("--forms", nargs="*", default=NAMES, choices=NAMES)
    parser.add_argument("--finish", action="store_true")
    given = parser.parse_args()
    if given.finish:
        print(environment.write("additive_latency", summary(list(json_lines.read(given.work)))))
        return
    for name in given.forms:
        done = {line["architecture"] for line in json_lines.read(given.work) if line["form"] == name}
        for key in architectures():
            if key not in done:
                json_lines.append(given.work, timed(key, name, given.seconds))
        kept.cache_clear()


def architectures() -> list[str]:
    """The architectures that are timed in each form: those that are fitted, then those that are not seen."""
    space = Space(NETWORK, sites(NETWORK), SPACE)
    return [each.key for each in latency_model.sample(space, FITTED + UNSEEN, random.Random(0))]


def timed(key: str, name: str, seconds: float) -> Line:
    """A line: the time of an architecture over that of plain in a form, in turns."""
    began = time.perf_counter()
    form = FORMS[NAMES.index(name)]
    shape, classes = NETWORKS[NETWORK]
    line: Line = {"form": name, "architecture": key}
    try:
        plain = kept(NETWORK, key_of(NETWORK, "plain"), form)
        make = partial(build, key, in_channels=shape[0], num_classes=classes)
        candidate = InRuntime(make, form[0], runtimes.wanted(shape, spec_of(form)))
        found = compare(plain.make, candidate.make, seconds=seconds, clock=clock_of(NETWORK))
    except Refused as refused:
        return {**line, "refused": str(refused)}
    line |= {"overhead": round(found.overhead, 3), "half_width": round(100 * found.half_width, 3)}
    line |= {"plain_ms": round(found.plain_ms, 5), "load": round(os.getloadavg()[0], 1)}
    return {**line, "wall_seconds": round(time.perf_counter() - began, 1)}


def summary(lines: Sequence[Line]) -> dict[str, Any]:
    """How well the model of each form predicts, for forms of which all architectures are timed."""
    found = {}
    order = architectures()
    for name in NAMES:
        by_key = {line["architecture"]: line for line in lines if line["form"] == name and "refused" not in line}
        if len(by_key) == len(order):
            found[name] = judged([by_key[key] for key in order])
    versions = {package: version(package) for package in ("onnxruntime", "openvino", "nncf")}
    return {"network": NETWORK, "fitted": FITTED, "unseen": UNSEEN, "versions": versions, "forms": found}


def judged(lines: Sequence[Line]) -> dict[str, Any]:
    """The error of the model on what it has not seen, in percentage points of overhead, and the order that it gives.

    ``alone`` is the mean half-width of the intervals of the unseen overheads: what time itself does not know.
    """
    known = [
        latency_model.Timed(Architecture.parse(line["architecture"]), line["overhead"], line["half_width"])
        for line in lines
    ]
    model = latency_model.fit(sites(NETWORK), known[:FITTED], lines[0]["plain_ms"])
    unseen = known[FITTED:]
    truth_N = np.array([each.overhead for each in unseen])
    guess_N = np.array([model.overhead(each.architecture) for each in unseen])
    return {
        "error": round(float(np.abs(guess_N - truth_N).mean()), 2),
        "worst": round(float(np.abs(guess_N - truth_N).max()), 2),
        "alone": round(float(np.mean([each.half_width for each in unseen])), 2),
        "left_out_error": round(model.error, 2),
        "is_trusted": model.is_trusted,
        "tau": round(latency_model.tau(guess_N, truth_N), 2),
        "overheads": [round(float(truth_N.min()), 1), round(float(truth_N.max()), 1)],
        "load": round(float(np.mean([line["load"] for line in lines])), 1),
        "minutes": round(sum(line["wall_seconds"] for line in lines) / 60, 1),
    }


if __name__ == "__main__":
    main()
