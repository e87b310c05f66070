"""An experiment: everything that one config says, checked. The one file that knows pydantic.

``data``, ``space``, ``objectives`` and ``train`` are declared where they are used; the other sections stand here.
"""

import dataclasses
import functools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from search.config import checks
from search.config import sources as source
from search.config.config_error import ConfigError, Fault, Problem, parts
from search.config.explain import explain
from search.config.yaml_reader import Document
from search.results.objectives import DEFAULT, Objective
from search.state.run_folder import NAME
from senet_nas.recipe import DataSpec, Init, LatencySpec, Recipe
from spaces.errors import BAD_INPUT
from spaces.options import STRICT, option
from spaces.spec import SpaceSpec


@dataclass(frozen=True)
class ModelSpec:
    """The ``model`` section of a config: the plain network, and how it starts."""

    __pydantic_config__ = STRICT
    backbone: str = option(
        MISSING, "the plain network: a name of `senet-search list backbones`, or package.module:function", min_length=1
    )
    sites: tuple[str, ...] | None = option(
        None,
        "of a network of your own: paths of the modules whose output SE may scale, e.g. 'features.*.block'",
        min_length=1,
    )
    init: Init = option(
        "scratch",
        "how weights start: scratch; identity (SE changes nothing at first); pretrained (torchvision's, so too)",
    )

    @property
    def network(self) -> str:
        """The name by which the network is built: the backbone's, with the sites that were named."""
        return f"{self.backbone}@{','.join(self.sites)}" if self.sites else self.backbone


@dataclass(frozen=True)
class SearchSpec:
    """The ``search`` section of a config: who proposes, and what is good enough."""

    __pydantic_config__ = STRICT
    sampler: str = option(
        "auto", "what proposes; auto: grid where the budget covers the space, else knowledge_gradient"
    )
    seed: int = option(0, "fixes what is proposed and how trainings start", ge=0, le=2**32 - 1)
    tolerance: float = option(0.1, "points of accuracy that may be given up for a cheaper network", ge=0, le=100)
    min_gain: float = option(0.05, "points of accuracy over plain that a proof must exceed", ge=0, le=100)
    halving: int | None = option(
        None, "stop a training that is not among the best of so many at epochs/n, epochs/n^2, ...; none unless given",
        ge=2, le=16, examples=[3],
    )  # fmt: skip
    level: float = option(0.9, "probability that an interval holds the true gain", gt=0.5, lt=1)


@dataclass(frozen=True)
class BudgetSpec:
    """The ``budget`` section of a config: when to stop."""

    __pydantic_config__ = STRICT
    trainings: int = option(64, "finished trainings, baselines and confirmation included", ge=4, le=1_000_000)
    time: str | None = option(None, "stop after this time; no limit unless given", examples=["90s", "1h30m"])


@dataclass(frozen=True)
class ResourcesSpec:
    """The ``resources`` section of a config: how many trainings side by side, and on what."""

    __pydantic_config__ = STRICT
    slots: Literal["auto"] | Annotated[int, Field(ge=1)] = option("auto", "trainings side by side")
    cpus_per_slot: Literal["auto"] | Annotated[int, Field(ge=1)] = option("auto", "CPU cores of a training")
    gpus_per_slot: Literal["auto"] | Annotated[float, Field(ge=0, le=1)] = option("auto", "share of a GPU, from 0 to 1")
    device: Literal["auto", "cpu", "cuda"] = option("auto", "cuda where there is a GPU, unless given")
    ray: str = option(
        "local", "this machine alone; or auto, the Ray cluster that it is part of; or the host:port of one"
    )
    storage: str | None = option(
        None,
        "where the nodes of a cluster leave checkpoints, weights and results, if they share no folder: a URI for pyarrow",
        examples=["s3://bucket/folder"],
    )
    insecure: bool = option(False, "join a Ray cluster that asks for no token, where who reaches its port runs code")
    patience: str | None = option(
        None,
        "give up a training that ends no epoch for so long; 20 of the slowest epochs unless given",
        examples=["30m"],
    )


@dataclass(frozen=True)
class TrackingSpec:
    """The ``tracking`` section of a config: where MLflow keeps the runs."""

    __pydantic_config__ = STRICT
    uri: str | None = option(
        None, "MLflow's tracking URI; MLFLOW_TRACKING_URI or a store beside the runs unless given", min_length=1
    )
    experiment: str | None = option(None, "MLflow's experiment; the name of the run unless given", min_length=1)


@dataclass(frozen=True, kw_only=True)
class Config:
    """A search for the best placement of Squeeze-and-Excitation: all that a config file can say."""

    __pydantic_config__ = STRICT
    name: str = option(
        "search",
        "name of the run: up to 64 letters, digits, . _ -, the first a letter or digit; the file's unless given",
        pattern=f"^{NAME.pattern}$",
    )
    data: DataSpec = option(MISSING, "the images: the name of a dataset, the path of an image folder, or a section")
    model: ModelSpec = option(MISSING, "a section that names the backbone")
    space: SpaceSpec = option(SpaceSpec(), "which placements are compared")
    objectives: tuple[Objective, ...] = option(DEFAULT, "what is traded: accuracy and overheads, with limits")
    search: SearchSpec = option(SearchSpec(), "who proposes, and what is good enough")
    budget: BudgetSpec = option(BudgetSpec(), "when to stop")
    train: Recipe = option(Recipe(), "how every network is trained")
    evaluate: str = option("train", "where results come from: train, table:FILE or python:package.module:function")
    resources: ResourcesSpec = option(ResourcesSpec(), "how many trainings side by side, and on what")
    latency: LatencySpec = option(LatencySpec(), "what a forward pass is timed on, where latency is an objective")
    tracking: TrackingSpec = option(TrackingSpec(), "where MLflow keeps the runs")


@dataclass(frozen=True, kw_only=True)
class Experiment(Config):
    """A config that was checked. Made by :meth:`load` and :meth:`from_dict`; equal where all settings are.

    ``base`` is the folder that relative paths in it start from.
    """

    base: Path = field(default=Path(), compare=False)
    document: Document = field(default_factory=Document, compare=False, repr=False)

    @classmethod
    def load(cls, path: Path | str, overrides: Sequence[str] = (), *, base: Path | None = None) -> "Experiment":
        """Reads a YAML file; ``overrides`` are texts like ``train.epochs=3``. Relative paths start at the file's folder unless
        ``base`` is given. Raises ConfigError with every mistake."""
        path = Path(path)
        document = source.read_file(path)
        for text in overrides:
            source.override(document, text)
        return _checked(document, base or path.parent, _slug(path.stem))

    @classmethod
    def from_dict(cls, tree: Mapping[str, Any], *, base: Path | str = ".") -> "Experiment":
        """The experiment that a mapping, nested as the file is, describes. Raises ConfigError with every mistake."""
        return _checked(source.from_mapping(tree), Path(base), Config.name)

    def to_dict(self) -> dict[str, Any]:
        """All settings, defaults included, as JSON has them; :meth:`from_dict` reads it back."""
        return {name: _plain(getattr(self, name)) for name in _KEYS}

    def problem_at(self, key: str, message: str, hint: str = "", *, code: int = BAD_INPUT) -> ConfigError:
        """An error about a dotted key, with its place in the file, for whoever finds it later."""
        return ConfigError([self.document.problem(Fault(parts(key), message, hint))], code=code)


_KEYS = tuple(f.name for f in dataclasses.fields(Config))


@functools.cache
def adapter() -> TypeAdapter[Config]:
    """pydantic's view of :class:`Config`."""
    return TypeAdapter(Config)


def _checked(document: Document, base: Path, name: str) -> Experiment:
    """The experiment of a document. Raises ConfigError."""
    found: list[Problem] = []
    config: Config | None = None
    if isinstance(document.tree, dict):
        tree = {"name": name, **document.tree}
        config, faults = _validated(tree)
        for fault in faults:
            if not document.is_broken(fault.path):
                found.append(document.problem(fault))
        document.broken |= {fault.path for fault in faults}
        found += [document.problem(fault) for fault in checks.faults(_complete(tree), document.is_broken)]
    if found or document.problems or config is None:
        raise ConfigError([*document.problems, *found], draft=_draft(document, base))
    settings = {key: getattr(config, key) for key in _KEYS}
    settings["objectives"] = _accuracy_first(config.objectives)
    return Experiment(**settings, base=base, document=document)


def _accuracy_first(objectives: tuple[Objective, ...]) -> tuple[Objective, ...]:
    """The samplers take the first objective for the accuracy; people may name it anywhere."""
    return tuple(sorted(objectives, key=lambda objective: not objective.is_accuracy))


def _draft(document: Document, base: Path) -> Experiment | None:
    """An experiment on other data with the model and the space of the document, where nothing is wrong with these."""
    if not isinstance(document.tree, dict) or any(path[:1] in (("model",), ("space",)) for path in document.broken):
        return None
    config, _ = _validated(
        {"data": {"dataset": "digits"}, **{k: document.tree[k] for k in ("model", "space") if k in document.tree}}
    )
    if config is None:
        return None
    return Experiment(**{key: getattr(config, key) for key in _KEYS}, base=base, document=document)


def _validated(tree: dict[str, Any]) -> tuple[Config | None, list[Fault]]:
    try:
        # Through JSON, where strict mode still takes a list for a tuple.
        return adapter().validate_json(json.dumps(tree)), []
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False, include_context=False)
        return None, list(explain(errors, tree, Config))


def _complete(tree: dict[str, Any]) -> dict[str, Any]:
    """With the two sections that must be there, so that checks may count on them."""
    return {"data": {}, "model": {}, **tree}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _slug(stem: str) -> str:
    """The nearest name that a run can have."""
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")[:64]
    return slug or str(Config.name)
