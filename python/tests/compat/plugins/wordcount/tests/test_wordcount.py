import asyncio

import pytest
import wordcount
from flowdapt.compute.executor.local import LocalExecutor
from flowdapt.compute.resources.workflow.execute import execute_workflow

COUNT = {
    "metadata": {"name": "count"},
    "spec": {
        "stages": [
            {"name": "split", "target": "wordcount.split"},
            {"name": "count", "type": "parameterized", "target": "wordcount.count", "depends_on": ["split"]},
            {"name": "total", "target": "wordcount.total", "depends_on": ["count"]},
        ]
    },
}
REPORTS = {"metadata": {"name": "reports"}, "spec": {"stages": [{"name": "reports", "target": wordcount.reports}]}}


@pytest.mark.parametrize("use_processes", [True, False])
def test_count(use_processes, tmp_path, monkeypatch):
    monkeypatch.setenv("FLOWDAPT__STORAGE__PROTOCOL", "file")
    monkeypatch.setenv("FLOWDAPT__STORAGE__BASE_PATH", str(tmp_path))

    async def both():
        async with LocalExecutor(use_processes=use_processes, cpus=2) as executor:
            run = await execute_workflow(COUNT, {"texts": ["a b b", "", "b"]}, executor=executor)
            return run, await execute_workflow(REPORTS, executor=executor, return_result=True)

    run, reports = asyncio.run(both())
    assert (run.state, run.result) == ("finished", [("b", 3), ("a", 1)])
    assert reports == ([("report", 2, "b 3\na 1")], 3)


def test_failure():
    run = asyncio.run(execute_workflow(COUNT, {}))
    assert run.state == "failed" and run.result[0] == "ValueError"
