"""Puts deliberate faults into the packages whose mistakes would be silent, and lists which of them no test notices.

    python -m tests.mutation [--package results] [--sample 60] [--seed 0] [--jobs 1]

It writes what became of each fault into ``faults.json`` beside this file, and what survives into ``survivors.md``. A
fault that changes nothing that anybody could see is equivalent; ``equivalent.json`` names it with the reason.
"""

import argparse
import importlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.mutation import trial
from tests.mutation.faults import ROOT, Fault, faults_of, sample
from tests.mutation.record import unnoticed, write

LOOP = ["tests/search/test_loop.py", "tests/search/test_loop_confirmation.py", "tests/search/test_loop_time.py"]
# Each package, and the tests that may notice a fault in it; which of them reach it is measured.
PACKAGES = {
    "results": ("search/results", ["tests/search/results", "tests/search/report"]),
    "planning": ("search/planning", ["tests/search/planning", *LOOP]),
    "model": ("search/model", ["tests/search/model", "tests/search/results/test_compute.py"]),
    "state": ("search/state", ["tests/search/state", "tests/search/doctor", "tests/search/setup/test_opened_run.py"]),
    "spaces": ("spaces", ["tests/spaces", "tests/search/state/test_run_folder.py", "tests/search/model"]),
}


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__.splitlines()[0])
    parser.add_argument("--package", choices=PACKAGES, action="append", help="one of the packages (default: all)")
    parser.add_argument("--sample", type=int, default=60, help="faults in each package (default: 60)")
    parser.add_argument("--seed", type=int, default=0, help="which faults (default: 0)")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time (default: 1)")
    parser.add_argument("--only", default="", help="only faults whose name contains this text; nothing is written")
    parser.add_argument("--again", action="store_true", help="only faults that the list has as not noticed")
    parser.add_argument("--reach", type=Path, help="a folder that keeps what each test reaches, for the next time")
    chosen = parser.parse_args(arguments)
    os.nice(10)
    os.chdir(ROOT)
    for name in trial.HEAVY:
        importlib.import_module(name)
    for package in chosen.package or PACKAGES:
        root, tests = PACKAGES[package]
        files = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / root).rglob("*.py"))
        every = [fault for file in files for fault in faults_of(file)]
        faults = sample(every, chosen.sample, chosen.seed)
        if chosen.only:
            faults = [fault for fault in every if chosen.only in fault.name]
        if chosen.again:
            names = unnoticed(package)
            faults = [fault for fault in every if fault.name in names]
        reach = chosen.reach / f"{package}.json" if chosen.reach else None
        verdicts = judge(faults, root, tests, chosen.jobs, reach)
        if chosen.only:
            for fault in faults:
                print(f"{fault.name}: {verdicts[fault.name] or 'survives'}")
        else:
            write(package, faults, verdicts, again=chosen.again)


def judge(faults: Sequence[Fault], root: str, tests: Sequence[str], jobs: int, kept: Path | None) -> dict[str, str]:
    """For each fault, by name, the test that notices it; empty where it survives."""
    folder = Path(tempfile.mkdtemp(prefix="mutation-"))
    try:
        report = folder / "session"
        child = os.fork()
        if not child:
            reach = json.loads(kept.read_text()) if kept and kept.exists() else {}
            _session(trial.Trials(faults, [root], folder, jobs, reach), tests, report)
        os.waitpid(child, 0)
        verdicts, reach = json.loads(report.read_text())
        if kept:
            kept.write_text(json.dumps(reach))
        for fault in faults:
            if verdicts[fault.name] == trial.SURVIVES and trial.acts_when_imported(reach, fault):
                names = trial.tests_of_file(reach, fault)
                verdicts[fault.name] = trial.judge_imported(fault, names, folder) if names else trial.SURVIVES
                trial.say(f"imported: {fault.name}: {verdicts[fault.name] or 'survives'}")
        return verdicts
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _session(trials: trial.Trials, tests: Sequence[str], report: Path) -> None:
    """One pytest session in this process, which was forked for it and ends with it."""
    status = 1
    try:
        pytest.main([*trial.USUAL, *(test for test in tests if (ROOT / test).exists())], plugins=[trials])
        report.write_text(json.dumps([trials.verdicts, trials.reach]))
        status = 0
    finally:
        os._exit(status)


if __name__ == "__main__":
    main(sys.argv[1:])
