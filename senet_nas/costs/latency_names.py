"""The names of further latencies: ``latency_openvino_int8``, ``latency_cudagraph_bf16_b64``, ``latency_eager_t4``.

``latency`` itself is timed as the section of that name says. Further ones name their runtime, and where they differ
from the section their precision, batch (``b``) and threads (``t``). Imports no torch.
"""

import re
from dataclasses import replace
from typing import Any

from senet_nas.deploy.precisions import CPU, CUDA, PRECISIONS
from senet_nas.deploy.runtime_table import RUNTIMES
from senet_nas.recipe import LatencySpec

PREFIX = "latency_"
PATTERN = (
    f"{PREFIX}(?P<runtime>{'|'.join(RUNTIMES)})(_(?P<precision>{'|'.join(PRECISIONS)}))?"
    r"(_b(?P<batch>[1-9]\d{0,4}))?(_t(?P<threads>[1-9]\d{0,2}))?"
)
EXAMPLE = "latency_openvino_int8"
GRAMMAR = f"{PREFIX}RUNTIME, then _PRECISION, _bBATCH and _tTHREADS where they differ from the section `latency`"


def is_further(name: str) -> bool:
    """Whether a name is that of a further latency, of a runtime that knows the precision."""
    found = _parts(name)
    return found is not None and (found["precision"] or "fp32") in RUNTIMES[found["runtime"]].precisions


def spec_of(name: str, section: LatencySpec) -> LatencySpec:
    """How a latency is timed: ``latency`` as the section says, a further one as its name and the section say."""
    found = _parts(name)
    if found is None:
        return section
    devices = RUNTIMES[found["runtime"]].devices
    settings: dict[str, Any] = {
        "runtime": found["runtime"],
        "precision": found["precision"] or _precision(section, found["runtime"]),
        "batch": int(found["batch"] or section.batch),
        "threads": int(found["threads"] or section.threads),
        "device": section.device if devices == (CPU, CUDA) else devices[0],
    }
    return replace(section, **settings)


def words(name: str) -> tuple[str, str]:
    """A further latency in a few words, for headings, and in as few as a narrow table holds."""
    found = _parts(name)
    assert found is not None, name
    settings = [found["precision"], _counted("batch", found["batch"]), _counted("threads", found["threads"])]
    text = " ".join([found["runtime"], *filter(None, settings)])
    return f"latency, {text}", text


def problem(name: str) -> str:
    """What is wrong with a name that begins as that of a further latency; empty if it does not, or if nothing is."""
    if not name.startswith(PREFIX) or is_further(name):
        return ""
    found = _parts(name)
    if found is None:
        runtimes = ", ".join(RUNTIMES)
        return f"`{name}` is not a latency: write {GRAMMAR}, for example {EXAMPLE}; runtimes: {runtimes}"
    knows = ", ".join(RUNTIMES[found["runtime"]].precisions)
    return f"{found['runtime']} does not compute in {found['precision']} here; it knows {knows}"


# -- inside -----------------------------------------------------------------------------------------------------------


def _parts(name: str) -> dict[str, str] | None:
    found = re.fullmatch(PATTERN, name)
    return None if found is None else found.groupdict()


def _precision(section: LatencySpec, runtime: str) -> str:
    """The precision of the section, where the runtime knows it."""
    own = section.number_format
    return own if own in RUNTIMES[runtime].precisions else "fp32"


def _counted(what: str, number: str | None) -> str:
    return f"{what} {number}" if number else ""
