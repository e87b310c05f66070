"""Names of other tools and papers are answered with ours, and never with what would be refused (fault 24)."""

import pytest

from search.config import ConfigError, Experiment
from spaces.errors import SYNONYMS, nearest

START = {"data": {"dataset": "digits"}, "model": {"backbone": "cifar_resnet8"}}


@pytest.mark.parametrize(
    ("setting", "value", "hint"),
    [
        ("squeeze", "mean", "write [avg]"),
        ("squeeze", "Average", "write [avg]"),
        ("squeeze", "max", "write [max]"),
        ("squeeze", "gap", "write [avg]"),
        ("gate", "sigm", "write [sigmoid]"),
        ("squeeze", ["mean"], "did you mean `avg`?"),
        ("squeeze", ["gmp"], "did you mean `max`?"),
        ("excitation", "mlp", "write [fc]"),
        ("r", [16], "did you mean `reduction`?"),
        ("ratio", [16], "did you mean `space.reduction`?"),
    ],
)
def test_a_name_is_answered_with_what_it_means(setting, value, hint) -> None:
    with pytest.raises(ConfigError) as caught:
        Experiment.from_dict({**START, "space": {setting: value}})
    assert caught.value.problems[0].hint == hint


def test_a_name_that_is_like_none_is_answered_with_all() -> None:
    with pytest.raises(ConfigError) as caught:
        Experiment.from_dict({**START, "space": {"squeeze": "zzzz"}})
    assert caught.value.problems[0].hint.startswith("write a list of avg, max")


def test_a_synonym_counts_only_where_its_meaning_is_allowed() -> None:
    assert nearest("mean", ["avg", "max"]) == "avg"
    assert nearest("mean", ["meant", "max"]) == "meant"
    assert all(word not in SYNONYMS for word in SYNONYMS.values())
