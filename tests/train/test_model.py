import math

import pytest
import torch

from curate.errors import RecipeError
from curate.train.loss import cross_entropy, soft_targets
from curate.train.model import build_model


def test_targets_are_one_kth_times_the_weight():
    targets = soft_targets([[2], [0, 1], [0, 3]], [[1.0], [1.0, 1.0], [1.0, 0.5]], 4)
    assert targets.tolist() == [[0, 0, 1, 0], [0.5, 0.5, 0, 0], [0.5, 0, 0, 0.25]]


@pytest.mark.parametrize("k", [1, 2, 5])
def test_the_minimum_of_the_loss_is_ln_k(k):
    targets = soft_targets([list(range(k))], [[1.0] * k], 8)
    logits = torch.where(targets > 0, 0.0, -100.0)
    assert cross_entropy(logits, targets).item() == pytest.approx(math.log(k), abs=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_one_label_is_ordinary_cross_entropy(smoothing):
    logits = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 4, 2, 2, 1, 3])
    ours = cross_entropy(logits, soft_targets([[i] for i in labels.tolist()], [[1.0]] * 6, 5), smoothing)
    torch.testing.assert_close(ours, torch.nn.functional.cross_entropy(logits, labels, label_smoothing=smoothing))


@pytest.mark.parametrize(("name", "depth"), [("resnet8", 8), ("resnet20", 20)])
def test_small_networks_have_the_papers_depth(name, depth):
    model = build_model(name, 10, 32, seed=0)
    layers = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    assert len([m for m in layers if not (isinstance(m, torch.nn.Conv2d) and m.kernel_size == (1, 1))]) == depth


def test_resnet20_has_the_papers_number_of_parameters():
    n = sum(p.numel() for p in build_model("resnet20", 10, 32, seed=0).parameters())
    assert n == pytest.approx(0.27e6, rel=0.02)


@pytest.mark.parametrize("size", [16, 32, 64])
def test_any_size_gives_scores(size):
    model = build_model("resnet8", 7, size, seed=0)
    assert model(torch.zeros(2, 3, size, size, dtype=torch.uint8)).shape == (2, 7)


def test_weights_come_from_the_seed():
    a, b, c = (build_model("resnet8", 3, 16, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not torch.equal(a["body.stem.weight"], c["body.stem.weight"])


def test_torchvisions_networks_load():
    model = build_model("resnet18", 3, 32, seed=0)
    assert model(torch.zeros(2, 3, 32, 32, dtype=torch.uint8)).shape == (2, 3)


def test_an_unknown_model_gets_the_nearest_name():
    with pytest.raises(RecipeError, match="Did you mean"):
        build_model("resnet9", 3, 32, seed=0)
