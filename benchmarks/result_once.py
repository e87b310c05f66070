"""Times the front and the history of one ledger once, in this process: ``python result_once.py WARM_UP LEDGER``.

:mod:`benchmarks.result_time` starts it with the versions that it compares on PYTHONPATH, so it imports nothing else of
this folder, and knows the old places of the modules beside the new ones. It prints JSON: seconds by the clock and
seconds of CPU time.
"""

import importlib
import json
import sys
import time
from collections.abc import Callable
from types import ModuleType


def module(*places: str) -> ModuleType:
    """The first of these modules that this version has."""
    for place in places:
        try:
            return importlib.import_module(place)
        except ModuleNotFoundError:
            continue
    raise ModuleNotFoundError(f"this version has none of {', '.join(places)}")


def timed(call: Callable[[], object]) -> dict[str, float]:
    clock = time.perf_counter()
    cpu = time.process_time()
    call()
    return {"seconds": time.perf_counter() - clock, "cpu_seconds": time.process_time() - cpu}


def main() -> None:
    # Old places first: an editable install would answer for the new ones in an old version.
    ledgers = module("search.ledger", "search.state.ledger")
    compute = module("search.front", "search.results.compute").compute
    steps = module("search.history", "search.results.history").steps
    result = module("search.verdict", "search.results.result")
    objectives = module("search.objectives", "search.results.objectives")
    rules = result.Rules((*objectives.DEFAULT, objectives.Objective(metric="latency")))
    # The first call of each loads libraries: a run of a few trainings takes that out of the measurement.
    small, large = (ledgers.Ledger(path, read_only=True) for path in sys.argv[1:3])
    compute("run", small, rules)
    steps(small, rules)
    figures = {
        "front": timed(lambda: compute("run", large, rules)),
        "history": timed(lambda: steps(large, rules)),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
