"""A run that exists, opened: its folder, its ledger, its experiment, and its front when it is asked for."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from search import config
from search.config import Experiment
from search.config.sources import read_file
from search.planning.planner import Budget
from search.results.compute import compute
from search.results.result import Front, Rules
from search.state import run_folder
from search.state.confirmation_facts import ANSWERED, CONFIRM_SHARE
from search.state.facts import Facts
from search.state.ledger import Ledger
from search.state.run_folder import RunFolder
from senet_nas import user_code
from senet_nas.network.backbones.table import is_own
from spaces.errors import ENVIRONMENT, UserError


@dataclass(frozen=True)
class OpenedRun:
    """A run with its ledger open. Made by :func:`open_run` and :func:`open_folder`, which close the ledger again."""

    folder: RunFolder
    ledger: Ledger
    experiment: Experiment

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def facts(self) -> Facts:
        return self.ledger.facts

    @property
    def rules(self) -> Rules:
        return rules(self.experiment)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to do with the budget that the run has now."""
        return is_complete(self.experiment, self.facts)

    @property
    def has_plain(self) -> bool:
        """Whether plain has a finished training; without one there is no front."""
        return any(t.architecture == 0 and t.state == "finished" for t in self.ledger.trainings)

    @cached_property
    def front(self) -> Front:
        """The result of the trainings in the ledger. Raises UserError if plain has no finished training."""
        return compute(self.name, self.ledger, self.rules)


@contextmanager
def open_run(run: str, runs: Path) -> Iterator[OpenedRun]:
    """A run by its name or path, to be read. Raises UserError if it does not exist, or config or ledger are damaged."""
    with open_folder(run_folder.find(run, runs)) as opened:
        yield opened


@contextmanager
def open_folder(folder: RunFolder) -> Iterator[OpenedRun]:
    """The run of a folder, to be read. Raises UserError if its config or its ledger is damaged."""
    with closing(Ledger(folder.ledger, read_only=True)) as ledger:
        yield OpenedRun(folder, ledger, kept(folder, ledger))


def rules(experiment: Experiment) -> Rules:
    """What decides in an experiment."""
    search = experiment.search
    return Rules(
        experiment.objectives,
        level=search.level,
        tolerance=search.tolerance,
        min_gain=search.min_gain,
        worthwhile=search.worthwhile,
        confirm=confirm_share(experiment),
        curves=search.model != "accuracy",
        record=experiment.record,
    )


def confirm_share(experiment: Experiment) -> float:
    """The share of the budget that a confirmation may take."""
    confirm = experiment.search.confirm
    return CONFIRM_SHARE if confirm == "auto" else confirm


def budget(experiment: Experiment) -> Budget:
    """What an experiment may use, and how it is divided."""
    search = experiment.search
    return Budget(
        experiment.budget.trainings,
        config.seconds(experiment.budget.time),
        confirm=confirm_share(experiment),
        stops_when_answered=search.stop == "answered",
    )


def is_complete(experiment: Experiment | None, facts: Facts) -> bool:
    """Whether the run was completed as it is asked for now; without a config, whether it ever was."""
    if facts.complete is None or experiment is None:
        return facts.complete is not None
    if not facts.complete.covers(experiment.budget.trainings, experiment.budget.time):
        return False
    return not _asks_for_more(experiment, facts)


def _asks_for_more(experiment: Experiment, facts: Facts) -> bool:
    """Whether an answered run shall now use all of its budget, or another gain is to count as worthwhile."""
    is_answered = facts.settled is not None and facts.settled.reason == ANSWERED
    if is_answered and experiment.search.stop != "answered":
        return True
    return facts.answer is not None and facts.answer.worthwhile != experiment.search.worthwhile


def kept(folder: RunFolder, ledger: Ledger) -> Experiment:
    """The experiment of a run, from its config.yaml.

    Raises UserError if that differs from the text in the ledger, since a changed digit is a valid config, too. While a
    driver works on the run, which writes both, they may differ.
    """
    noted = ledger.facts.config
    if noted is not None and not folder.is_held and not folder.holds(noted):
        what = "damaged, or was changed" if folder.config.exists() else "missing"
        sync = f"senet-search sync {folder.name}{run_folder.option(folder.path.parent)}"
        hint = f"{sync}, or the run command, restores it from the ledger"
        raise UserError(f"{folder.config} is {what}", hint=hint, code=ENVIRONMENT)
    found = config.load(folder.config, _earlier_defaults(folder.config))
    return importable(replace(found, base=origin(found, folder, ledger)))


def _earlier_defaults(resolved: Path) -> list[str]:
    """What settings meant that the resolved config of an earlier version lacks. It knew no loss curves."""
    search = (read_file(resolved).tree or {}).get("search")
    return ["search.model=accuracy"] if isinstance(search, dict) and "model" not in search else []


def origin(experiment: Experiment, folder: RunFolder, ledger: Ledger) -> Path:
    """The folder of the config that a run was begun with: relative paths start there.

    If an older ledger does not say it: the folder above the runs folder, as it is unless --runs was given. The same if
    the project was moved together with its runs and the images are there. Otherwise the folder of the run.
    """
    noted = ledger.facts.base
    if noted and Path(noted).is_dir():
        return Path(noted)
    project = folder.path.parent.parent
    images = experiment.data.path
    if not noted or (images and (project / images).exists()):
        return project
    return folder.path


def importable(experiment: Experiment) -> Experiment:
    """The experiment itself; a network of the user's own can be imported from beside its config from now on."""
    if is_own(experiment.model.backbone):
        user_code.look_in(experiment.base.resolve())
    return experiment
