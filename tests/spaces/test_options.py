"""One way to declare a setting."""

import dataclasses

from spaces.options import STRICT, option


def test_a_setting_has_its_default_its_meaning_and_its_limits():
    @dataclasses.dataclass(frozen=True)
    class Settings:
        lr: float = option(0.1, "learning rate", gt=0, le=1)

    (field,) = dataclasses.fields(Settings)
    assert Settings().lr == 0.1
    assert dict(field.metadata) == {"description": "learning rate", "gt": 0, "le": 1}


def test_a_config_takes_no_unknown_keys_and_converts_nothing():
    assert STRICT == {"extra": "forbid", "strict": True}
