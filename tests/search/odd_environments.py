"""Environments in which people start a command, by name: variables, limits, folders and streams."""

import os
import resource
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

STATUS = ("status", "digits")
REPORT = ("report", "digits")
DOCTOR = ("doctor", "digits")
LIST = ("list", "backbones")
VERSION = ("--version",)


@dataclass(frozen=True)
class Odd:
    """An environment and a command. ``variables`` that are None are removed; HERE stands for the working folder.

    ``before`` is called in the new process. ``closed`` are the streams that are closed (0, 1, 2); ``codes`` the exit
    statuses that are right.
    """

    command: Sequence[str] = STATUS
    variables: Mapping[str, str | None] = field(default_factory=dict)
    before: Callable[[], object] | None = None
    closed: Sequence[int] = ()
    folder: str = "here"
    codes: Sequence[int] = (0,)


def _limit(what: int, value: int) -> Callable[[], object]:
    return lambda: resource.setrlimit(what, (value, value))


def put_foreign(folder: Path) -> None:
    """Packages of other people with names of ours, which PYTHONPATH puts first."""
    for name in ("yaml_reader.py", "click_extra.py", "report.py"):
        (folder / name).write_text("raise RuntimeError('not yours')\n")


PROXY = "http://127.0.0.1:9"
ENVIRONMENTS = {
    "no HOME": Odd(variables={"HOME": None}),
    "HOME that is missing": Odd(REPORT, {"HOME": "/no/such/home"}),
    "HOME that is empty": Odd(variables={"HOME": ""}),
    "LANG=C": Odd(REPORT, {"LANG": "C", "LC_ALL": "C"}),
    "LC_ALL unknown": Odd(REPORT, {"LC_ALL": "xx_YY.UTF-8"}),
    "ASCII output": Odd(REPORT, {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}),
    "TZ unknown": Odd(variables={"TZ": "Mars/Olympus"}),
    "TZ far away": Odd(REPORT, {"TZ": "Pacific/Kiritimati"}),
    "COLUMNS=1": Odd(REPORT, {"COLUMNS": "1"}),
    "COLUMNS=0": Odd(REPORT, {"COLUMNS": "0"}),
    "COLUMNS is a word": Odd(REPORT, {"COLUMNS": "wide", "LINES": "-3"}),
    "NO_COLOR": Odd(REPORT, {"NO_COLOR": "1"}),
    "FORCE_COLOR": Odd(REPORT, {"FORCE_COLOR": "1"}),
    "TERM=dumb": Odd(REPORT, {"TERM": "dumb"}),
    "TERM unknown": Odd(REPORT, {"TERM": "teletype-1930"}),
    "TMPDIR that is missing": Odd(REPORT, {"TMPDIR": "/no/such/tmp"}),
    "TMPDIR that is a file": Odd(STATUS, {"TMPDIR": "/dev/null"}),
    "MPLCONFIGDIR that is missing": Odd(REPORT, {"MPLCONFIGDIR": "/dev/null/x"}),
    "another MPLBACKEND": Odd(REPORT, {"MPLBACKEND": "TkAgg"}),
    "an unknown MPLBACKEND": Odd(REPORT, {"MPLBACKEND": "nonsense"}),
    "proxies": Odd(STATUS, {"http_proxy": PROXY, "HTTPS_PROXY": PROXY, "ALL_PROXY": "socks5://127.0.0.1:9"}),
    "doctor behind proxies": Odd(DOCTOR, {"http_proxy": PROXY, "HTTPS_PROXY": PROXY}, codes=(0, 4)),
    "MLFLOW_TRACKING_URI unknown": Odd(STATUS, {"MLFLOW_TRACKING_URI": "htp://foo"}),
    "doctor with an unknown MLFLOW_TRACKING_URI": Odd(DOCTOR, {"MLFLOW_TRACKING_URI": "htp://foo"}, codes=(0, 4)),
    "sync with an unknown MLFLOW_TRACKING_URI": Odd(
        ("sync", "digits"), {"MLFLOW_TRACKING_URI": "htp://foo"}, codes=(4,)
    ),
    "sync to a folder of files": Odd(("sync", "digits"), {"MLFLOW_TRACKING_URI": "./mlruns"}, codes=(4,)),
    "MLFLOW variables that are odd": Odd(
        STATUS, {"MLFLOW_HTTP_REQUEST_TIMEOUT": "soon", "MLFLOW_RUN_ID": "x", "MLFLOW_EXPERIMENT_ID": "-1"}
    ),
    "RAY variables that are odd": Odd(STATUS, {"RAY_ADDRESS": "ray://nowhere:1", "RAY_TMPDIR": "/no"}),
    "OMP_NUM_THREADS=0": Odd(REPORT, {"OMP_NUM_THREADS": "0"}),
    "OMP_NUM_THREADS is a word": Odd(LIST, {"OMP_NUM_THREADS": "many", "MKL_NUM_THREADS": "-1"}),
    "CUDA_VISIBLE_DEVICES that is odd": Odd(LIST, {"CUDA_VISIBLE_DEVICES": "7,x"}),
    "PYTHONPATH with modules of others": Odd(STATUS, {"PYTHONPATH": "HERE/foreign:{ours}"}),
    "PYTHONOPTIMIZE": Odd(STATUS, {"PYTHONOPTIMIZE": "2"}),
    "PYTHONWARNINGS=error": Odd(STATUS, {"PYTHONWARNINGS": "default"}),
    "umask 077": Odd(REPORT, before=lambda: os.umask(0o077)),
    "umask 777": Odd(STATUS, before=lambda: os.umask(0o777)),
    "16 open files": Odd(STATUS, before=_limit(resource.RLIMIT_NOFILE, 16)),
    "no core files": Odd(REPORT, before=_limit(resource.RLIMIT_CORE, 0)),
    "files of 0 bytes at most": Odd(REPORT, before=_limit(resource.RLIMIT_FSIZE, 0), codes=(4,)),
    "stdin closed": Odd(REPORT, closed=(0,)),
    "stdout closed": Odd(STATUS, closed=(1,)),
    "stderr closed": Odd(STATUS, closed=(2,)),
    "all streams closed": Odd(STATUS, closed=(0, 1, 2)),
    "a long path": Odd(REPORT, folder="/".join(["a-long-name-of-a-folder" * 4] * 3)),
    "a path with other letters": Odd(REPORT, folder="ünï 中文 🙂"),
    "a path with signs": Odd(REPORT, folder="a?b%20c#d 'e\" $f"),
    "an empty environment": Odd(VERSION, {name: None for name in os.environ if name not in ("PATH", "PYTHONPATH")}),
}
