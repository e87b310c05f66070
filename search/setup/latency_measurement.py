"""Latency that is measured: of a placement before it is confirmed, and of all on which the result rests at the end.

Both happen while nothing trains, so that nothing of ours disturbs the clock. The figures are noted in the ledger one by
one: an interrupted run continues with those that it lacks.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from search.results.decisive import decisive
from search.setup.experiment_setup import Prepared
from search.setup.latency_setup import Named, measure_of, pair
from search.setup.opened_run import rules
from search.setup.wanted_latencies import wanted
from search.state.latency_facts import LatencyFact, LatencyModelFact
from search.state.ledger import Ledger
from search.state.records import architecture_name
from senet_nas.costs.measures import Measure
from spaces.text import plural

if TYPE_CHECKING:
    from senet_nas.costs.timing import Comparison

# What is reported is worth more time than what only guides the search.
PATIENCE = 5
# Placements that are timed at the end of a run. The others keep their predicted latency.
MOST = 32

Say = Callable[[str], None]


def measured(prepared: Prepared, ledger: Ledger, say: Say) -> None:
    """Times the placements on which the result rests, alone beside plain, and notes the figures in the ledger.

    A figure may change which placements these are. So they are found again until all are timed, or MOST of them.
    Figures from another machine, or another GPU, are measured again: they cannot stand beside those of this one.
    """
    specs = wanted(prepared.experiment)
    left = MOST
    missing = decisive(ledger, rules(prepared.experiment)) if specs else []
    while missing and left:
        left -= max(_measure_all(prepared, ledger, named, missing, left, say) for named in specs.items())
        missing = [name for name in decisive(ledger, rules(prepared.experiment)) if _lacks(ledger, specs, name)]
    if missing:
        say(_left_over(len(missing)))


def measured_before_confirmation(
    prepared: Prepared, ledger: Ledger, number: int, names: Sequence[str], say: Say
) -> None:
    """Times the architecture of a number for the latencies of these names, and notes the figures in the ledger."""
    specs = wanted(prepared.experiment)
    name = architecture_name(number)
    for latency in names:
        _measure_all(prepared, ledger, (latency, specs[latency]), [name], 1, say)
        figures = ledger.facts.timed[latency].figures.get(name)
        if figures is not None:
            say(_compared(prepared, ledger.entries[number].price, figures, measure_of(latency), name))


# -- inside -----------------------------------------------------------------------------------------------------------


def _measure_all(prepared: Prepared, ledger: Ledger, named: Named, names: Sequence[str], most: int, say: Say) -> int:
    """Times those architectures (``a3``) of ``names`` that were not timed yet, at most so many. Their number."""
    from senet_nas.costs import runtimes, timed_pair

    latency, spec = named
    entries = {entry.name: entry for entry in ledger.entries}
    with timed_pair.process_for(spec) as ask:
        here = ask(runtimes.fingerprint, spec)
        found = _of_here(ledger, latency, here, say)
        missing = [name for name in names if not found.has(name)][:most]
        if missing:
            say(f"{latency}: timing {', '.join(missing)}, {'each ' if len(missing) > 1 else ''}alone beside plain")
        for name in missing:
            timed = ask(timed_pair.compared, pair(prepared, spec, entries[name].architecture, PATIENCE))
            found = _with(found, name, timed, latency)
            if isinstance(timed, str):
                say(f"{name}: {timed}")
            ledger.note(ledger.facts.with_timed(latency, replace(found, measured_on=here)))
    return len(missing)


def _left_over(count: int) -> str:
    keep = "keeps its" if count == 1 else "keep their"
    were = "was" if MOST == 1 else "were"
    return (
        f"{plural(count, 'more placement')} {keep} predicted latency, although the result may rest on it; "
        f"{MOST} {were} measured"
    )


def _lacks(ledger: Ledger, latencies: Iterable[str], name: str) -> bool:
    """Whether one of these latencies of an architecture is still a prediction."""
    return not all(ledger.facts.timed[latency].has(name) for latency in latencies)


def _compared(
    prepared: Prepared, price: Mapping[str, float], figures: Mapping[str, float], measure: Measure, name: str
) -> str:
    """What was measured of an architecture, beside what was predicted and the limit."""
    low, high = (figures[column] for column in measure.interval)
    (limit,) = (o.limit for o in prepared.experiment.objectives if o.metric == measure.name)
    assert limit is not None
    close = ", which is in this interval: more latency.seconds narrow it" if low <= limit <= high else ""
    return (
        f"{measure.name}: {name} takes {figures[measure.overhead]:+.1f} % [{low:+.1f}, {high:+.1f}] over plain; "
        f"{price[measure.overhead]:+.1f} % was predicted, and the limit is {limit:g} %{close}"
    )


def _with(found: LatencyFact, name: str, timed: "Comparison | str", latency: str) -> LatencyFact:
    """What was measured, with one more architecture: its figures, or why its runtime refuses it."""
    if isinstance(timed, str):
        return replace(found, refused={**found.refused, name: timed})
    return replace(found, figures={**found.figures, name: _figures(timed, measure_of(latency), found.model)})


def _of_here(ledger: Ledger, latency: str, here: Mapping[str, Any], say: Say) -> LatencyFact:
    """What was measured on a machine like this one. Figures of another one leave the ledger."""
    fact = ledger.facts.timed[latency]
    there = fact.measured_on or fact.model.measured_on
    if (fact.figures or fact.refused) and not _is_same(there, here):
        say(f"latency was measured on {_named(there)}, and this is {_named(here)}: all of it is measured again")
        fact = replace(fact, figures={}, refused={}, measured_on=here)
        ledger.note(ledger.facts.with_timed(latency, fact))
    return fact


def _is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two measurements are of the same kind of machine; what was not noted is no difference."""
    return all(one.get(key, other.get(key)) == other.get(key) for key in ("device", "name"))


def _named(machine: Mapping[str, Any]) -> str:
    return f"{machine.get('name', 'an unknown processor')} ({machine.get('device', 'cpu')})"


def _figures(found: "Comparison", measure: Measure, model: LatencyModelFact) -> dict[str, float]:
    """The latency in ms, and its overhead in percent over plain with its interval, by the columns of a point.

    The latency is that of plain in the model, times the measured ratio. The machine may have been busier or idler when
    the model was fitted, and milliseconds in one column must compare.
    """
    low, high = measure.interval
    return {
        measure.column: model.plain_ms * (1 + found.overhead / 100),
        measure.overhead: found.overhead,
        low: 100 * (found.low - 1),
        high: 100 * (found.high - 1),
    }
