"""Latency in a search: predicted for every architecture, by a model of some dozens that are timed before training.

The model is noted in the ledger: a resumed run prices as the first session did.
"""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any

from search.config import ConfigError, Experiment
from search.setup.experiment_setup import Prepared
from search.setup.wanted_latencies import wanted
from search.state.latency_facts import LatencyFact, LatencyModelFact
from search.state.ledger import Ledger
from senet_nas.costs.measures import Measure, find
from senet_nas.deploy import runtime_table
from senet_nas.recipe import LatencySpec
from spaces.architecture import Architecture
from spaces.errors import UserError

if TYPE_CHECKING:
    from senet_nas.costs.latency_model import LatencyModel
    from senet_nas.costs.timed_pair import Pair

# On a GPU, smaller batches are bound by launches.
LARGE_BATCH = 32
# A latency by the name of its objective.
Named = tuple[str, LatencySpec]


def launches(experiment: Experiment) -> str:
    """A caution about a latency that is that of launches: of small batches on a GPU, one kernel after the other."""
    from senet_nas.costs import runtimes

    for name, spec in wanted(experiment).items():
        is_launched = spec.runtime == "eager" and spec.batch < LARGE_BATCH
        if is_launched and runtimes.device_of(spec).type == "cuda":
            return (
                f"{name} is timed in eager: on a GPU, a batch of {spec.batch} takes as long as the host needs to "
                "launch its kernels, whatever they compute; use the runtime cudagraph, or a larger batch"
            )
    return ""


def doubles(experiment: Experiment) -> str:
    """A caution about two latencies that are timed in the same way; empty without any."""
    first: dict[tuple[object, ...], str] = {}
    for name, spec in wanted(experiment).items():
        form = (spec.runtime, spec.number_format, spec.batch, spec.threads, spec.device)
        if form in first:
            return f"{name} is timed in the same way as {first[form]}; keep one of them"
        first[form] = name
    return ""


def check(experiment: Experiment) -> None:
    """Raises ConfigError with every latency whose runtime or device is not here, or does not know its precision."""
    from senet_nas.costs import runtimes

    problems = []
    for name, spec in wanted(experiment).items():
        try:
            runtime_table.check(spec.runtime, spec.number_format)
            runtimes.device_of(spec)
        except UserError as error:
            key = error.key if name == "latency" else _key(experiment, name)
            problems.append((experiment.problem_at(key, error.message, error.hint), error.code))
    if problems:
        raise ConfigError([problem for found, _ in problems for problem in found.problems], code=problems[0][1])


def predicted(prepared: Prepared, ledger: Ledger, say: Callable[[str], None]) -> Prepared:
    """With the latency of every architecture in its price, by a model of some dozens that are timed now.

    As it is where no objective asks for it. Raises UserError where a network cannot be built or timed here.
    """
    specs = wanted(prepared.experiment)
    if not specs:
        return prepared
    if prepared.data is None:
        raise UserError(
            "latency cannot be an objective over a table: its networks are not here to be timed",
            hint="use params or macs",
        )
    check(prepared.experiment)
    models = [(measure_of(name), _noted_model(prepared, ledger, name, spec, say)) for name, spec in specs.items()]
    counted = prepared.price

    def price(architecture: Architecture) -> dict[str, float]:
        found = dict(counted(architecture))
        for measure, model in models:
            found |= model.of(architecture, measure)
        return found

    return replace(prepared, price=price)


def modelling_seconds(prepared: Prepared, clock: Callable[[], float] = time.perf_counter) -> float:
    """About how long it takes to time the architectures that predict the others, measured with plain beside itself.

    However short ``latency.seconds`` is, each is written and opened for its runtime. Raises UserError if a runtime
    refuses plain.
    """
    from senet_nas.costs import timed_pair

    total = 0.0
    for name, spec in wanted(prepared.experiment).items():
        plain = Architecture.plain(prepared.space.backbone, len(prepared.space.sites))
        with timed_pair.process_for(spec) as ask:
            ask(timed_pair.warmed_up, spec)
            began = clock()
            timed = ask(timed_pair.compared, pair(prepared, spec, plain, patience=0.0))
            least = clock() - began
        if isinstance(timed, str):
            raise _refused(name, timed)
        total += len(_sample(prepared, spec)) * max(least, spec.seconds)
    return total


def measure_of(name: str) -> Measure:
    """The row of a latency in the table of costs."""
    found = find(name)
    assert found is not None, name
    return found


def pair(prepared: Prepared, spec: LatencySpec, architecture: Architecture, patience: float = 1.0) -> "Pair":
    """What is timed: an architecture beside plain, for ``patience`` times the ``latency.seconds``."""
    from senet_nas.costs.timed_pair import Pair

    data = prepared.images
    return Pair(
        plain=Architecture.plain(architecture.backbone, len(architecture.blocks)).key,
        candidate=architecture.key,
        shape=tuple(data.shape),
        classes=len(data.classes),
        spec=spec,
        seconds=patience * spec.seconds,
        base=str(prepared.experiment.base.resolve()),
    )


# -- inside -----------------------------------------------------------------------------------------------------------


def _key(experiment: Experiment, name: str) -> str:
    """Where a config names a further latency."""
    return f"objectives.{[objective.metric for objective in experiment.objectives].index(name)}.metric"


def _sample(prepared: Prepared, spec: LatencySpec) -> list[Architecture]:
    """The architectures that are timed to predict the others."""
    from senet_nas.costs.latency_model import sample

    return sample(prepared.space, spec.samples, random.Random(prepared.experiment.search.seed))


def _refused(name: str, text: str) -> UserError:
    return UserError(f"{name} cannot be timed: the network is {text}", hint="use another runtime", key="objectives")


def _noted_model(
    prepared: Prepared, ledger: Ledger, name: str, spec: LatencySpec, say: Callable[[str], None]
) -> "LatencyModel":
    """The model of a latency: as the ledger has it, or measured now and noted."""
    from senet_nas.costs.latency_model import LatencyModel

    noted = ledger.facts.timed.get(name)
    if noted is None:
        model, here = _modelled(prepared, (name, spec), say)
        noted = LatencyFact(LatencyModelFact(**asdict(model), measured_on=here))
        ledger.note(ledger.facts.with_timed(name, noted))
    known = {field.name: getattr(noted.model, field.name) for field in fields(LatencyModel)}
    return LatencyModel(**known)


def _modelled(prepared: Prepared, named: Named, say: Callable[[str], None]) -> tuple["LatencyModel", Mapping[str, Any]]:
    """The model of latency, and the machine that it was measured on."""
    from senet_nas.costs import runtimes, timed_pair
    from senet_nas.costs.latency_model import TRUSTED, Timed, fit

    name, spec = named
    chosen = _sample(prepared, spec)
    say(f"{name}: timing {len(chosen)} architectures beside plain, {spec.seconds:g} s each at most, to predict others")
    with timed_pair.process_for(spec) as ask:
        asked = [
            (architecture, ask(timed_pair.compared, pair(prepared, spec, architecture))) for architecture in chosen
        ]
        here = ask(runtimes.fingerprint, spec)
    refused = {architecture.key: text for architecture, text in asked if isinstance(text, str)}
    found = [(architecture, c) for architecture, c in asked if not isinstance(c, str)]
    _say_refused(refused, len(asked), name, say)
    timed = [Timed(architecture, c.overhead, 100 * c.half_width) for architecture, c in found]
    plain_ms = sorted(c.plain_ms for _, c in found)[len(found) // 2]
    model = fit(prepared.space.sites, timed, plain_ms)
    say(
        f"{name}: plain {plain_ms:.3g} ms; predicted within {model.error:.2f} % on average on architectures left out "
        f"(n = {model.n}, rank correlation {model.tau:.2f})"
    )
    if not model.is_trusted:
        say(
            f"{name} is not predicted within {TRUSTED:g} % here (a busy machine, or costs that do not add up): "
            "what the result rests on is measured, before a confirmation under a limit and at the end; "
            "more latency.seconds help"
        )
    return model, here


def _say_refused(refused: Mapping[str, str], asked: int, name: str, say: Callable[[str], None]) -> None:
    """Raises UserError if nothing could be timed: then plain is refused, too."""
    if not refused:
        return
    key, text = next(iter(refused.items()))
    if len(refused) == asked:
        raise _refused(name, text)
    say(f"{name}: {len(refused)} of {asked} architectures are refused, for example {key}: {text}")
