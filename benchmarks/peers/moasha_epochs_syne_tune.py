"""Syne Tune's MOASHA (Schmucker et al. 2021) by its own rules: it stops trainings early, on accuracy and overhead.

Each line of stdin is a problem, each line of stdout what was trained for it; `benchmarks/early_stopping.py` says what
stands in them.
"""

import json
import random
import sys
from typing import Any

import numpy as np
from syne_tune.backend.trial_status import Trial
from syne_tune.config_space import choice
from syne_tune.optimizer.scheduler import SchedulerDecision
from syne_tune.optimizer.schedulers.multiobjective.moasha import MOASHA

METRICS = ["loss", "overhead"]


def searched(problem: dict[str, Any]) -> list[dict[str, Any]]:
    """What MOASHA trained until its epochs were used: architecture, epochs, last accuracy. One training at a time."""
    np.random.seed(problem["seed"])  # what it draws from
    rng = random.Random(problem["seed"])
    names, epochs = list(problem["curves"]), problem["epochs"]
    scheduler = MOASHA({"name": choice(names)}, METRICS, max_t=epochs, random_seed=problem["seed"])
    trained: list[dict[str, Any]] = []
    left = problem["budget"]
    while left > 0:
        config = scheduler.suggest().config
        trial = Trial(len(trained), dict(config), None)
        scheduler.on_trial_add(trial)
        curve = rng.choice(problem["curves"][config["name"]])[:left]
        used = _train(scheduler, trial, curve, problem["overheads"][config["name"]], epochs)
        trained.append({"name": config["name"], "epochs": used, "accuracy": curve[used - 1]})
        left -= used
    return trained


def _train(scheduler: MOASHA, trial: Trial, curve: list[float], overhead: float, epochs: int) -> int:
    """Reports epoch by epoch; how many there were until the scheduler stopped it, or the budget ended."""
    for epoch, accuracy in enumerate(curve, start=1):
        result = {"training_iteration": epoch, "loss": -accuracy, "overhead": overhead}
        if epoch == epochs:
            scheduler.on_trial_complete(trial, result)
        elif scheduler.on_trial_result(trial, result) == SchedulerDecision.STOP:
            return epoch
    return len(curve)


if __name__ == "__main__":
    answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print is no answer
    for line in sys.stdin:
        answers.write(json.dumps(searched(json.loads(line))) + "\n")
