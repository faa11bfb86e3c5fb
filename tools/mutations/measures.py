"""Mutations of the figures of features, of the evaluation of a run and of its page."""

from tools.mutations._mutation import of

MUTATIONS = [
    *of(
        "evaluation/confusion.py",
        ("errors for hits", "self.count * (self.labels == self.predictions)", "self.count * (self.labels != self.predictions)"),
        ("precision for recall", "return self._right().double() / self.of_labels()", "return self._right().double() / self._sums(self.predictions)"),
        ("F1 without the twice", "2 * self._right().double() / (self.of_labels()", "self._right().double() / (self.of_labels()"),
        ("rows for columns", "index_put((self.labels, self.predictions), self.count)", "index_put((self.predictions, self.labels), self.count)"),
        ("a part is lost in a merge", "torch.cat([self.count, other.count.to(labels.device)])", "torch.cat([self.count, 0 * other.count.to(labels.device)])"),
    ),
    *of(
        "evaluation/compactness.py",
        ("Fisher without numbers of images", "(statistics.count * _from_the_middle(statistics).square().sum(1)).sum()", "_from_the_middle(statistics).square().sum()"),
        ("about the mean of means", "shares = statistics.count.double() / statistics.count.sum()", "shares = (statistics.count > 0).double() / (statistics.count > 0).sum()"),
        ("variance over n", "(count / (count - 1).clamp_min(1))", "1.0"),
        ("means stand still", "inter = self.inter.cpu() + self.shift(weights)", "inter = self.inter.cpu() + 0 * self.shift(weights)"),
    ),
    *of(
        "evaluation/collapse.py",
        ("NC1 about no mean", "return present - present.mean(0)", "return present"),
        ("NC1 by sizes unsquared", "inverse = right.T / sizes  # (D, R)", "inverse = right.T / sizes.sqrt()  # (D, R)"),
        ("lengths not over their mean", "lengths.std(correction=0) / lengths.mean()", "lengths.std(correction=0)"),
        ("an angle of its own with itself", "cosines = (directions @ directions.T)[others]", "cosines = (directions @ directions.T)[others | ~others]"),
        ("the widest angle", "(cosines + 1 / (number - 1)).abs()", "(cosines + 1 / number).abs()"),
        ("NC3 of lengths too", "rows / rows.norm() - directions / directions.norm()", "rows - directions"),
    ),
    *of(
        "evaluation/silhouette.py",
        ("itself among the others", "inside /= count[own] - 1", "inside /= count[own]"),
        ("over b", "(other - inside) / torch.maximum(inside, other)", "(other - inside) / other"),
        ("squared distances", ".clamp_min_(0).sqrt_()", ".clamp_min_(0)"),
    ),
    *of(
        "evaluation/retrieval.py",
        ("a hit more", "(self.first_hit <= k).double()", "(self.first_hit <= k + 1).double()"),
        ("precision without rank", "(among * (block.places.double() / ranks))", "(among * block.places.double())"),
        ("all positives count", "among = ranks <= block.num_positives.unsqueeze(1)", "among = ranks > 0"),
        ("over all that are found", ".sum(1) / num_relevant\n        found.num", ".sum(1) / among.sum(1)\n        found.num"),
    ),
    *of(
        "evaluation/_ranks.py",
        ("the bound is nothing", "return place, ((place < width) & (edge < squared + error))", "return place, ((place < width) & (edge < squared - error))"),
        ("ties flatter", "self.edges = positives * (1 + vouched_for(feature_dim))", "self.edges = positives * (1 - vouched_for(feature_dim))"),
    ),
    *of(
        "evaluation/_sweep.py",
        ("its own nearest", "            if self.alone:\n                places = torch", "            if False:\n                places = torch"),
        ("columns are not counted", "if other is not None and other is not block and other.is_open:", "if False:"),
        ("positives count as negatives", "tile.squared.masked_fill_(rows_turn.unsqueeze(1) == columns_turn, torch.inf)", "pass"),
    ),
    *of(
        "evaluation/_pairs.py",
        ("an image with itself", "self.first = places + 1 if genuine else ends", "self.first = places if genuine else ends"),
        ("impostors of one class", "self.first = places + 1 if genuine else ends", "self.first = places + 1"),
        ("one image weighs", "product *= rows.index_select(0, some[:, 1])", "pass"),
    ),
    *of(
        "evaluation/_roc.py",
        ("ties count whole", "((true[:, 1:] + true[:, :-1]) / 2 *", "(true[:, 1:] *"),
        ("no line between thresholds", "(1 - part) + false.gather(1, after - 1) * part", "1.0"),
        ("a false accept too many", "(false <= most * (1 + _SLACK)).sum(1, keepdim=True) - 1", "(false <= most * (1 + _SLACK)).sum(1, keepdim=True)"),
        ("one threshold below", "first = (true < least * (1 - _SLACK)).sum(1, keepdim=True)", "first = (true < least * (1 - _SLACK)).sum(1, keepdim=True) - 1"),
        ("precision of what is accepted", "step * refused_negatives / refused", "step * refused_negatives / refused.clamp_min(1).square()"),
    ),
    *of(
        "evaluation/unknowns.py",
        ("small scores are known", "return Curve(-self.known, -self.unknown)", "return Curve(self.known, self.unknown)"),
        ("at 90 %", "self._curve().shares(), 0.95", "self._curve().shares(), 0.90"),
    ),
    *of(
        "evaluation/calibration.py",
        ("bins open above", "(self.confidence * self.num_bins).ceil()", "(self.confidence * self.num_bins + 1).floor()"),
        ("gaps without bins", "self.gaps().mean(0).abs().sum()", "self.gaps().sum(1).mean().abs()"),
        ("half the Brier score", ".square().sum(1)\n", ".square().sum(1) / 2\n"),
        ("times the temperature", "logs = (some / temperature)", "logs = (some * temperature)"),
    ),
    *of(
        "evaluation/temperature.py",
        ("a scale for a temperature", "    return 1 / scale\n", "    return scale\n"),
    ),
    *of(
        "evaluation/bootstrap.py",
        ("another confidence", "tail = (1 - self.confidence) / 2", "tail = 1 - self.confidence"),
        ("without replacement", "drawn = torch.randint(units, (rows, units), generator=generator)", "drawn = torch.rand(rows, units, generator=generator).argsort(1)"),
        ("images where classes are drawn", "        if self.classes is not None:\n", "        if False:\n"),
    ),
    *of(
        "evaluation/nearest.py",
        ("an image in the mean of its class", "farther = (count / (count - 1)).square()", "farther = 1 + 0 * count"),
    ),
    *of(
        "evaluation/_of_predictions.py",
        ("a lone image has a class", ".masked_fill(found < 0, torch.nan)", ""),
        ("features as they come", "features = prepared(given.features, given.normalize)", "features = prepared(given.features, False)"),
        ("a temperature of these images", "fit_temperature(*given.validation)", "fit_temperature(given.logits, given.labels)"),
    ),
    *of(
        "trained/evaluating.py",
        ("training images are looked at", 'source = own["test"] if asked.data is None', 'source = own["train"] if asked.data is None'),
        ("the temperature of training images", "(validation.logits, validation.labels)", "(training.logits, training.labels)"),
        ("scores fitted to what they judge", "fit_scores(trained, training)", "fit_scores(trained, images)"),
        ("nobody is told of known classes", "        for doubt in doubts(each, images, trained.record.class_names):\n", "        for doubt in ():\n"),
        ("images without a class", "    kept = images.labelled()\n", "    kept = images\n"),
        ("nothing but its own images", "        if asked.data is None:\n", "        if True:\n"),
        ("means for centers", "    if centers is not None:\n", "    if False:\n"),
    ),
    *of(
        "trained/unknowns.py",
        ("means though there are centers", "if kind is CenterDistance and trained.centers is not None:", "if False:"),
        ("any layer of that shape", "torch.allclose(found, wanted,", "(lambda *_, **__: True)(found, wanted,"),
        ("known from the unknown", "(_of(score, known), _of(score, unknown))", "(_of(score, unknown), _of(score, known))"),
    ),
    *of(
        "trained/outputs.py",
        ("those that cannot be read", "if row not in whole.problems]", "]"),
    ),
    *of(
        "trained/own_images.py",
        ("code that a record names", 'if "data set" in run.own_code and not own_code:', "if False:"),
        ("images that are others", "    if others:\n", "    if False:\n"),
        ("all training images", "Chosen.of(whole.title, whole, split.indices.tolist())", "whole"),
    ),
    *of(
        "trained/evaluation_file.py",
        ("of another training", "return all(values.get(key) == value for key, value in wanted.items()) and", "return"),
        ("of other images", 'asked in (None, values.get("asked"))', "True"),
    ),
    *of(
        "report/confusion.py",
        ("those that are right", "if each[0] != each[1]]", "if each[0] == each[1]]"),
        ("shares of all images", "f\"{100 * count / total[label]:.1f} %\"", "f\"{100 * count / sum(total):.1f} %\""),
    ),
    *of(
        "report/evaluated.py",
        ("other images in one table", '.get("asked") == first.get("asked")', ' is not None'),
        ("the first seed alone", "for each in values) for path in", "for each in values[:1]) for path in"),
    ),
    *of(
        "cli/comparing.py",
        ("each is evaluated anew", "if values is None or not is_of(values, record, asked.as_dict()):", "if True:"),
        ("unknown images nobody looks at", "        if ood:\n", "        if False:\n"),
    ),
    *of(
        "cli/evaluating.py",
        ("what is foreign is found too late", "    refuse_among_images(out, [trained.record.run], chosen.data_dir)\n", ""),
    ),
]  # fmt: skip
