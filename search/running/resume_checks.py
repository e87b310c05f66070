"""Whether a run may be resumed as asked: the same config, the same data, a complete ledger; and its budget."""

import uuid
from collections.abc import Callable

from search import config
from search.config import Experiment
from search.planning.budget_split import trainings_used
from search.setup.experiment_setup import Prepared
from search.setup.opened_run import is_complete
from search.state import result_files
from search.state.completion_fact import Completion, Extension
from search.state.facts import Facts
from search.state.ledger import Ledger
from search.state.run_folder import RunFolder, command
from search.state.shared_facts import SHARED_UID
from senet_nas.data.source_stamp import stamp
from spaces import durable
from spaces.errors import ENVIRONMENT, UserError
from spaces.text import plural


def run_uid(ledger: Ledger) -> str:
    """The uid of a run, made once: no other run has it, not even one of the same name."""
    uid = ledger.facts.uid
    if uid is None:
        uid = uuid.uuid4().hex
        ledger.note(Facts(uid=uid))
    return uid


def budget_of(experiment: Experiment) -> Completion:
    """The budget with which a run was completed; with another budget there may be more to do."""
    return Completion(experiment.budget.trainings, experiment.budget.time)


def extension_of(experiment: Experiment, trainings: str | None) -> Extension | None:
    """The extension that was typed, with the budget that it made; None if ``trainings`` is none. Raises UserError."""
    number, is_extension = config.trainings_in(trainings) if trainings is not None else (0, False)
    return Extension(number, experiment.budget.trainings) if is_extension else None


def check_results_known(place: RunFolder, ledger: Ledger) -> None:
    """Raises UserError (code ENVIRONMENT) if results on disk are missing in the ledger: they would be trained again."""
    known = {training.uid for training in ledger.trainings}
    if ledger.facts.shared_network is not None:
        known.add(SHARED_UID)
    unknown = result_files.uids(place.trainings) - known
    if unknown:
        raise UserError(
            f"the ledger {place.ledger} lost its last entries: "
            f"it does not know {plural(len(unknown), 'result')} in {place.trainings}",
            hint=f"restore it (with its -wal file) from a copy, or move away {', '.join(sorted(unknown)[:3])}",
            code=ENVIRONMENT,
        )


def check_same_weights(prepared: Prepared, ledger: Ledger) -> None:
    """Raises UserError if the file of pretrained weights is not the one that the run began with."""
    before = ledger.facts.weights
    if before is not None and prepared.weights is not None and before.sha256 != prepared.weights.sha256:
        raise UserError(
            "the file of weights is not the one that this run was begun with",
            hint="put it back, or start another run with --new",
            key="model.weights",
        )


def check_same_group(prepared: Prepared, ledger: Ledger) -> None:
    """Raises UserError if trainings would take more or fewer GPUs than those that the run has.

    Batch normalisation sees a part of the batch on each GPU, so the results of groups of another size differ.
    """
    before = ledger.facts.slots
    has_results = any(training.state == "finished" for training in ledger.trainings)
    if before is None or not has_results or not prepared.evaluate.trains_networks:
        return
    begun, now = (max(1, int(gpus)) for gpus in (before.gpus, prepared.slots.gpus))
    if begun != now:
        raise UserError(
            f"the trainings of this run have {plural(begun, 'device')} each, and not {now}: on several GPUs, batch "
            "normalisation sees a part of the batch on each, which changes results",
            hint=f"write `gpus_per_slot: {begun}`, or start another run with --new",
            key="resources.gpus_per_slot",
        )


def check_same_data(prepared: Prepared, ledger: Ledger) -> None:
    """Raises UserError if the images are not those that the run began with."""
    before = ledger.facts.data.fingerprint if ledger.facts.data else ""
    now = prepared.data.fingerprint if prepared.data else ""
    if before not in ("", now):
        raise UserError(
            f"the images are not those that this run was begun with (fingerprint {before}, now {now})",
            hint="put them back, or start another run with --new",
            key="data",
        )


def changed_files(experiment: Experiment, ledger: Ledger) -> str:
    """What to say of a run whose files of data are not as they were when it read them; empty if they are.

    Nothing is read: names, sizes and times tell. Whoever trains compares the images (:func:`check_same_data`).
    """
    before = ledger.facts.data.stamp if ledger.facts.data else ""
    now = stamp(experiment.data, experiment.base.resolve()) if before else ""
    if now in ("", before):
        return ""
    return (
        "the files of the data have other names, sizes or times than when this run read them: its result is that of "
        "the earlier files; --new starts a run with those of now"
    )


def agreed_experiment(
    experiment: Experiment, place: RunFolder, ledger: Ledger, trainings: str | None, say: Callable[[str], None]
) -> Experiment:
    """The experiment with its budget. A new run keeps it at once; a run that exists only by :func:`keep_experiment`.

    So a run whose extension is refused stays as it was. ``trainings`` sets the budget, or extends it: ``"+20"`` adds 20
    to it, also to that of a run that had its answer before it was used. The same extension again continues one that was
    interrupted. Raises UserError if the run began with another config.
    """
    noted = ledger.facts.config
    if noted is not None and not place.holds(noted):
        say(f"{place.config.name} was missing or damaged: restored from the ledger")
        durable.write(place.config, noted)
    begun = config.load(place.config) if place.config.exists() else None
    if begun is not None:
        _check_same_config(place, begun, experiment)
        # An extension holds when the command without it is typed again.
        trainings_before = max(begun.budget.trainings, experiment.budget.trainings)
        experiment = config.with_trainings(experiment, str(trainings_before))
    if trainings is not None and begun is not None and _is_under_way(trainings, begun, ledger):
        total = plural(experiment.budget.trainings, "training")
        say(f"--trainings {trainings.strip()} is counted already: the budget is {total}; for more, write --trainings N")
    elif trainings is not None:
        experiment = _extended(experiment, place, ledger, trainings)
    if noted is None:
        keep_experiment(experiment, place, ledger, extension_of(experiment, trainings))
    return experiment


def keep_experiment(
    experiment: Experiment, place: RunFolder, ledger: Ledger, extension: Extension | None = None
) -> None:
    """Notes the experiment in the ledger and writes it into the run folder: from now on it is that of the run.

    So is its ``extension``: noted apart from the budget, it would be added twice after a stop between the two.
    """
    text = config.to_yaml(experiment)
    ledger.note(Facts(config=text, base=str(experiment.base.resolve()), extension=extension))
    durable.write(place.config, text)


def _check_same_config(place: RunFolder, begun: Experiment, experiment: Experiment) -> None:
    changed = [change for change in config.differences(begun, experiment) if change[0] in config.FIXED]
    if changed:
        lines = "\n".join(f"  {key}: was {was!r}, is {now!r}" for key, was, now in changed)
        raise UserError(
            f"run `{place.name}` was begun with another config:\n{lines}",
            hint=f"continue it with its own config: {command(place, begun.name)}; or start another run with --new",
        )


def _is_under_way(trainings: str, begun: Experiment, ledger: Ledger) -> bool:
    """Whether the run is in the midst of this very extension: its command was typed again."""
    extension = extension_of(begun, trainings)
    return extension is not None and extension == ledger.facts.extension and not is_complete(begun, ledger.facts)


def _extended(experiment: Experiment, place: RunFolder, ledger: Ledger, trainings: str) -> Experiment:
    """The experiment with the budget that ``trainings`` asks for. Raises UserError if more are used already."""
    used = trainings_used(ledger)
    experiment = config.with_trainings(experiment, trainings)
    if experiment.budget.trainings < used:
        raise UserError(
            f"run `{place.name}` has {plural(used, 'training')} already; "
            f"its budget cannot be {experiment.budget.trainings}",
            hint=f"use --trainings {used} or more, or --trainings +N",
        )
    return experiment
