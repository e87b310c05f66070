"""Gives the verdict on each fault: the test that notices it, or nothing.

Nothing is written into the tree, nor copied: a fault lives in the memory of one forked process. It is put into the
program after all tests were collected, so no process imports anything again (:mod:`tests.mutation.patch`). A fault
that acts when its module is imported, and survives this way, is tried once more in a process that imports it.
"""

import contextlib
import functools
import gc
import importlib.machinery
import json
import math
import os
import resource
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import CodeType, FrameType

import pytest

from tests.mutation.faults import ROOT, Fault, with_fault
from tests.mutation.patch import OURS, Change, Memory, module_of

# A fault may keep its tests busy this much longer than they were without it; and no process lives longer than PATIENCE.
SLOWER, GRACE, PATIENCE = 4, 10, 600
# Of the tests that reach a fault, the quickest run, as many as take together this long (seconds of processor time).
SECONDS = 8.0
IGNORED = ("ray", "slow", "soak")
# What takes long to import and is the same with every fault.
HEAVY = ("numpy", "scipy.stats", "scipy.optimize", "torch", "optuna", "pydantic", "yaml", "hypothesis", "rich.console")
USUAL = ["-q", "-x", "-p", "no:cacheprovider", "--capture=no", "--no-header", "--no-summary"]
CACHED = type(functools.cache(abs))
SURVIVES, TIME = "", "the time limit"

# A function: its file and its qualified name. Of each test: its seconds of processor time, and what it calls.
Place = Sequence[str]
Reached = dict[str, tuple[float, list[Place]]]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing is printed inside: a fault makes tests noisy."""
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
        yield


def in_child(work: Callable[[Path], None], folder: Path, seconds: float, patience: int = PATIENCE) -> int:
    """Forks a process that does ``work`` with a file for its answer, within a limit of processor time."""
    answer = Path(tempfile.mkdtemp(dir=folder))
    child = os.fork()
    if child:
        (folder / str(child)).symlink_to(answer)
        return child
    status = 1
    try:
        os.environ["PYTEST_DEBUG_TEMPROOT"] = str(answer)
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 5))
        signal.alarm(patience)
        with quiet():
            work(answer / "answer")
        status = 0
    finally:
        os._exit(status)


def answer_of(child: int, status: int, folder: Path) -> str:
    """What a process wrote before it ended; that it ran out of time, where a signal ended it."""
    path = folder / str(child) / "answer"
    text = path.read_text() if path.exists() else ""
    if text or status == 0:
        return text
    return TIME if os.WIFSIGNALED(status) else "the collection of the tests"


def is_ours(thing: object) -> bool:
    return str(getattr(thing, "__module__", "")).split(".")[0] in OURS


class Watch:
    """A pytest plugin that ends the process at the first failure, with the name of the test that failed."""

    def __init__(self, answer: Path) -> None:
        self.answer = answer

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.answer.write_text(report.nodeid)
            os._exit(0)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.answer.write_text(f"the collection of {report.nodeid}")
            os._exit(0)


class Reach:
    """A pytest plugin that notes, for every test, its processor time and the functions that it calls."""

    def __init__(self, roots: Sequence[str]) -> None:
        self.roots = tuple(str(ROOT / root) for root in roots)
        self.called: set[tuple[str, str]] = set()
        self.tests: Reached = {}
        self.failed: list[str] = []
        # A function with a cache is reached although an earlier test has filled it.
        self.caches = [thing for thing in gc.get_objects() if isinstance(thing, CACHED) and is_ours(thing)]

    def trace(self, frame: FrameType, event: str, argument: object) -> None:
        code = frame.f_code
        if code.co_filename.startswith(self.roots):
            self.called.add((code.co_filename[len(str(ROOT)) + 1 :], code.co_qualname))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item):
        for cached in self.caches:
            cached.cache_clear()
        began = time.process_time()
        self.called = set()
        sys.settrace(self.trace)
        threading.settrace(self.trace)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            threading.settrace(None)
            self.tests[item.nodeid] = (time.process_time() - began, [list(place) for place in sorted(self.called)])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)


class Trials:
    """A pytest plugin that runs, in place of the tests, those that reach each fault."""

    def __init__(self, faults: Sequence[Fault], roots: Sequence[str], folder: Path, jobs: int, reach: Reached) -> None:
        self.faults = faults
        self.roots = roots
        self.folder = folder
        self.jobs = jobs
        self.running: dict[int, Fault] = {}
        self.verdicts: dict[str, str] = {}
        self.reach = reach

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if not any(item.get_closest_marker(name) for name in IGNORED)]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.items = {item.nodeid: item for item in session.items}
        if not self.reach:
            self.reach = self._measured()
        # A test that is newer than the measurement counts as one that calls nothing, and only reads values.
        self.reach = {name: self.reach.get(name, (0.0, [])) for name in self.items}
        say(f"{len(self.reach)} tests, {sum(seconds for seconds, _ in self.reach.values()):.0f} s")
        memory = Memory()
        gc.freeze()
        for number, fault in enumerate(self.faults):
            change = memory.change(fault)
            chosen = tests_of(self.reach, fault)
            if not chosen or change is None:
                self._decide(fault, SURVIVES)
                continue
            self._wait_for_a_place(self.jobs)
            seconds = GRACE + SLOWER * sum(self.reach[name][0] for name in chosen)
            self.running[in_child(self._trial(change, chosen), self.folder, seconds)] = fault
            if number % 50 == 49:
                say(f"{number + 1} of {len(self.faults)} faults")
        self._wait_for_a_place(1)
        return True

    def _measured(self) -> Reached:
        """What every test reaches, measured without a fault; tests that fail without one are no judges."""

        def work(answer: Path) -> None:
            reach = Reach(self.roots)
            manager = next(iter(self.items.values())).config.pluginmanager
            manager.register(reach)
            self._run(list(self.items))
            judges = {name: found for name, found in reach.tests.items() if name not in reach.failed}
            judges |= dict.fromkeys(reach.failed, (math.inf, []))  # never chosen
            answer.write_text(json.dumps([judges, reach.failed]))

        child = in_child(work, self.folder, 3600, 3600)
        _, status = os.waitpid(child, 0)
        tests, failed = json.loads(answer_of(child, status, self.folder))
        for name in failed:
            say(f"fails without a fault: {name}")
        return tests

    def _trial(self, change: Change, chosen: Sequence[str]) -> Callable[[Path], None]:
        def work(answer: Path) -> None:
            change()
            manager = self.items[chosen[0]].config.pluginmanager
            manager.register(Watch(answer))
            self._run(chosen)

        return work

    def _run(self, names: Sequence[str]) -> None:
        items = [self.items[name] for name in names]
        for item, following in zip(items, [*items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)

    def _wait_for_a_place(self, at_most: int) -> None:
        """Until fewer than ``at_most`` trials run."""
        while len(self.running) >= at_most:
            child, status = os.wait()
            fault = self.running.pop(child)
            self._decide(fault, answer_of(child, status, self.folder))

    def _decide(self, fault: Fault, verdict: str) -> None:
        self.verdicts[fault.name] = verdict
        if verdict == SURVIVES:
            say(f"survives: {fault.name}")


def tests_of(reach: Reached, fault: Fault) -> list[str]:
    """The tests that reach the function of a fault, or its file if it is in no function, as many as fit into SECONDS:
    those at its address first, then the quickest.
    """
    if not fault.is_in_function:
        return tests_of_file(reach, fault)
    return _quickest(reach, fault, lambda places: [fault.file, fault.function] in places)


def tests_of_file(reach: Reached, fault: Fault) -> list[str]:
    """The tests that reach anything in the file of a fault, in the same order and as many.

    If nothing in it is called (constants, records), all tests at its address.
    """
    found = _quickest(reach, fault, lambda places: any(file == fault.file for file, _ in places))
    folder = f"{Path(fault.file).parent}/"
    return found or _quickest(reach, fault, lambda places: any(file.startswith(folder) for file, _ in places))


def acts_when_imported(reach: Reached, fault: Fault) -> bool:
    """Whether a fault may act before the first test: outside of functions, or in one that no test calls."""
    is_called = any([fault.file, fault.function] in places for _, places in reach.values())
    return not fault.is_in_function or not is_called


def _quickest(reach: Reached, fault: Fault, is_reached: Callable[[list[Place]], bool]) -> list[str]:
    found = []
    for name, (seconds, places) in reach.items():
        is_elsewhere = not name.startswith(f"tests/{Path(fault.file).parent}/")
        reads_values = not places and not is_elsewhere and seconds < 1
        if reads_values or is_reached(places):
            found.append((is_elsewhere, seconds, name))
    chosen: list[str] = []
    left = SECONDS
    for _, seconds, name in sorted(found):
        if seconds <= left or (not chosen and seconds < math.inf):
            chosen.append(name)
            left -= seconds
    return chosen


class _Faulty(importlib.machinery.SourceFileLoader):
    """Loads a module from a syntax tree with a fault, whatever its file says."""

    def __init__(self, name: str, fault: Fault) -> None:
        super().__init__(name, str(ROOT / fault.file))
        self.fault = fault

    def get_code(self, fullname: str) -> CodeType:
        return compile(with_fault(self.fault), str(ROOT / self.fault.file), "exec")


class _Finder:
    """Finds the module with the fault before Python's own finders do."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.module = module_of(fault)

    def find_spec(self, name: str, path: object = None, target: object = None):
        if name != self.module:
            return None
        location = str(ROOT / self.fault.file)
        return importlib.util.spec_from_file_location(name, location, loader=_Faulty(name, self.fault))


def judge_imported(fault: Fault, names: Sequence[str], folder: Path) -> str:
    """The verdict on a fault by tests that import everything afresh."""

    def work(answer: Path) -> None:
        sys.meta_path.insert(0, _Finder(fault))
        pytest.main([*USUAL, *names], plugins=[Watch(answer)])

    child = in_child(work, folder, 60 + SLOWER * SECONDS)
    _, status = os.waitpid(child, 0)
    return answer_of(child, status, folder)


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
