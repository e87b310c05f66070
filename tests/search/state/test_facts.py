"""Facts and their JSON, as ledgers of this version and of older ones hold it."""

import dataclasses
import json

import pytest

from search.state.changes_fact import ChangedImage, ChangesFact, Confusions
from search.state.code_fact import CodeFact
from search.state.completion_fact import Completion, Extension
from search.state.confirmation_facts import (
    ENDS,
    AnswerFact,
    ConfirmationFact,
    PairPlan,
    Settled,
    Sizes,
)
from search.state.facts import (
    DataFact,
    Facts,
    GitFact,
    HeldOutFact,
    HistoryStep,
    SlotsFact,
    SpaceFact,
    WeightsFact,
    decode,
    encode,
)
from search.state.labels_fact import LabelsFact
from search.state.latency_facts import LatencyFact, LatencyModelFact
from search.state.shared_facts import SharedFigures, SharedNetworkFact
from spaces import Site
from spaces.ratios import Ratios

# One of each, and its JSON as the versions so far wrote it.
STORED = {
    "uid": ("0d25", "0d25"),
    "config": ("name: digits\n", "name: digits\n"),
    "base": ("/project", "/project"),
    "tracking": ("sqlite:///x", "sqlite:///x"),
    "tracking_origin": ("beside", "beside"),
    "tracking_trouble": ("no answer", "no answer"),
    "mlflow_experiment": ("1", "1"),
    "session_began": (1.5, 1.5),
    "session_ended": ("KILLED", "KILLED"),
    "seconds": (66.2, 66.2),
    "seconds_before": (0.0, 0.0),
    "data": (
        DataFact(10, 5, 4, ("a", "b"), 1, 8, (1, 8, 8), "f00", (0.5,), (0.2,), ("few images",), 65535.0,
                 (3, 2), "whole groups", "0a1"),
        {
            "train": 10, "validation": 5, "test": 4, "classes": ["a", "b"], "channels": 1, "image_size": 8,
            "shape": [1, 8, 8], "fingerprint": "f00", "mean": [0.5], "std": [0.2], "notes": ["few images"],
            "white": 65535.0, "folds": [3, 2], "division": "whole groups",
            "stamp": "0a1",
        },
    ),
    "space": (SpaceFact(57, 64), {"size": 57, "nominal": 64}),
    "sites": (
        (Site("1.0", 1, {"pre_addition": 16}),),
        [{"name": "1.0", "stage": 1, "channels": {"pre_addition": 16}}],
    ),
    "space_size": (57, 57),
    "ratios": (
        Ratios((4, 24), 2, "stage"),
        {"reduction": [4, 24], "min_hidden": 2, "shared_by": "stage"},
    ),
    "device": ("cpu", "cpu"),
    "slots": (
        SlotsFact(2, 1, 0.0, "local", False),
        {"count": 2, "cpus": 1, "gpus": 0.0, "ray": "local", "insecure": False},
    ),
    "threads": (3, 3),
    "gpus": (("Tesla T4", "NVIDIA H100"), ["Tesla T4", "NVIDIA H100"]),
    "versions": ({"torch": "2"}, {"torch": "2"}),
    "machine": ("x86_64", "x86_64"),
    "git": (GitFact("c0ffee", True, "main"), {"commit": "c0ffee", "dirty": True, "branch": "main"}),
    "network_code": (
        CodeFact("mine:net", "5a", "c0", {"head.bias": (10,)}, (0.5,), "2.12"),
        {
            "target": "mine:net", "source": "5a", "code": "c0", "shapes": {"head.bias": [10]}, "outputs": [0.5],
            "torch": "2.12", "signature": "",
        },
    ),
    "evaluator_code": (
        CodeFact("mine:score", "5a", "c0", signature="(a, s)"),
        {
            "target": "mine:score", "source": "5a", "code": "c0", "shapes": {}, "outputs": [], "torch": "",
            "signature": "(a, s)",
        },
    ),
    "labels": (LabelsFact((0, 2, 70_000)), "eNpjYGBgYALiAkFGBgACEQCF"),
    "weights": (WeightsFact("5a", ("fc",)), {"sha256": "5a", "drawn": ["fc"]}),
    "latency_model": (
        LatencyModelFact((1,), {"avg": 1.0}, 9.0, 0.1, 0.9, 64, {"name": "cpu"}),
        {
            "stages": [1], "weights": {"avg": 1.0}, "plain_ms": 9.0, "error": 0.1, "tau": 0.9, "n": 64,
            "measured_on": {"name": "cpu"},
        },
    ),
    "latency": ({"a1": {"latency_ms": 10.0}}, {"a1": {"latency_ms": 10.0}}),
    "latency_on": ({"device": "cpu", "name": "EPYC"}, {"device": "cpu", "name": "EPYC"}),
    "latency_refused": ({"a2": "refused by openvino"}, {"a2": "refused by openvino"}),
    "latency_drops": ({"a0": {"drop": 0.1}}, {"a0": {"drop": 0.1}}),
    "latencies": (
        {
            "latency_openvino_int8": LatencyFact(
                LatencyModelFact((1,), {"SE": 1.5}, 2.0, 0.5, 0.9, 64),
                {"a1": {"latency_openvino_int8_ms": 3.0}},
                {"a2": "refused by openvino"},
                {"device": "cpu"},
                {"a0": {"drop": 0.1}},
            )
        },
        {
            "latency_openvino_int8": {
                "model": {
                    "stages": [1],
                    "weights": {"SE": 1.5},
                    "plain_ms": 2.0,
                    "error": 0.5,
                    "tau": 0.9,
                    "n": 64,
                    "measured_on": {},
                },
                "figures": {"a1": {"latency_openvino_int8_ms": 3.0}},
                "refused": {"a2": "refused by openvino"},
                "measured_on": {"device": "cpu"},
                "drops": {"a0": {"drop": 0.1}},
            }
        },
    ),
    "confirmations": (
        (ConfirmationFact(Sizes(1, 3, 4, 2), (2,), 24, 64, "time"),),
        [
            {
                "sizes": {"finalists": 1, "each": 3, "plain": 4, "blocks": 2}, "finalists": [2], "budget": 24, "of": 64,
                "early": "time",
            }
        ],
    ),
    "confirmations_ended": (1, 1),
    "pair_plans": (
        (PairPlan((2, 2, 2), (3,), 0.033, 24, 5, 3, "proven", 18), PairPlan((), (), 0.0, 24, ended="nobody")),
        [
            {
                "candidates": [2, 2, 2], "looks": [3], "level": 0.033, "budget": 24, "first_block": 5, "planned": 3,
                "ended": "proven", "covered": 18,
            },
            {
                "candidates": [], "looks": [], "level": 0.0, "budget": 24, "first_block": 0, "planned": 0,
                "ended": "nobody",
            },
        ],
    ),
    "settled": (Settled(24, "answered", 18), {"budget": 24, "reason": "answered", "trainings": 18}),
    "answer": (
        AnswerFact(18, 0.2, 0.31, 56, 48, forecast=True),
        {"trainings": 18, "worthwhile": 0.2, "p_not_worth": 0.31, "considered": 56, "more": 48, "forecast": True},
    ),
    "shared_network": (
        SharedNetworkFact(32, 113, 5.4, 1000, "finished", 145, 1, 1.5, 40.5, 39.0, curve=({"epoch": 1, "lr": 0.5},)),
        {
            "epochs": 32, "placements": 113, "trainings": 5.4, "images": 1000, "state": "finished", "epoch": 145,
            "attempts": 1, "started": 1.5, "ended": 40.5, "seconds": 39.0, "reason": "", "detail": "",
            "curve": [{"epoch": 1, "lr": 0.5}],
        },
    ),
    "shared_figures": (
        SharedFigures(("val_accuracy", "train_loss"), {"net/-": (80.0, None)}),
        {"columns": ["val_accuracy", "train_loss"], "values": {"net/-": [80.0, None]}},
    ),
    "test": (
        HeldOutFact("2026-01-01T00:00:00Z", {"a0": ({"seed": "1.0", "accuracy": 94.0},)}),
        {"read": "2026-01-01T00:00:00Z", "results": {"a0": [{"seed": "1.0", "accuracy": 94.0}]}},
    ),
    "changes": (
        ChangesFact(
            "a3",
            4,
            1,
            (ChangedImage(2, 0.25, 1.0, "data:image/png;base64,AA=="),),
            Confusions((0, 2), ((8.0, 2.0), (1.0, 9.0)), ((9.0, 1.0), (1.0, 9.0)), (4, 3)),
        ),
        {
            "placement": "a3",
            "gained": 4,
            "lost": 1,
            "images": [{"label": 2, "before": 0.25, "after": 1.0, "picture": "data:image/png;base64,AA=="}],
            "confusions": {
                "classes": [0, 2],
                "before": [[8.0, 2.0], [1.0, 9.0]],
                "after": [[9.0, 1.0], [1.0, 9.0]],
                "trainings": [4, 3],
            },
        },
    ),
    "history": (
        (HistoryStep(1, 2.0, 0.1, 0.0, 0.2, 0.5, 3),),
        [{"trainings": 1, "at": 2.0, "hypervolume": 0.1, "low": 0.0, "high": 0.2, "score": 0.5, "members": 3}],
    ),
    "complete": (Completion(24, "2h"), [24, "2h"]),
    "extension": (Extension(8, 24), {"added": 8, "trainings": 24}),
}  # fmt: skip


def test_every_fact_is_in_this_test():
    assert {field.name for field in dataclasses.fields(Facts)} == set(STORED)


@pytest.mark.parametrize("name", STORED)
def test_each_fact_is_stored_as_it_always_was_and_read_back(name):
    fact, stored = STORED[name]
    facts = Facts(**{name: fact})
    assert facts.to_json() == {name: stored}
    assert Facts.from_json(json.loads(json.dumps({name: stored}))) == facts


def test_what_older_versions_did_not_write_has_a_default():
    found = Facts.from_json(
        {
            "data": {},
            "git": {},
            "complete": 24,
            "confirmations": [{"sizes": vars(Sizes(0, 0, 0, 0)), "finalists": [], "budget": 9}],
            "history": [{"trainings": 1, "at": 2.0, "hypervolume": 0.1, "low": 0.0, "high": 0.2, "score": 0.5}],
            "session_ended": None,
        }
    )
    assert (found.data, found.git, found.session_ended) == (DataFact(), GitFact(), None)
    assert found.confirmations == (ConfirmationFact(Sizes(0, 0, 0, 0), (), 9),)
    assert found.history[0].members is None
    assert found.complete == Completion(24, knows_time=False)
    assert found.complete.to_json() == 24


def test_defaults_are_what_older_versions_meant():
    data = DataFact()
    assert (data.train, data.validation, data.test, data.channels, data.image_size) == (0, 0, 0, 0, 0)
    assert (data.classes, data.shape, data.fingerprint, data.mean, data.std, data.notes) == ((), (), "", (), (), ())
    assert SlotsFact(1, 1, 0.0) == SlotsFact(1, 1, 0.0, "local", False)
    assert Completion(24) == Completion(24, None, True)
    assert Sizes(2, 3, 5, 1).total == 11


def test_a_plan_has_one_candidate_and_covers_its_budget_or_less():
    assert PairPlan((3, 3, 3), (3,), 0.03, 64).candidate == 3
    assert (PairPlan((), (), 0.0, 64).covers, PairPlan((), (), 0.0, 64, covered=0).covers) == (64, 0)
    with pytest.raises(IndexError):
        PairPlan((), (), 0.0, 64).candidate  # noqa: B018
    assert ENDS == ("proven", "unproven", "futile", "nobody")


def test_an_answer_and_a_plan_of_an_older_ledger_are_read():
    answer = {"trainings": 18, "worthwhile": 0.2, "p_not_worth": 0.31, "considered": 56, "more": 48}
    plan = {"candidates": [2, 2, 2], "looks": [3], "level": 0.033, "budget": 24, "first_block": 5, "planned": 3}
    read = Facts.from_json({"answer": answer, "pair_plans": [{**plan, "ended": ""}]})
    assert read.answer == AnswerFact(18, 0.2, 0.31, 56, 48)
    assert read.pair_plans == (PairPlan((2, 2, 2), (3,), 0.033, 24, 5, 3),)


def test_a_completion_covers_the_same_budget_and_an_older_one_any_time():
    assert Completion(24, "2h").covers(24, "2h")
    assert not Completion(24, "2h").covers(24, "3h")
    assert not Completion(24, "2h").covers(25, "2h")
    assert Completion(24, knows_time=False).covers(24, "3h")
    assert not Completion(24, knows_time=False).covers(25, None)


def test_facts_are_updated_and_taken_away_by_name():
    old, new = Facts(uid="u", seconds=1.0), Facts(seconds=2.0, device="cpu")
    assert old.updated(new) == Facts(uid="u", seconds=2.0, device="cpu")
    assert new.without(old) == Facts(device="cpu")
    assert old.noted == {"uid": "u", "seconds": 1.0}


def test_a_fact_alone_is_encoded_and_decoded():
    assert decode(SpaceFact, encode(SpaceFact(1, 2))) == SpaceFact(1, 2)
    assert encode((GitFact("c"), {"a": (1, None)})) == [{"commit": "c"}, {"a": [1, None]}]


def test_what_a_newer_version_wrote_is_left_out():
    data = {"train": 10, "colours": 3}
    assert Facts.from_json({"weather": "fine", "data": data}) == Facts(data=DataFact(train=10))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("data", 3),
        ("data", [1]),
        ("space", {"size": 57}),
        ("versions", ["torch"]),
        ("sites", 7),
        ("complete", [1, 2, 3]),
    ],
)
def test_a_fact_of_another_shape_is_named(name, value):
    with pytest.raises(ValueError, match=f"the fact `{name}` cannot be read"):
        Facts.from_json({name: value})


def test_an_update_keeps_what_it_does_not_know():
    before = Facts(uid="u1", seconds=3.0, session_ended="KILLED")
    assert before.updated(Facts(seconds=4.0, session_ended="")) == Facts(uid="u1", seconds=4.0, session_ended="")


@pytest.mark.parametrize(
    ("complete", "trainings", "time", "covers"),
    [
        (Completion(24, "2h"), 24, "2h", True),
        (Completion(24, "2h"), 24, None, False),
        (Completion(24), 24, None, True),
        (Completion(24), 25, None, False),
        (Completion(24, knows_time=False), 24, "2h", True),
        (Completion(24, knows_time=False), 25, "2h", False),
    ],
)
def test_a_run_is_complete_for_the_budget_that_it_was_completed_with(complete, trainings, time, covers):
    assert complete.covers(trainings, time) == covers


def test_slots_that_a_cluster_decides_are_read_again():
    """A field that is None is not written, so it needs a default to be read."""
    slots = SlotsFact(None, 2, 0.5, "auto", True)
    assert decode(SlotsFact, encode(slots)) == slots
    assert "count" not in encode(slots)
