"""A driver of the loop that can be killed anywhere: no Ray, no torch, no MLflow, everything else as in a real run.

    python killable.py FOLDER TRAININGS SAMPLER
    python killable.py < requests     each a line of JSON: [failpoint, folder, trainings, sampler, file for stderr]

In a folder ``shared`` a shared network comes before the trainings.

The second form forks a driver for each request and answers with a line, its exit status: to import takes longer than
to run. Results are made durable by the worker's own code and adopted by the loop's own recovery. With the SAMPLER
``pausing``, trainings of four epochs pause and continue; ``epochs.txt`` then lists every epoch that was trained.
"""

import json
import os
import random
import sys
import tempfile
import traceback
from pathlib import Path

from search.execute import worker
from search.loop import Loop
from search.planning.optuna_study import Proposer
from search.planning.planner import Budget
from search.planning.priced_space import PricedSpace
from search.planning.samplers import SAMPLERS, Sampler
from search.planning.training_lengths import ShortTrainings
from search.results.compute import compute
from search.results.objectives import DEFAULT
from search.results.result import Rules
from search.state import result_files
from search.state.completion_fact import Completion
from search.state.facts import Facts
from search.state.ledger import Ledger
from search.state.records import Pause
from search.state.run_folder import RunFolder, writable
from search.state.shared_facts import SharedNetworkFact
from senet_nas.recipe import Recipe, Report
from senet_nas.training.shared_plan import SHARED_NETWORK
from spaces import Site, Space, SpaceSpec, UserError, durable, failpoints

SITES = [Site(f"{stage}.0", stage, {"pre_addition": 16, "post_addition": 16}) for stage in (1, 2, 3)]
SPACE = Space("net", SITES, SpaceSpec())
RULES = Rules(DEFAULT)
PLACEMENTS = tuple(architecture.key for architecture in SPACE)


def price(architecture):
    hidden = sum(se.hidden for se in architecture.blocks if se)
    return {"params": 100.0 + hidden, "params_overhead": float(hidden), "macs": 1e3, "macs_overhead": 0.0}


def evaluate(architecture, seed, *, weights=None, checkpoint=None):
    if architecture == SHARED_NETWORK:
        yield from train_shared()
        return
    luck = random.Random(f"{architecture} {seed}").gauss(0, 0.3)
    for epoch in (1, 2):
        yield Report(epoch, {"val_accuracy": 90 + luck}, done=epoch == 2, correct=b"\xaa" if epoch == 2 else None)


def train_shared():
    """Two epochs, then the figures of each placement."""
    for epoch in (1, 2):
        yield Report(epoch, {"train_loss": 1.0 / epoch})
    for i, key in enumerate(PLACEMENTS):
        luck = random.Random(key).gauss(0, 1)
        figures = {"val_accuracy": 80 + luck, "train_loss": 0.5 - 0.1 * luck, "val_log_loss": 0.6}
        yield Report(3 + i, figures, done=i == len(PLACEMENTS) - 1)


EPOCHS = 4


def evaluate_with_pauses(architecture, seed, *, weights=None, checkpoint=None, until=None):
    """Every epoch adds to a number, which is all that the checkpoint holds: a wrong state would show in the result."""
    record = checkpoint / "checkpoint.json"
    done, total, curve = 0, 0.0, []
    if (body := durable.unseal(record.read_bytes()) if record.exists() else None) is not None:
        done, total, curve = body["epoch"], body["tensors"], body["curve"]
    if done == until:
        yield Report(done, curve[-1])
        return
    for epoch in range(done + 1, EPOCHS + 1):
        with (checkpoint.parents[1] / "epochs.txt").open("a") as log:
            log.write(f"{checkpoint.name}:{epoch}\n")
        total += random.Random(f"{architecture} {seed} {epoch}").gauss(0, 0.3)
        curve.append({"epoch": epoch, "val_accuracy": 90 + total, "train_loss": 1 - total})
        if epoch == until:
            kept = {"format": 1, "owner": {}, "epoch": epoch, "curve": curve, "optimizer": {}, "tensors": total}
            durable.write(record, durable.seal(kept))
        is_last = epoch == EPOCHS
        yield Report(epoch, curve[-1], done=is_last, correct=b"\xaa" if is_last else None)
        if epoch == until:
            return


def pausing(seed, context, epochs=EPOCHS):
    """A sampler that proposes few architectures again and again, and lengths at random, of trainings of ``epochs``."""
    from optuna.distributions import CategoricalDistribution
    from optuna.samplers import RandomSampler

    rng = random.Random(seed)

    class Pausing(RandomSampler):
        def sample_relative(self, study, trial, search_space):
            after = rng.choice([1, 1, 2, 3, 3, None])
            self.pause = None if after is None else Pause(after, after / epochs)
            return context.space.encode(context.space[rng.randrange(1, 4)])

        def infer_relative_search_space(self, study, trial):
            return {name: CategoricalDistribution(values) for name, values in context.space.parameters.items()}

    return Pausing(seed=seed)


PAUSING = Sampler(pausing, replicates=True, pauses=True)


def main(path: Path, trainings: int, sampler: str) -> None:
    place = RunFolder(path)
    place.create()
    with place.lock():
        ledger = Ledger(place.ledger)
        pauses = sampler == "pausing"
        if pauses:
            SAMPLERS[sampler] = PAUSING
        proposer = Proposer(SPACE, DEFAULT, price, sampler=sampler, seed=0)
        if path.name == "shared" and ledger.facts.shared_network is None:
            ledger.note(Facts(shared_network=SharedNetworkFact(2, len(PLACEMENTS), 3.5)))
        loop = Loop(
            ledger,
            PricedSpace(SPACE, price),
            proposer,
            budget=Budget(trainings, confirm=0.25) if pauses else Budget(trainings),
            rules=RULES,
            placements=PLACEMENTS,
            short=ShortTrainings(Recipe(epochs=EPOCHS)) if pauses else None,
        )
        trains = evaluate_with_pauses if pauses else evaluate
        loop.recover(lambda uid: result_files.adopt(place.trainings, uid))
        while (assignment := loop.next()) is not None:
            with (path / "executed.txt").open("a") as log:
                log.write(f"{assignment.uid}\n")
            *_, outcome = worker.work(assignment, trains, place.trainings)
            loop.finish(assignment.uid, outcome)
        loop.close()
        durable.write(path / "front.json", compute("run", ledger, RULES).to_json())
        ledger.note(Facts(complete=Completion(trainings)))


def tell(path: Path, trainings: int, sampler: str) -> int:
    """Runs it as the command line would: errors for people in two lines, and an exit status."""
    try:
        with writable(path):
            main(path, trainings, sampler)
    except UserError as error:
        print(f"error: {error.message}\n  hint: {error.hint}", file=sys.stderr)
        return error.code
    return 0


def serve() -> None:
    with tempfile.TemporaryDirectory() as warm:
        main(Path(warm) / "run", 8, "tpe")  # what is imported late is imported now
    for line in sys.stdin:
        failpoint, path, trainings, sampler, errors = json.loads(line)
        child = os.fork()
        if not child:
            os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
            failpoints.arm(failpoint)
            status = 1  # of a traceback
            try:
                status = tell(Path(path), trainings, sampler)
            except Exception:
                traceback.print_exc()
            finally:
                os._exit(status)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    serve() if len(sys.argv) == 1 else sys.exit(tell(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
    assert not {"torch", "ray", "mlflow"} & sys.modules.keys()
