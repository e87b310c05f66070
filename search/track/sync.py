"""``senet-search sync``: MLflow's runs of a search, rebuilt from its ledger alone."""

from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from search import config
from search.config import Experiment
from search.setup.opened_run import OpenedRun, kept
from search.state import run_folder
from search.state.facts import Facts
from search.state.ledger import Ledger
from search.state.run_folder import RUNS, RunFolder
from search.track import projection
from search.track.store import store_to_write
from search.track.tracker import Tracker
from spaces import durable
from spaces.errors import UserError
from spaces.spec import Site
from spaces.text import plural


@dataclass(frozen=True)
class Sent:
    """What :func:`sync` sent, and to which store. ``told`` counts all trainings that MLflow has now."""

    run: str
    store: str
    sent: int
    told: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self, runs: Path = RUNS) -> list[str]:
        there = self.told - self.sent
        return [
            f"{self.run}: {self.sent} of {plural(self.told, 'training')} sent to {self.store}, "
            f"{there} were there already",
            f"Next: senet-search ui {self.run}{run_folder.option(runs)}",
        ]


def sync(run: str, runs: Path) -> Sent:
    """Rebuilds MLflow from the ledger of a run that no driver holds. A second time sends nothing.

    Raises UserError (ENVIRONMENT) where the store cannot be reached or a driver holds the run.
    """
    place = run_folder.find(run, runs)
    with place.lock(), closing(Ledger(place.ledger)) as ledger:
        opened = OpenedRun(place, ledger, _experiment(place, ledger))
        store = store_to_write(opened.experiment.tracking.uri, place.path.parent, opened.facts)
        uri = store.uri
        tracker = _tracker(opened, uri)
        sent = tracker.rebuild(
            opened.front if opened.has_plain else None,
            place.path,
            ledger.trainings,
            ledger.entries,
            status="FINISHED" if opened.is_complete else opened.facts.session_ended or "KILLED",
            history=opened.facts.history or (),
            shared=opened.facts.shared_network,
        )
        noted = Facts(tracking=config.redacted(uri), tracking_origin=store.origin, tracking_trouble="")
        ledger.note(noted.updated(Facts(mlflow_experiment=tracker.experiment_id)))
        told = sum(projection.is_told(training) for training in ledger.trainings)
    return Sent(place.name, config.redacted(uri), sent, told)


def _tracker(run: OpenedRun, uri: str) -> Tracker:
    return Tracker(
        uri,
        experiment=run.experiment.tracking.experiment or run.experiment.name,
        run=run.name,
        runs=run.folder.path.parent,
        describe=projection.describe(run.experiment, run.facts),
        uid=run.facts.uid or "",
        sites=_sites(run.experiment, run.ledger),
        began=min((training.created for training in run.ledger.trainings), default=None),
    )


def _experiment(place: RunFolder, ledger: Ledger) -> Experiment:
    """The experiment of the run. Restores its file from the ledger if it is missing or damaged."""
    noted = ledger.facts.config
    if noted is not None and not place.holds(noted):
        durable.write(place.config, noted)
    return kept(place, ledger)


def _sites(experiment: Experiment, ledger: Ledger) -> tuple[Site, ...]:
    """The backbone's sites, by which children are grouped; none where a table of results has sites of its own."""
    from senet_nas.network import build

    try:
        sites = build.sites(experiment.model.network)
    except UserError:
        return ()
    is_ours = all(len(entry.architecture.blocks) == len(sites) for entry in ledger.entries)
    return sites if is_ours else ()
