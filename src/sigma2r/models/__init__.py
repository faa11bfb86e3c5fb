"""Networks that return their features beside their logits."""

from sigma2r.models.backbone import Backbone
from sigma2r.models.lenet import LeNet
from sigma2r.models.registry import MODELS, build_model, check_model, default_feature_dim, is_own
from sigma2r.models.resnet18 import ResNet18

__all__ = ["MODELS", "Backbone", "LeNet", "ResNet18", "build_model", "check_model", "default_feature_dim", "is_own"]
