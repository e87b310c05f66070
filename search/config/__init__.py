"""Turns a config file into an :class:`Experiment`, or into one list of everything that is wrong with it.

The one door to yaml (``yaml_reader.py``) and pydantic (``experiment.py``).
"""

from search.config.checks import seconds
from search.config.config_error import ConfigError, Problem, Spot, redacted
from search.config.experiment import Experiment
from search.config.reference import reference
from search.config.render import (
    FIXED,
    SCHEMA_FILE,
    differences,
    schema,
    template,
    to_yaml,
    trainings_in,
    with_trainings,
)

load = Experiment.load

__all__ = [
    "FIXED",
    "SCHEMA_FILE",
    "ConfigError",
    "Experiment",
    "Problem",
    "Spot",
    "differences",
    "load",
    "redacted",
    "reference",
    "schema",
    "seconds",
    "template",
    "to_yaml",
    "trainings_in",
    "with_trainings",
]
