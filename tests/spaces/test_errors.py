"""Errors for people: what is allowed, and what was probably meant."""

import pytest

from spaces import errors
from spaces.errors import UserError, nearest, unknown

NAMES = ("params", "macs", "latency")


def test_an_error_holds_message_hint_key_and_exit_status():
    error = UserError("wrong", hint="mend it", key="train.lr", code=errors.ENVIRONMENT)
    assert (error.message, error.hint, error.key, error.code, str(error)) == (
        "wrong",
        "mend it",
        "train.lr",
        4,
        "wrong",
    )
    usual = UserError("wrong")
    assert (usual.hint, usual.key, usual.code) == ("", "", 2)


def test_exit_statuses_are_those_of_the_documentation():
    codes = (errors.DONE, errors.BUG, errors.BAD_INPUT, errors.NOTHING_USABLE, errors.ENVIRONMENT, errors.SIGNALLED)
    assert codes == (0, 1, 2, 3, 4, 128)


@pytest.mark.parametrize(
    ("word", "found"), [("param", "params"), ("latencyy", "latency"), ("zzz", None), ("mccs", "macs"), ("", None)]
)
def test_the_nearest_name_is_the_one_that_looks_most_like_it(word, found):
    assert nearest(word, NAMES) == found


def test_of_two_names_the_more_alike_is_meant():
    assert nearest("stages", ("stage", "stagess", "staged")) in ("stage", "stagess")
    assert nearest("abcdef", ("abcxyz", "abcdex")) == "abcdex"
    assert nearest("ab", ("axyz",)) is None  # a third alike is not half
    assert nearest("ab", ("ax",)) == "ax"  # half alike is enough


def test_a_name_is_found_by_its_beginning():
    """`acc` was answered with `macs`."""
    assert nearest("acc", ("accuracy", "macs")) == "accuracy"
    assert nearest("Acc", ("accuracy", "macs"), 0.7) is None  # too strict for a beginning
    assert nearest("ac", ("accuracy", "macs")) == "macs"  # too short for one
    assert nearest("acc", ("accuracy", "acceptance", "mac")) != "accuracy"  # two begin with it


def test_an_unknown_name_lists_what_is_allowed_and_guesses():
    error = unknown("cost", "parms", NAMES, key="objectives")
    assert error.message == "unknown cost `parms`; allowed: params, macs, latency"
    assert (error.hint, error.key) == ("did you mean `params`?", "objectives")
    assert unknown("cost", "zzz", NAMES).hint == ""


def test_of_many_names_those_like_it_are_listed():
    names = [f"resnet{n}" for n in range(24)]
    assert unknown("network", "x", names).message.endswith(f"allowed: {', '.join(names)}")
    error = unknown("network", "resnet99", [*names, "resnet9"])
    listed = error.message.split("allowed: ")[1]
    assert listed.startswith("resnet9, ")
    assert listed.endswith(", ... (25 in all)")
    assert listed.count("resnet") == 12
