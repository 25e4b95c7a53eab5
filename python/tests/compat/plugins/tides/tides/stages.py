"""Makes features of measurements, fits one model per harbour, predicts."""

import numpy as np
import pandas as pd
from flowdapt.builtins import utils
from flowdapt.compute import object_store
from flowdapt.compute.artifacts.dataset.dataframes import dataframe_from_artifact, dataframe_to_artifact
from flowdapt.compute.artifacts.misc import json_from_artifact, json_to_artifact
from flowdapt.compute.resources.workflow.context import get_run_context
from flowdapt.lib.logger import get_logger

logger = get_logger(__name__)


def create_harbour_list():
    config = get_run_context().config
    harbours = [{"harbour": name, "offset": index} for index, name in enumerate(config["harbours"])]
    object_store.put("harbours", harbours, artifact_only=True, save_artifact_hook=json_to_artifact(), namespace=config["study_identifier"])


def get_harbours(*args):
    return object_store.get(
        "harbours",
        artifact_only=True,
        load_artifact_hook=json_from_artifact(),
        namespace=get_run_context().config["study_identifier"],
    )


def measure(row: dict):
    """Keeps the measurements as an artifact and the features where others find them quickly."""
    config = get_run_context().config
    name = utils.artifact_name_from_dict({"harbour": row["harbour"]})
    try:
        before = object_store.get(
            f"{name}_raw",
            artifact_only=True,
            load_artifact_hook=dataframe_from_artifact(format="parquet"),
            namespace=config["study_identifier"],
        )
        logger.info(f"found {len(before)} rows of {name}")
    except FileNotFoundError:
        before = pd.DataFrame()
    hours = np.arange(config["num_points"])
    measured = pd.DataFrame({"date": pd.Timestamp("2024-01-01") + pd.to_timedelta(hours, unit="h"), "level": hours + row["offset"]})
    frame = measured if before.empty else utils.merge_dataframes(before, measured)
    object_store.put(
        f"{name}_raw",
        frame,
        artifact_only=True,
        save_artifact_hook=dataframe_to_artifact(format="parquet"),
        namespace=config["study_identifier"],
    )
    features = frame.rename(columns={"level": "%-level"})
    features = utils.shift_and_add_features(features, 3, utils.find_features(features))
    features["&-next"] = features["%-level"].shift(-1)
    object_store.put(f"{name}_features", utils.remove_rows_with_nans(features), namespace=config["study_identifier"])


def train(row: dict):
    config = get_run_context().config
    name = utils.artifact_name_from_dict({"harbour": row["harbour"]})
    frame = object_store.get(f"{name}_features", namespace=config["study_identifier"])
    features, labels = utils.extract_features_and_labels(frame)
    weights, *_ = np.linalg.lstsq(np.c_[features.to_numpy(), np.ones(len(features))], labels.to_numpy(), rcond=None)
    object_store.put(f"model-{name}", weights, namespace=config["study_identifier"])
    return name


def predict(row: dict):
    config = get_run_context().config
    name = utils.artifact_name_from_dict({"harbour": row["harbour"]})
    try:
        weights = object_store.get(f"model-{name}", namespace=config["study_identifier"])
    except (KeyError, FileNotFoundError):
        logger.error(f"no model of {name}")
        raise
    frame = object_store.get(f"{name}_features", namespace=config["study_identifier"])
    features, _ = utils.extract_features_and_labels(frame.tail(1))
    return {"harbour": row["harbour"], "level": round(float((np.c_[features.to_numpy(), [1.0]] @ weights).item()), 3)}
