import pytest

from tests.contract.road import Road, whole_road


@pytest.fixture(scope="session")
def road(tmp_path_factory: pytest.TempPathFactory) -> Road:
    return whole_road(tmp_path_factory.getbasetemp())
