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
    from senet_nas.costs.timed_pair import Pair
    from senet_nas.costs.timing import Comparison

# What is reported is worth more time than what only guides the search.
PATIENCE = 5
# On a GPU, smaller batches are bound by launches.
LARGE_BATCH = 32


def is_wanted(experiment: Experiment) -> bool:
    return any(objective.metric == LATENCY.name for objective in experiment.objectives)


def launches(experiment: Experiment) -> str:
    """A caution about a latency that is that of launches: of small batches on a GPU, one kernel after the other."""
    spec = experiment.latency
    if not is_wanted(experiment) or spec.runtime != "eager" or spec.batch >= LARGE_BATCH:
        return ""
    from senet_nas.costs import runtimes

    if runtimes.device_of(spec).type != "cuda":
        return ""
    return (
        f"latency.runtime is eager: on a GPU, a batch of {spec.batch} takes as long as the host needs to launch its "
        "kernels, whatever they compute; use `latency.runtime: cudagraph`, or a larger latency.batch"
    )


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
        model, here = _modelled(prepared, say)
        noted = LatencyModelFact(**asdict(model), measured_on=here)
        ledger.note(Facts(latency_model=noted))
    known = {field.name: getattr(noted, field.name) for field in fields(LatencyModel)}
    model = LatencyModel(**known)
    counted = prepared.price
    return replace(prepared, price=lambda architecture: {**counted(architecture), **model.of(architecture)})


def measured(prepared: Prepared, ledger: Ledger, front: Front, say: Callable[[str], None]) -> None:
    """Times each reported point that was not timed yet, alone beside plain, and notes the result in the ledger.

    Figures from another machine, or another GPU, are measured again: they cannot stand beside those of this one.
    """
    if not is_wanted(prepared.experiment):
        return
    from senet_nas.costs import runtimes, timed_pair

    named = {point.id for point in front.members} | {front.recommended, *([front.likely] if front.likely else ())}
    with timed_pair.process_for(prepared.experiment.latency) as ask:
        here = ask(runtimes.fingerprint, prepared.experiment.latency)
        found = _figures_of(ledger.facts, here, say)
        missing = sorted(named - found.keys() - {front.plain.id})
        if missing:
            say(f"timing {len(missing)} reported architectures, each alone beside plain")
        for name in missing:
            architecture = ledger.entries[front[name].number].architecture
            found[name] = _figures(ask(timed_pair.compared, _pair(prepared, architecture, PATIENCE)))
            ledger.note(Facts(latency=dict(found), latency_on=here))


# -- inside -----------------------------------------------------------------------------------------------------------


def _figures_of(facts: Facts, here: Mapping[str, Any], say: Callable[[str], None]) -> dict[str, Mapping[str, float]]:
    """The figures that were measured on a machine like this one."""
    model = facts.latency_model
    there = facts.latency_on or (model.measured_on if model else {})
    if facts.latency and not _is_same(there, here):
        say(f"latency was measured on {_named(there)}, and this is {_named(here)}: all of it is measured again")
        return {}
    return dict(facts.latency or {})


def _is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two measurements are of the same kind of machine; what was not noted is no difference."""
    return all(one.get(key, other.get(key)) == other.get(key) for key in ("device", "name"))


def _named(machine: Mapping[str, Any]) -> str:
    return f"{machine.get('name', 'an unknown processor')} ({machine.get('device', 'cpu')})"


def _modelled(prepared: Prepared, say: Callable[[str], None]) -> tuple["LatencyModel", Mapping[str, Any]]:
    """The model of latency, and the machine that it was measured on."""
    from senet_nas.costs import runtimes, timed_pair
    from senet_nas.costs.latency_model import TRUSTED, Timed, fit, sample

    spec = prepared.experiment.latency
    chosen = sample(prepared.space, spec.samples, random.Random(prepared.experiment.search.seed))
    say(f"timing {len(chosen)} architectures beside plain, {spec.seconds:g} s each at most, to predict all others")
    with timed_pair.process_for(spec) as ask:
        found = [(architecture, ask(timed_pair.compared, _pair(prepared, architecture))) for architecture in chosen]
        here = ask(runtimes.fingerprint, spec)
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
    return model, here


def _pair(prepared: Prepared, architecture: Architecture, patience: float = 1.0) -> "Pair":
    from senet_nas.costs.timed_pair import Pair

    data = prepared.images
    spec = prepared.experiment.latency
    return Pair(
        plain=Architecture.plain(architecture.backbone, len(architecture.blocks)).key,
        candidate=architecture.key,
        shape=tuple(data.shape),
        classes=len(data.classes),
        spec=spec,
        seconds=patience * spec.seconds,
        base=str(prepared.experiment.base.resolve()),
    )


def _figures(found: "Comparison") -> dict[str, float]:
    """The latency in ms, and its overhead in percent over plain with its interval, by the columns of a point."""
    low, high = LATENCY.interval
    return {
        LATENCY.column: found.candidate_ms,
        LATENCY.overhead: found.overhead,
        low: 100 * (found.low - 1),
        high: 100 * (found.high - 1),
    }
