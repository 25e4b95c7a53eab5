from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from parent import Worker, Zygote
from places import COMPAT, PLUGINS


@pytest.fixture(scope="session")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PEGBOARD", "FLOWDAPT"))}
    parent = Zygote("numpy", "a_package_that_is_not_there", path=[COMPAT, *PLUGINS], environment=environment)
    yield parent
    parent.close()


@pytest.fixture
def worker(zygote: Zygote, tmp_path: Path) -> Iterator[Worker]:
    made = zygote.fork(tmp_path)
    yield made
    made.kill()
    zygote.exited(made)
    made.close()


@pytest.fixture
def victim(zygote: Zygote, tmp_path: Path) -> Iterator[Worker]:
    """A worker whose end the test waits for itself."""
    made = zygote.fork(tmp_path)
    yield made
    made.close()
