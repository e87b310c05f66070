"""How does the demo end? Real searches of configs/demo.yaml with other seeds: their answers, and what they cost.

    python -m benchmarks.demo_answers [--seeds 20] [--jobs 2]

The trainings are those of the demo, one after the other in this process, without Ray and MLflow. Seed s trains with
seed blocks from 1000 s on, so no two searches share a training. The recipe was chosen by searches with other seeds.
A result is written after each seed, so a second call continues an interrupted one.
"""

import argparse
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks import environment
from search import Experiment
from search.loop import Loop
from search.planning.optuna_study import Proposer
from search.results.compute import compute
from search.setup.experiment_setup import prepare
from search.setup.opened_run import budget, confirm_share, rules
from search.state.ledger import Ledger
from search.state.records import Outcome
from senet_nas.recipe import Seed

CONFIG = Path(__file__).parents[1] / "configs" / "demo.yaml"
APART = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    config = CONFIG.read_text()
    before = environment.read("demo_answers")
    runs: list[dict[str, Any]] = before["runs"] if before.get("config") == config else []
    missing = [seed for seed in range(1, given.seeds + 1) if seed not in {run["seed"] for run in runs}]
    with ProcessPoolExecutor(given.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        for run in pool.map(searched, missing):
            print(run, flush=True)
            runs.append(run)
            environment.write("demo_answers", {"config": config, "shares": shares(runs), "runs": runs})


def searched(seed: int) -> dict[str, Any]:
    """One demo: its answer, the number of its trainings, and their seconds of one core, whatever else it does."""
    experiment = Experiment.load(CONFIG, [f"search.seed={seed}"])
    prepared = prepare(experiment)
    evaluator = prepared.evaluate
    evaluator.prepare()
    proposer = Proposer(
        prepared.space,
        experiment.objectives,
        prepared.price,
        sampler=experiment.search.sampler,
        seed=seed,
        budget=experiment.budget.trainings,
        confirm=confirm_share(experiment),
        curves=rules(experiment).curves,
    )
    ledger = Ledger(":memory:")
    loop = Loop(ledger, prepared.priced_space, proposer, budget=budget(experiment), rules=rules(experiment))
    began = time.process_time()
    while (assignment := loop.next()) is not None:
        apart = Seed(assignment.seed.block + APART * seed, assignment.seed.replicate)
        reports = list(evaluator(assignment.architecture, apart))
        curve = [{"epoch": report.epoch, **report.metrics} for report in reports]
        loop.finish(assignment.uid, Outcome(reports[-1].metrics, curve))
    seconds = time.process_time() - began
    front = compute("demo", ledger, rules(experiment))
    trainings = sum(training.state == "finished" for training in ledger.trainings)
    return {
        "seed": seed,
        "answer": front.answer.kind,
        "p_not_worth": front.answer.probability,
        "more": front.answer.more,
        "trainings": trainings,
        "seconds": round(seconds, 1),
        "verdict": front.verdict,
    }


def shares(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """How many of the runs ended with each answer, and how many undecided ones name a number of trainings."""
    undecided = [run for run in runs if run["answer"] == "undecided"]
    return {
        **{kind: sum(run["answer"] == kind for run in runs) for kind in ("worth it", "likely not worth it")},
        "undecided": len(undecided),
        "undecided_with_a_number": sum(run["more"] is not None for run in undecided),
        "of": len(runs),
        "median_trainings": sorted(run["trainings"] for run in runs)[len(runs) // 2],
        "median_seconds_on_one_core": sorted(run["seconds"] for run in runs)[len(runs) // 2],
    }


if __name__ == "__main__":
    main()
