"""What a user names by a path: found, called with what it takes, and told in one sentence where it breaks."""

import inspect
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from sigma2r._call import call_own, parameters_of
from sigma2r._resolve import is_path, resolve
from sigma2r.data.own import own_images
from sigma2r.models import build_model
from sigma2r.studies.losses import build_loss, check_own_loss, own_options

CODE = """
import torch
from torch import nn
from sigma2r.data import ImageData
times = []
def images(pixels=None, labels=(0, 1, 2, 1)):
    pixels = torch.zeros(4, 1, 8, 8, dtype=torch.uint8) if pixels is None else pixels
    return ImageData(pixels, torch.tensor(labels, dtype=torch.int64), ("a", "b", "c"))
def good(split, image_size): return images()
def floats(split): return images(torch.zeros(4, 1, 8, 8))
def wide(split): return images(torch.zeros(4, 1, 8, 9, dtype=torch.uint8))
def beyond(split): return images(labels=(0, 1, 3, 1))
def below(split): return images(labels=(0, -1, 2, 1))
def turned(split): return images(torch.zeros(4, 8, 8, 3, dtype=torch.uint8).permute(0, 3, 1, 2))
def few(split): return images(labels=(0, 1, 2))
def none(split): return images(torch.zeros(0, 1, 8, 8, dtype=torch.uint8), labels=())
def listed(split): return [1, 2]
class Model(nn.Module):
    def __init__(self, num_classes): super().__init__(); self.drop = nn.Dropout(0.5); self.c = num_classes
    def forward(self, x): return x.flatten(1)[:, :5], x.flatten(1)[:, : self.c]
class Turned(Model):
    def forward(self, x): return super().forward(x)[::-1]
class Alone(Model):
    def forward(self, x): return super().forward(x)[0]
class Flat(Model):
    def forward(self, x): return x.sum(), x.flatten(1)[:, : self.c]
def not_a_model(): return 3
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(CODE)
    return tmp_path


def load(name):
    return own_images(f"mine.py:{name}", "train", data_dir=None, image_size=8, download=False)


def test_images_of_ones_own_are_taken_as_they_are(here):
    data = load("good")
    assert (data.image_shape, len(data), data.class_names) == ((1, 8, 8), 4, ("a", "b", "c"))


def test_images_lie_row_by_row(here):
    assert load("turned").images.is_contiguous()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("floats", "images of train must be a uint8 tensor"),
        ("wide", "images of train must be a uint8 tensor"),
        ("beyond", r"must lie in \[0, 3\), the number of class_names; they go from 0 to 3"),
        ("below", r"must lie in \[0, 3\), the number of class_names; they go from -1 to 2"),
        ("few", "one class index for each of the 4 images"),
        ("none", "of which there must be some"),
        ("listed", r"must return sigma2r.data.ImageData\(images, labels, class_names\); got list"),
    ],
)
def test_images_that_cannot_be_used_are_refused(here, name, message):
    with pytest.raises(ValueError, match=message):
        load(name)


def build(name, feature_dim=None):
    return build_model(f"mine.py:{name}", in_channels=1, image_size=8, num_classes=3, feature_dim=feature_dim)


def test_a_model_of_ones_own_tells_its_dimension_and_trains_as_before(here):
    model = build("Model")
    assert model.feature_dim == 5
    assert model.drop.training


@pytest.mark.parametrize(
    ("name", "feature_dim", "message"),
    [
        ("Turned", None, r"features \(N, D\) and then logits \(N, 3\)"),
        ("Alone", None, "got one tensor of shape"),
        ("Flat", None, "got 2 things"),
        ("Model", 7, "must have feature_dim 7, as the run says; it has 5"),
        ("not_a_model", None, "must be a torch.nn.Module; got int"),
    ],
)
def test_a_model_that_cannot_be_used_is_refused(here, name, feature_dim, message):
    with pytest.raises(ValueError, match=message):
        build(name, feature_dim)


def test_a_function_is_given_what_it_takes_and_what_it_raises_is_told_with_its_line(here):
    Path("raises.py").write_text("def inner(x):\n    return 1 / x\ndef outer(x):\n    return inner(x)\n")
    assert call_own("mine", 1, function=lambda a, b: (a, b), b=2, c=3) == (1, 2)
    assert call_own("mine", function=lambda **words: words, b=2, c=3) == {"b": 2, "c": 3}
    assert call_own("mine", function=nn.Identity, b=2) is not None
    told = r"mine: calling it raised ZeroDivisionError: division by zero \(raises.py, line 2\)"
    with pytest.raises(ValueError, match=told):
        call_own("mine", 0, function=resolve("loss", "raises.py:outer"))
    with pytest.raises(ValueError, match=r"raised RuntimeError: .* \(test_own_code.py"):
        call_own("mine", function=lambda: torch.zeros(2) @ torch.zeros(3))


TYPED = """
from __future__ import annotations
from functools import partial
from typing import TYPE_CHECKING
from torch import nn
if TYPE_CHECKING:
    from pathlib import Path
def data(split: str, data_dir: Path | None = None, side: int = 3): return split, data_dir, side
class Loss(nn.Module):
    def __init__(self, num_classes: int, where: Path | None = None): super().__init__()
class Derived(Loss):
    def __init__(self, delta: 1 / 0 = 2, **more): super().__init__(**more)
class Called:
    def __call__(self, split: Nowhere, side: int = 3): return split, side
    def method(self, split: Nowhere, side: int = 3): return split, side
called, method, part, whole = Called(), Called().method, partial(data, side=4), partial(Loss, where=None)
"""


def test_an_annotation_that_only_a_type_checker_reads_is_none(here):
    Path("typed.py").write_text(TYPED)
    none = inspect.Parameter.empty
    for name, expected in {
        "data": {"split": str, "data_dir": none, "side": int},
        "Loss": {"num_classes": int, "where": none},
        "Derived": {"num_classes": int, "where": none, "delta": none},
        "called": {"split": none, "side": int},
        "method": {"split": none, "side": int},
        "part": {"split": str, "data_dir": none, "side": int},
        "whole": {"num_classes": int, "where": none},
    }.items():
        found = {p.name: p.annotation for p in parameters_of(resolve("loss", f"typed.py:{name}"))}
        assert {key: kind for key, kind in found.items() if key != "more"} == expected, name
    assert call_own("typed", "train", function=resolve("data set", "typed.py:data"), side=5) == ("train", None, 5)
    assert isinstance(build_loss("typed.py:Derived", 3, 5, {"delta": 1}), nn.Module)


def test_a_file_is_read_once_and_again_if_it_broke(here):
    assert resolve("loss", "mine.py:Model") is resolve("loss", f"{here}/mine.py:Model")
    Path("broken.py").write_text("raise TypeError('no')")
    with pytest.raises(ValueError, match=r"raised TypeError: no \(broken.py, line 1\)"):
        resolve("loss", "broken.py:Name")
    Path("broken.py").write_text("Name = 3")
    assert resolve("loss", "broken.py:Name") == 3


def test_what_lies_in_the_current_folder_hides_nothing_that_is_installed(here):
    Path("decimal.py").write_text("Decimal = None")
    before = list(sys.path)
    resolve("loss", "mine.py:Model")
    assert sys.path[: len(before)] == before
    assert is_path("a.b:C.d")
    assert not is_path("a-b:C")


def test_a_loss_that_cannot_be_used_is_refused(here):
    with pytest.raises(ValueError, match=r"mine.py:not_a_model: a loss must be a torch.nn.Module.*; got int"):
        build_loss("mine.py:not_a_model", 3, 5, {})
    with pytest.raises(ValueError, match=r"unknown option of the loss mine.py:Model 'margin'"):
        check_own_loss("mine.py:Model", {"margin": 1})
    assert isinstance(build_loss("mine.py:Model", 3, 5, {}), nn.Module)


def test_a_function_that_is_the_loss_itself_is_told_from_a_class_that_wants_an_option(here):
    Path("losses.py").write_text(
        "from torch import nn\n"
        "def bare(features, labels): return features.sum()\n"
        "class Wide(nn.Module):\n"
        "    def __init__(self, width): super().__init__()\n"
    )
    with pytest.raises(ValueError, match=r"features, labels is missing\. .* belongs in the forward of a torch"):
        check_own_loss("losses.py:bare", {})
    with pytest.raises(ValueError, match=r"width is missing\. Write losses\.py:Wide@WEIGHT\[width=VALUE\]\.$"):
        check_own_loss("losses.py:Wide", {})


@pytest.mark.parametrize("value", [{"a": 1}, {1}, object(), b"x", 1j, [[1, {}]]])
def test_an_option_that_no_file_holds_is_refused(here, value):
    with pytest.raises(ValueError, match=r"mine\.py:Model: width must be a number as in 12, .* a list of such; got"):
        own_options("mine.py:Model", {"width": value})


def test_options_that_a_file_holds_stay_as_they_are():
    options = {"a": None, "b": True, "c": [1, 2.5, "x"], "d": "text", "e": -3}
    assert own_options("mine.py:Model", options) == options
