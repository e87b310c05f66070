"""What a ledger notes about a run besides architectures and trainings: one dataclass for each fact, one codec for all.

A fact is a row of the ledger's table ``meta``: its name is the key, its JSON the value. The codec leaves out fields
that are None, and gives fields that older versions did not write their defaults.
"""

import dataclasses
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from search.state.changes_fact import ChangesFact
from search.state.code_fact import CodeFact
from search.state.completion_fact import Completion, Extension
from search.state.confirmation_facts import AnswerFact, ConfirmationFact, PairPlan, Settled
from search.state.labels_fact import LabelsFact
from search.state.latency_facts import OWN_LATENCY, LatencyFact, LatencyModelFact
from search.state.shared_facts import SharedFigures, SharedNetworkFact
from spaces.ratios import Ratios
from spaces.spec import Site

T = TypeVar("T")


@dataclass(frozen=True)
class DataFact:
    """The images of a run, or its signals: their numbers, what they look like, and a fingerprint of all of them.

    ``mean`` and ``std`` are of the training images, by channel. ``shape`` has the channels first. ``notes`` are the
    cautions. ``white`` is the level of images with more than one byte per value that became 255.
    """

    train: int = 0
    validation: int = 0
    test: int = 0
    classes: tuple[str, ...] = ()
    channels: int = 0
    image_size: int = 0
    shape: tuple[int, ...] = ()
    fingerprint: str = ""
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()
    white: float = 255.0
    # The number of images of each fold, and how groups or times were divided, in words.
    folds: tuple[int, ...] = ()
    division: str = ""
    # The stamp of the files that they were read from; empty if they are not files, and for older runs.
    stamp: str = ""


@dataclass(frozen=True)
class SpaceFact:
    """The number of distinct architectures, and of ways to spell them."""

    size: int
    nominal: int


@dataclass(frozen=True)
class SlotsFact:
    """How many trainings ran side by side, and on what; ``count`` is None if a cluster decides."""

    count: int | None = None
    cpus: int = 1
    gpus: float = 0.0
    ray: str = "local"
    insecure: bool = False


@dataclass(frozen=True)
class GitFact:
    """The commit of the working directory; all None outside a repository."""

    commit: str | None = None
    dirty: bool | None = None
    branch: str | None = None


@dataclass(frozen=True)
class HeldOutFact:
    """When the test set was read (UTC), and by architecture (``a0``, ...) what each of its trainings reached on it."""

    read: str
    results: Mapping[str, tuple[Mapping[str, Any], ...]]


@dataclass(frozen=True)
class HistoryStep:
    """The front after ``trainings`` had finished, at second ``at``.

    ``hypervolume`` is its worth in points, with an interval from ``low`` to ``high``; ``score`` the S to expect;
    ``members`` how many architectures were on it, plain included (older versions did not count them).
    """

    trainings: int
    at: float
    hypervolume: float
    low: float
    high: float
    score: float
    members: int | None = None


@dataclass(frozen=True)
class WeightsFact:
    """The file of pretrained weights that trainings begin with: its SHA-256, and the layers that get random weights."""

    sha256: str
    drawn: tuple[str, ...] = ()


@dataclass(frozen=True)
class Facts:
    """Everything that was noted about a run; None for what was not. Times are seconds, moments seconds since the epoch.

    ``config`` is the text of the resolved config, and ``base`` the folder at which its relative paths start.
    ``tracking`` is the address of MLflow's store without secrets, and ``tracking_origin`` what named it;
    ``tracking_trouble`` says why MLflow lacks something of the run, and is empty if it has all.
    ``session_ended`` is empty while a session runs.
    ``seconds`` is the time of all sessions, ``seconds_before`` that of all but the last. ``latency`` has measured costs
    by architecture, ``latency_on`` the machine that they were measured on, ``latency_refused`` why the runtime cannot
    run an architecture, and ``latency_drops`` what INT8 costs it; ``latencies`` has the further latencies, by the name
    of the objective. ``gpus`` are the kinds of GPU that trained. ``labels`` are those of the validation images; older
    versions noted them only if the classes differ in size.
    """

    uid: str | None = None
    config: str | None = None
    base: str | None = None
    tracking: str | None = None
    tracking_origin: str | None = None
    tracking_trouble: str | None = None
    mlflow_experiment: str | None = None
    session_began: float | None = None
    session_ended: str | None = None
    seconds: float | None = None
    seconds_before: float | None = None
    data: DataFact | None = None
    space: SpaceFact | None = None
    sites: tuple[Site, ...] | None = None
    space_size: int | None = None
    ratios: Ratios | None = None
    device: str | None = None
    slots: SlotsFact | None = None
    threads: int | None = None
    gpus: tuple[str, ...] | None = None
    versions: Mapping[str, str] | None = None
    machine: str | None = None
    git: GitFact | None = None
    network_code: CodeFact | None = None
    evaluator_code: CodeFact | None = None
    weights: WeightsFact | None = None
    labels: LabelsFact | None = None
    latency_model: LatencyModelFact | None = None
    latency: Mapping[str, Mapping[str, float]] | None = None
    latency_on: Mapping[str, Any] | None = None
    latency_refused: Mapping[str, str] | None = None
    latency_drops: Mapping[str, Mapping[str, float]] | None = None
    latencies: Mapping[str, LatencyFact] | None = None
    confirmations: tuple[ConfirmationFact, ...] | None = None
    confirmations_ended: int | None = None
    pair_plans: tuple[PairPlan, ...] | None = None
    settled: Settled | None = None
    answer: AnswerFact | None = None
    shared_network: SharedNetworkFact | None = None
    shared_figures: SharedFigures | None = None
    test: HeldOutFact | None = None
    changes: ChangesFact | None = None
    history: tuple[HistoryStep, ...] | None = None
    complete: Completion | None = None
    extension: Extension | None = None

    @classmethod
    def from_json(cls, rows: Mapping[str, Any]) -> "Facts":
        """The facts of these rows. Rows of other versions are left out. Raises ValueError for one that is damaged."""
        kinds = _hints(cls)
        return cls(**{name: _decoded(name, kinds[name], value) for name, value in rows.items() if name in kinds})

    def to_json(self) -> dict[str, Any]:
        """The rows, without those that are None."""
        return {name: encode(value) for name, value in self.noted.items()}

    @property
    def folds(self) -> int:
        """The number of folds on which trainings take turns to validate; 1 without folds."""
        return len(self.data.folds) or 1 if self.data else 1

    @property
    def noted(self) -> dict[str, Any]:
        """The facts that are not None, by name."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def timed(self) -> Mapping[str, LatencyFact]:
        """Every latency of the run, by the name of its objective."""
        found = {}
        if self.latency_model is not None:
            there = self.latency_on or self.latency_model.measured_on
            refused = self.latency_refused or {}
            drops = self.latency_drops or {}
            found[OWN_LATENCY] = LatencyFact(self.latency_model, self.latency or {}, refused, there, drops)
        return {**found, **(self.latencies or {})}

    def figures(self, name: str) -> Mapping[str, float]:
        """What was measured of an architecture (``a3``), by the columns of a point."""
        found = dict((self.latency or {}).get(name, {}))
        for fact in (self.latencies or {}).values():
            found |= fact.figures.get(name, {})
        return found

    def with_timed(self, name: str, fact: LatencyFact) -> "Facts":
        """What to note of a latency: ``latency`` itself stands where it always has."""
        if name == OWN_LATENCY:
            return Facts(
                latency_model=fact.model,
                latency=_replaced(self.latency, fact.figures),
                latency_on=fact.measured_on or None,
                latency_refused=_replaced(self.latency_refused, fact.refused),
                latency_drops=_replaced(self.latency_drops, fact.drops),
            )
        return Facts(latencies={**(self.latencies or {}), name: fact})

    def without(self, facts: "Facts") -> "Facts":
        """Those of these facts that ``facts`` does not know."""
        return dataclasses.replace(self, **dict.fromkeys(facts.noted))

    def updated(self, facts: "Facts") -> "Facts":
        """These facts, overwritten by those that ``facts`` knows."""
        return dataclasses.replace(self, **facts.noted)


def _replaced(noted: Mapping[str, Any] | None, by: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What to note instead of ``noted``: nothing where nothing is known, and an empty row where nothing is any more."""
    return by if by or noted else None


# -- the codec --------------------------------------------------------------------------------------------------------


def encode(value: Any) -> Any:
    """A fact as JSON: a dataclass as an object without fields that are None, a tuple as a list."""
    if hasattr(value, "to_json"):
        return value.to_json()
    if dataclasses.is_dataclass(value):
        values = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {name: encode(item) for name, item in values.items() if item is not None}
    if isinstance(value, Mapping):
        return {name: encode(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    return value


def decode(kind: type[T], value: Any) -> T:
    """The value of this type that :func:`encode` wrote. Raises ValueError, TypeError or KeyError if it did not."""
    decoded: T = _decode(kind, value)
    return decoded


def _decode(kind: Any, value: Any) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        return None if value is None else _decode(get_args(kind)[0], value)
    if hasattr(kind, "from_json"):
        return kind.from_json(value)
    if dataclasses.is_dataclass(kind):
        hints = _hints(kind)
        known = {name: item for name, item in _mapping(value).items() if name in hints}
        return kind(**{name: _decode(hints[name], item) for name, item in known.items()})  # type: ignore[operator]
    if get_origin(kind) is tuple:
        return tuple(_decode(get_args(kind)[0], item) for item in value)
    if get_origin(kind) is Mapping:
        return {name: _decode(get_args(kind)[1], item) for name, item in _mapping(value).items()}
    return value


def _decoded(name: str, kind: Any, value: Any) -> Any:
    try:
        return _decode(kind, value)
    except (TypeError, ValueError, KeyError) as error:
        raise ValueError(f"the fact `{name}` cannot be read: {error}") from error


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"an object was expected, not {type(value).__name__}")
    return value


def _hints(kind: Any) -> dict[str, Any]:
    """The fields of a dataclass and their types."""
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}
