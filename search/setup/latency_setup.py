"""Latency in a search: predicted for every architecture before training, measured again for the reported ones.

Both happen while nothing trains, so that nothing of ours disturbs the clock. What was found is noted in the ledger: a
resumed run prices as the first session did.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any

from search.config import Experiment
from search.results.result import Front
from search.setup.experiment_setup import Prepared
from search.state.facts import Facts, LatencyModelFact
from search.state.ledger import Ledger
from senet_nas.costs.measures import LATENCY
from spaces.architecture import Architecture
from spaces.errors import UserError

if TYPE_CHECKING:
    from senet_nas.costs.latency_model import LatencyModel
    from senet_nas.costs.timing import Call, Comparison

# What is reported is worth more time than what only guides the search.
PATIENCE = 5


def is_wanted(experiment: Experiment) -> bool:
    return any(objective.metric == LATENCY.name for objective in experiment.objectives)


def predicted(prepared: Prepared, ledger: Ledger, say: Callable[[str], None]) -> Prepared:
    """With the latency of every architecture in its price, by a model of some dozens that are timed now.

    As it is where no objective asks for it. Raises UserError where a network cannot be built or timed here.
    """
    if not is_wanted(prepared.experiment):
        return prepared
    if prepared.data is None:
        raise UserError(
            "latency cannot be an objective over a table: its networks are not here to be timed",
            hint="use params or macs",
        )
    from senet_nas.costs.latency_model import LatencyModel

    noted = ledger.facts.latency_model
    if noted is None:
        noted = LatencyModelFact(**asdict(_modelled(prepared, say)), measured_on=_fingerprint(prepared))
        ledger.note(Facts(latency_model=noted))
    known = {field.name: getattr(noted, field.name) for field in fields(LatencyModel)}
    model = LatencyModel(**known)
    counted = prepared.price
    return replace(prepared, price=lambda architecture: {**counted(architecture), **model.of(architecture)})


def measured(prepared: Prepared, ledger: Ledger, front: Front, say: Callable[[str], None]) -> None:
    """Times each reported point that was not timed yet, alone beside plain, and notes the result in the ledger."""
    if not is_wanted(prepared.experiment):
        return
    found: dict[str, Mapping[str, float]] = dict(ledger.facts.latency or {})
    named = {point.id for point in front.members} | {front.recommended, *([front.likely] if front.likely else ())}
    missing = sorted(named - found.keys() - {front.plain.id})
    if missing:
        say(f"timing {len(missing)} reported architectures, each alone beside plain")
    for name in missing:
        found[name] = _figures(_compare(prepared, ledger.entries[front[name].number].architecture, PATIENCE))
        ledger.note(Facts(latency=dict(found)))


# -- inside -----------------------------------------------------------------------------------------------------------


def _modelled(prepared: Prepared, say: Callable[[str], None]) -> "LatencyModel":
    from senet_nas.costs.latency_model import TRUSTED, Timed, fit, sample

    spec = prepared.experiment.latency
    chosen = sample(prepared.space, spec.samples, random.Random(prepared.experiment.search.seed))
    say(f"timing {len(chosen)} architectures beside plain, {spec.seconds:g} s each at most, to predict all others")
    found = [(architecture, _compare(prepared, architecture)) for architecture in chosen]
    timed = [Timed(architecture, c.overhead, 100 * c.half_width) for architecture, c in found]
    plain_ms = sorted(c.plain_ms for _, c in found)[len(found) // 2]
    model = fit(prepared.space.sites, timed, plain_ms)
    say(
        f"latency: plain {plain_ms:.3g} ms; predicted within {model.error:.2f} % on average on architectures left out "
        f"(n = {model.n}, rank correlation {model.tau:.2f})"
    )
    if not model.is_trusted:
        say(
            f"latency is not predicted within {TRUSTED:g} % here (a busy machine, or costs that do not add up): "
            "trust what is measured at the end; more latency.seconds help"
        )
    return model


def _compare(prepared: Prepared, architecture: Architecture, patience: float = 1.0) -> "Comparison":
    from senet_nas.costs import runtimes, timing
    from senet_nas.network.build import build

    spec = prepared.experiment.latency
    data = prepared.images

    def make(key: Architecture) -> "Call":
        network = build(key, in_channels=data.channels, num_classes=len(data.classes))
        return runtimes.forward(network, data.shape, spec)

    plain = Architecture.plain(architecture.backbone, len(architecture.blocks))
    with runtimes.threads(spec.threads):
        return timing.compare(lambda: make(plain), lambda: make(architecture), seconds=patience * spec.seconds)


def _figures(found: "Comparison") -> dict[str, float]:
    """The latency in ms, and its overhead in percent over plain with its interval, by the columns of a point."""
    low, high = LATENCY.interval
    return {
        LATENCY.column: found.candidate_ms,
        LATENCY.overhead: found.overhead,
        low: 100 * (found.low - 1),
        high: 100 * (found.high - 1),
    }


def _fingerprint(prepared: Prepared) -> dict[str, Any]:
    from senet_nas.costs.runtimes import fingerprint

    return dict(fingerprint(prepared.experiment.latency))
