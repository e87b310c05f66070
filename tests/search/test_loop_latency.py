"""A search with a limit on a latency that its model predicts badly: no training confirms what breaks the limit."""

import pytest

from search.state.ledger import Ledger
from tests.search import looping, timings

WILD = 4.0  # the mean error of the model, in points
TRAININGS = 64


def prices(architecture):
    """One percent of latency is predicted for each SE, so all keep the limit of 10 %."""
    return {**looping.price(architecture), **timings.predicted(1.0 * _units(architecture))}


def _units(architecture):
    return sum(se is not None for se in architecture.blocks)


class Timer:
    """Times what it is asked for: SE in more than one stage breaks the limit. ``timed`` are the numbers."""

    def __init__(self):
        self.timed = []
        self.stop_after = None

    def __call__(self, number, names):
        assert names == ["latency"]
        assert not self.ledger.counts.is_open  # nothing trains beside it
        self.timed.append(number)
        timings.measured(self.ledger, f"a{number}", self.truth(number))
        if len(self.timed) == self.stop_after:
            self.loop.stop()

    def truth(self, number):
        return 12.0 if _units(self.ledger.entries[number].architecture) > 2 else 3.0


def search_at(path):
    """A loop over the ledger of this path, the ledger, and what times its placements."""
    with_model = Ledger(path)
    if not with_model.facts.timed:
        timings.model(with_model, WILD)
    with_model.close()
    timer = Timer()
    loop, ledger = looping.make(path, TRAININGS, objectives=timings.OBJECTIVES, prices=prices, measure=timer)
    timer.loop = loop
    timer.ledger = ledger
    return loop, ledger, timer


def gained(assignment):
    """All placements gain, those with more SE more: what breaks the limit would be confirmed first."""
    return 0.3 * sum(part != "-" for part in assignment.architecture.split("/")[1:])


def drive(loop):
    while (assignment := loop.next()) is not None:
        loop.finish(assignment.uid, looping.outcome(assignment, gained(assignment)))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    loop, ledger, timer = search_at(tmp_path_factory.mktemp("run") / "ledger")
    drive(loop)
    assert loop.is_complete
    yield ledger, timer
    ledger.close()


def test_what_breaks_the_limit_is_measured_and_never_confirmed(finished):
    ledger, timer = finished
    candidates = {t.architecture for t in looping.of_role(ledger, "confirm")} - {0}
    assert candidates
    assert all(timer.truth(number) < timings.LIMIT for number in candidates)
    assert candidates <= set(timer.timed)
    assert any(timer.truth(number) > timings.LIMIT for number in timer.timed)
    assert len(timer.timed) == len(set(timer.timed))


def test_a_signal_among_the_measurements_plans_nothing_and_the_next_session_goes_on(finished, tmp_path):
    loop, ledger, timer = search_at(tmp_path / "other")
    timer.stop_after = 1
    drive(loop)
    loop.close()
    assert len(timer.timed) == 1
    assert not looping.plans(ledger)
    assert not loop.is_complete
    ledger.close()
    resumes_as(finished, timer, tmp_path / "other")


def test_a_signal_while_the_candidate_is_measured_starts_no_training_of_its_confirmation(finished, tmp_path):
    uninterrupted, whole = finished
    loop, ledger, timer = search_at(tmp_path / "other")
    (first, *_) = [t.architecture for t in looping.of_role(uninterrupted, "confirm") if t.architecture]
    timer.stop_after = 1 + whole.timed.index(first)
    drive(loop)
    loop.close()
    assert timer.timed[-1] == first
    assert {t.state for t in looping.of_role(ledger, "confirm")} == {"waiting"}
    ledger.close()
    resumes_as(finished, timer, tmp_path / "other")


def resumes_as(finished, timer, path):
    """The next session ends as if there had been no signal."""
    again, resumed, second = search_at(path)
    drive(again)
    assert again.is_complete
    uninterrupted, whole = finished
    assert [*timer.timed, *second.timed] == whole.timed
    assert looping.rows(resumed) == looping.rows(uninterrupted)
    resumed.close()
