"""Takes back one mend of docs/reliability.md at a time, in a copy of the repository, and runs the tests of its fault.

    python -m tests.undone [--fault 7]

Each test must fail: a test that passes without the mend cannot notice the fault. Exit status 1 if one passes.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.mends import MENDS, Mend

ROOT = Path(__file__).parents[1]
FAILED = 1  # pytest's exit status if tests failed; others mean that they did not run


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.undone", description=__doc__.splitlines()[0])
    parser.add_argument("--fault", type=int, action="append", help="number of a fault (default: all)")
    chosen = parser.parse_args(arguments)
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="undone-") as folder:
        _copy(Path(folder))
        for mend in MENDS:
            if not chosen.fault or mend.fault in chosen.fault:
                wrong += sum(not _fails(mend, test, Path(folder)) for test in mend.tests)
    return min(wrong, 1)


def without(mend: Mend, folder: Path) -> dict[Path, str]:
    """The texts of the files that a mend changed, as they are without it. Raises ValueError if the code is another."""
    texts: dict[Path, str] = {}
    for change in mend.changes:
        path = folder / change.file
        text = texts.get(path) or path.read_text(encoding="utf-8")
        if text.count(change.mended) != 1:
            where = f"fault {mend.fault}: {change.file} must hold this once; bring tests/mends.py up to date"
            raise ValueError(f"{where}: {change.mended}")
        texts[path] = text.replace(change.mended, change.undone)
    return texts


def _copy(folder: Path) -> None:
    """Copies the files that git knows."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def _fails(mend: Mend, test: str, folder: Path) -> bool:
    """Whether a test fails without the mend; prints how."""
    kept = {path: path.read_text(encoding="utf-8") for path in without(mend, folder)}
    file, _, name = test.partition("::")
    (place,) = (folder / "tests").rglob(file)
    command = [sys.executable, "-m", "pytest", "-v", "--tb=line", "-p", "no:cacheprovider", f"{place}::{name}"]
    try:
        for path, text in without(mend, folder).items():
            path.write_text(text, encoding="utf-8")
        environment = {**os.environ, "PYTHONPATH": str(folder)}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    finally:
        for path, text in kept.items():
            path.write_text(text, encoding="utf-8")
    lines = done.stdout.splitlines()
    counts = next((line.strip("= ") for line in reversed(lines) if " in " in line and line.startswith("=")), "")
    how = next((line.partition("E   ")[2].strip() for line in lines if line.startswith("E   ")), "")
    verdict = "fails" if done.returncode == FAILED else "DOES NOT FAIL"
    print(f"{mend.fault} | {mend.wrong} | {test} | {verdict}: {counts} | {how}", flush=True)
    return done.returncode == FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
