"""The invariants of a run folder: what must hold, when it must, and what to do if it does not.

Some hold only at rest: while a driver works on the run, results, the front and MLflow are still being written. Their
numbers are those of the reliability tests; I6 (how often a training is executed) leaves no trace in the folder.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from search.doctor.case import Case, Check, Findings
from search.execute import foreign_packages
from search.results.compute import compute
from search.results.objectives import DEFAULT
from search.results.result import Rules
from search.setup.opened_run import is_complete, rules
from search.state import result_files, run_folder
from search.state.failures import unusable
from search.state.records import OPEN, Outcome, Training
from search.state.shared_facts import SHARED_UID
from search.track import projection
from search.track.client import error_line, read_children, sync_command
from search.track.store import database, is_embedded, store_to_read
from spaces import durable
from spaces.errors import UserError
from spaces.text import plural

# Names in one finding before the rest is counted.
SHOWN = 5
COPY = "restore the ledger from a copy"
AGAIN = "type the run command again: it takes up what is there"


# -- what must hold ---------------------------------------------------------------------------------------------------


def _known(case: Case) -> Findings:
    """Results on disk of trainings that the ledger does not have."""
    known = {training.uid for training in case.ledger.trainings}
    if case.facts.shared_network is not None:
        known.add(SHARED_UID)
    foreign = [path.parent.name for path in case.place.trainings.glob(f"*/{result_files.RESULT}")]
    if foreign := sorted(set(foreign) - known):
        yield f"results of trainings that the ledger does not know: {_some(foreign)}", "move them out of the run"


def _arrived(case: Case) -> Findings:
    """A stop leaves results that nobody was there to take in, and those of attempts that start again."""
    waiting = [(t, _outcome(case, t)) for t in case.ledger.trainings if t.state in OPEN]
    left = [t.name for t, outcome in waiting if outcome is not None and t.expects(outcome)]
    if left:
        yield f"came when the run was stopped: {_some(left)}", AGAIN


def _numbered(case: Case) -> Findings:
    for what, rows in (("training", case.ledger.trainings), ("architecture", case.ledger.entries)):
        if missing := sorted(set(range(len(rows))) - {row.number for row in rows}):
            yield f"{what} numbers have gaps: {_some(missing)} missing", COPY
    known = {entry.number for entry in case.ledger.entries}
    if lost := [t.name for t in case.ledger.trainings if t.architecture not in known]:
        yield f"trainings of unknown architectures: {_some(lost)}", COPY
    uids = [t.uid for t in case.ledger.trainings]
    if len(set(uids)) != len(uids):
        yield "two trainings have the same uid", COPY


def _at_rest(case: Case) -> Findings:
    running = [t.name for t in case.ledger.trainings if t.state == "running"]
    shared = case.facts.shared_network
    if shared is not None and shared.state == "running":
        running.append("the shared network")
    if running:
        yield f"running, but nobody trains them: {_some(running)} (the driver was killed)", AGAIN


def _within_budget(case: Case) -> Findings:
    assert case.experiment is not None
    finished = sum(t.state == "finished" for t in case.ledger.trainings)
    budget = case.experiment.budget.trainings
    if finished > budget:
        yield (
            f"{plural(finished, 'training')} finished, the budget in {case.place.config.name} is {budget}",
            f"set budget.trainings to {finished} or more",
        )


def _weights_kept(case: Case) -> Findings:
    finished = (t for t in case.ledger.trainings if t.state == "finished")
    kept = [t for t in finished if t.weights or t.role == "confirm"]
    problems = {t.name: _weights_problem(case.place.trainings / t.uid / result_files.WEIGHTS, t.weights) for t in kept}
    for problem in ("missing", "damaged"):
        if names := [name for name, found in problems.items() if found == problem]:
            remedy = "restore them from a copy; the results stand, only these cannot be exported"
            yield f"weights are {problem}: {_some(names)}", remedy


def _agreeing(case: Case) -> Findings:
    """Results on disk that are damaged, or that say something else than the ledger."""
    damaged: list[str] = []
    other: list[str] = []
    for training in case.ledger.trainings:
        if not (case.place.trainings / training.uid / result_files.RESULT).exists():
            continue
        outcome = _outcome(case, training)
        if outcome is None:
            damaged.append(training.name)
        elif training.state not in OPEN and not _agrees(training, outcome):
            other.append(training.name)
    if damaged:
        yield f"{result_files.RESULT} is damaged: {_some(damaged)}", f"check the disk; for what has not ended, {AGAIN}"
    if other:
        yield (
            f"{result_files.RESULT} and the ledger differ: {_some(other)}",
            "find out which is right; restore the other",
        )


def _front_written(case: Case) -> Findings:
    remedy = f"senet-search report {case.place.name}{run_folder.option(case.place.path.parent)}"
    decides = rules(case.experiment) if case.experiment else Rules(DEFAULT)
    path = case.place.path / "front.json"
    try:
        expected = _essence(compute(case.place.name, case.ledger, decides).to_dict())
    except (UserError, LookupError, TypeError, ValueError) as error:
        yield f"noted as complete, but there is no front: {error}", COPY
        return
    if (case.place.path / durable.SUMS).exists() and (damaged := durable.damaged(case.place.path)):
        yield f"not as they were written: {_some(damaged)}", remedy
        return
    try:
        if _essence(json.loads(path.read_text())) != expected:
            yield f"{path.name} is not the front of the ledger", remedy
    except FileNotFoundError:
        yield f"{path.name} is missing", remedy
    except (OSError, ValueError, KeyError, TypeError) as error:
        yield f"{path.name} is damaged: {type(error).__name__}: {error}", remedy


def _tidy(case: Case) -> Findings:
    if left := sorted(str(path.relative_to(case.place.path)) for path in case.place.path.rglob("*.tmp")):
        yield f"half-written files: {_some(left)}", "delete them: nothing refers to them"


def _tracked(case: Case) -> Findings:
    experiment = case.experiment
    assert experiment is not None
    remedy = sync_command(case.place.name, case.place.path.parent)
    runs = case.place.path.parent
    uri = store_to_read(experiment.tracking.uri, runs, case.facts).uri
    name = experiment.tracking.experiment or experiment.name
    try:
        children = read_children(uri, runs, experiment=name, run=case.place.name, uid=case.facts.uid or "")
    except UserError as error:
        yield error.message, error.hint
        return
    except Exception as error:  # MLflow throws what its database throws
        file = database(uri, runs)
        yield f"MLflow's store cannot be read: {error_line(error)}", f"move {file or 'it'} away, then {remedy}"
        return
    named = {training.uid: training.name for training in case.ledger.trainings}
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for wrong, problem in projection.differences(case.ledger.trainings, children).items():
        groups[problem].append(named.get(wrong, wrong))
    for problem, names in groups.items():
        yield f"in MLflow {problem}: {_some(names)}", remedy


# -- when it must hold ------------------------------------------------------------------------------------------------


# Each says why a check does not apply now, or is empty.
def _busy(case: Case) -> str:
    return "a driver works on the run" if case.is_held else ""


def _unplanned(case: Case) -> str:
    return "" if case.experiment else "the run has no config"


def _weightless(case: Case) -> str:
    return _unplanned(case) or ("" if case.experiment and case.experiment.evaluate == "train" else "not our training")


def _unfinished(case: Case) -> str:
    return _busy(case) or ("" if is_complete(case.experiment, case.facts) else "the run is not finished")


def _untracked(case: Case) -> str:
    if case.experiment is None or case.facts.tracking is None:
        return "the run was not tracked"
    try:
        uri = store_to_read(case.experiment.tracking.uri, case.place.path.parent, case.facts).uri
    except UserError as error:  # the password of a server is not kept
        return _busy(case) or error.message
    return _busy(case) or ("" if is_embedded(uri) else "tracked on a server")


def _shared_names(case: Case) -> Findings:
    """Another distribution with a package called as ours: the next installation may replace our files."""
    if risk := foreign_packages.at_risk():
        yield risk, foreign_packages.remedy()


CHECKS = (
    Check("I1", "every result on disk is in the ledger, or will be", _known, _busy, _arrived),
    Check("I2", "numbers have no gaps, uids are unique", _numbered),
    Check("I3", "nothing is running unless a driver is", _at_rest, _busy),
    Check("I4", "results on disk are whole and agree with the ledger", _agreeing, _busy),
    Check("I5", "no more trainings finished than the budget has", _within_budget, _unplanned),
    Check("I7", "the weights that trainings kept are there and whole", _weights_kept, _weightless),
    Check("I8", "MLflow says what the ledger says", _tracked, _untracked),
    Check("I9", "front.json is the front of the ledger", _front_written, _unfinished),
    Check("I10", "no half-written files", _tidy, _busy),
    Check("I11", "no other distribution owns our packages", lambda case: iter(()), note=_shared_names),
)


# -- inside -----------------------------------------------------------------------------------------------------------


def _outcome(case: Case, training: Training) -> Outcome | None:
    path = case.place.trainings / training.uid / result_files.RESULT
    try:
        return result_files.decode(training.uid, path.read_bytes())
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _agrees(training: Training, outcome: Outcome) -> bool:
    """As text, because NaN is not equal to itself. If there is no result, the loop wrote the failure."""
    if _text(training.curve) != _text(outcome.curve):
        return False
    if training.state == "paused":
        return outcome.paused == training.epoch and not outcome.failure
    if training.state == "failed":
        return outcome.failure == training.reason if outcome.failure else bool(unusable(outcome.metrics))
    same = _text(training.metrics) == _text(outcome.metrics) and training.correct == outcome.correct
    return same and not outcome.failure


def _text(numbers: Mapping[str, float] | Sequence[Mapping[str, float]]) -> str:
    return json.dumps(numbers, sort_keys=True)


def _weights_problem(path: Path, sha256: str) -> str:
    """Damage shows in the checksum; in weights of a version without one, in the length."""
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        return "missing"
    if sha256:
        return "" if durable.sha256(path) == sha256 else "damaged"
    try:
        with safe_open(path, framework="numpy"):
            return ""
    except (SafetensorError, OSError):
        return "damaged"


def _essence(found: Mapping[str, Any]) -> tuple[object, list[tuple[object, ...]]]:
    return found["recommended"], [(p["id"], p["verdict"], p["on_front"]) for p in found["points"]]


def _some(names: Iterable[object]) -> str:
    all_names = [str(name) for name in names]
    more = f" and {len(all_names) - SHOWN} more" if len(all_names) > SHOWN else ""
    return ", ".join(all_names[:SHOWN]) + more
