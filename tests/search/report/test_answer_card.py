"""The head of the page: its card, the drawing of the network, and the front of each overhead."""

from dataclasses import replace

import pytest

from search.config import Experiment
from search.report.answer_card import answer_card, subject
from search.report.axis_front import axis_front
from search.report.network_drawing import network_drawing
from search.report.next_steps import home_steps, page_steps
from search.results import pareto
from search.results.answer import NO, UNDECIDED, Answer
from search.results.compute import compute
from search.results.objectives import DEFAULT, Objective
from search.results.result import Rules
from search.results.validation_noise import Learned
from search.setup.opened_run import OpenedRun
from search.state.ledger import Ledger
from search.state.run_folder import RunFolder
from spaces import Architecture, Site
from tests.search import ledgers

SITES = (Site("1.0", 1, {}), Site("2.0", 2, {}))
COSTS = (0.0, 4.0, 2.0, 9.0)


def found(gain, objectives=DEFAULT):
    """A run of four architectures; the last one is the dearest in parameters and the cheapest in MACs."""
    ledger = Ledger(":memory:")
    for number, overhead in enumerate(COSTS):
        (entry,) = ledgers.enter(ledger, [overhead], macs_overhead=(10 - overhead) * bool(number))
        ledgers.train(ledger, entry, [95 + gain * number + replicate / 50 for replicate in range(4)])
    return compute("run", ledger, Rules(objectives)), ledger


@pytest.fixture(scope="module")
def likely():
    return found(gain=0.5)


def card_of(front, ledger, sites=SITES):
    return answer_card(front, ledger.entries, sites, home_steps(front))


def test_the_card_of_what_is_likely_has_its_gain_its_costs_and_plain_to_take_home(likely):
    front, ledger = likely
    point = subject(front)
    assert point.id == front.likely
    card = card_of(front, ledger)
    assert (card.heading, card.verdict) == ("Most promising, not proven", "likely")
    figures = {figure.name: f"{figure.value} {figure.beside}" for figure in card.figures}
    assert f"{point.gain:+.2f} points" in figures["gain"]
    assert f"[{point.gain_low:+.2f}, {point.gain_high:+.2f}], 90 % interval" in figures["gain"]
    assert f"{point.params_overhead:+.2f} % over plain" in figures["parameters"]
    assert "not measured" in figures["latency"]
    assert [step.command for step in card.steps] == ["senet-search export run"]


def test_the_card_of_plain_names_the_best_that_was_tried(likely):
    front, ledger = likely
    plain = replace(front, likely=None, answer=Answer(NO, 1.0, 0.99))
    card = card_of(plain, ledger)
    assert (card.heading, card.id, card.verdict) == ("Take home", "a0", "plain")
    best = max(front.points[1:], key=lambda point: point.gain)
    assert best.id in card.figures[0].beside
    assert card.drawing.words == "net: 2 units, none with SE"


def test_a_likely_one_that_kept_its_weights_can_be_taken_as_well(likely):
    front, _ = likely
    points = tuple(replace(p, role="finalist") if p.id == front.likely else p for p in front.points)
    _, other = home_steps(replace(front, points=points))
    assert other.command == f"senet-search export run --pick {front.likely}"


def test_the_drawing_has_a_box_for_each_unit_and_a_letter_where_se_stands():
    architecture = Architecture.parse("net/-/avg:fc4:sigmoid@pre_addition")
    drawing = network_drawing(architecture, SITES)
    assert [(stage.name, [cell.letter for _, cell in stage.units]) for stage in drawing.stages] == [
        ("stage 1", [""]),
        ("stage 2", ["A"]),
    ]
    assert drawing.key == (("A", "before the addition"),)
    assert drawing.words == "net: 1 of 2 units with SE (2.0: avg:fc4:sigmoid@pre_addition)"
    (row,) = network_drawing(architecture, ()).stages
    assert (row.name, len(row.units)) == ("", 2)


def test_each_overhead_has_a_front_of_its_own(likely):
    front, _ = likely
    assert axis_front(front, "params_overhead") == front.members
    macs = axis_front(front, "macs_overhead")
    assert {point.id for point in macs} == {"a0", "a3"}  # the best one is the cheapest in MACs
    assert [point.macs_overhead for point in macs] == sorted(point.macs_overhead for point in macs)


def test_with_two_costs_the_front_of_an_axis_is_not_that_of_the_run(likely):
    front, _ = found(0.5, (*DEFAULT, Objective(metric="macs")))
    shown = axis_front(front, "params_overhead")
    nothing_beats = pareto.front([(point.params_overhead, -point.gain) for point in front.points])
    assert {point.id for point in shown} == {front.points[i].id for i in nothing_beats}


def test_points_over_a_limit_are_on_no_front(likely):
    front, _ = found(0.5, (*DEFAULT, Objective(metric="macs")))
    over = replace(front, points=(*front.points[:-1], replace(front.points[-1], allowed=False)))
    assert "a3" not in {point.id for point in axis_front(over, "macs_overhead")}


@pytest.mark.parametrize(
    ("learned", "how"), [(100.0, ""), (90.0, "--trainings +20"), (11.0, "--set train.epochs=20 --new")]
)
def test_more_trainings_are_not_suggested_where_plain_is_always_right_or_guesses(tmp_path, learned, how):
    """Beside "no placement can gain anything" stood `--trainings +192`, and beside "too briefly to differ" `+768`."""
    front, ledger = found(gain=0.0)
    insights = replace(front.insights, learned=Learned(learned, 10.0))
    undecided = replace(front, answer=Answer(UNDECIDED, 0.5, 0.5, more=20), insights=insights)
    experiment = Experiment.from_dict({"data": "digits", "model": {"backbone": "cifar_resnet8"}})
    run = OpenedRun(RunFolder(tmp_path / "runs" / "run"), ledger, experiment)
    commands = " ".join(step.command for step in page_steps(undecided, run, is_complete=True))
    assert how in commands
    assert ("senet-search run" in commands) == bool(how)
    assert "senet-search export run" in commands
