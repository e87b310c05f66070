"""Whatever fits or draws has one thread of NumPy's and SciPy's linear algebra, and leaves what it found."""

import threading
from pathlib import Path

import pytest
from threadpoolctl import OpenBLASController, threadpool_info, threadpool_limits

from search import Experiment, session
from search.bench import trials
from search.bench.trials import Spending
from search.model import one_thread
from search.results import compute
from search.results.evidence import Evidence
from search.results.objectives import DEFAULT
from search.results.result import Rules
from search.state.ledger import Ledger
from tests.search import ledgers


def threads() -> set[int]:
    return {found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"}


def _nobody_controls() -> None:
    """From 3.8 on the thread that has set the number keeps others from it."""
    if hasattr(OpenBLASController, "clear_controlling_thread"):
        OpenBLASController.clear_controlling_thread()


@pytest.fixture(autouse=True)
def _three_threads():
    before = threadpool_limits(3, user_api="blas")
    _nobody_controls()
    yield
    before.restore_original_limits()
    _nobody_controls()


class Stop(Exception):
    pass


@pytest.fixture
def stopped():
    """A function that stops whoever calls it, and the threads that it had then."""
    seen = []

    def stop(*_args, **_options):
        seen.append(threads())
        raise Stop

    return stop, seen


def test_inside_there_is_one_and_afterwards_what_was_set():
    with one_thread.one_thread:
        with one_thread.one_thread:
            assert threads() == {1}
        assert threads() == {1}
    assert threads() == {3}


def test_what_was_set_comes_back_after_an_error():
    with pytest.raises(ZeroDivisionError), one_thread.one_thread:
        raise ZeroDivisionError
    assert threads() == {3}


def test_a_report_beside_a_session_takes_nothing_from_it():
    def beside() -> None:
        with one_thread.one_thread:
            pass

    with one_thread.one_thread:
        other = threading.Thread(target=beside)
        other.start()
        other.join()
        assert threads() == {1}
    assert threads() == {3}


@pytest.mark.parametrize("first_leaves_last", [False, True])
def test_of_two_that_overlap_the_last_one_to_leave_gives_back_what_was_set(first_leaves_last):
    began, may_leave = threading.Event(), threading.Event()

    def beside() -> None:
        with one_thread.one_thread:
            began.set()
            may_leave.wait(60)

    other = threading.Thread(target=beside)
    if first_leaves_last:
        other.start()
        assert began.wait(60)
        with one_thread.one_thread:
            pass
        assert threads() == {1}
    else:
        with one_thread.one_thread:
            other.start()
            assert began.wait(60)
        assert threads() == {1}
    may_leave.set()
    other.join()
    assert threads() == {3}


@pytest.mark.parametrize(
    ("path", "is_own"),
    [
        ("/env/site-packages/numpy.libs/libscipy_openblas64_.so", True),
        ("/env/site-packages/scipy.libs/libscipy_openblas.so", True),
        ("/env/site-packages/numpy/.dylibs/libscipy_openblas64_.dylib", True),
        ("/env/site-packages/torch.libs/libopenblas.so", False),
        ("/env/lib/libmkl_rt.so", False),
    ],
)
def test_a_library_that_torch_may_share_is_left_alone(path, is_own):
    assert one_thread._is_own(Path(path)) is is_own


def test_a_session_has_one(monkeypatch, tmp_path, stopped):
    stop, seen = stopped
    monkeypatch.setattr(session, "_place", stop)
    with pytest.raises(Stop):
        session.run(Experiment.from_dict({"data": "digits", "model": {"backbone": "cifar_resnet8"}}), runs=tmp_path)
    assert (seen, threads()) == ([{1}], {3})


def test_a_result_has_one_whoever_asks_for_it(monkeypatch, stopped):
    stop, seen = stopped
    ledger = Ledger(":memory:")
    ledgers.train(ledger, ledgers.enter(ledger, [0.0])[0], [90.0, 90.2])
    monkeypatch.setattr(Evidence, "posterior", stop)
    with pytest.raises(Stop):
        compute.compute("run", ledger, Rules(DEFAULT))
    assert (seen, threads()) == ([{1}], {3})


def test_a_search_of_bench_has_one(monkeypatch, stopped):
    stop, seen = stopped
    monkeypatch.setattr(trials, "search", stop)
    with pytest.raises(Stop):
        trials.trial("synthetic:113:0.4", Spending(), (0, "random", 8))
    assert (seen, threads()) == ([{1}], {3})
