"""The tables of trainings: what they took, why some failed, and all of them in order."""

from collections import Counter
from collections.abc import Sequence

from search.execute.gpu_meter import COLUMNS
from search.report.content import Column, Row, Section, Table, table
from search.report.wording import state_text
from search.state import failures
from search.state.gpu_facts import counted, name_of
from search.state.records import Entry, Training
from senet_nas.training.quality_metrics import Metric
from spaces.text import plural

MIXED = (
    "Rounding and number formats differ between kinds of GPU, so accuracies may, too: the table of all trainings "
    "has the GPU of each."
)


def cost_section(trainings: Sequence[Training], gpus: Sequence[str] = ()) -> Section:
    """The time that the search took, by the role of its trainings, why trainings failed, and what it took of ``gpus``.

    ``gpus`` are the kinds of GPU that the run noted.
    """
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
        note += f" {plural(len(paused), 'training')} paused, which took {seconds:.0f} s: only their loss curves count."
    note += "".join(f" {sentence}" for sentence in _gpu_sentences(trainings, gpus))
    return Section(
        "What it took", note, table("Trainings and their time", columns, roles, lambda role: _cost_row(role, trainings))
    )


def _gpu_sentences(trainings: Sequence[Training], gpus: Sequence[str]) -> list[str]:
    """On which GPUs the trainings ran, how busy these were, and their memory and energy, as far as it was measured."""
    counts = counted(trainings, gpus)
    if not counts:
        return []
    kinds = [f"{name} ({plural(n, 'training')})" for name, n in counts.items()]
    found = [f"GPU: {', '.join(kinds)}."]
    if len(counts) > 1:
        found.append(MIXED)
    busy, memory, energy = ([t.metrics[name] for t in trainings if name in t.metrics] for name in COLUMNS)
    if busy:
        found.append(f"While a training ran, its GPU was busy for {sum(busy) / len(busy):.0f} % of the time.")
    if memory:
        found.append(f"At most {max(memory):.1f} GB of a GPU were in use.")
    if energy:
        found.append(f"Energy of the GPUs: {sum(energy) / 1000:.3g} kWh, by {plural(len(energy), 'training')}.")
    return found


def _cost_row(role: str, trainings: Sequence[Training]) -> Row:
    own = [t for t in trainings if t.role == role]
    seconds = [t.metrics["train_seconds"] for t in own if "train_seconds" in t.metrics]
    mean = f"{sum(seconds) / len(seconds):.1f}" if seconds else "-"
    return Row((role, str(len(own)), str(len(seconds)), f"{sum(seconds):.0f}", mean))


def trainings_table(
    metric: Metric, trainings: Sequence[Training], entries: Sequence[Entry], gpus: Sequence[str] = ()
) -> Table:
    """Every training in the order of the ledger; with its GPU, if there were several kinds (``gpus``)."""
    is_mixed = len(counted(trainings, gpus)) > 1
    columns = (
        Column("training"),
        Column("id"),
        Column("SE placement", phone="line"),
        Column("seed", "number", "nothing"),
        Column("role", phone="nothing"),
        Column("state"),
        Column(f"validation {metric.heading}", "number"),
        Column("seconds", "number", "nothing"),
        *([Column("GPU", phone="nothing")] if is_mixed else []),
    )

    def row(training: Training) -> Row:
        return _training_row(metric, training, entries, [name_of(training, gpus) or "-"] if is_mixed else [])

    return table("All trainings, in order", columns, trainings, row)


def _training_row(metric: Metric, training: Training, entries: Sequence[Entry], gpu: Sequence[str]) -> Row:
    entry = entries[training.architecture]
    value = _metric(training, metric.column, metric.form)
    seconds = _metric(training, "train_seconds", ".1f")
    seed = str(training.seed)
    state = state_text(training)
    return Row((training.name, entry.name, entry.label, seed, training.role, state, value, seconds, *gpu))


def _metric(training: Training, name: str, spec: str) -> str:
    return format(training.metrics[name], spec) if name in training.metrics else "-"
