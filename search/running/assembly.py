"""Assembles a session: store, tracker, sampler and loop, from what was prepared and what the ledger holds."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from search import config
from search.execute import environment
from search.execute.remote_store import RemoteStore
from search.loop import Loop
from search.planning.optuna_study import Proposer
from search.planning.priced_space import Measure
from search.report.live import Live
from search.results.result import Front
from search.running.gpu_watch import GpuWatch
from search.running.listeners import MlflowListener, SharedListener, Watcher
from search.running.resume_checks import check_same_data, check_same_group, check_same_weights, extension_of, run_uid
from search.setup import code_identity, latency_measurement, latency_setup, shared_setup
from search.setup.experiment_setup import Prepared, at_its_line, early_stopping, short_trainings
from search.setup.opened_run import budget, confirm_share, rules
from search.state.facts import Facts, GitFact, SlotsFact, SpaceFact
from search.state.ledger import Ledger
from search.state.listening import Listener
from search.state.run_folder import RunFolder
from search.track import projection
from search.track.store import BESIDE, Store, store_to_write
from search.track.store_check import check_address
from search.track.tracker import Tracker


@dataclass(frozen=True)
class SessionParts:
    """Everything that a session works with. ``store`` is None unless a cluster keeps results at a URI.

    ``begun`` holds the facts that a session notes when it begins to train.
    """

    prepared: Prepared
    place: RunFolder
    ledger: Ledger
    store: RemoteStore | None
    tracker: Tracker
    live: Live
    gpus: GpuWatch
    loop: Loop
    begun: Facts


def assemble(
    prepared: Prepared, place: RunFolder, ledger: Ledger, watcher: Watcher, trainings: str | None = None
) -> SessionParts:
    """The parts of a session. The ledger keeps nothing of them but what stays true if the session never trains.

    ``trainings`` is what was typed to set or extend the budget.
    Raises UserError if the data are not those of the run, if latency is an objective and cannot be predicted, or if the
    budget is too small for a shared network that the config asks for.
    """
    check_same_data(prepared, ledger)
    check_same_weights(prepared, ledger)
    check_same_group(prepared, ledger)
    has_results = any(training.state == "finished" for training in ledger.trainings)
    code_identity.check_same(ledger.facts, prepared.code, has_results=has_results, say=watcher.say)
    with at_its_line(prepared.experiment):
        prepared = latency_setup.predicted(prepared, ledger, watcher.say)
        facts = run_facts(prepared).updated(Facts(shared_network=shared_setup.planned(prepared, ledger)))
    plan = shared_setup.plan_of(prepared, ledger.facts.updated(facts))
    if plan is not None:
        prepared = replace(prepared, evaluate=prepared.evaluate.with_shared(plan))
    store = _tracking_store(prepared, place, ledger, watcher)
    begun = Facts(
        tracking=config.redacted(store.uri),
        tracking_origin=store.origin,
        session_began=time.time(),
        session_ended="",
        seconds_before=ledger.facts.seconds or 0.0,
        extension=extension_of(prepared.experiment, trainings),
    )
    sent_to = _tracker(prepared, place, ledger, watcher, store.uri, facts)

    def tell(front: Front) -> None:
        watcher.found(front)
        sent_to.found(front)

    live = Live(place, tell=tell, say=watcher.say)
    gpus = GpuWatch(sent_to, ledger, watcher.say)
    placements = plan.architectures if plan else ()
    measure = _measure(prepared, ledger, live, watcher)
    loop = _loop(prepared, ledger, watcher, sent_to, [live, gpus], placements, measure)
    remote = _store(prepared, place, ledger)
    return SessionParts(prepared, place, ledger, remote, sent_to, live, gpus, loop, begun.updated(facts))


def run_facts(prepared: Prepared) -> Facts:
    """What a reader of the report needs to repeat the run."""
    experiment = prepared.experiment
    return Facts(
        data=prepared.data,
        space=SpaceFact(prepared.space.size, prepared.space.nominal_size),
        device=prepared.device,
        slots=SlotsFact(**vars(prepared.slots)),
        config=config.to_yaml(experiment),
        versions=environment.versions(),
        machine=environment.machine(),
        git=GitFact(**environment.git_state(experiment.base)),
        network_code=prepared.code.network_code,
        evaluator_code=prepared.code.evaluator_code,
        weights=prepared.weights,
        labels=prepared.labels,
    )


def _tracking_store(prepared: Prepared, place: RunFolder, ledger: Ledger, watcher: Watcher) -> Store:
    """Where the run is tracked. A run that was tracked elsewhere until now is sent there as a whole; that is said."""
    store = store_to_write(prepared.experiment.tracking.uri, place.path.parent, ledger.facts)
    check_address(store)
    before = ledger.facts.tracking
    is_moved = store.origin == BESIDE or before is None
    if not is_moved and before != config.redacted(store.uri):
        watcher.say(f"MLflow: this run was tracked at {before}; it is now sent to {config.redacted(store.uri)}")
    return store


def _store(prepared: Prepared, place: RunFolder, ledger: Ledger) -> RemoteStore | None:
    uri = prepared.experiment.resources.storage
    if not uri or prepared.slots.is_local:
        return None
    return RemoteStore(uri, f"{place.name}-{run_uid(ledger)[:12]}")


def _tracker(prepared: Prepared, place: RunFolder, ledger: Ledger, watcher: Watcher, uri: str, facts: Facts) -> Tracker:
    experiment = prepared.experiment
    return Tracker(
        uri,
        experiment=experiment.tracking.experiment or experiment.name,
        run=place.name,
        runs=place.path.parent,
        describe=projection.describe(experiment, facts),
        uid=run_uid(ledger),
        sites=prepared.space.sites,
        say=watcher.say,
    )


def _measure(prepared: Prepared, ledger: Ledger, live: Live, watcher: Watcher) -> Measure:
    """What times a placement before it is confirmed; the live report waits meanwhile."""

    def measure(number: int, names: Sequence[str]) -> None:
        with live.quiet():
            latency_measurement.measured_before_confirmation(prepared, ledger, number, names, watcher.say)

    return measure


def _loop(
    prepared: Prepared,
    ledger: Ledger,
    watcher: Watcher,
    sent_to: Tracker,
    more: Sequence[Listener],
    placements: Sequence[str],
    measure: Measure,
) -> Loop:
    experiment = prepared.experiment
    proposer = Proposer(
        prepared.space,
        experiment.objectives,
        prepared.price,
        sampler=experiment.search.sampler,
        seed=experiment.search.seed,
        budget=experiment.budget.trainings,
        confirm=confirm_share(experiment),
        curves=rules(experiment).curves,
    )
    checks = prepared.evaluate.listeners(watcher.say)
    return Loop(
        ledger,
        replace(prepared.priced_space, measure=measure),
        proposer,
        budget=budget(experiment),
        rules=rules(experiment),
        listeners=[watcher, MlflowListener(sent_to, ledger), *more, *checks],
        patience=config.seconds(experiment.resources.patience),
        early_stopping=early_stopping(experiment),
        placements=placements,
        watch_shared=SharedListener(sent_to, watcher.say),
        short=short_trainings(prepared),
    )
