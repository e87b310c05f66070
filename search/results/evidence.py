"""What a ledger says, in the form that the model and the result take. Every fact is read once."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from search.model.features import Features
from search.model.fitting import DRAWS, fit
from search.model.hyperparameters import HyperparameterGrid
from search.model.observations import Observation, Observations
from search.model.posterior import Posterior
from search.results.covariates import described
from search.state.facts import DataFact, Facts
from search.state.ledger import Ledger
from search.state.records import Entry, Training
from search.state.run_folder import RunFolder
from senet_nas.training.quality_metrics import ACCURACY, Metric
from spaces.architecture import Architecture
from spaces.spec import Site

# So many trainings beyond the first of their architectures show whether results depend on the seed.
REPEATS = 6


@dataclass(frozen=True)
class Evidence:
    """The finished trainings of a run and what is known about its architectures, as they are at one moment.

    ``metric`` is what trainings are judged by; ``trainings`` is the folder that holds their files.
    """

    entries: Sequence[Entry]
    finished: Sequence[Training]
    facts: Facts
    paused: Sequence[Training] = ()
    metric: Metric = ACCURACY
    trainings: Path | None = None

    @classmethod
    def of(cls, ledger: Ledger, metric: Metric = ACCURACY) -> "Evidence":
        finished, paused = ([t for t in ledger.trainings if t.state == state] for state in ("finished", "paused"))
        return cls(ledger.entries, finished, ledger.facts, paused, metric, RunFolder(ledger.folder).trainings)

    def observations(self, *, curves: bool) -> list[Observation]:
        """What the model takes of all trainings; paused ones show their losses alone."""
        return observations_of([*self.finished, *self.paused], self.metric, curves=curves, folds=self.folds)

    @property
    def folds(self) -> int:
        """The number of folds on which trainings take turns to validate; 1 without folds."""
        return self.facts.folds

    @cached_property
    def by_architecture(self) -> Mapping[int, Sequence[Training]]:
        """The finished trainings of every architecture that has some, in the order of the ledger."""
        found: dict[int, list[Training]] = {}
        for training in self.finished:
            found.setdefault(training.architecture, []).append(training)
        return found

    @property
    def seeds_alike(self) -> bool:
        """Whether trainings of an architecture always gave the same result, in REPEATS comparisons or more."""
        scores = [[self.metric.score(t.metrics) for t in trainings] for trainings in self.by_architecture.values()]
        if sum(len(values) - 1 for values in scores) < REPEATS:
            return False
        return all(max(values) == min(values) for values in scores)

    @cached_property
    def sites(self) -> Sequence[Site]:
        """The sites of the backbone; empty for older ledgers, which do not hold them."""
        return self.facts.sites or ()

    @cached_property
    def architectures(self) -> Sequence[Architecture]:
        """Every architecture of the run, by number."""
        return [entry.architecture for entry in self.entries]

    @cached_property
    def features(self) -> Features:
        """What is known of the architectures of the run before they are trained; no columns if the sites are not."""
        if not self.sites:
            return Features.none(len(self.entries))
        return described(self.architectures, self.sites, self.facts.shared_figures)

    @property
    def space_size(self) -> int:
        """How many architectures could be trained; older ledgers do not say, then how many they hold."""
        return self.facts.space_size or len(self.entries)

    @property
    def images(self) -> int:
        """The number of validation images; 0 if it is not known."""
        return self._data.validation

    @property
    def classes(self) -> int:
        """The number of classes; 0 if it is not known."""
        return len(self._data.classes)

    @property
    def resolution(self) -> float:
        """What one validation image is worth, in points; 0 if that is not known."""
        return 100 / self.images if self.images and self.metric.is_percent else 0.0

    def posterior(self, curves: bool, *, grid: HyperparameterGrid | None = None, draws: int = DRAWS) -> Posterior:
        """What all trainings say about every architecture; ``curves``: losses count, too."""
        return self.posterior_of(self.observations(curves=curves), grid=grid, draws=draws)

    def posterior_of(
        self,
        seen: Sequence[Observation] | Observations,
        *,
        features: Features | None = None,
        grid: HyperparameterGrid | None = None,
        draws: int = DRAWS,
    ) -> Posterior:
        """What these observations say, with the features of the run, or others."""
        return fit(
            seen,
            self.features if features is None else features,
            resolution=self.resolution,
            grid=grid,
            draws=draws,
            in_percent=self.metric.is_percent,
        )

    def price(self, number: int) -> dict[str, float]:
        """What an architecture costs. A cost that was measured at the end replaces the predicted one."""
        entry = self.entries[number]
        return {**entry.price, **self.facts.figures(entry.name)}

    def is_refused(self, number: int) -> bool:
        """Whether a runtime whose latency is an objective cannot run an architecture."""
        name = self.entries[number].name
        return any(name in timed.refused for timed in self.facts.timed.values())

    @property
    def _data(self) -> DataFact:
        return self.facts.data or DataFact()


def observations_of(
    trainings: Sequence[Training], metric: Metric = ACCURACY, *, curves: bool = False, folds: int = 1
) -> list[Observation]:
    """What the model takes of ``trainings``: the scores of finished ones, and with ``curves`` losses, too.

    With ``folds`` the trainings of a block that validate on one fold have a level of their own, as blocks have.
    Those of a paused training are an observation without a score. One that was continued counts once, as a whole.
    """
    found = []
    for training in trainings:
        losses = losses_of(training) if curves else ()
        score = metric.score(training.metrics) if training.state == "finished" else math.nan
        if training.state == "finished" or (training.state == "paused" and losses):
            found.append(Observation(training.architecture, training.seed.level(folds), score, losses))
    return found


def losses_of(training: Training) -> tuple[float, ...]:
    """The training loss of each epoch; empty if an epoch lacks it."""
    losses = [epoch.get("train_loss") for epoch in training.curve]
    known = tuple(loss for loss in losses if loss is not None)
    return known if len(known) == len(losses) else ()
