import os
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from flowdapt.compute.executor.local import LocalExecutor
from flowdapt.compute.resources.workflow.execute import execute_workflow
from tides.stages import get_harbours, predict

NAMESPACE = "testing"
TRAIN = Path(__file__).parent.parent / "workflows" / "train.yml"


@contextmanager
def use_storage(protocol, base_path):
    os.environ["FLOWDAPT__STORAGE__PROTOCOL"] = protocol
    os.environ["FLOWDAPT__STORAGE__BASE_PATH"] = base_path
    yield
    del os.environ["FLOWDAPT__STORAGE__PROTOCOL"]
    del os.environ["FLOWDAPT__STORAGE__BASE_PATH"]


# For the whole session: what is in cluster memory lasts from one test to the next.
@pytest.fixture(scope="session")
async def executor():
    executor = LocalExecutor(use_processes=False)
    await executor.start()
    yield executor
    await executor.close()


@pytest.fixture
def config():
    return {"study_identifier": "tides-1", "harbours": ["Brest", "Saint Malo"], "num_points": 24}


@pytest.fixture
def predict_workflow():
    return {
        "metadata": {"name": "predict"},
        "spec": {
            "stages": [
                {"name": "get_harbours", "target": get_harbours},
                {"name": "predict", "target": predict, "depends_on": ["get_harbours"], "type": "parameterized"},
            ]
        },
    }


async def run(workflow, executor, config):
    with use_storage("memory", "testing_data"):
        return await execute_workflow(
            workflow=workflow, input={}, namespace=NAMESPACE, return_result=True, executor=executor, config=config
        )


async def test_train(executor, config):
    workflow = yaml.safe_load(TRAIN.read_text())
    assert await run(workflow, executor, config) == ["Brest", "Saint20Malo"]
    # What was measured before is found again.
    assert await run(workflow, executor, config) == ["Brest", "Saint20Malo"]


async def test_predict(predict_workflow, executor, config):
    assert await run(predict_workflow, executor, config) == [
        {"harbour": "Brest", "level": 23.0},
        {"harbour": "Saint Malo", "level": 24.0},
    ]


async def test_without_a_model(predict_workflow, executor, config):
    config["study_identifier"] = "unknown"
    with pytest.raises(FileNotFoundError, match="namespace `unknown`"):
        await run(predict_workflow, executor, config)
