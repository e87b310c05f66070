"""A peer as an Optuna sampler: a process that is told every finished trial and asked for the next one."""

import json
import os
import subprocess
import sys
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna import Study
from optuna.distributions import CategoricalDistribution
from optuna.samplers import BaseSampler, GPSampler, RandomSampler
from optuna.trial import FrozenTrial, TrialState

from search.planning.optuna_study import SAMPLERS
from search.planning.sampler_context import SamplerContext
from search.planning.samplers import Sampler

HERE = Path(__file__).parent
TRAININGS = 256  # what peers are told to expect: more than any search here has


@dataclass(frozen=True)
class Peer:
    """A script beside this one and the folder of its environment; None is the environment that runs this."""

    script: str
    requirement: str | None

    def command(self, environments: Path) -> list[str]:
        python = environments / self.requirement / "bin" / "python" if self.requirement else Path(sys.executable)
        return [str(python), str(HERE / f"{self.script}.py")]


# Add a peer here.
PEERS = {
    "pymoo-nsga2": Peer("nsga2_pymoo", "pymoo"),
    "botorch-qlognehvi": Peer("qlognehvi_botorch", "botorch"),
    "smac-parego": Peer("parego_smac", "smac"),
    "syne-tune-morea": Peer("morea_syne_tune", "syne-tune"),
    "syne-tune-moasha": Peer("moasha_syne_tune", "syne-tune"),
    "syne-tune-ehvi": Peer("ehvi_syne_tune", "syne-tune"),
    "uniform": Peer("uniform", None),
}


def install(environments: Path) -> None:
    """Makes every peer, and Optuna's Gaussian process, a sampler that a search can name."""
    for name, peer in PEERS.items():
        SAMPLERS[name] = Sampler(_maker(peer.command(environments)))
    SAMPLERS["optuna-gp"] = Sampler(lambda seed, context: GPSampler(seed=seed, n_startup_trials=8))
    SAMPLERS.update({"optuna-tpe": SAMPLERS["tpe"], "optuna-nsga2": SAMPLERS["nsga2"], "exhaustive": SAMPLERS["grid"]})


def _maker(command: Sequence[str]) -> Any:
    def make(seed: int, context: SamplerContext) -> BaseSampler:
        kept = context.memory.kept
        if "process" not in kept:  # the first ask of a search
            kept["process"] = Process(command, context, seed)
        return PeerSampler(kept["process"], seed)

    return make


class Process:
    """A running peer and the trials that it has heard of. Ends when the search that asked it is forgotten."""

    def __init__(self, command: Sequence[str], context: SamplerContext, seed: int) -> None:
        self._running = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"PYTHONPATH": "", "OMP_NUM_THREADS": "1"},
        )
        self._told: set[int] = set()
        weakref.finalize(self, self._running.kill)
        self.space = {name: list(choices) for name, choices in context.space.parameters.items()}
        self._send({"space": self.space, "seed": seed, "trainings": TRAININGS})

    def ask(self, trials: Sequence[FrozenTrial]) -> dict[str, str]:
        """What the peer proposes, now that it knows these. Raises RuntimeError where it has ended."""
        new = [t for t in trials if t.number not in self._told]
        self._told |= {t.number for t in new}
        assert self._running.stdout is not None
        try:
            self._send({"tell": [[dict(t.params), [-t.values[0], t.values[1]]] for t in new]})
            return dict(json.loads(self._running.stdout.readline()))
        except (BrokenPipeError, json.JSONDecodeError) as error:
            raise RuntimeError(f"the peer {self._running.args!r} has ended; run it by hand to see why") from error

    def _send(self, message: dict[str, Any]) -> None:
        assert self._running.stdin is not None
        self._running.stdin.write(json.dumps(message) + "\n")
        self._running.stdin.flush()


class PeerSampler(BaseSampler):  # type: ignore[misc]
    """Asks the process; what it proposes is one point of the study's space."""

    def __init__(self, process: Process, seed: int) -> None:
        self._process = process
        self._random = RandomSampler(seed=seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, Any]:
        return {name: CategoricalDistribution(choices) for name, choices in self._process.space.items()}

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, Any]) -> dict[str, Any]:
        done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return self._process.ask(done)

    def sample_independent(self, study: Study, trial: FrozenTrial, name: str, distribution: Any) -> Any:
        return self._random.sample_independent(study, trial, name, distribution)
