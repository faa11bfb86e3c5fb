"""Mutations of models."""

from tools.mutations._mutation import of

MUTATIONS = [
    *of(
        "models/lenet.py",
        ("no padding", "padding = max(0, -(-(_CLASSIC - image_size) // 2))", "padding = 0"),
        ("features behind the PReLU", "return features, self.head(features)", "return self.head[0](features), self.head(features)"),
        ("one slope less", "nn.Linear(16 * side * side, 120),\n            nn.PReLU(),", "nn.Linear(16 * side * side, 120),\n            nn.ReLU(),"),
    ),
    *of(
        "models/resnet18.py",
        ("a linear map of 512 to 512", "nn.Identity() if feature_dim == pooled else nn.Linear", "nn.Linear"),
        ("three channels alone", "if in_channels != 3:", "if in_channels == 0:"),
        ("logits of logits", "return features, self.head(features)", "return features, self.head(features.relu() * 0)"),
    ),
    *of(
        "models/registry.py",
        ("images of any size", "if image_size < _LEAST_IMAGE_SIZE[name]:", "if image_size < 1:"),
        ("the dimension is the model's own", "dim = default_feature_dim(name) if feature_dim is None else feature_dim", "dim = default_feature_dim(name)"),
        ("our models row by row", "model.to(memory_format=torch.channels_last)", "model"),
        ("one network for all names", 'if name == "lenet"', 'if name:'),
        ("features of another dimension", '"lenet": 84, "resnet18": 512}', '"lenet": 84, "resnet18": 256}'),
    ),
    *of(
        "models/own.py",
        ("whatever it returns", "if not (pair and all(isinstance(each, Tensor) and each.ndim == 2 for each in outputs)):", "if not pair:"),
        ("logits and features exchanged", "if tuple(logits.shape) != (2, num_classes) or features.shape[0] != 2:", "if False:"),
        ("another dimension than the run says", "if feature_dim not in (None, dim):", "if False:"),
        ("anything is a model", "if not isinstance(model, nn.Module):", "if False:"),
    ),
    *of(
        "models/modes.py",
        ("never in evaluation", "    model.eval()\n", ""),
        ("all train afterwards", "module.training = training", "module.training = True"),
        ("an error leaves it in evaluation", "    try:\n        yield\n    finally:\n        for module, training in modes.items():\n            module.training = training", "    yield\n    for module, training in modes.items():\n        module.training = training"),
    ),
]  # fmt: skip
