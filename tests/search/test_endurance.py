"""Hundreds of trainings in one process: what the driver holds on to must be its ledger, and nothing else."""

import gc
import tracemalloc
from pathlib import Path

import pytest

from search.execute import worker
from search.loop import Loop
from search.planning.optuna_study import Proposer
from search.planning.planner import Budget
from search.planning.priced_space import PricedSpace
from search.results.objectives import DEFAULT
from search.results.result import Rules
from search.state.ledger import Ledger
from senet_nas.recipe import Report

# Bytes that a finished training may keep in memory: its row, its proposal, its Optuna trial.
PER_TRAINING = 24_000


def price(architecture):
    hidden = sum(se.hidden for se in architecture.blocks if se)
    return {"params": 100.0 + hidden, "params_overhead": float(hidden), "macs": 1e3, "macs_overhead": 0.0}


def evaluate(architecture, seed, *, weights=None, checkpoint=None):
    for epoch in (1, 2):
        yield Report(epoch, {"val_accuracy": 90 + len(architecture) % 5}, done=epoch == 2, correct=bytes(125))


def handles():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def train(loop, trainings, count):
    for _ in range(count):
        assignment = loop.next()
        *_, outcome = worker.work(assignment, evaluate, trainings)
        loop.finish(assignment.uid, outcome)
    gc.collect()
    return tracemalloc.get_traced_memory()[0], handles()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="reads /proc")
@pytest.mark.parametrize("count", [200, pytest.param(500, marks=pytest.mark.slow)])
def test_many_trainings_leave_no_open_files_and_little_memory(count, make_space, tmp_path):
    space, ledger = make_space(blocks=3), Ledger(tmp_path / "ledger.sqlite")
    proposer = Proposer(space, DEFAULT, price, sampler="random", seed=0)
    loop = Loop(ledger, PricedSpace(space, price), proposer, budget=Budget(1000), rules=Rules(DEFAULT))
    tracemalloc.start()
    try:
        early, files = train(loop, tmp_path, count // 5)
        late, files_later = train(loop, tmp_path, count - count // 5)
    finally:
        tracemalloc.stop()
        ledger.close()
    assert sum(t.state == "finished" for t in ledger.trainings) == count
    assert files_later == files
    assert (late - early) / (count - count // 5) < PER_TRAINING
    assert late < 50_000_000
