"""The commands of docs/own-network.md that ask about networks of timm."""

import json
import shlex

import pytest
from click.testing import CliRunner

from search.cli.app import cli
from tests.search import documented

pytest.importorskip("timm")
PAGE = documented.ROOT / "docs" / "own-network.md"
ASKING = [text for text in documented.shown(PAGE) if text.split()[1] in ("list", "profile")]


@pytest.mark.parametrize("text", ASKING)
def test_a_command_of_the_page_answers(text):
    told = CliRunner().invoke(cli, shlex.split(text)[1:])
    assert told.exit_code == 0, told.output
    assert "timm:" in told.output


def test_names_of_timm_for_machines():
    told = CliRunner().invoke(cli, ["list", "--timm", "resnet18", "--json"])
    assert json.loads(told.output)["backbones"] == ["timm:resnet18"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["list", "backbones", "--timm", "resent18"], "no network of timm matches `resent18`"),
        (["list", "datasets", "--timm", "*"], "--timm lists backbones, not datasets"),
        (["profile", "timm:resent18"], "unknown network of timm `resent18`"),
        (["profile", "resnet18", "--placement", "published"], "resnet18 has no SE of its own"),
    ],
)
def test_what_cannot_be_answered_is_said(words, message):
    told = CliRunner().invoke(cli, words, standalone_mode=False)
    assert message in str(told.exception)
