"""What a network of the user's does wrong to torch, or later than in its first forward pass, is one error."""

import os
import sys
from types import SimpleNamespace

import pytest
import torch

from search import config, export
from search.cli.check import examine
from search.setup.experiment_setup import prepare
from senet_nas import user_code
from senet_nas.network.build import build, sites
from spaces.errors import BAD_INPUT, UserError

MODULE = "latenet"
CONFIG = f"""data: {{dataset: digits, train: 40}}
model: {{backbone: "{MODULE}:net", sites: ["conv"]}}
space: {{reduction: [4], squeeze: [avg]}}
budget: {{trainings: 4}}
train: {{epochs: 1, batch_size: 16}}
resources: {{device: cpu}}
"""
NET = """
import torch
from torch import nn
CALLS = []
{top}


class Silent(Exception):
    def __str__(self):
        raise ValueError("no text")


class Net(nn.Module):
    def __init__(self, in_channels, num_classes):
        super().__init__()
        CALLS.append("made")
        width = {width}
        self.conv = nn.Conv2d(in_channels, 8, 3, padding=1)
        self.act = nn.{act}()
        self.head = nn.Linear(width, num_classes)

    def forward(self, x):
        CALLS.append("train" if self.training and not x.is_meta else "")
        {forward}
        x = self.act(self.conv(x)).mean((2, 3))
        return self.head(x if self.head.in_features == 8 else x.repeat(1, self.head.in_features // 8))


net = {net}
"""
USUAL = {"top": "", "width": "8", "act": "ReLU", "forward": "", "net": "Net"}
# The texts that differ from USUAL: the parts of the error.
WRONG = {
    "a module in place of a function": ({"net": "Net(1, 10)"}, "latenet:net is a module, not a function that returns"),
    "another default dtype at import": (
        {"top": "torch.set_default_dtype(torch.float64)"},
        "the module of latenet:net changes torch's default dtype to float64, but networks are trained in float32",
    ),
    "another default dtype in the constructor": (
        {"width": "8 if torch.set_default_dtype(torch.float64) else 8"},
        "changes torch's default dtype to float64",
    ),
    "a width that grows": ({"width": "8 * CALLS.count('made')"}, "latenet:net returns another network at each call"),
    "a width that is drawn": ({"width": "8 * int(torch.randint(1, 99, ()))"}, "returns another network at each call"),
    "a layer that alternates": (
        {"act": "__dict__[('ReLU', 'GELU')[len(CALLS) % 2]]", "forward": "CALLS.pop()"},
        "returns another network at each call: `act` is ",
    ),
    "an exception without a text": ({"forward": "raise Silent"}, "Silent: (its message cannot be read"),
    "the end of the process at import": ({"top": "import os; os._exit(0)"}, "SystemExit: os._exit(0) was called ("),
    "the end of the process by its name": (
        {"top": "from os import _exit", "forward": "_exit(3)"},
        "SystemExit: os._exit(3) was called (",
    ),
    "the end of the process": ({"forward": "__import__('os')._exit(3)"}, "SystemExit: os._exit(3) was called ("),
}


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    """Writes the module with texts replaced, and returns the experiment of its network."""
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.chdir(tmp_path)
    user_code.look_in(tmp_path)
    sites.cache_clear()

    def written(**texts):
        (tmp_path / f"{MODULE}.py").write_text(NET.format(**USUAL | texts))
        (tmp_path / "config.yaml").write_text(CONFIG)
        return config.load(tmp_path / "config.yaml")

    dtype = torch.get_default_dtype()
    yield written
    torch.set_default_dtype(dtype)
    sys.modules.pop(MODULE, None)
    sites.cache_clear()


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_one_error_at_the_line_of_the_network(experiment, case):
    texts, part = WRONG[case]
    with pytest.raises(UserError) as caught:
        prepare(experiment(**texts))
    [problem] = caught.value.problems
    assert part in problem.message
    assert problem.key == "model.backbone"
    assert caught.value.code == BAD_INPUT


def test_the_end_of_the_process_while_an_epoch_is_measured_is_named_with_its_line(experiment):
    """`check` ended with exit 0 and without a word."""
    end = "CALLS.count('train') > 12 and __import__('os')._exit(0)"
    with pytest.raises(UserError, match=rf"os\._exit\(0\) was called \(.*{MODULE}\.py, line 24\)"):
        examine(experiment(forward=end))
    assert os._exit.__module__ == "posix"


def test_an_exception_while_the_network_is_exported_is_named_with_its_line(experiment, monkeypatch, tmp_path):
    own = experiment(top="LATE = []", forward="assert x.is_meta or not LATE")
    network = build(f"{MODULE}:net@conv/-", in_channels=1, num_classes=10).eval()
    sys.modules[MODULE].LATE.append(True)
    facts = SimpleNamespace(mean=[0.5], std=[0.5], classes=list("0123456789"), white=255.0)
    point = SimpleNamespace(architecture=f"{MODULE}:net@conv/-")
    choice = SimpleNamespace(experiment=own, point=point, data=facts, input_shape=(1, 8, 8))
    for name, found in {"_network": network, "about": {}, "card": ""}.items():
        monkeypatch.setattr(export, name, lambda _, found=found: found)
    with pytest.raises(UserError, match=rf"net failed with AssertionError \(.*{MODULE}\.py, line 24\)") as caught:
        export._write(
            choice, SimpleNamespace(labelled=None, files=()), tmp_path / "out", onnx=False, force=False, int8=False
        )
    assert caught.value.key == "model.backbone"
    assert not (tmp_path / "out").exists()


def test_an_exception_after_any_number_of_passes_is_named_with_its_line(experiment):
    examine(experiment())
    total = sys.modules[MODULE].CALLS.count("train")
    assert total > 12
    for after in (1, 2, 3, 5, 8, total - 1):
        sys.modules.pop(MODULE)
        sites.cache_clear()
        late = f"assert CALLS.count('train') <= {after}, 'call\\nlate'"
        with pytest.raises(UserError) as caught:
            examine(experiment(forward=late))
        [problem] = caught.value.problems
        assert "AssertionError: call (" in problem.message
        assert f"{MODULE}.py, line 24)" in problem.message
        assert problem.key == "model.backbone"
