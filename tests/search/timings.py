"""Gives tests latencies without a clock: a model in the ledger, predicted prices, and figures that were "measured"."""

from dataclasses import replace

from search.results.objectives import Objective
from search.state.latency_facts import LatencyFact, LatencyModelFact
from tests.search import ledgers

LIMIT = 10.0
OBJECTIVES = (Objective(metric="accuracy"), Objective(metric="latency", limit=LIMIT))


def model(ledger, error):
    """Notes a model of latency whose predictions are wrong by ``error`` points on average."""
    fact = LatencyFact(LatencyModelFact((1, 2), {}, 10.0, error, 0.9, 20))
    ledger.note(ledger.facts.with_timed("latency", fact))


def figures(overhead):
    """What is measured of a placement that takes ``overhead`` percent more time than plain."""
    return {
        "latency_ms": 10 + overhead / 10,
        "latency_overhead": overhead,
        "latency_low": overhead - 0.5,
        "latency_high": overhead + 0.5,
    }


def measured(ledger, name, overhead):
    """Notes what was measured of a placement; None: its runtime refuses it."""
    fact = ledger.facts.timed["latency"]
    if overhead is None:
        fact = replace(fact, refused={**fact.refused, name: "refused"})
    else:
        fact = replace(fact, figures={**fact.figures, name: figures(overhead)})
    ledger.note(ledger.facts.with_timed("latency", fact))


def predicted(overhead):
    """The latency of a price, as a model predicts it."""
    return {"latency_ms": 10 + overhead / 10, "latency_overhead": overhead}


def trained(ledger, prepared, accuracies):
    """Architectures with 0, 1, 2, ... SE, each with the accuracy of its place."""
    for blocks, accuracy in enumerate(accuracies):
        member = next(a for a in prepared.space if sum(se is not None for se in a.blocks) == blocks)
        (entry,) = ledgers.enter(ledger, [0.0], keys=[member.key], names=[f"{blocks} SE"], **prepared.price(member))
        ledgers.train(ledger, entry, [accuracy + 0.01 * replicate for replicate in range(4)])
