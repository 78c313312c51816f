import os
from pathlib import Path

import pytest
from hypothesis import settings

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line sets it; before torch is imported
os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run in several processes

# A busy machine makes an example slow now and then; that is no finding about the code.
settings.register_profile("steady", deadline=None)
settings.load_profile("steady")


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real test data, which is not part of the project."""
    folder = os.environ.get("CURATE_TEST_DATA")
    if not folder:
        pytest.skip("CURATE_TEST_DATA is not set")
    return Path(folder)
