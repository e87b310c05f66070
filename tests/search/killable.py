"""A driver of the loop that can be killed anywhere: no Ray, no torch, no MLflow, everything else as in a real run.

    python killable.py FOLDER TRAININGS SAMPLER

Results are made durable by the worker's own code and adopted by the loop's own recovery.
"""

import random
import sys
from pathlib import Path

from search import folder, front, worker
from search.agenda import Candidates
from search.folder import RunFolder
from search.front import Rules
from search.ledger import Ledger
from search.loop import Budget, Loop
from search.objectives import DEFAULT
from search.propose import Proposer
from senet_nas.recipe import Report
from spaces import Site, Space, SpaceSpec, UserError, durable

SITES = [Site(f"{stage}.0", stage, {"pre_addition": 16, "post_addition": 16}) for stage in (1, 2, 3)]
SPACE = Space("net", SITES, SpaceSpec())
RULES = Rules(DEFAULT)


def price(architecture):
    hidden = sum(se.hidden for se in architecture.blocks if se)
    return {"params": 100.0 + hidden, "params_overhead": float(hidden), "macs": 1e3, "macs_overhead": 0.0}


def evaluate(architecture, seed, *, weights=None, checkpoint=None):
    luck = random.Random(f"{architecture} {seed}").gauss(0, 0.3)
    for epoch in (1, 2):
        yield Report(epoch, {"val_accuracy": 90 + luck}, done=epoch == 2, correct=b"\xaa" if epoch == 2 else None)


def main(path: Path, trainings: int, sampler: str) -> None:
    place = RunFolder(path)
    place.create()
    with place.lock():
        ledger = Ledger(place.ledger)
        proposer = Proposer(SPACE, DEFAULT, price, sampler=sampler, seed=0)
        loop = Loop(ledger, Candidates(SPACE, price), proposer, budget=Budget(trainings), rules=RULES)
        loop.recover(lambda uid: worker.adopt(place.trainings, uid))
        while (assignment := loop.next()) is not None:
            with (path / "executed.txt").open("a") as log:
                log.write(f"{assignment.uid}\n")
            *_, outcome = worker.work(assignment, evaluate, place.trainings)
            loop.finish(assignment.uid, outcome)
        loop.close()
        durable.write(path / "front.json", front.compute("run", ledger, RULES).to_json())
        ledger.note(complete=trainings)


if __name__ == "__main__":
    try:
        with folder.writable(Path(sys.argv[1])):
            main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
    except UserError as error:  # as the command line tells it
        print(f"error: {error.message}\n  hint: {error.hint}", file=sys.stderr)
        sys.exit(error.code)
    assert not {"torch", "ray", "mlflow"} & sys.modules.keys()
