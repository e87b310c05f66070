"""Options that several commands share."""

import click
import pytest
from click.testing import CliRunner

from search.cli.app import cli
from search.cli.options import limited
from senet_nas.costs.measures import MEASURES
from spaces import UserError


@pytest.fixture
def given():
    """What a command with limits is called with, for the words that are typed."""

    def typed(*words):
        calls = []

        @click.command()
        @click.option("--pick", default="best")
        @limited
        def command(pick, limits):
            calls.append((pick, limits))

        result = CliRunner().invoke(command, list(words))
        return result.output if result.exit_code else calls[0]

    return typed


def test_without_limits_a_command_gets_none(given):
    assert given() == ("best", {})


@pytest.mark.parametrize("measure", MEASURES.values(), ids=lambda measure: measure.name)
def test_a_limit_on_each_cost_comes_by_its_overhead_column(given, measure):
    assert given(f"--max-{measure.name}", "1.5%", "--pick", "knee") == ("knee", {measure.overhead: 1.5})


def test_limits_add_up_and_zero_is_one(given):
    assert given("--max-params", "0", "--max-macs", "2") == ("best", {"params_overhead": 0.0, "macs_overhead": 2.0})


@pytest.mark.parametrize("text", ["-1", "many", "inf", "nan", "%"])
def test_a_limit_must_be_a_percentage(given, text):
    assert "is not a percentage; write for example 5%" in given("--max-params", text)


@pytest.mark.parametrize("columns", [80, 100])
def test_help_shows_each_command_with_a_whole_line(columns):
    """Eight lines ended in `...`."""
    found = CliRunner().invoke(cli, ["--help"], terminal_width=columns).output
    commands = found[found.index("Commands:") :].splitlines()[1:]
    assert len(commands) == len(cli.commands)
    assert all(line.endswith((".", ")")) and not line.endswith("...") for line in commands)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("profile cifar_resnet8 --runtime onnxruntime", "--runtime says how time is measured"),
        (
            "profile cifar_resnet8/-/-/- --placement last",
            "--placement says where SE goes, and cifar_resnet8/-/-/- says",
        ),
        ("profile se_resnet18 --operator ese", "--operator says where SE goes, and se_resnet18 says it itself"),
        (
            "profile cifar_resnet8 --latency --dtype bfloat16 --precision fp32",
            "--dtype bfloat16 is bf16, and --precision says fp32",
        ),
        ("benchmark cifar_resnet8 --max-params 3%", "--max-params chooses a network of a run"),
        ("benchmark se_resnet18 --gate relu", "--gate says where SE goes"),
        ("benchmark export --placement last", "--placement describes a network, and export is an export"),
        ("benchmark export/README.md --pick a1", "--pick chooses a network of a run"),
    ],
)
def test_an_option_that_would_change_nothing_is_refused(words, said, tmp_path, monkeypatch):
    """`benchmark RUN --placement last` measured another network than the one that was meant."""
    (tmp_path / "export").mkdir()
    for name in ("architecture.json", "README.md"):
        (tmp_path / "export" / name).touch()
    monkeypatch.chdir(tmp_path)
    error = CliRunner().invoke(cli, words.split()).exception
    assert isinstance(error, UserError)
    assert said in error.message
    assert error.hint
