import math

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from search.config import ConfigError, Experiment, load
from search.config.yaml_reader import Document, dump, plain, read

PLAIN = {
    "1e-3": 1e-3, "1E+2": 100.0, ".5": 0.5, "5.": 5.0, "-1.5": -1.5, "0.0": 0.0, "1.0e-05": 1e-5,
    "0": 0, "+7": 7, "-12": -12, "true": True, "FALSE": False, "~": None, "null": None, "": None,
    "on": "on", "Off": "Off", "yes": "yes", "NO": "NO", "y": "y", "010": "010", "0x1F": "0x1F", "0o17": "0o17",
    "1_000": "1_000", "12:30": "12:30", "2024-01-01": "2024-01-01", "1.2.3": "1.2.3", "1e": "1e", "tRue": "tRue",
    "=": "=", "<<": "<<",
}  # fmt: skip

# Pieces that make and break YAML, joined at random.
PIECES = st.sampled_from(
    [
        *("data", "model", "backbone", "train", "lr", "space", "tie", "objectives", "metric", "digits", "resnet18"),
        *(
            "0.1",
            "-1",
            "null",
            "true",
            ".inf",
            "9" * 30,
            ": ",
            ":",
            "- ",
            "\n",
            "\n  ",
            "\n\t",
            "[",
            "]",
            "{",
            "}",
            ", ",
        ),
        *("&a ", "*a", "!t ", "!!int ", "'", '"', "\\", "\\U", "|", ">", "#", " #", "---\n", "...\n", "%YAML 1.1\n"),
        *("? ", "<<", "\r", "\x85", "\u2028", "\x00", "\ufeff", "\ud800", "\U0001f600", "e\u0301"),
    ]
)
TEXTS = st.lists(PIECES, max_size=24).map("".join)

LEAVES = st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.floats(allow_nan=False, allow_infinity=False)
WORDS = st.sampled_from([*PLAIN, "- a", "a: b", " "]) | st.text(
    st.characters(exclude_categories=("Cc", "Cs")), max_size=12
)
KEYS = st.sampled_from(
    ["data", "model", "backbone", "space", "tie", "reduction", "objectives", "metric", "train", "lr"]
)


def trees(keys):
    """Anything that JSON can hold."""
    return st.recursive(
        LEAVES | WORDS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
        max_leaves=8,
    )


def thorough(examples: int):
    """Always the same examples; the folder may be shared between them."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )


@pytest.mark.parametrize("text", PLAIN)
def test_scalars_mean_what_they_look_like(text):
    value = plain(text)
    assert value == PLAIN[text]
    assert type(value) is type(PLAIN[text])


def test_quotes_make_text():
    assert read("a: '1'\nb: \"true\"\nc: ''", "f").tree == {"a": "1", "b": "true", "c": ""}


def test_infinities_are_no_text():
    assert math.isnan(plain(".inf"))


def test_places_of_keys_and_values():
    document = read("a:\n  b: [1, two]\n  c:\nd: x", "f")
    places = {path: (spot.line, spot.column, spot.width) for path, spot in document.values.items()}
    assert places[("a",)] == (1, 1, 1)  # a section stands where its key does
    assert places[("a", "b")] == (2, 6, 8)
    assert places[("a", "b", 1)] == (2, 10, 3)
    assert places[("a", "c")] == (3, 3, 1)  # so does nothing
    assert places[("d",)] == (4, 4, 1)
    assert document.keys[("a", "b")].column == 3
    assert document.keys[("a", "b")].source == "  b: [1, two]"


def test_what_is_not_written_stands_in_its_section():
    document = read("a:\n  b: 1", "f")
    assert document.spot(("a", "x", "y")) == document.keys[("a",)]
    assert document.spot(("z",)).line == 0


def test_an_empty_document_is_nowhere():
    assert Document().spot(("a",)).line == 0


@given(trees(WORDS))
@thorough(150)
def test_what_is_dumped_is_read_back(tree):
    text = dump({"tree": tree})
    document = read(text, "f")
    assert document.problems == []
    assert document.tree == {"tree": tree}
    assert text.isascii()


@given(TEXTS)
@example("data: digits\nmodel: {backbone: resnet18}")
@example("a: |\n  x\n y")
@example('"\\')
@example("{? a}")
@example("%YAML 99999999999999999999.1\n---\na: 1")
@thorough(400)
def test_any_text_gives_an_experiment_or_a_list_of_mistakes(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    _load(path)


@given(st.binary(max_size=40))
@thorough(100)
def test_any_bytes_give_an_experiment_or_a_list_of_mistakes(tmp_path, content):
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    _load(path)


@given(st.text(max_size=20), TEXTS)
@thorough(150)
def test_any_override_gives_an_experiment_or_a_list_of_mistakes(tmp_path, text, value):
    path = tmp_path / "config.yaml"
    path.write_text("data: digits\nmodel: {backbone: resnet18}")
    for override in (text, f"train.lr={value}", f"space={value}", f"data.path={value}"):
        _load(path, override)


@given(st.dictionaries(KEYS, trees(KEYS), max_size=4))
@thorough(200)
def test_any_mapping_gives_an_experiment_or_a_list_of_mistakes(tree):
    _try(lambda: Experiment.from_dict({"data": "digits", "model": {"backbone": "resnet18"}, **tree}))


def _load(path, *overrides: str) -> None:
    _try(lambda: load(path, overrides))


def _try(make) -> None:
    told = "error: Nothing was started."
    try:
        make()
    except ConfigError as error:
        told = str(error)
    assert told.startswith("error: ")
    assert told.endswith("Nothing was started.")
    assert all(character.isprintable() or character == "\n" for character in told)
