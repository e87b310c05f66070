"""Can latency be believed? Plain against plain, a planted slowdown, the additive model on unseen architectures.

    python -m benchmarks.latency [--seconds S] [--backbone NAME] [--samples N] [--unseen N] [--only FIGURE ...]

Run it on a quiet machine: what else runs is in the figures. Figures that are not asked for stay as the file has them.
"""

import argparse
import random
import time
from typing import Any

import numpy as np

from benchmarks import environment
from senet_nas.costs import latency_model
from senet_nas.costs.latency_model import Timed
from senet_nas.costs.runtimes import fingerprint, forward, threads
from senet_nas.costs.timing import Call, Comparison, Make, compare
from senet_nas.network.build import build, sites
from senet_nas.recipe import LatencySpec
from spaces import Architecture, Space, SpaceSpec

IMAGE, CLASSES, PLANTED = (3, 32, 32), 10, 0.05
SPEC = LatencySpec(device="cpu")
SPACE = SpaceSpec(
    granularity="block",
    tie=(),
    reduction=(4, 16),
    squeeze=("avg", "max", "avgmax", "std"),
    position=("pre_addition", "post_addition", "pre_unit", "identity"),
    gate=("sigmoid", "hard_sigmoid"),
)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--backbone", default="cifar_resnet20")
    arguments.add_argument("--seconds", type=float, default=60.0, help="at most, for a figure")
    arguments.add_argument("--samples", type=int, default=SPEC.samples)
    arguments.add_argument("--unseen", type=int, default=20)
    arguments.add_argument("--only", nargs="*", choices=FIGURES, default=[*FIGURES])
    given = arguments.parse_args()
    space = Space(given.backbone, sites(given.backbone), SPACE)
    result = environment.read("latency") | {
        "measured_on": fingerprint(SPEC),
        "backbone": given.backbone,
        "image": IMAGE,
        "planted": PLANTED,
    }
    with threads(SPEC.threads):
        for name in given.only:
            result[name] = FIGURES[name](space, given)
    print(environment.write("latency", result).read_text())


def same(space: Space, given: argparse.Namespace) -> list[dict[str, float]]:
    return told([compare(plain(space), plain(space), seconds=given.seconds) for _ in range(5)])


def slow(space: Space, given: argparse.Namespace) -> list[dict[str, float]]:
    return told([compare(plain(space), slowed(plain(space)), seconds=given.seconds) for _ in range(3)])


def plain(space: Space) -> Make:
    return network(Architecture.plain(space.backbone, len(space.sites)))


def network(architecture: Architecture) -> Make:
    return lambda: forward(build(architecture, num_classes=CLASSES), IMAGE, SPEC)


def slowed(make: Make) -> Make:
    """The same, and after each call idle work for a share of what a call takes: a median of many, in ten makings."""
    extra = PLANTED * float(np.median([took(make()) for _ in range(10)]))

    def made() -> Call:
        call = make()

        def slower() -> None:
            call()
            end = time.perf_counter() + extra
            while time.perf_counter() < end:
                pass

        return slower

    return made


def took(call: Call) -> float:
    """Median seconds of a call, of fifty."""
    marks = [time.perf_counter()]
    for _ in range(50):
        call()
        marks.append(time.perf_counter())
    return float(np.median(np.diff(marks)))


def additive(space: Space, given: argparse.Namespace) -> dict[str, Any]:
    """The model fitted on some architectures, judged on others; these are timed three times as long."""
    rng, samples, unseen = random.Random(0), given.samples, given.unseen
    reference = plain(space)
    began = time.perf_counter()
    timed = []
    for architecture in latency_model.sample(space, samples, rng):
        found = compare(reference, network(architecture), seconds=SPEC.seconds)
        timed.append(Timed(architecture, found.overhead, 100 * found.half_width))
    model = latency_model.fit(space.sites, timed, found.plain_ms)
    fitted = time.perf_counter() - began
    known = {t.architecture for t in timed}
    others = [a for a in latency_model.sample(space, unseen + samples, rng) if a not in known][:unseen]
    found_N = [compare(reference, network(a), seconds=3 * SPEC.seconds, precision=0.005) for a in others]
    ratio_N = np.array([found.ratio for found in found_N])
    guess_N = np.array([1 + model.overhead(a) / 100 for a in others])
    return {
        "fitted_on": len(timed),
        "seconds": round(fitted, 1),
        "left_out_error_percent": round(model.error, 2),
        "unseen": len(others),
        "mean_absolute_error_percent": round(100 * float(np.abs(guess_N - ratio_N).mean()), 2),
        "rank_correlation": round(spearman(guess_N, ratio_N), 3),
        "kendall_tau": round(latency_model.tau(guess_N, ratio_N), 3),
        "overheads_percent": [round(100 * (float(r) - 1), 2) for r in np.sort(ratio_N)],
        "half_width_percent": round(100 * float(np.mean([found.half_width for found in found_N])), 2),
    }


def spearman(a_N: Any, b_N: Any) -> float:
    return float(np.corrcoef(*(values.argsort().argsort() for values in (a_N, b_N)))[0, 1])


def told(found: list[Comparison]) -> list[dict[str, float]]:
    return [{name: round(value, 4) for name, value in each.to_dict().items()} for each in found]


FIGURES = {"plain_against_plain": same, "planted_found": slow, "additive_model": additive}


if __name__ == "__main__":
    main()
