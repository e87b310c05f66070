"""The tables of trainings: what they took, why some failed, and all of them in order."""

from collections import Counter
from collections.abc import Sequence

from search.report.content import Column, Row, Section, Table, table
from search.report.wording import state_text
from search.state import failures
from search.state.records import Entry, Training
from senet_nas.training.quality_metrics import Metric
from spaces.text import plural


def cost_section(trainings: Sequence[Training]) -> Section:
    """The time that the search took, by the role of its trainings, and why trainings failed."""
    columns = (
        Column("role"),
        Column("trainings", "number", "nothing"),
        *(Column(title, "number") for title in ("finished", "seconds in all", "seconds each")),
    )
    roles = list(dict.fromkeys(training.role for training in trainings))
    failed = Counter(t.reason for t in trainings if t.state == "failed")
    reasons = "; ".join(f"{count} {reason} ({failures.kind(reason).remedy})" for reason, count in failed.items())
    note = f"Failed: {reasons}." if failed else "No training failed."
    paused = [t for t in trainings if t.state == "paused"]
    if paused:
        seconds = sum(epoch.get("seconds", 0.0) for t in paused for epoch in t.curve)
        note += f" {plural(len(paused), 'training')} paused after {seconds:.0f} s in all: only their loss curves count."
    return Section(
        "What it took", note, table("Trainings and their time", columns, roles, lambda role: _cost_row(role, trainings))
    )


def _cost_row(role: str, trainings: Sequence[Training]) -> Row:
    own = [t for t in trainings if t.role == role]
    seconds = [t.metrics["train_seconds"] for t in own if "train_seconds" in t.metrics]
    mean = f"{sum(seconds) / len(seconds):.1f}" if seconds else "-"
    return Row((role, str(len(own)), str(len(seconds)), f"{sum(seconds):.0f}", mean))


def trainings_table(metric: Metric, trainings: Sequence[Training], entries: Sequence[Entry]) -> Table:
    """Every training in the order of the ledger."""
    columns = (
        Column("training"),
        Column("id"),
        Column("SE placement", phone="line"),
        Column("seed", "number", "nothing"),
        Column("role", phone="nothing"),
        Column("state"),
        Column(f"validation {metric.heading}", "number"),
        Column("seconds", "number", "nothing"),
    )
    return table(
        "All trainings, in order", columns, trainings, lambda training: _training_row(metric, training, entries)
    )


def _training_row(metric: Metric, training: Training, entries: Sequence[Entry]) -> Row:
    entry = entries[training.architecture]
    value = _metric(training, metric.column, metric.form)
    seconds = _metric(training, "train_seconds", ".1f")
    seed = str(training.seed)
    state = state_text(training)
    return Row((training.name, entry.name, entry.label, seed, training.role, state, value, seconds))


def _metric(training: Training, name: str, spec: str) -> str:
    return format(training.metrics[name], spec) if name in training.metrics else "-"
