"""An exported network as a version of a model in MLflow's registry: a torch.export program, nothing pickled."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.config.config_error import redacted
from search.track.client import alone, artifact_root, connect, error_line, experiment_id
from search.track.views import UID
from spaces.errors import ENVIRONMENT, UserError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel

_EXAMPLES = 2  # torch.export takes a batch of one for a constant


@dataclass(frozen=True)
class Registered:
    """A version of a registered model, and by which addresses it is loaded."""

    name: str
    version: str
    alias: str

    @property
    def uri(self) -> str:
        return f"models:/{self.name}@{self.alias}"


@dataclass(frozen=True)
class Store:
    """Where to register: the store, the folder of all runs, and the experiment of the run."""

    uri: str
    runs: Path
    experiment: str


def register(
    exported: Path, name: str, alias: str, store: Store, *, training: str, tags: Mapping[str, str]
) -> Registered:
    """Logs the network of an export as an MLflow model, registers it under ``name`` and points ``alias`` at it.

    The model takes pixels: float32 (N, C, H, W) on the scale 0..255, and normalises them itself; it returns logits
    (N, K). ``training`` is the uid of the training whose weights it has: the version is linked to its run, where there
    is one. Raises UserError (ENVIRONMENT) where the store does not take it.
    """
    network, example = _from_pixels(exported)
    try:
        client = connect(store.uri, store.runs)
        with tempfile.TemporaryDirectory() as scratch:
            _write(network, example, Path(scratch) / "model")
            with alone(store.uri, store.runs):
                experiment = experiment_id(client, store.experiment, artifact_root(store.uri, store.runs))
                found = client.search_runs([experiment], f"tags.`{UID}` = '{training}'", max_results=1)
                run = str(found[0].info.run_id) if found else None
                logged = client.create_logged_model(experiment, name, source_run_id=run, tags=dict(tags))
            client.log_model_artifacts(logged.model_id, str(Path(scratch) / "model"))
        with _meant(store.uri), alone(store.uri, store.runs):
            client.finalize_logged_model(logged.model_id, "READY")
            return _version(client, logged, name, alias, run, tags)
    except Exception as error:  # each store throws what its own client throws
        raise UserError(
            f"cannot register `{name}` in MLflow at {redacted(store.uri)}: {error_line(error)}",
            hint=f"the network is in {exported}; type the same command with --force when the store is there",
            code=ENVIRONMENT,
        ) from error


@contextmanager
def _meant(uri: str) -> Iterator[None]:
    """Names the store in the environment: MLflow's registry looks there for the logged model, and not in its client."""
    before = os.environ.get("MLFLOW_TRACKING_URI")
    os.environ["MLFLOW_TRACKING_URI"] = uri
    try:
        yield
    finally:
        if before is None:
            del os.environ["MLFLOW_TRACKING_URI"]
        else:
            os.environ["MLFLOW_TRACKING_URI"] = before


def _from_pixels(exported: Path) -> tuple[Any, Any]:
    """The network of an export that takes pixels, and some pixels. Raises UserError where the export is not whole."""
    import torch

    from senet_nas.export.bundle import from_pixels

    network, shape = from_pixels(exported)
    pixels = torch.randint(0, 256, (_EXAMPLES, *shape), generator=torch.Generator().manual_seed(0))
    return network, pixels.float().numpy()


def _write(network: Any, example: Any, to: Path) -> None:
    """Writes the network as MLflow keeps one: a torch.export program of any batch size, with its signature."""
    import mlflow.pytorch
    import numpy as np
    import torch
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    with torch.inference_mode():
        logits = network(torch.from_numpy(example))
    signature = ModelSignature(
        *(Schema([TensorSpec(np.dtype(np.float32), (-1, *shape))]) for shape in (example.shape[1:], logits.shape[1:]))
    )
    needs = [f"torch=={torch.__version__.partition('+')[0]}", "numpy"]
    mlflow.pytorch.save_model(
        network, str(to), input_example=example, signature=signature, serialization_format="pt2", pip_requirements=needs
    )


def _version(
    client: MlflowClient, logged: LoggedModel, name: str, alias: str, run: str | None, tags: Mapping[str, str]
) -> Registered:
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    made = client.create_model_version(
        name, f"models:/{logged.model_id}", run_id=run, tags=dict(tags), model_id=logged.model_id
    )
    client.set_registered_model_alias(name, alias, made.version)
    return Registered(name, str(made.version), alias)
