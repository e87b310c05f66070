"""The protocol with which samplers of other libraries are benchmarked, with a peer that needs no library."""

import gc
import sys
from pathlib import Path

import pytest

from benchmarks import early_stopping
from benchmarks.peers.sampler import HERE, PEERS, Process, install
from search.bench.problems import named
from search.bench.searches import search
from search.planning.optuna_study import SAMPLERS
from search.planning.planner import Budget
from search.planning.sampler_context import SamplerContext


@pytest.fixture
def installed(tmp_path):
    before = dict(SAMPLERS)
    install(tmp_path)
    yield
    SAMPLERS.clear()
    SAMPLERS.update(before)


def test_a_peer_takes_the_place_of_the_sampler_and_is_the_same_with_the_same_seed(installed):
    problem = named("synthetic:113:1")(0)
    one, again, other = (search(problem, "uniform", [Budget(20)], seed) for seed in (1, 1, 2))
    assert len(one.observations) == 20
    assert [(o.architecture, o.accuracy) for o in one.observations] == [
        (o.architecture, o.accuracy) for o in again.observations
    ]
    assert one.keys != other.keys


def test_a_peer_hears_every_training_once_and_no_truth(tmp_path):
    """What it is told: accuracy and overhead, both to be minimised."""
    script = tmp_path / "echo.py"
    script.write_text(
        "import json, sys\nfrom protocol import serve\n"
        "class Echo:\n"
        "    def __init__(self, space, seed, trainings):\n        self.space, self.heard = space, []\n"
        "    def tell(self, point, losses):\n        self.heard.append([point, losses])\n"
        "    def ask(self):\n        return {'heard': self.heard}\n"
        "serve(Echo)\n"
    )
    space = named("synthetic:113:1")(0).space
    command = [
        sys.executable,
        "-c",
        f"import sys; sys.path.insert(0, {str(HERE)!r}); exec(open({str(script)!r}).read())",
    ]
    process = Process(command, SamplerContext(space, dict, (), 0, bool, None), seed=0)
    trials = [Trial(0, [90.0, 2.5]), Trial(1, [91.0, 0.0])]
    assert process.ask(trials[:1]) == {"heard": [[{"a": "b"}, [-90.0, 2.5]]]}
    assert process.ask(trials) == {"heard": [[{"a": "b"}, [-90.0, 2.5]], [{"a": "b"}, [-91.0, 0.0]]]}


class Trial:
    def __init__(self, number, values):
        self.number, self.values, self.params = number, values, {"a": "b"}


def test_a_peer_that_ends_is_told(tmp_path):
    """It ends when it has heard of the space: who has ended before cannot be told of it."""
    process = Process(
        [sys.executable, "-c", "input()"], SamplerContext(named("synthetic:113:1")(0).space, dict, (), 0, bool, None), 0
    )
    with pytest.raises(RuntimeError, match="has ended"):
        process.ask([])


def test_every_peer_has_its_script_and_pinned_requirements():
    for peer in PEERS.values():
        assert (HERE / f"{peer.script}.py").exists()
        if peer.requirement:
            lines = (HERE / "requirements" / f"{peer.requirement}.txt").read_text().split()
            assert all("==" in line for line in lines)


def test_a_forgotten_search_ends_its_peer(installed):
    process = Process(
        PEERS["uniform"].command(Path()), SamplerContext(named("synthetic:113:1")(0).space, dict, (), 0, bool, None), 0
    )
    running = process._running
    assert running.poll() is None
    del process
    gc.collect()
    assert running.wait(10) < 0


def test_early_stopping_draws_what_a_search_may_draw_and_pays_for_plain():
    """The last accuracy of every curve is one that the problem of `bench` would show, and the truth is not told."""
    one = early_stopping._problem(4000)
    real = one._problem
    for member in list(real.space)[:5]:
        shown = sorted(real.accuracy(member, seed) for seed in real.seeds(member))
        assert sorted(curve[-1] for curve in one.curves[member.key]) == pytest.approx(shown)
    told = one.message(32, 8)
    assert told["budget"] == 8 * (32 - early_stopping.PLAIN)
    assert real.space[0].key not in told["curves"]
    assert set(told["overheads"]) == set(told["curves"])


def test_early_stopping_reports_what_ran_to_the_end():
    """Of two trainings the one that was stopped is not followed, however good it looked."""
    one = early_stopping._problem(4000)
    key = max(one._problem.space, key=one._problem.truth).key
    ended = {"name": key, "epochs": 8, "accuracy": 99.0}
    assert one.points([ended | {"epochs": 3}], "observed", 8) == 0
    assert one.points([ended], "observed", 8) > 0
