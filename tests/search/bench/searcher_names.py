"""Every name that ``bench`` takes for a sampler: those of samplers with what may be added, and the reference."""

from search.bench.searches import CURVE, REFERENCE, SHARED, SHORT
from search.planning.optuna_study import SAMPLERS

MODELS = ("", CURVE, CURVE + SHORT, SHARED, CURVE + SHARED, CURVE + SHORT + SHARED)
SEARCHERS = (*(name + model for model in MODELS for name in SAMPLERS), REFERENCE)
