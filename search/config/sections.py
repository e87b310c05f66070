"""Sections of a config about a run as a whole: its budget, the machines that it uses, and where it is tracked."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from spaces.options import STRICT, option


@dataclass(frozen=True)
class BudgetSpec:
    """The ``budget`` section of a config: when the search stops."""

    __pydantic_config__ = STRICT
    trainings: int = option(
        64, "most trainings that may finish, including baselines and confirmation", ge=4, le=1_000_000
    )
    time: str | None = option(None, "stop after this time; default: no limit", examples=["90s", "1h30m"])


@dataclass(frozen=True)
class ResourcesSpec:
    """The ``resources`` section of a config: where trainings run, and how many at the same time."""

    __pydantic_config__ = STRICT
    slots: Literal["auto"] | Annotated[int, Field(ge=1)] = option(
        "auto", "trainings that run at the same time; auto: as many as the machine holds"
    )
    cpus_per_slot: Literal["auto"] | Annotated[int, Field(ge=1)] = option("auto", "CPU cores of each training")
    gpus_per_slot: Literal["auto"] | Annotated[float, Field(ge=0, le=64)] = option(
        "auto", "share of a GPU for each training, from 0 to 1; or a whole number of GPUs that train together"
    )
    device: Literal["auto", "cpu", "cuda"] = option(
        "auto", "device of the trainings; auto: cuda if there is a GPU, else cpu"
    )
    ray: str = option(
        "local",
        "where to train: local (this machine), auto (the Ray cluster of this machine), or host:port of a Ray cluster",
    )
    storage: str | None = option(
        None,
        "URI (for pyarrow) where the nodes of a cluster keep checkpoints, weights and results if they share no folder",
        examples=["s3://bucket/folder"],
    )
    insecure: bool = option(
        False, "join a Ray cluster without a token; anyone who can reach its port can run code on it"
    )
    patience: str | None = option(
        None,
        "give up a training that finishes no epoch for this time; default: 20 times the slowest epoch",
        examples=["30m"],
    )


@dataclass(frozen=True)
class TrackingSpec:
    """The ``tracking`` section of a config: where MLflow keeps its runs."""

    __pydantic_config__ = STRICT
    uri: str | None = option(
        None, "tracking URI of MLflow; default: MLFLOW_TRACKING_URI, else a store beside the runs", min_length=1
    )
    experiment: str | None = option(None, "experiment of MLflow; default: the name of the run", min_length=1)
