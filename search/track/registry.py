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
from search.track.client import connect, error_line, experiment_id
from search.track.store import alone, artifact_root
from search.track.views import UID
from spaces.errors import ENVIRONMENT, UserError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from torch import Tensor

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
    exported: Path,
    name: str,
    alias: str,
    store: Store,
    *,
    training: str,
    tags: Mapping[str, str],
    images: Tensor | None = None,
) -> Registered:
    """Logs the network of an export as an MLflow model, registers it under ``name`` and points ``alias`` at it.

    The model takes what every form of an export takes: normalised float32 (N, C, H, W); it returns logits (N, K). Its
    metadata say how to normalise. ``training`` is the uid of the training whose weights it has: the version is linked
    to its run, if there is one. ``images`` (uint8, N at least 2) are the examples that the written model is checked on;
    random ones if None. Raises UserError (ENVIRONMENT) if the store does not take it.
    """
    network, example, metadata = _exported(exported, images)
    try:
        client = connect(store.uri, store.runs)
        with tempfile.TemporaryDirectory() as scratch:
            _write(network, example, metadata, Path(scratch) / "model")
            with alone(store.uri, store.runs):
                experiment = experiment_id(client, store.experiment, artifact_root(store.uri, store.runs), store.uri)
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


def _exported(exported: Path, images: Tensor | None) -> tuple[Any, Any, dict[str, str]]:
    """The network of an export, inputs for it, and what to know about both. Raises UserError if it is not complete."""
    import torch

    from senet_nas.export import bundle, proof, record

    network = bundle.load(exported)
    about = record.read(exported)
    if images is None or len(images) < _EXAMPLES:
        generator = torch.Generator().manual_seed(0)
        images = torch.randint(0, 256, (_EXAMPLES, *record.shape(about)), generator=generator)
    return network, proof.normalised(images[:_EXAMPLES], about).numpy(), record.properties(about)


def _write(network: Any, example: Any, metadata: dict[str, str], to: Path) -> None:
    """Writes the network as MLflow keeps one: a torch.export program of any batch size, with its signature.

    Raises RuntimeError unless what was written gives the network's logits, as exactly as ``model.pt2`` of an export.
    """
    import numpy as np
    import torch
    from mlflow.models import ModelSignature
    from mlflow.pytorch import load_model, save_model
    from mlflow.types import Schema, TensorSpec

    from senet_nas.export import proof
    from senet_nas.export.forms import tolerance

    inputs = torch.from_numpy(example)
    with torch.inference_mode():
        logits = network(inputs)
    signature = ModelSignature(
        *(Schema([TensorSpec(np.dtype(np.float32), (-1, *shape))]) for shape in (example.shape[1:], logits.shape[1:]))
    )
    save_model(
        network,
        str(to),
        input_example=example,
        signature=signature,
        serialization_format="pt2",
        pip_requirements=[f"torch=={torch.__version__.partition('+')[0]}", "numpy"],
        metadata=metadata,
    )
    exactness = tolerance("model.pt2", metadata)
    proof.agree("the model as MLflow wrote it", network, load_model(str(to)), [inputs], exactness)


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
