"""A search judged by another metric than accuracy: one sign, its own name and unit, and further qualities."""

import csv
import io
import json
import random
from dataclasses import replace

import pytest

from search.loop import Loop
from search.planning.optuna_study import Proposer
from search.planning.planner import Budget
from search.planning.priced_space import PricedSpace
from search.report import result_lines, tables
from search.results.compute import compute
from search.results.history import steps
from search.results.objectives import Objective
from search.results.result import Rules
from search.state.facts import Facts, SlotsFact
from search.state.ledger import Ledger
from search.state.records import Outcome
from search.track import metric_names
from spaces import Space, SpaceSpec
from tests.conftest import residual_sites
from tests.search.looping import is_plain, price

PARAMS = Objective(metric="params")
LOG_LOSS = Rules((Objective(metric="log_loss"), PARAMS), tolerance=0.0025, min_gain=0.00125, worthwhile=0.005)
TWO = Rules((Objective(metric="balanced_accuracy"), Objective(metric="log_loss"), PARAMS))
OWN = Rules((Objective(metric="psnr", goal="maximize", unit="dB", format=".1f"), PARAMS), worthwhile=0.4, min_gain=0.1)
INT8 = Rules((Objective(metric="accuracy_int8"), Objective(metric="accuracy"), PARAMS))
EFFECTS = {
    "val_log_loss": -0.05,
    "val_balanced_accuracy": 3.0,
    "val_psnr": 1.0,
    "val_accuracy": 3.0,
    "val_accuracy_int8": 3.0,
}
LEVELS = {
    "val_log_loss": 0.4,
    "val_balanced_accuracy": 70.0,
    "val_psnr": 31.0,
    "val_accuracy": 80.0,
    "val_accuracy_int8": 75.0,
}


def measured(assignment, sign=1):
    """SE in any place is better by its effect, whatever the metric; ``sign`` -1 makes it worse."""
    luck = random.Random(f"{assignment.architecture} {assignment.seed}")
    share = 0 if is_plain(assignment.architecture) else sign
    return {name: LEVELS[name] + effect * (share + luck.gauss(0, 0.1)) for name, effect in EFFECTS.items()}


def searched(rules, trainings=24, sign=1, sampler="knowledge_gradient", columns=tuple(EFFECTS)):
    """The ledger of a finished search whose trainings measure these columns."""
    ledger = Ledger(":memory:")
    ledger.note(Facts(slots=SlotsFact(1)))
    space = Space("net", residual_sites((16, 32, 64)), SpaceSpec(reduction=(4, 8)))
    proposer = Proposer(space, rules.objectives, price, sampler=sampler, seed=0, budget=trainings)
    loop = Loop(ledger, PricedSpace(space, price), proposer, budget=Budget(trainings), rules=rules)
    while (assignment := loop.next()) is not None:
        metrics = measured(assignment, sign)
        loop.finish(assignment.uid, Outcome({name: metrics[name] for name in columns}, [{"epoch": 1}]))
    loop.conclude()
    return ledger, proposer


@pytest.mark.parametrize("rules", [LOG_LOSS, TWO, OWN, INT8], ids=["log_loss", "two", "own", "int8"])
def test_what_is_better_is_proven_and_what_is_worse_never(rules):
    good = compute("run", searched(rules)[0], rules)
    assert "Worth it" in good.verdict
    assert good[good.recommended].gain > 0
    bad = compute("run", searched(rules, sign=-1)[0], rules)
    assert "Worth it" not in bad.verdict
    assert bad[bad.recommended].is_plain
    assert all(point.gain < 0 for point in bad.points if not point.is_plain)


def test_a_lower_log_loss_is_a_gain_and_its_value_is_shown_as_it_is():
    columns = tuple(name for name in EFFECTS if "int8" not in name)  # its loss is told in points of accuracy
    front = compute("run", searched(LOG_LOSS, columns=columns)[0], LOG_LOSS)
    best = front[front.recommended]
    assert front.plain.value == pytest.approx(0.4, abs=0.01)
    assert best.value == pytest.approx(0.35, abs=0.01)
    assert best.gain == pytest.approx(0.05, abs=0.01)
    assert "nats" in front.verdict
    assert "(lower log-loss)" in front.verdict
    text = "\n".join([front.verdict, front.rule, front.power, *front.findings, *result_lines.sentences(front)])
    assert "accurac" not in text
    assert "point" not in text
    assert 0 < front.sigma < 0.02  # the noise is judged on the scale of the values


def test_the_study_of_optuna_maximises_scores():
    _, proposer = searched(LOG_LOSS)
    assert [direction.name for direction in proposer.study.directions] == ["MAXIMIZE", "MINIMIZE"]
    done = [trial.values[0] for trial in proposer.study.trials if trial.state.name == "COMPLETE"]
    assert max(done) < 0


def test_accuracy_in_int8_is_named_beside_accuracy():
    front = compute("run", searched(INT8)[0], INT8)
    assert "of accuracy in INT8 over plain" in front.verdict
    assert front.plain.value == pytest.approx(75, abs=1)
    assert front.plain.further["val_accuracy"].value == pytest.approx(80, abs=1)
    assert [*next(csv.DictReader(io.StringIO(front.to_csv())))][5] == "val_accuracy_int8"
    assert tables.points_table(front).columns[2].title == "validation accuracy in INT8, %"


def test_a_metric_of_ones_own_has_its_unit_and_format():
    front = compute("run", searched(OWN, columns=("val_psnr",))[0], OWN)
    assert "dB" in front.verdict
    table = tables.points_table(front)
    assert table.columns[2].title == "validation psnr, dB"
    assert table.rows[0].cells[2] == f"{front.plain.value:.1f}"
    assert front.plain.val_psnr == front.plain.value


def test_several_qualities_have_columns_of_their_own_and_the_first_decides():
    ledger, _ = searched(TWO)
    front = compute("run", ledger, TWO)
    rows = list(csv.DictReader(io.StringIO(front.to_csv())))
    body = json.loads(front.to_json())
    assert [*rows[0]][5:16] == [
        "val_balanced_accuracy",
        "gain",
        "gain_low",
        "gain_high",
        "p_gain",
        "n_seeds",
        "val_log_loss",
        "gain_log_loss",
        "gain_log_loss_low",
        "gain_log_loss_high",
        "params",
    ]
    for row, point, found in zip(rows, body["points"], front.points, strict=True):
        further = found.further["val_log_loss"]
        assert float(row["val_log_loss"]) == point["val_log_loss"] == further.value == found.val_log_loss
        assert further.low <= further.gain <= further.high
        assert "val_accuracy" not in row
    assert {o["metric"] for o in body["objectives"]} == {"balanced_accuracy", "log_loss", "params"}
    alone = replace(TWO, objectives=(TWO.objectives[0], PARAMS))
    one = compute("run", ledger, alone)
    assert [p.gain for p in one.points] == [p.gain for p in front.points]
    assert one.verdict == front.verdict
    assert {p.id for p in one.members} <= {p.id for p in front.members}
    assert steps(ledger, TWO)[-1].members == len(front.members)


def test_a_training_that_lacks_the_metric_fails_and_says_so():
    with pytest.raises(Exception, match="no metric: val_psnr"):
        searched(OWN, columns=("val_accuracy",))


def test_mlflow_gets_names_that_it_takes():
    assert metric_names.mlflow_name("val_accuracy") == "val_accuracy"
    assert metric_names.mlflow_name("val_recall@rare 8") == "val_recall/rare 8"
    assert metric_names.mlflow_name("val_recall@a+b (c)") == "val_recall/a-b -c-"
