"""Code of the user is part of a run's identity (fault 5): what changed in behaviour is refused, another text is not."""

import sys
from dataclasses import replace

import pytest

from search.setup import code_identity
from search.state.code_fact import CodeFact
from search.state.facts import Facts, decode, encode
from senet_nas import user_code
from senet_nas.network.build import sites
from spaces.errors import BAD_INPUT, UserError

NET = """
from minehelp import part, result
from torch import nn


class Net(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.stem = nn.Conv2d(channels, 8, 3)
        self.act = nn.ReLU()
        self.head = nn.Linear(8, classes)

    def forward(self, x):
        return self.head(self.act(part(self.stem(x))).mean((2, 3)))


def net(in_channels, num_classes):
    return Net(in_channels, num_classes)


def score(architecture, seed):
    return 90.0
"""
HELP = """
from minedeep import SCALE


def part(x):
    return x * SCALE


def result():
    return 1
"""
BACKBONE = "minenet:net@stem"


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Writes the module with texts replaced, and returns the facts of its code."""
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.chdir(tmp_path)
    user_code.look_in(tmp_path)

    def write(*changes):
        texts = {"minenet": NET, "minehelp": HELP, "minedeep": "SCALE = 1.0\n"}
        for before, after in changes:
            assert any(before in text for text in texts.values())
            texts = {module: text.replace(before, after) for module, text in texts.items()}
        for module, text in texts.items():
            (tmp_path / f"{module}.py").write_text(text)
            sys.modules.pop(module, None)
        sys.dont_write_bytecode, kept = True, sys.dont_write_bytecode
        sites.cache_clear()
        try:
            function = user_code.function("minenet:score", key="evaluate", hint="")
            return Facts(
                network_code=code_identity.of_network(BACKBONE, 1, (1, 8, 8), 10),
                evaluator_code=code_identity.of_function("minenet:score", function),
            )
        finally:
            sys.dont_write_bytecode = kept

    yield write
    for module in ("minenet", "minehelp", "minedeep"):
        sys.modules.pop(module, None)
    sites.cache_clear()


def only(name, facts):
    return Facts(**{name: getattr(facts, name)})


FROZEN = ("self.act = nn", "self.stem.requires_grad_(False)\n        self.act = nn")
CHANGED = {
    "a frozen layer": ("network_code", [FROZEN], "other weights are trained: stem.bias is frozen now; stem.weight is"),
    "a layer cut off from training by a helper": (
        "network_code",
        [("return x *", "return x.detach() *")],
        "other weights are trained: stem.bias is frozen now; stem.weight is frozen now",
    ),
    "a factor in a module that a helper imports": ("network_code", [("SCALE = 1.0", "SCALE = 2.0")], "another output"),
    "a helper of an evaluator": (
        "evaluator_code",
        [("return 1", "return 2")],
        "the source of `minehelp`, which minenet:score imports, was changed",
    ),
    "a helper of a helper of an evaluator": (
        "evaluator_code",
        [("SCALE = 1.0", "SCALE = 2.0")],
        "the source of `minedeep`, which minenet:score imports, was changed",
    ),
    "activation": ("network_code", [("nn.ReLU", "nn.Sigmoid")], "another output"),
    "width": (
        "network_code",
        [("Conv2d(channels, 8", "Conv2d(channels, 9"), ("Linear(8", "Linear(9")],
        "stem.weight was",
    ),
    "dropout, which evaluation does not show": ("network_code", [("nn.ReLU()", "nn.Dropout(0.3)")], "another output"),
    "name of a layer": ("network_code", [("self.head", "self.last")], "head.weight was (10, 8), is missing"),
    "result of an evaluator": ("evaluator_code", [("90.0", "91.0")], "source was changed"),
    "arguments of an evaluator": ("evaluator_code", [("(architecture, seed)", "(architecture, seed, k=1)")], "k=1"),
}


@pytest.mark.parametrize("case", CHANGED)
def test_what_changes_results_is_refused_with_what_changed(written, case):
    name, changes, part = CHANGED[case]
    before = only(name, written())
    with pytest.raises(UserError) as caught:
        code_identity.check_same(before, only(name, written(*changes)), has_results=True, say=pytest.fail)
    assert part in caught.value.message
    assert "--new" in caught.value.hint
    assert caught.value.code == BAD_INPUT


def test_another_text_of_the_same_behaviour_is_a_caution(written):
    before = written()
    said = []
    now = written(("def net", "# a comment\ndef net"))
    code_identity.check_same(before, now, has_results=True, say=said.append)
    assert len(said) == 2
    assert all("another source" in text for text in said)


def test_a_helper_of_the_same_behaviour_is_a_caution_that_names_it(written):
    before = written()
    said = []
    now = written(("def result", "# a comment\ndef result"))
    code_identity.check_same(before, now, has_results=True, say=said.append)
    assert [("`minehelp`, which minenet:" in text, "same" in text) for text in said] == [(True, True)] * 2
    now = written(("return 1", "return 2"))  # the network does not call it
    code_identity.check_same(only("network_code", before), now, has_results=True, say=said.append)
    assert said[2].endswith("; outputs and trained weights are the same")


def test_a_layer_that_is_trained_again_is_named(written):
    before = only("network_code", written(FROZEN))
    with pytest.raises(UserError, match="stem.bias is trained now"):
        code_identity.check_same(before, only("network_code", written()), has_results=True, say=pytest.fail)


@pytest.mark.parametrize("changes", [[FROZEN], [("return 1", "return 2")]], ids=["frozen", "helper"])
def test_older_facts_know_neither_trained_weights_nor_helpers(written, changes):
    before = written()
    older = Facts(
        network_code=replace(before.network_code, trainable=None, helpers=None),
        evaluator_code=replace(before.evaluator_code, helpers=None),
    )
    assert "helpers" not in encode(older.network_code)
    now = written(*changes)
    kept = replace(now.evaluator_code, source=older.evaluator_code.source, code=older.evaluator_code.code)
    code_identity.check_same(older, replace(now, evaluator_code=kept), has_results=True, say=lambda _: None)


def test_a_network_that_fails_when_it_is_measured_is_named_with_its_line(written):
    with pytest.raises(UserError, match=r"minenet:net failed with KeyError: 'a' \(.*minehelp.py, line 6\)"):
        written(("return x *", "return {}['a' if x.is_cpu else 'b'] if not x.is_meta else x *"))


def test_the_same_code_says_nothing_and_runs_without_results_or_facts_may_begin_with_any(written):
    before, same, other = written(), written(), written(("nn.ReLU", "nn.Tanh"))
    code_identity.check_same(before, same, has_results=True, say=pytest.fail)
    code_identity.check_same(before, other, has_results=False, say=pytest.fail)
    code_identity.check_same(Facts(), other, has_results=True, say=pytest.fail)


def test_weights_drawn_by_numpy_or_python_are_the_same_again(written):
    bias = "random.random() + numpy.random.rand()"
    drawn = [
        ("return Net(", "import random, numpy\n    net = Net("),
        ("classes)\n\n\ndef score", f"classes)\n    net.head.bias.data += {bias}\n    return net\n\n\ndef score"),
    ]
    first, again = written(*drawn), written(*drawn)
    assert first.network_code.outputs
    code_identity.check_same(first, again, has_results=True, say=pytest.fail)


def test_a_function_that_never_repeats_itself_is_compared_by_its_source(written):
    drawn = ("return Net(", "import os, torch\n    torch.manual_seed(int.from_bytes(os.urandom(4)))\n    return Net(")
    first, again = written(drawn), written(drawn)
    assert first.network_code.outputs == ()
    code_identity.check_same(first, again, has_results=True, say=pytest.fail)
    with pytest.raises(UserError, match="source was changed"):
        code_identity.check_same(first, written(drawn, ("nn.ReLU", "nn.Tanh")), has_results=True, say=pytest.fail)


def test_the_fact_survives_the_ledger(written):
    fact = written().network_code
    assert decode(CodeFact, encode(fact)) == fact
