"""Models of timm: pooled features, weights of a hub or a file, and what is said where they do not fit."""

import hashlib
import pickle
import re
import sys
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch.testing import assert_close

from sigma2r.models import build_model, check_model, default_feature_dim, is_own
from sigma2r.models.hub import check_timm, classifiers_of, expected_images, is_timm
from sigma2r.models.weights import load_weights, read_weights, sha256_of

SIZES = {"in_channels": 3, "image_size": 32, "num_classes": 4}
SMALL = ("resnet", "vit", "efficientnet", "convnext", "nfnet", "mambaout", "byobnet")


def build(name, **changed):
    return build_model(f"timm:{name}", **{**SIZES, **changed})


def published(name="test_resnet", classes=4, seed=7):
    """A network of timm as it publishes them, with a classifier unless there are no classes."""
    torch.manual_seed(seed)
    return timm.create_model(name, num_classes=classes, **({"img_size": 32} if "vit" in name else {})).eval()


@pytest.mark.parametrize("name", [f"test_{each}" for each in SMALL])
def test_features_are_those_that_timm_pools(name):
    model, images = build(name).eval(), torch.randn(2, 3, 32, 32)
    whole = published(name)
    own = model.backbone.state_dict()
    model.backbone.load_state_dict({key: value for key, value in whole.state_dict().items() if key in own})
    features, logits = model(images)
    assert_close(features, whole.forward_head(whole.forward_features(images), pre_logits=True))
    assert features.shape == (2, model.feature_dim)
    assert_close(logits, model.head(features))
    assert logits.shape == (2, 4)


def test_the_width_is_what_comes_out_and_not_what_timm_calls_so():
    model = build("test_mambaout")
    assert (model.backbone.num_features, model.feature_dim) == (64, 256)


@pytest.mark.parametrize(("channels", "side", "feature_dim"), [(1, 32, None), (3, 64, 2), (2, 48, 7)])
@pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
def test_any_channels_size_and_dimension_are_taken_and_all_learns(name, channels, side, feature_dim):
    model = build(name, in_channels=channels, image_size=side, feature_dim=feature_dim)
    features, logits = model(torch.randn(3, channels, side, side))
    assert features.shape == (3, feature_dim or {"test_resnet": 96, "test_vit": 64}[name])
    logits.square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_first_weights_follow_from_the_seed():
    models = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        models.append(torch.cat([p.flatten() for p in build("test_resnet", feature_dim=3).parameters()]))
    assert torch.equal(models[0], models[1])
    assert not torch.equal(models[0], models[2])


def test_a_name_of_timm_is_no_path_of_ones_own():
    assert is_timm("timm:resnet18.a1_in1k")
    assert not is_own("timm:resnet18")
    assert is_own("mine:resnet18")
    assert not is_timm("resnet18")
    check_model("timm:whatever")  # asked of timm when it is trained
    assert default_feature_dim("timm:whatever") is None


@pytest.mark.message
@pytest.mark.parametrize(
    ("name", "changed", "message"),
    [
        ("resnet1", {}, r"unknown model of timm 'resnet1'; timm [\d.]+ has [\d,]+, which .* Did you mean resnet\d+"),
        ("resnet18.mine", {}, r"unknown weights of timm:resnet18 'mine'; known: a1_in1k, "),
        ("test_byobnet", {"num_classes": 0}, r"build_model: num_classes must be a whole number of at least 1; got 0"),
        ("test_resnet", {"feature_dim": 0}, r"build_model: feature_dim must be a whole number of at least 1"),
        ("test_convnext", {"image_size": 8},
         r"timm:test_convnext: images of 3 channels and 8 x 8 pixels may be too small for it; calling it raised "),
        ("test_vit", {"image_size": 8},
         r"timm:test_vit: building it for images of 3 channels and 8 x 8 pixels raised|may be too small for it"),
        ("test_nfnet2", {"pretrained": True}, r"unknown model of timm 'test_nfnet2'"),
    ],
)  # fmt: skip
def test_what_timm_cannot_build_is_refused_in_a_sentence(name, changed, message):
    with pytest.raises(ValueError, match=message):
        build(name, **changed)


def test_a_network_that_pools_nothing_is_refused(monkeypatch):
    monkeypatch.setattr(timm, "create_model", lambda *_, **__: torch.nn.Conv2d(3, 5, 1))
    with pytest.raises(
        ValueError, match=r"a backbone must give pooled features of shape \(N, D\); it gives shape \(2, 5, 32"
    ):
        build("test_resnet")
    monkeypatch.setattr(timm, "create_model", lambda *_, **__: torch.nn.LSTM(32, 5))
    with pytest.raises(ValueError, match=r"timm:test_resnet: images of 3 channels .* calling it raised"):
        build("test_resnet")


def test_what_weights_expect_of_images_is_what_timm_says():
    mixer = expected_images("timm:mixer_b16_224")
    assert (mixer.channels, mixer.image_size, mixer.mean, mixer.std) == (3, 224, (0.5,) * 3, (0.5,) * 3)
    assert expected_images("timm:test_resnet").image_size == 160
    assert expected_images("timm:resnet18").mean == (0.485, 0.456, 0.406)
    assert classifiers_of("timm:deit_tiny_distilled_patch16_224") == ("head", "head_dist")
    assert classifiers_of("timm:resnet18") == ("fc",)


def test_without_timm_one_sentence_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    for asks in (lambda: build("resnet18"), lambda: check_timm("timm:resnet18"), lambda: expected_images("timm:x")):
        with pytest.raises(
            ImportError, match=r'^a model of timm needs more \(.*timm.*\): pip install "sigma2r\[timm\]"$'
        ):
            asks()


def as_safetensors(state, path):
    save_file({name: value.contiguous() for name, value in state.items()}, path)


def as_bare(state, path):
    torch.save(state, path)


def as_nested(state, path):
    torch.save({"epoch": 3, "state_dict": {f"module.{name}": value for name, value in state.items()}}, path)


def as_older(state, path):
    torch.save({"model": {k: v for k, v in state.items() if "num_batches" not in k}, "args": {"lr": 0.1}}, path)


def as_halves(state, path):
    torch.save({k: v.half() if v.is_floating_point() else v for k, v in state.items()}, path)


@pytest.mark.parametrize("write", [as_safetensors, as_bare, as_nested, as_older, as_halves])
@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_convnext"])
def test_weights_of_a_file_are_those_of_the_network_that_wrote_it(tmp_path, name, write):
    whole, path = published(name), tmp_path / "weights"
    write(whole.state_dict(), path)
    model, images = build(name, weights=path).eval(), torch.randn(2, 3, 32, 32)
    loose = {"rtol": 2e-2, "atol": 1e-2} if write is as_halves else {}
    assert_close(model(images)[1], whole(images), **loose)  # its classifier has four classes too
    assert model.started_from == {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "classifier": True}
    assert all(parameter.dtype is torch.float32 for parameter in model.parameters())


@pytest.mark.parametrize(("classes", "feature_dim"), [(1000, None), (4, 2)])
def test_a_classifier_that_does_not_fit_is_left_out_and_said(tmp_path, classes, feature_dim):
    whole, path = published(classes=classes), tmp_path / "weights.pth"
    torch.save(whole.state_dict(), path)
    told = (
        rf"classifier of \S+ is left out, fc.bias, fc.weight for {classes} classes; the head for 4 classes and \d+ fea"
    )
    with pytest.warns(UserWarning, match=told) as said:
        model = build("test_resnet", weights=path, feature_dim=feature_dim).eval()
    assert len(said) == 1
    images = torch.randn(2, 3, 32, 32)
    pooled = whole.forward_head(whole.forward_features(images), pre_logits=True)
    assert_close(model.projection(model.backbone(images)), model.projection(pooled))
    assert model.started_from["classifier"] is False


def test_two_classifiers_are_left_out_and_a_backbone_has_none(tmp_path):
    whole, model, path = published("test_vit"), build("test_vit"), tmp_path / "w.pth"
    state = whole.state_dict()
    torch.save({**state, "head_dist.weight": state["head.weight"], "head_dist.bias": state["head.bias"]}, path)
    with pytest.warns(UserWarning, match=r"head.bias, head.weight, head_dist.bias, head_dist.weight for 4 classes"):
        load_weights(model, path, ("head", "head_dist"))
    torch.save({key: value for key, value in state.items() if key in model.backbone.state_dict()}, path)
    load_weights(model, path, ("head",))  # not a word
    assert model.started_from["classifier"] is False


def without(name):
    return {key: value for key, value in published().state_dict().items() if key != name}


DIFFERENT = {
    "another network": (
        lambda: published("test_vit").state_dict(),
        r"it lacks conv1.0.weight, .* and \d+ more and it has cls_token, pos",
    ),
    "a layer too few": (lambda: without("layer2.0.conv1.weight"), r"it lacks layer2.0.conv1.weight\.$"),
    "layers before what batch norms count": (
        lambda: {"a.num_batches_tracked": torch.tensor(1), **without(""), "b.weight": torch.zeros(2)},
        r"it has b.weight, a.num_batches_tracked\.$",
    ),
    "a layer too many": (lambda: {**without(""), "neck.weight": torch.zeros(2)}, r"it has neck.weight\.$"),
    "another shape": (
        lambda: {**without(""), "bn1.weight": torch.zeros(2)},
        r"it has in another shape bn1.weight \(2,\) and not \(\d+,\)\.$",
    ),
}


@pytest.mark.parametrize("case", DIFFERENT, ids=str)
def test_a_file_of_another_network_is_refused_with_the_layers_that_differ(tmp_path, case):
    state, message = DIFFERENT[case]
    torch.save(state(), tmp_path / "w.pth")
    with pytest.raises(ValueError, match=r"weights: \S+w.pth must hold the weights of this very backbone; " + message):
        build("test_resnet", weights=tmp_path / "w.pth")


class Hostile:
    def __reduce__(self):
        return (Path.touch, (Path(self.where),))


def hostile(path):
    bomb = Hostile()
    bomb.where = str(path.with_name("ran"))
    path.write_bytes(pickle.dumps({"conv1.weight": bomb}))


def hostile_zip(path):
    bomb = Hostile()
    bomb.where = str(path.with_name("ran"))
    torch.save({"conv1.weight": bomb}, path)


def cut_off(path):
    as_safetensors(published().state_dict(), path)
    path.write_bytes(path.read_bytes()[:-100])


def cut_off_zip(path):
    torch.save(published().state_dict(), path)
    path.write_bytes(path.read_bytes()[:-100])


UNUSABLE = {
    "code in a pickle": (hostile, "must hold tensors and nothing else; it holds more, or is no file of torch.save"),
    "code in a zip": (hostile_zip, "must hold tensors and nothing else; it holds more"),
    "a file cut off": (cut_off, "must be a whole file of weights; it cannot be loaded: "),
    "a zip cut off": (cut_off_zip, "it cannot be loaded: |must hold tensors and nothing else"),
    "an empty file": (lambda path: path.touch(), "it cannot be loaded: |must hold tensors and nothing else"),
    "a picture": (lambda path: path.write_bytes(b"\x89PNG\r\n" * 9), "must hold tensors and nothing else"),
    "a list": (lambda path: torch.save([torch.zeros(2)], path), "must hold tensors by the names of layers"),
    "numbers": (lambda path: torch.save({"a": 1.0}, path), "must hold tensors by the names of layers"),
    "numbered tensors": (lambda path: torch.save({3: torch.zeros(2)}, path), "must hold tensors by the names"),
    "nothing": (lambda path: torch.save({}, path), "must hold tensors by the names of layers"),
    "a folder": (lambda path: path.mkdir(), "must be a file; it is a folder"),
    "no file": (lambda path: None, "there must be a file of weights at .*; there is none"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNUSABLE, ids=str)
def test_a_file_that_holds_no_weights_is_refused_and_never_run(tmp_path, case):
    write, message = UNUSABLE[case]
    path = tmp_path / "weights.pth"
    write(path)
    with pytest.raises(ValueError, match=message) as refused:
        read_weights(path)
    assert "\n" not in str(refused.value)
    assert str(path) in str(refused.value)
    assert not (tmp_path / "ran").exists()


def test_weights_are_for_models_of_timm_alone(tmp_path):
    for setting in ({"pretrained": True}, {"weights": tmp_path}):
        with pytest.raises(ValueError, match="build_model: pretrained and weights are for timm:NAME; got lenet"):
            build_model("lenet", **SIZES, **setting)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The cache of timm's hub, as a download leaves it; there is no internet."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))

    def keep(repository, state):
        folder = tmp_path / "hub" / f"models--{repository.replace('/', '--')}"
        (folder / "refs").mkdir(parents=True)
        (folder / "refs/main").write_text("0" * 40)
        (folder / "snapshots" / ("0" * 40)).mkdir(parents=True)
        as_safetensors(state, folder / "snapshots" / ("0" * 40) / "model.safetensors")

    return keep


def test_pretrained_weights_are_those_of_timms_hub(hub):
    whole = published(classes=1000)
    hub("timm/test_resnet.r160_in1k", whole.state_dict())
    for name in ("test_resnet", "test_resnet.r160_in1k"):
        model, images = build(name, pretrained=True).eval(), torch.randn(2, 3, 32, 32)
        assert_close(model(images)[0], whole.forward_head(whole.forward_features(images), pre_logits=True))
        assert model.started_from["hub"] == "timm/test_resnet.r160_in1k"
    fingerprint = model.started_from["fingerprint"]
    assert re.fullmatch("[0-9a-f]{16}", fingerprint)
    assert build("test_resnet", pretrained=True).started_from["fingerprint"] == fingerprint


def test_weights_of_the_hub_that_differ_have_another_fingerprint(hub):
    whole = published(classes=1000)
    hub("timm/test_resnet.r160_in1k", whole.state_dict())
    first = build("test_resnet", pretrained=True).started_from["fingerprint"]
    (file,) = Path(sys.modules["huggingface_hub"].constants.HF_HUB_CACHE).rglob("*.safetensors")
    as_safetensors({**whole.state_dict(), "bn1.bias": whole.bn1.bias + 1e-3}, file)
    assert build("test_resnet", pretrained=True).started_from["fingerprint"] != first


def test_weights_that_are_not_to_be_had_are_one_sentence(hub):
    with pytest.raises(
        ValueError,
        match=r"^timm:test_vit: the weights of --pretrained must be on timm's hub, as timm/test_vit\.r160_in1k, or "
        r"in its cache on this machine; they cannot be had \(\w+: [^.]*\)\. Without internet, --weights FILE takes",
    ) as told:
        build("test_vit", pretrained=True)
    assert "\n" not in str(told.value)
    with pytest.raises(
        ValueError, match=r"--pretrained takes weights of timm's hub, which has none of it\. Leave it out"
    ):
        build("vit_base_patch16_18x2_224", pretrained=True)


def test_a_file_is_named_by_all_that_it_holds(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert (
        sha256_of(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )  # FIPS 180-2, B.1


@pytest.mark.message
def test_safetensors_that_is_missing_is_told_as_such(tmp_path, monkeypatch):
    as_safetensors({"fc.weight": torch.zeros(2, 2)}, tmp_path / "w.safetensors")
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    with pytest.raises(ImportError, match=r'needs more \(.*safetensors.*\): pip install "sigma2r\[timm\]"$'):
        read_weights(tmp_path / "w.safetensors")
