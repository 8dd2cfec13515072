"""Logs an encoder as an MLflow model and registers it."""

import json
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cbir
from cbir.encoders.files import CONFIG_FILE, encoder_digest
from tasks.harness.settings import PARAMS, Paths, read_yaml
from tasks.tracking.connection import ENCODER, PIPELINE, Tracking
from tasks.tracking.facts import trained_on, without_credentials

if TYPE_CHECKING:
    from mlflow import MlflowClient

PARAMS_ARTIFACT, ACCESSIONS_ARTIFACT = "params.yaml", "accessions.json"  # how an encoder was made, to come back to
# What the logged model needs; MLflow would take 9 s to find it by loading the model.
IMAGES = ["imagehash", "opencv-python-headless", "pillow", "pyvips", "pyvips-binary"]
LEARNING = ["numpy", "open_clip_torch", "pandas", "safetensors", "timm", "torch", "torchvision"]


def find_version(client: "MlflowClient", tracking: Tracking, digest: str) -> Any:
    """Returns the version of the registered model whose encoder has this digest; None if there is none."""
    query = f"name = '{tracking.model}' AND tags.{ENCODER} = '{digest}'"
    return next(iter(client.search_model_versions(query, max_results=1)), None)


def use_model(client: "MlflowClient", run_id: str, tracking: Tracking, digest: str) -> str | None:
    """Says that the run works with the encoder of this digest; returns the id of its registered model, if any."""
    from mlflow.entities import LoggedModelInput

    client.set_tag(run_id, ENCODER, digest)
    version = find_version(client, tracking, digest)
    if version is None:
        return None
    # The version's own field is empty: see docs/upstream.md, MLflow: model_id of a version.
    model = str(version.source).removeprefix("models:/")
    if version.run_id != run_id:
        client.log_inputs(run_id, models=[LoggedModelInput(model)])
    return model


def log_settings(client: "MlflowClient", run_id: str) -> None:
    """Logs params.yaml as it is, but for passwords in addresses."""
    client.log_text(run_id, without_credentials(PARAMS.read_text(encoding="utf-8")), PARAMS_ARTIFACT)


def register_encoder(client: "MlflowClient", run_id: str, paths: Paths, tracking: Tracking) -> None:
    """Logs the encoder, after the settings that made it, as a model that takes images, and registers it, once."""
    from cbir.serving.model import COLUMN, example_file

    digest = encoder_digest(paths.encoder)
    if use_model(client, run_id, tracking, digest):
        return
    log_settings(client, run_id)
    client.log_text(run_id, json.dumps(trained_on(paths), ensure_ascii=False), ACCESSIONS_ARTIFACT)

    import mlflow
    import numpy as np
    import pandas as pd
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema, TensorSpec

    params = read_yaml(PARAMS)
    dimension = json.loads((paths.encoder / CONFIG_FILE).read_text(encoding="utf-8"))["dimension"]
    signature = ModelSignature(
        inputs=Schema([ColSpec(DataType.binary, COLUMN)]),
        outputs=Schema([TensorSpec(np.dtype(np.float32), (-1, dimension))]),
    )
    # MLflow compares the columns of the example with a range, which pandas deprecates.
    with mlflow.start_run(run_id=run_id), warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        mlflow.pyfunc.log_model(
            name="encoder",
            loader_module="cbir.serving.model",
            data_path=str(paths.encoder),
            code_paths=[str(Path(cbir.__file__).parent)],
            model_config={
                "longest_side": params["images"]["longest_side"],
                "batch_size": params["embed"]["batch_size"],
                "precision": params["embed"]["precision"],
            },
            signature=signature,
            input_example=pd.DataFrame({COLUMN: [example_file()]}),
            pip_requirements=[f"{name}=={version(name)}" for name in sorted(["mlflow", *IMAGES, *LEARNING])],
            registered_model_name=tracking.model,
            tags={ENCODER: digest, PIPELINE: client.get_run(run_id).data.tags[PIPELINE]},
        )
