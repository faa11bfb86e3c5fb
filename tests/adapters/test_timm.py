"""The pooled features of timm's models: what it calls pre_logits, from one call, whatever the architecture."""

import copy

import pytest
import timm
import torch
from torch.testing import assert_close

from sigma2r import CenterLoss, FeatureTap, JointLoss
from sigma2r.adapters import WithLoss
from tests.pages import run_page

# One of each family, as small as it is built without weights: name, pixels a side, what makes it smaller.
ARCHITECTURES = [
    ("test_byobnet", 64, {}),
    ("test_convnext", 64, {}),
    ("test_efficientnet", 64, {}),
    ("test_mambaout", 64, {}),
    ("test_maxvit", 160, {}),
    ("test_nfnet", 64, {}),
    ("test_resnet", 64, {}),
    ("test_vit", 160, {}),
    ("test_vit_relpos", 160, {}),
    ("cait_xxs24_224", 64, {"img_size": 64, "depth": 2}),
    ("coat_lite_tiny", 64, {"img_size": 64}),
    ("convit_tiny", 64, {"img_size": 64, "depth": 2, "local_up_to_layer": 1}),
    ("crossvit_tiny_240", 240, {"depth": ((1, 1, 0), (1, 1, 0), (1, 1, 0))}),
    ("cs3darknet_s", 64, {}),
    ("davit_tiny", 64, {"depths": (1, 1, 1, 1), "embed_dims": (24, 48, 96, 192), "num_heads": (1, 2, 4, 8)}),
    ("deit_tiny_distilled_patch16_224", 64, {"img_size": 64, "depth": 2}),
    ("densenet121", 64, {"growth_rate": 8, "block_config": (2, 2, 2, 2)}),
    ("edgenext_xx_small", 64, {}),
    ("efficientformerv2_s0", 224, {}),
    ("efficientvim_m1", 64, {}),
    ("efficientvit_b0", 64, {}),
    ("ese_vovnet19b_slim", 64, {}),
    ("ghostnet_050", 64, {}),
    ("hgnetv2_b0", 64, {}),
    ("inception_next_atto", 64, {}),
    ("levit_128s", 224, {}),
    ("mobilevit_xxs", 64, {}),
    ("pit_ti_distilled_224", 224, {"depth": (1, 1, 1)}),
    ("pvt_v2_b0", 64, {}),
    ("regnetx_002", 64, {}),
    ("repvit_m0_9", 64, {}),
    ("swin_tiny_patch4_window7_224", 224, {"depths": (1, 1, 1, 1), "embed_dim": 24, "num_heads": (1, 2, 4, 8)}),
    ("tiny_vit_5m_224", 224, {"depths": (1, 1, 1, 1), "embed_dims": (16, 32, 64, 64), "num_heads": (1, 2, 4, 4)}),
    ("volo_d1_224", 64, {"img_size": 64}),
    ("xcit_nano_12_p16_224", 64, {"img_size": 64, "depth": 2}),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")  # what architectures say when they are built
@pytest.mark.parametrize(("name", "side", "smaller"), ARCHITECTURES, ids=[name for name, *_ in ARCHITECTURES])
def test_one_call_finds_what_timm_calls_pre_logits(name, side, smaller):
    torch.manual_seed(0)
    model = timm.create_model(name, pretrained=False, num_classes=5, **smaller).eval()
    images = torch.randn(2, 3, side, side)
    with torch.no_grad(), FeatureTap.before_classifier(model) as tap:
        logits = model(images)
        assert logits.shape == (2, 5)
        expected = model.forward_head(model.forward_features(images), pre_logits=True)
        assert expected.ndim == 2
        assert_close(tap.features, expected)
    assert float(expected.std()) > 0


def test_many_families_are_looked_at():
    families = {timm.models.model_entrypoint(name).__module__ for name, *_ in ARCHITECTURES}
    assert len(families) >= 30


@pytest.mark.parametrize("pooled", ["avg", "max", "avgmax", "catavgmax"])
def test_whatever_pools(pooled):
    model = timm.create_model("test_resnet", pretrained=False, num_classes=5, global_pool=pooled).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad(), FeatureTap.before_classifier(model) as tap:
        model(images)
        assert_close(tap.features, model.forward_head(model.forward_features(images), pre_logits=True))


def test_a_model_without_a_classifier_gives_what_it_returns():
    model = timm.create_model("test_vit", pretrained=False, num_classes=0).eval()
    with torch.no_grad(), FeatureTap.before_classifier(model) as tap:
        assert torch.equal(model(torch.zeros(2, 3, 160, 160)), tap.features)


def test_training_through_the_tap_is_training_on_returned_features_bit_for_bit():
    torch.manual_seed(0)
    network = timm.create_model("test_resnet", pretrained=False, num_classes=5)
    criterion = JointLoss(CenterLoss(5, network.num_features), 0.1)
    twin, twin_criterion = copy.deepcopy(network), copy.deepcopy(criterion)
    model = WithLoss(network, criterion, FeatureTap.before_classifier(network))
    images, labels = torch.randn(8, 3, 32, 32), torch.arange(8) % 5
    steps = [torch.optim.SGD(model.param_groups(lr=0.01, loss_lr=0.1, weight_decay=0.1), momentum=0.9)]
    plainly = [
        {"params": twin.parameters(), "lr": 0.01, "weight_decay": 0.1},
        {"params": [twin_criterion.auxiliary.centers], "lr": 0.1},
    ]
    steps.append(torch.optim.SGD(plainly, momentum=0.9))
    for _ in range(3):
        features = twin.forward_head(twin.forward_features(images), pre_logits=True)
        values = model(images, labels=labels)["loss"], twin_criterion(features, twin.get_classifier()(features), labels)
        for step, value in zip(steps, values, strict=True):
            step.zero_grad()
            value.backward()
            step.step()
    for a, b in zip(
        [*network.parameters(), *criterion.parameters()],
        [*twin.parameters(), *twin_criterion.parameters()],
        strict=True,
    ):
        assert torch.equal(a, b)
    assert set(network.state_dict()) == set(twin.state_dict())  # checkpoints of the network stay timm's


def test_a_classifier_that_was_exchanged_is_told():
    model = timm.create_model("test_vit", pretrained=False, num_classes=5)
    tap = FeatureTap.before_classifier(model)
    model.reset_classifier(7)
    model(torch.zeros(2, 3, 160, 160))
    with pytest.raises(ValueError, match=r"^FeatureTap: the layer head that was tapped is no longer in the model"):
        _ = tap.features


def test_the_page_runs(tmp_path):
    run_page("docs/adapters/timm.md", tmp_path)
