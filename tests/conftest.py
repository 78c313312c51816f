import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.contract.road import Road

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line sets it; before torch is imported
os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run in several processes

# A busy machine makes an example slow now and then; that is no finding about the code.
settings.register_profile("steady", deadline=None)
settings.load_profile("steady")


# Files that take long: they go first, so that no process has to wait for another in the end.
FIRST = ("tests/real/", "tests/test_wheel.py", "tests/test_faults.py", "tests/cli/", "tests/wordnet/", "tests/stages/")
# Folders that one process gets as a whole: they share what takes seconds to make.
TOGETHER = ("tests/wordnet/",)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class WholeFolders(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return next((folder for folder in TOGETHER if nodeid.startswith(folder)), super()._split_scope(nodeid))

    return WholeFolders(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: next((i for i, name in enumerate(FIRST) if item.nodeid.startswith(name)), len(FIRST)))


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real test data, which is not part of the project."""
    folder = os.environ.get("CURATE_TEST_DATA")
    if not folder:
        pytest.skip("CURATE_TEST_DATA is not set")
    return Path(folder)


@pytest.fixture(scope="session")
def road(tmp_path_factory: pytest.TempPathFactory) -> "Road":
    from tests.contract.road import whole_road  # not all tests want what it imports

    return whole_road(tmp_path_factory)


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished example, not to be changed: other processes read it too."""
    from tests.contract.road import finished_example

    return finished_example(tmp_path_factory)


@pytest.fixture(scope="session")
def corpus(example: Path) -> Path:
    return example / "notebook-demo" / "corpus"
