"""How MLflow's own pages are opened: a prepared view of each search, its address, and a light server on this machine.

Nothing here imports mlflow; the server is a process of its own.
"""

import shlex
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from search.report.loopback import HOST
from senet_nas.costs.measures import USUAL, counted, of_overhead
from senet_nas.training.quality_metrics import ACCURACY, RECALL, Metric

UID = "senet.training_uid"
# How many epochs of its curve a training had when it paused last; they are in MLflow.
PAUSED_AFTER = "senet.paused_after"
PARENT = "mlflow.parentRunId"
REPRESENTATIVE = "senet.representative"
# Set unless the user has set them: no telemetry, no progress bars, no minutes of waiting for a dead server.
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    # Nothing is installed to see whether it could be, and no lock file of another project is taken along.
    "MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK": "true",
    "MLFLOW_UV_AUTO_DETECT": "false",
}

# Drawn as bars beside each other, so that a placement has its interval in a row.
INTERVAL = {"gain_low": "lower end of the interval", "gain": "estimate", "gain_high": "upper end"}
# The colour of a run in all charts of MLflow.
COLOUR = "mlflow.runColor"

# Another name of this computer (RFC 6761). Under it MLflow's assistant does not open itself over the charts, as it does
# in every new browser under the usual names.
NAMED = "mlflow.localhost"
# The tag that names the metric of a run, with its unit, if that is not accuracy.
JUDGED_BY = "senet.metric"
_NOTE = """
One parent run for each search, one child for each training. `gain` is {unit} over the plain
network, with its interval `gain_low .. gain_high`; overheads are in percent. Sort by `gain_low`: the first row is the
safest gain. Tag `senet.verdict` says *proven* only of what was trained again with fresh seeds. The parent's description
has the table, its artifacts `report.html`. `senet-search ui RUN` opens the prepared chart."""


def note(verdicts: Mapping[str, str], metrics: Sequence[str] = ()) -> str:
    """The description of an experiment: what each of its searches found, the latest first, and how to read it.

    Its first line is all that MLflow's page shows before somebody unfolds it. ``metrics`` are those of searches that
    are not judged by accuracy.
    """
    unit = "in points of validation accuracy"
    if metrics:
        unit = f"in the metric of the search (tag `{JUDGED_BY}`: {'; '.join(dict.fromkeys(metrics))})"
    about = _NOTE.strip().format(unit=unit)
    found = [f"**{run}**: {verdict}" for run, verdict in verdicts.items()]
    return "\n\n".join([*found, f"Where SE goes, and whether it is worth it (senet-search). {about}"])


def _section(uuid: str, name: str, *, columns: int, height: int) -> dict[str, Any]:
    """A part of the page that holds charts, ``height`` pixels high."""
    flags = {"display": True, "isReordered": False, "deleted": False, "isGenerated": False}
    return {"uuid": uuid, "name": name, **flags, "columns": columns, "cardHeight": height}


def _chart(kind: str, section: str, name: str) -> dict[str, Any]:
    """What every chart of a section has."""
    flags = {"deleted": False, "isGenerated": False, "runsCountToCompare": 100}
    return {
        "type": kind,
        "uuid": f"{section}-{name.partition(':')[0]}",
        "metricSectionId": section,
        "displayName": name,
        **flags,
    }


def view_key(run: str) -> str:
    """The name of a run's prepared view; an experiment may hold several runs."""
    return f"senet-{run}"


def link(server: str, experiment: str, run: str) -> str:
    """The address that opens on the quality-versus-overhead chart of a run."""
    opened = f"viewStateShareKey={view_key(run)}&compareRunsMode=CHART&workflowType=machine_learning"
    return f"{server}/#/experiments/{experiment}/runs?{opened}"


def host() -> str:
    """The name of this computer in addresses: NAMED where it is known here, so that every browser finds it."""
    try:
        found = {str(address[0]) for *_, address in socket.getaddrinfo(NAMED, None, family=socket.AF_INET)}
    except OSError:
        return HOST
    return NAMED if found == {HOST} else HOST


def ui_command(uri: str, runs: Path, port: int) -> tuple[list[str], dict[str, str]]:
    """Arguments and environment of a light MLflow server on this machine only.

    Neither Python nor uvicorn (``--app-dir``) looks for modules in the working directory, where a file of the user may
    be called like one of theirs.
    """
    hosts = ",".join(f"{host}:{port}" for host in ("localhost", HOST, NAMED))
    artifacts = runs.resolve() / "mlartifacts"
    argv = [
        sys.executable, "-P", "-m", "mlflow", "server", "--backend-store-uri", uri, "--default-artifact-root",
        artifacts.as_uri(), "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--allowed-hosts", hosts, "--cors-allowed-origins", f"http://{NAMED}:{port}",
        "--uvicorn-opts", shlex.join(["--app-dir", str(artifacts)]),
    ]  # fmt: skip
    return argv, {**QUIET, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "PYTHONSAFEPATH": "1"}


def view(parent: str, cost: str = USUAL.overhead, metric: Metric = ACCURACY) -> dict[str, Any]:
    """What MLflow's own page reads from a shared view: a scatter of gain against ``cost``, the safest gain first.

    An undocumented format of its front end; where a version does not know it, the plain page opens.
    """
    title = of_overhead(cost).title
    unit = f" ({metric.gain_unit})" if metric.gain_unit else ""
    gain = f"Gain{metric.named}"
    scatter = {
        **_chart("SCATTER", "senet", f"{gain} over plain{unit} against {title} (percent)"),
        "xaxis": {"key": cost, "type": "METRIC"},
        "yaxis": {"key": "gain", "type": "METRIC"},
    }
    bars = [
        {**_chart("BAR", "senet-interval", f"{name}: {words}{unit}"), "metricKey": name}
        for name, words in INTERVAL.items()
    ]
    sections = [
        _section("senet", f"{gain}{unit} against {title} (%)", columns=1, height=480),
        _section("senet-interval", f"{gain} of each placement with its interval{unit}", columns=3, height=420),
    ]
    costs = dict.fromkeys([cost, *(measure.overhead for measure in counted())])
    column = metric.column.replace(RECALL, "recall/")
    shown = ["gain", "gain_low", "gain_high", *costs, column, "n_seeds"]
    return {
        "searchFilter": f"tags.`{PARENT}` = '{parent}' and tags.`{REPRESENTATIVE}` = '1'",
        "orderByKey": "metrics.`gain_low`",
        "orderByAsc": False,
        "runsHiddenMode": "SHOW_ALL",
        "selectedColumns": [*(f"metrics.`{name}`" for name in shown), "params.`placement`", "tags.`senet.verdict`"],
        "compareRunSections": sections,
        "compareRunCharts": [scatter, *bars],
        "isAccordionReordered": True,
    }
