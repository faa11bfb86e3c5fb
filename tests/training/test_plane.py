"""Features to be drawn: only in two dimensions, and each with the label of its image."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch

from sigma2r.data import ImageData
from sigma2r.data.splits import Split
from sigma2r.models import build_model
from sigma2r.training import plane as module
from sigma2r.training.plane import plane_of

CPU = torch.device("cpu")


@pytest.fixture
def split():
    data = ImageData(torch.randint(0, 256, (30, 1, 16, 16), dtype=torch.uint8), torch.arange(30) % 3, ("a", "b", "c"))
    return Split(data, torch.arange(0, 30, 2))


def trained(feature_dim):
    """What :func:`plane_of` looks at."""
    network = build_model("lenet", in_channels=1, image_size=16, num_classes=3, feature_dim=feature_dim)
    precision = SimpleNamespace(forward_context=nullcontext)
    return SimpleNamespace(
        model=network,
        preprocess=lambda images: images.float() / 255,
        criterion=None,
        trainer=SimpleNamespace(precision_plugin=precision),
    )


@pytest.mark.parametrize("feature_dim", [1, 3, 84])
def test_there_is_a_plane_in_two_dimensions_alone(split, feature_dim):
    assert plane_of(trained(feature_dim), split, CPU) is None


@pytest.mark.parametrize(
    ("centers", "drawn"),
    [
        (torch.zeros(3, 2), [[0.0, 0.0]] * 3),
        (torch.zeros(6, 2), None),
        (torch.zeros(3, 2, 2), None),
        (torch.zeros(3, 5), None),
        ([[0.0, 0.0]] * 3, None),
        (lambda: 3, None),
    ],
    ids=["one for each class", "two for each class", "several", "of more dimensions", "a list", "a method"],
)
def test_centers_are_drawn_if_there_is_one_for_each_class(split, centers, drawn):
    network = trained(2)
    network.criterion = SimpleNamespace(auxiliary=SimpleNamespace(centers=centers))
    assert plane_of(network, split, CPU)["centers"] == drawn


@pytest.mark.parametrize("most", [300, 2])
def test_points_stand_with_the_labels_of_their_images_up_to_so_many_a_class(split, monkeypatch, most):
    monkeypatch.setattr(module, "_POINTS", most)
    network = trained(2)
    plane = plane_of(network, split, CPU)
    assert plane["centers"] is None
    chosen = [i for k in range(3) for i in split.indices.tolist() if i % 3 == k]
    chosen = [i for i in chosen if [j for j in chosen if j % 3 == i % 3].index(i) < most]
    assert plane["labels"] == [i % 3 for i in chosen]
    network.model.eval()
    features = network.model(network.preprocess(split.data.images[chosen]))[0]
    assert torch.allclose(torch.tensor(plane["features"]), features, atol=1e-5)
    for k, mean in enumerate(plane["means"]):
        own = features[[n for n, i in enumerate(chosen) if i % 3 == k]]
        assert mean == pytest.approx(own.mean(0).tolist(), abs=1e-5)
