"""An experiment: a config that was checked. The one file that imports pydantic.

``data``, ``space``, ``objectives``, ``train`` and ``latency`` are declared where they are used, other sections here.
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
from search.config.config_error import ConfigError, Fault, Problem, parts
from search.config.explain import explain
from search.config.fitting_defaults import fitted
from search.config.sections import BudgetSpec, ResourcesSpec, TrackingSpec
from search.config.sources import from_mapping, override, read_file
from search.config.yaml_reader import Document
from search.results.objectives import DEFAULT, Objective
from search.state.run_folder import NAME
from senet_nas.recipe import DataSpec, Init, LatencySpec, Recipe
from spaces.errors import BAD_INPUT
from spaces.options import STRICT, option
from spaces.spec import SpaceSpec


@dataclass(frozen=True)
class ModelSpec:
    """The ``model`` section of a config: the plain network, and its initial weights."""

    __pydantic_config__ = STRICT
    backbone: str = option(
        MISSING,
        "the plain network: a name (`senet-search list backbones`), package.module:function, or timm:NAME",
        min_length=1,
    )
    sites: Literal["auto"] | tuple[str, ...] | None = option(
        None,
        "where in your own network SE may act: auto (the default: units that are found in the network), or modules "
        "whose output SE may scale, e.g. 'features.*.block'",
        min_length=1,
    )
    init: Init = option(
        "scratch",
        "initial weights: scratch (random); identity (random, and SE changes nothing at first); "
        "pretrained (of torchvision, of timm, or of `weights`, and SE changes nothing at first)",
    )
    weights: str | None = option(
        None,
        "a file of pretrained weights for any backbone: .safetensors, .pth or .pt; sets `init: pretrained`",
        min_length=1,
        examples=["resnet18.safetensors"],
    )

    @property
    def network(self) -> str:
        """The name that builds the network: the backbone, with the sites that the config names."""
        return self.backbone if self.sites in (None, "auto") else f"{self.backbone}@{','.join(self.sites)}"


@dataclass(frozen=True)
class SearchSpec:
    """The ``search`` section of a config: how architectures are proposed and judged."""

    __pydantic_config__ = STRICT
    sampler: str = option(
        "auto",
        "what proposes architectures; auto: grid if what search.confirm leaves of the budget covers the space, else "
        "knowledge_gradient",
    )
    seed: int = option(0, "seed of the proposals and of the initial weights", ge=0, le=2**32 - 1)
    tolerance: float = option(
        0.1,
        "quality that you would give up for a cheaper network, in points of accuracy or of another percentage, or in "
        "the unit of the first quality of `objectives`; default: half of what is usually worthwhile there",
        ge=0,
        le=1e9,
    )
    min_gain: float = option(
        0.05,
        "gain over plain that a proof must exceed, in the same unit; default: a quarter of what is usually worthwhile",
        ge=0,
        le=1e9,
    )
    halving: int | None = option(
        None,
        "successive halving: at epochs/n, epochs/n^2, ..., continue only the best 1/n of the trainings; default: off",
        ge=2,
        le=16,
        examples=[3],
    )
    shared: Literal["auto", "off", "on"] = option(
        "auto",
        "train one network that all placements share first, for at most a sixth of the budget, and let what they show "
        "in it guide the search; auto: off",
    )
    level: float = option(0.9, "probability that an interval contains the true gain", gt=0.5, lt=1)
    worthwhile: float = option(
        0.2,
        "gain over plain below which you would not want SE, in the same unit; default for log_loss: 0.005 nats; a "
        "metric of your own without the unit % needs it",
        gt=0,
        le=1e9,
    )
    model: Literal["auto", "accuracy", "curves"] = option(
        "auto",
        "what the model takes of a training: accuracy (its result alone), or curves (the losses of its epochs, too, as "
        "far as they tell something about it in this run); auto: curves, where trainings have any",
    )
    confirm: Literal["auto"] | Annotated[float, Field(ge=0.25, le=0.6)] = option(
        "auto", "share of the trainings, or of the time, that the confirmation may take; auto: half"
    )
    stop: Literal["answered", "budget"] = option(
        "answered",
        "when to stop: answered (after a proof, or when no gain is worthwhile with a probability of 0.99), or budget "
        "(only when it is used)",
    )
    short: Literal["auto", "on", "off"] = option(
        "auto",
        "trainings that pause after a few epochs and may continue later: on (once the run knows what loss curves tell "
        "of the results; needs `evaluate: train`, or a function that takes `network` and `training`, and a model that "
        "takes loss curves), off; auto: off",
    )
    pictures: int = option(
        24,
        "validation images that the page shows because plain and the placement of the answer see them differently; 0: "
        "the page holds no image",
        ge=0,
        le=24,
    )


@dataclass(frozen=True, kw_only=True)
class Config:
    """A search for the best placement of Squeeze-and-Excitation: everything that a config file may hold."""

    __pydantic_config__ = STRICT
    name: str = option(
        "search",
        "name of the run: up to 64 letters, digits, . _ or -, beginning with a letter or digit; "
        "default: the name of the file",
        pattern=f"^{NAME.pattern}$",
    )
    data: DataSpec = option(MISSING, "the images: name of a dataset, path of an image folder, or a section")
    model: ModelSpec = option(MISSING, "a section that names the backbone, which is the plain network")
    space: SpaceSpec = option(SpaceSpec(), "the placements that are compared")
    objectives: tuple[Objective, ...] = option(
        DEFAULT, "what is traded off: qualities and costs, with limits; the first quality decides what is proven"
    )
    record: tuple[str, ...] = option((), "further qualities that each training measures, and that decide nothing")
    search: SearchSpec = option(SearchSpec(), "how architectures are proposed and judged")
    budget: BudgetSpec = option(BudgetSpec(), "when the search stops")
    train: Recipe = option(Recipe(), "how every network is trained")
    evaluate: str = option(
        "train",
        "what gives results: train (training each network), table:FILE, or python:package.module:function",
    )
    resources: ResourcesSpec = option(ResourcesSpec(), "where trainings run, and how many at the same time")
    latency: LatencySpec = option(LatencySpec(), "how a forward pass is timed, if latency is an objective")
    tracking: TrackingSpec = option(TrackingSpec(), "where MLflow keeps its runs")


@dataclass(frozen=True, kw_only=True)
class Experiment(Config):
    """A config that was checked, from :meth:`load` or :meth:`from_dict`. Experiments with equal settings are equal.

    Relative paths in it start at the folder ``base``. ``leftovers``: settings that change nothing; only a run
    of an earlier version may hold them.
    """

    base: Path = field(default=Path(), compare=False)
    document: Document = field(default_factory=Document, compare=False, repr=False)
    leftovers: tuple[Problem, ...] = field(default=(), compare=False, repr=False)

    @classmethod
    def load(cls, path: Path | str, overrides: Sequence[str] = (), *, base: Path | None = None) -> "Experiment":
        """The experiment of a YAML file; ``overrides`` are texts like ``train.epochs=3``.

        Relative paths start at ``base``, or at the folder of the file. Raises ConfigError with every mistake.
        """
        path = Path(path)
        document = read_file(path)
        for text in overrides:
            override(document, text)
        return _checked(document, base or path.parent, _slug(path.stem))

    @classmethod
    def from_dict(cls, tree: Mapping[str, Any], *, base: Path | str = ".") -> "Experiment":
        """The experiment of a mapping with the keys of a config file. Raises ConfigError with every mistake."""
        return _checked(from_mapping(tree), Path(base), Config.name)

    def to_dict(self) -> dict[str, Any]:
        """All settings, including defaults, as JSON holds them; :meth:`from_dict` reads it back."""
        return {name: _plain(getattr(self, name)) for name in _KEYS}

    def check_new(self) -> None:
        """Raises ConfigError with every leftover: what begins now must not say what nothing reads."""
        if self.leftovers:
            raise ConfigError(self.leftovers)

    def problem_at(self, key: str, message: str, hint: str = "", *, code: int = BAD_INPUT) -> ConfigError:
        """An error about a dotted key with its place in the file, for checks that come later."""
        return ConfigError([self.document.problem(Fault(parts(key), message, hint))], code=code)


_KEYS = tuple(f.name for f in dataclasses.fields(Config))


@functools.cache
def adapter() -> TypeAdapter[Config]:
    """What validates a :class:`Config`."""
    return TypeAdapter(Config)


def _checked(document: Document, base: Path, name: str) -> Experiment:
    """The experiment of a document. Raises ConfigError."""
    found: list[Problem] = []
    leftovers: list[Problem] = []
    config: Config | None = None
    if isinstance(document.tree, dict):
        tree = fitted({"name": name, **document.tree})
        config, faults = _validated(tree)
        for fault in faults:
            if not document.is_broken(fault.path):
                found.append(document.problem(fault))
        document.broken |= {fault.path for fault in faults}
        found += [document.problem(fault) for fault in checks.faults(_complete(tree), document.is_broken)]
        leftovers = [document.problem(fault) for fault in checks.leftovers(_complete(tree), document.is_broken)]
    if found or document.problems or config is None:
        raise ConfigError([*document.problems, *found, *leftovers], draft=_draft(document, base))
    settings = {key: getattr(config, key) for key in _KEYS}
    settings["objectives"] = _quality_first(config.objectives)
    return Experiment(**settings, base=base, document=document, leftovers=tuple(leftovers))


def _quality_first(objectives: tuple[Objective, ...]) -> tuple[Objective, ...]:
    """The objectives with the qualities first, as samplers expect; a config may name them anywhere."""
    return tuple(sorted(objectives, key=lambda objective: not objective.is_quality))


def _draft(document: Document, base: Path) -> Experiment | None:
    """An experiment on other data with the model and the space of the document; None if these have mistakes."""
    if not isinstance(document.tree, dict) or any(path[:1] in (("model",), ("space",)) for path in document.broken):
        return None
    kept = {key: document.tree[key] for key in ("model", "space") if key in document.tree}
    config, _ = _validated(fitted({"data": {"dataset": "digits"}, **kept}))
    if config is None:
        return None
    return Experiment(**{key: getattr(config, key) for key in _KEYS}, base=base, document=document)


def _validated(tree: dict[str, Any]) -> tuple[Config | None, list[Fault]]:
    try:
        # As JSON, for which strict mode accepts a list as a tuple.
        return adapter().validate_json(json.dumps(tree)), []
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False, include_context=False)
        return None, list(explain(errors, tree, Config))


def _complete(tree: dict[str, Any]) -> dict[str, Any]:
    """The tree with the two required sections, so that checks can rely on them."""
    return {"data": {}, "model": {}, **tree}


def _plain(value: Any) -> Any:
    if isinstance(value, Objective):
        return value.to_dict()
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _slug(stem: str) -> str:
    """The nearest name that a run can have."""
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")[:64]
    return slug or str(Config.name)
