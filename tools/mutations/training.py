"""Mutations of training."""

from tools.mutations._mutation import of

MUTATIONS = [
    *of(
        "training/module.py",
        ("training without augmentation at all", "self.preprocess(images, self.augmentation, self._generator)", "self.preprocess(images)"),
        ("the same augmentation each epoch", "self.data_seed * 1_000_003 + epoch", "self.data_seed * 1_000_003"),
        ("one augmentation for all seeds", "self.data_seed * 1_000_003 + epoch", "epoch"),
        ("half a cosine", "0.5 * (1 + math.cos(math.pi * epoch", "0.5 * (1 + math.cos(0.5 * math.pi * epoch"),
        ("the weight never warms up", "self.criterion.set_epoch(epoch)", "self.criterion.set_epoch(10**6)"),
        ("one rate for network and centers", "self.criterion.param_groups(lr=self.loss_lr)", "self.criterion.param_groups(lr=self.lr)"),
        ("weights that are not finite are kept", "if not all(bool(torch.isfinite(parameter).all())", "if not any(bool(torch.isfinite(parameter).all())"),
        ("the added loss is trained on alone", "loss = self.criterion.total(cross_entropy, each)", "loss = torch.stack(each).sum()"),
        ("labels are not smoothed", "label_smoothing=self.label_smoothing)", "label_smoothing=0.0)"),
    ),
    *of(
        "training/trainer.py",
        ("batches that nobody augments", "return self.module.augmented(images), labels", "return self.module.preprocess(images), labels"),
        ("the same order each epoch", "self.sampler.set_epoch(self.module.current_epoch)", "self.sampler.set_epoch(0)"),
        ("the loader of the first epoch stays", "reload_dataloaders_every_n_epochs=1", "reload_dataloaders_every_n_epochs=0"),
        ("rows of the whole data set", 'EpochRows(sampler, splits["train"].indices)', 'EpochRows(sampler, torch.arange(len(splits["train"].data)))'),
        ("centers stay where they were drawn", "init_centers(torch.cat([f for f, _ in parts])", "(lambda *_: None)(torch.cat([f for f, _ in parts])"),
        ("no checkpoint is kept", "callbacks.append(KeepCheckpoints(files, history))", "pass"),
        ("the first checkpoint is not gone on from", "ckpt_path=files.last if files is not None and resumed else None", "ckpt_path=None"),
    ),
    *of(
        "training/history.py",
        ("sums for means", "float(total) / self._batches", "float(total)"),
        ("the last epoch is not measured", "due = epoch == self.epochs or (", "due = ("),
        ("every epoch is measured", "epoch % self.every == 0", "True"),
        ("the last of equals is the best", 'max(judged, key=lambda entry: entry["validation"]["accuracy"])', 'max(reversed(judged), key=lambda entry: entry["validation"]["accuracy"])'),
        ("the best on test images", 'key=lambda entry: entry["validation"]["accuracy"]', 'key=lambda entry: entry["test"]["accuracy"]'),
        ("a checkpoint forgets its history", 'self.entries = list(state_dict["entries"])', "self.entries = []"),
    ),
    *of(
        "training/checkpoints.py",
        ("the last is the best", "if self.history.best_epoch() == trainer.current_epoch + 1:", "if self.history.best_epoch() is not None:"),
        ("the best is never written", "trainer.save_checkpoint(self.files.best)", "pass"),
        ("a checkpoint of another training", "if of != history.of:", "if False:"),
        ("a checkpoint of other weights", "if found != wanted:", "if False:"),
        ("a bit that flipped", "if damaged is not None:", "if False:"),
    ),
    *of(
        "training/measure.py",
        ("intra/inter by the distances of each split", '"intra_inter": intra_mean / training_inter', '"intra_inter": intra_mean / float(self.statistics.inter_class_distance())'),
        ("divided by distances of test images", 'measured["train"].statistics', 'measured["test"].statistics'),
        ("the tail is the largest", '"tail_99": scaled[0]', '"tail_99": scaled[1]'),
        ("the tail in feature units", "each / training_inter if training_inter > 0 else float(\"nan\") for each in self.tail", "each for each in self.tail"),
        ("the last batch alone", "statistics = part if statistics is None else statistics.merge(part)", "statistics = part"),
        ("wrong is right", "(logits.argmax(1) == labels)", "(logits.argmin(1) == labels)"),
    ),
    *of(
        "training/plane.py",
        ("planes of any dimension", "if module.model.feature_dim != 2:", "if False:"),
        ("means of all", "features[labels == k].mean(0)", "features.mean(0)"),
        ("labels in another order", "labels = split.data.labels[chosen]", "labels = split.data.labels[chosen].flip(0)"),
        ("no learned centers", '"centers": None if centers is None else', '"centers": None if True else'),
    ),
    *of(
        "training/diagnosis.py",
        ("observed after every batch", "if self._watch is None or not stepped or", "if self._watch is None or"),
        ("nothing is observed", "or trainer.global_step % self.every:", "or True:"),
        ("features of a network that trains", "        with evaluating(module.model):\n            features, logits = module.model(images)", "        if True:\n            features, logits = module.model(images)"),
        ("hooks stay", "self._watch.remove()", "pass"),
    ),
]  # fmt: skip
