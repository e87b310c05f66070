"""What a run says beyond its front: effects, progress, validation noise, and whether plain leaves room to gain."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from search.model.posterior import Posterior
from search.results.class_recall import ClassRecall, class_recall
from search.results.curve_trust import CurveTrust, curve_trust
from search.results.effects import Contrast, contrasts
from search.results.evidence import Evidence
from search.results.fold_noise import FoldNoise, fold_noise
from search.results.int8_losses import Int8Loss, int8_losses, words_of
from search.results.run_noise import RunNoise, run_noise
from search.results.search_progress import Progress, progress_of
from search.results.shared_evidence import SharedEvidence, shared_evidence
from search.results.training_length import SteepEnd, steep_end
from search.results.validation_noise import Learned, Validation, learned, validation_of
from senet_nas.training.quality_metrics import ACCURACY, Metric

# How the effects of a verdict are introduced: those of stages are over no SE, all others over their alternatives.
_LEADS = {
    ("pays", True): "Likely pays",
    ("pays", False): "Likely better than its alternatives",
    ("costs", True): "Likely costs",
    ("costs", False): "Likely worse than its alternatives",
}


@dataclass(frozen=True)
class Insights:
    """What one run says about factors, progress, validation images and plain."""

    contrasts: tuple[Contrast, ...]
    progress: Progress
    validation: Validation | None
    learned: Learned | None = None
    shared: SharedEvidence | None = None
    noise: RunNoise | None = None
    curves: CurveTrust | None = None
    metric: Metric = ACCURACY
    classes: ClassRecall | None = None
    folds: FoldNoise | None = None
    steep: SteepEnd | None = None
    int8: tuple[Int8Loss, ...] = ()

    def lines(self, level: float, *, expects_gain: bool = True) -> list[str]:
        """All sentences for people: what is first, what pays, and the statistics behind it."""
        return [*self.first, *self.statements(level), *self.statistics(expects_gain=expects_gain)]

    @property
    def first(self) -> list[str]:
        """What a reader must know first: placements hardly differ, plain learned nothing, or a class is hidden."""
        if self.learned and self.has_everything:
            return [self.learned.words(self.metric)]
        learned = self.learned.words(self.metric) if self.learned else ""
        steep = self.steep.words(self.metric) if self.steep and not learned else ""
        hidden = self.classes.words(self.metric) if self.classes else ""
        return [words for words in (learned, steep, hidden) if words]

    @property
    def are_alike(self) -> bool:
        """Whether more trainings like these would decide nothing: plain still learns, guesses, or is always right."""
        return bool(self.steep or (self.learned and self.learned.words(self.metric)))

    @property
    def advice(self) -> list[str]:
        """What would lower the noise, where that is clear."""
        is_clear = self.validation is not None and self.validation.is_small and not self.folds and not self.are_alike
        return [self.validation.words] if self.validation and is_clear else []

    def statements(self, level: float) -> list[str]:
        """What pays and what costs. Contrasts become sure long before single architectures do."""
        if self.has_everything:
            return []
        found = []
        for (verdict, is_stage), lead in _LEADS.items():
            mine = [one for one in self.contrasts if one.verdict(level) == verdict and one.is_stage == is_stage]
            if mine:
                found.append(f"{lead}: {', '.join(contrast.words(self.metric) for contrast in mine)}.")
        if self.contrasts and not found:
            found.append("No single stage, position, width, squeeze or gate is likely to help or to hurt.")
        return found

    def statistics(self, *, expects_gain: bool = True) -> list[str]:
        """What is known of the shared network, loss curves, progress and noise.

        How much of a gain was found is said only if one is expected, and if these trainings can show it.
        """
        if self.has_everything:
            return []
        found = [self.shared.words] if self.shared else []
        if self.int8:
            found.append(words_of(self.int8))
        if self.curves:
            found.append(self.curves.words(self.metric))
        found.append(self.progress_words(expects_gain=expects_gain))
        if self.learned and self.learned.words(self.metric):
            # The noise of networks that still guess says nothing about recipe or validation images.
            return found
        if self.noise:
            found.append(self.noise.words(self.metric, are_long=self.steep is None))
        if self.folds:
            found.append(self.folds.words(self.metric))
        elif self.validation:
            found.append(self.validation.words)
        return found

    def progress_words(self, *, expects_gain: bool) -> str:
        """What was found of the gain, and what more trainings would find: only if they would decide something."""
        is_open = expects_gain and not self.are_alike
        return self.progress.words(self.metric) if is_open else self.progress.spread(self.metric)

    @property
    def has_nothing(self) -> bool:
        """Whether plain is hardly better than guessing."""
        return self.learned is not None and self.learned.has_nothing(self.metric)

    @property
    def has_everything(self) -> bool:
        return self.learned is not None and self.learned.has_everything(self.metric)

    def to_dict(self) -> dict[str, Any]:
        # JSON has no infinity.
        progress = {name: value if math.isfinite(value) else None for name, value in asdict(self.progress).items()}
        validation = asdict(self.validation) | {"share": self.validation.share} if self.validation else None
        return {
            "contrasts": [asdict(contrast) for contrast in self.contrasts],
            "progress": progress,
            "validation": validation,
            "learned": self.learned.to_dict(self.metric) if self.learned else None,
            **({"shared": asdict(self.shared)} if self.shared else {}),
            **({"curves": asdict(self.curves)} if self.curves else {}),
            **({"classes": asdict(self.classes)} if self.classes else {}),
            **({"folds": asdict(self.folds)} if self.folds else {}),
            **({"steep": asdict(self.steep)} if self.steep else {}),
            **({"int8": [asdict(loss) for loss in self.int8]} if self.int8 else {}),
        }


def gather(
    evidence: Evidence, posterior: Posterior, level: float, worthwhile: float = 0.2, min_gain: float = 0.0
) -> Insights:
    """What a run's posterior, its stored bits and its curves say."""
    effects: tuple[Contrast, ...] = ()
    if evidence.sites:
        members = [evidence.architectures[number] for number in posterior.architectures]
        effects = contrasts(posterior, members, evidence.sites, level)
    validation = validation_of(evidence, posterior.sigma)
    likely = posterior.gains.mean(axis=0)[posterior.probabilities(min_gain) >= level]
    return Insights(
        effects,
        progress_of(posterior, len(evidence.finished), level, evidence.space_size),
        validation,
        learned(evidence, best_gain=float(max(likely, default=0.0))),
        shared_evidence(evidence, posterior, level),
        run_noise(evidence, posterior, level),
        curve_trust(posterior, len(evidence.finished), level, evidence.space_size),
        evidence.metric,
        class_recall(evidence),
        fold_noise(evidence, posterior, validation),
        steep_end(evidence, worthwhile),
        int8_losses(evidence, level),
    )
