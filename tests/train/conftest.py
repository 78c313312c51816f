import pytest
import torch

from curate.train.manifest import open_manifest
from tests.train.corpus import class_rows, export, manifest_rows


@pytest.fixture
def exported(tmp_path):
    rows = manifest_rows(tmp_path / "posts")
    return export(tmp_path / "manifest", rows, class_rows(), {"posts": str(tmp_path / "posts")}, n_shards=2)


@pytest.fixture
def manifest(exported):
    return open_manifest(exported)


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    # Busy cores make several threads wait for one another, far longer than these tests take.
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(autouse=True)
def global_torch_state_stays():
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.get_rng_state()
    yield
    after = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.get_rng_state()
    assert before[:2] == after[:2]
    assert torch.equal(before[2], after[2])
