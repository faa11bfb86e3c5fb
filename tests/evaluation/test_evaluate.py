"""evaluate_features: each value from its function, each interval from copies of images, each gap with its reason."""

import json
import math
import warnings

import pytest
import torch
from sklearn import metrics as sklearn_metrics
from torch.nn.functional import one_hot
from torch.testing import assert_close

from sigma2r.data.fashion_mnist import DEBIAN_FOLDER, fashion_mnist
from sigma2r.evaluation import (
    Bootstrap,
    calibration,
    evaluate_features,
    fisher_ratio,
    fit_temperature,
    measure_calibration,
    nearest_center,
    neural_collapse,
    retrieve,
    silhouettes,
    tell_unknown,
    verify,
)
from sigma2r.evaluation.evaluate import SECTIONS
from sigma2r.metrics import inter_class_distance, intra_class_spread
from tests.conftest import require
from tests.losses.memory import Memory
from tests.reference import evaluation as reference

N, C, D = 90, 5, 4
FEW = 40  # draws


def example(seed=0, dtype=torch.float64):
    """Features, labels and everything else, as keyword arguments."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(C, (N,), generator=generator)
    centers = 2 * torch.randn(C, D, generator=generator, dtype=dtype)
    features = centers[labels] + torch.randn(N, D, generator=generator, dtype=dtype)
    classifier = centers + 0.3 * torch.randn(C, D, generator=generator, dtype=dtype)
    logits = features @ classifier.T - classifier.square().sum(1) / 2
    others = torch.randint(C, (70,), generator=generator)
    validation = centers[others] + torch.randn(70, D, generator=generator, dtype=dtype)
    unknown = torch.randn(30, D, generator=generator, dtype=dtype)
    return {
        "features": features,
        "labels": labels,
        "logits": logits,
        "centers": centers,
        "classifier": classifier,
        "validation": (validation @ classifier.T - classifier.square().sum(1) / 2, others),
        "ood": {"noise": {"norm": (features.norm(dim=1), unknown.norm(dim=1))}},
        "ks": (1, 3),
        "resamples": FEW,
    }


def run(**changes):
    return evaluate_features(**{**example(), **changes})


@pytest.fixture(scope="module")
def found():
    return run()


def test_every_value_is_that_of_its_function(found):
    given = example()
    features, labels, logits = (given[name] for name in ("features", "labels", "logits"))
    predictions = logits.argmax(1)
    collapse = neural_collapse(features, labels, C, classifier=given["classifier"], predictions=predictions)
    ranked, pairs = retrieve(features, labels), verify(features, labels)
    temperature = fit_temperature(*given["validation"])
    sides = tell_unknown(*given["ood"]["noise"]["norm"])
    sure, surer = (measure_calibration(logits, labels, temperature=t) for t in (1.0, temperature))
    want = {
        "classification": {
            "accuracy": sklearn_metrics.accuracy_score(labels, predictions),
            "balanced_accuracy": sklearn_metrics.balanced_accuracy_score(labels, predictions),
            "macro_f1": sklearn_metrics.f1_score(labels, predictions, average="macro"),
            "nearest_center_accuracy": (nearest_center(features, given["centers"]) == labels).double().mean(),
        },
        "compactness": {
            "intra": intra_class_spread(features, labels, C).mean(),
            "inter": inter_class_distance(features, labels, C),
            "intra_inter": intra_class_spread(features, labels, C).mean() / inter_class_distance(features, labels, C),
            "fisher": fisher_ratio(features, labels, C),
        },
        "collapse": {
            "nc1": collapse.nc1,
            **{f"nc2_{name}": value for name, value in vars(collapse.nc2).items()},
            **{f"nc2_classifier_{name}": value for name, value in vars(collapse.nc2_classifier).items()},
            "nc3": collapse.nc3,
            "nc4": collapse.nc4,
        },
        "silhouette": {"silhouette": silhouettes(features, labels).mean()},
        "retrieval": {
            "recall@1": ranked.recall(1),
            "recall@3": ranked.recall(3),
            "r_precision": ranked.mean_r_precision(),
            "map_at_r": ranked.map_at_r(),
        },
        "verification": {
            "eer": pairs.equal_error_rate(),
            **{f"tar@{rate:g}": pairs.true_accept_rate(rate) for rate in (0.1, 0.01, 0.001)},
        },
        "calibration": {
            f"{name}{suffix}": value
            for suffix, part in (("", sure), ("_scaled", surer))
            for name, value in (
                ("ece", part.expected_calibration_error()),
                ("brier", part.brier_score()),
                ("nll", part.negative_log_likelihood()),
            )
        },
    }
    assert tuple(found.sections) == SECTIONS == tuple(want)
    for section, figures in want.items():
        assert set(found[section].figures) == set(figures)
        for name, value in figures.items():
            assert found[section][name].value == pytest.approx(float(value), rel=1e-12), name
    told = found.ood["noise"]["norm"]
    for name, value in (("auroc", sides.auroc()), ("aupr", sides.aupr()), ("fpr95", sides.fpr95())):
        assert told[name].value == pytest.approx(float(value), rel=1e-12)
    assert set(told.figures) == {"auroc", "aupr", "fpr95"}
    table = sklearn_metrics.confusion_matrix(labels, predictions)
    assert found.confusion.matrix().tolist() == table.tolist()
    assert found.per_class.num_images == tuple(labels.bincount().tolist())
    assert found.per_class.recall == pytest.approx((table.diagonal() / table.sum(1)).tolist())
    assert found.per_class.spread == pytest.approx(intra_class_spread(features, labels, C).tolist())


def drawn(given, figures):
    """Figures, one list for each draw, of images that are there as often as they were drawn."""
    bootstrap = Bootstrap(N, resamples=FEW, seed=seed_of())
    rows = [figures(weights.long()) for weights in torch.cat(list(bootstrap.weights()))]
    return bootstrap.ends(torch.tensor(rows, dtype=torch.float64))


def seed_of():
    return int(torch.randint(2**31, (1,), generator=torch.Generator().manual_seed(0)))


def check_interval(section, names, ends, rel=1e-9):
    for place, name in enumerate(names):
        figure = section[name]
        assert (figure.low, figure.high) == pytest.approx((float(ends[0][place]), float(ends[1][place])), rel=rel), name


def test_intervals_of_predictions_are_those_of_copies(found):
    given = example()
    labels, logits = given["labels"], given["logits"]

    def classified(weights):
        y, p = (each.repeat_interleave(weights) for each in (labels, logits.argmax(1)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a class that is predicted and not drawn
            balanced = sklearn_metrics.balanced_accuracy_score(y, p)
        return [
            sklearn_metrics.accuracy_score(y, p),
            balanced,
            sklearn_metrics.f1_score(y, p, average="macro"),
        ]

    check_interval(found["classification"], ["accuracy", "balanced_accuracy", "macro_f1"], drawn(given, classified))
    for suffix, temperature in (("", 1.0), ("_scaled", fit_temperature(*given["validation"]))):

        def calibrated(weights, temperature=temperature):
            rows, own = logits.repeat_interleave(weights, 0), labels.repeat_interleave(weights)
            part = measure_calibration(rows, own, temperature=temperature)
            return [part.expected_calibration_error(), part.brier_score(), part.negative_log_likelihood()]

        names = [f"{name}{suffix}" for name in ("ece", "brier", "nll")]
        low, high = drawn(given, calibrated)
        value = found["calibration"][names[0]].value
        mirrored = max(0.0, 2 * value - float(high[0])), max(value, 2 * value - float(low[0]))
        low[0], high[0] = mirrored
        check_interval(found["calibration"], names, (low, high))


def test_intervals_of_neighbours_are_those_of_copied_queries(found):
    given = example()
    features, labels = given["features"], given["labels"]
    ranked, values = retrieve(features, labels), silhouettes(features, labels)
    columns = torch.stack(
        [
            ranked.hits(1),
            ranked.hits(3),
            ranked.r_precision,
            ranked.average_precision,
            values,
            (nearest_center(features, given["centers"]) == labels).double(),
        ],
        dim=1,
    )
    low, high = drawn(given, lambda weights: columns.repeat_interleave(weights, 0).mean(0).tolist())
    check_interval(found["retrieval"], ["recall@1", "recall@3", "r_precision", "map_at_r"], (low, high))
    check_interval(found["silhouette"], ["silhouette"], (low[4:], high[4:]))
    check_interval(found["classification"], ["nearest_center_accuracy"], (low[5:], high[5:]))


def test_intervals_of_verification_are_those_of_copied_pairs(found):
    given = example()
    pairs = verify(given["features"], given["labels"])

    def verified(weights):
        sides = []
        for which, apart in ((pairs.genuine_pairs, pairs.genuine), (pairs.impostor_pairs, pairs.impostor)):
            sides.append(apart.repeat_interleave(weights[which[:, 0]] * weights[which[:, 1]]).tolist())
        return [reference.equal_error_rate(*sides), reference.true_accepts(*sides, 0.1)]

    few = evaluate_features(
        given["features"][:30], given["labels"][:30], resamples=FEW, skip=[s for s in SECTIONS if s != "verification"]
    )
    assert few["verification"].figures
    pairs = verify(given["features"][:30], given["labels"][:30])
    bootstrap = Bootstrap(30, resamples=FEW, seed=seed_of())
    rows = [verified(weights.long()) for weights in torch.cat(list(bootstrap.weights()))]
    check_interval(few["verification"], ["eer", "tar@0.1"], bootstrap.ends(torch.tensor(rows, dtype=torch.float64)))
    assert found["verification"]["eer"].low < found["verification"]["eer"].value < found["verification"]["eer"].high


def test_intervals_of_unknown_images_draw_both_sides(found):
    known, unknown = example()["ood"]["noise"]["norm"]
    seed = seed_of()
    draws = [
        torch.cat(list(Bootstrap(side.shape[0], resamples=FEW, seed=seed + more).weights())).long()
        for more, side in enumerate((known, unknown))
    ]
    rows = []
    for of_known, of_unknown in zip(*draws, strict=True):
        told = tell_unknown(known.repeat_interleave(of_known), unknown.repeat_interleave(of_unknown))
        rows.append([told.auroc(), told.aupr(), told.fpr95()])
    ends = Bootstrap(1, resamples=FEW).ends(torch.tensor(rows, dtype=torch.float64))
    check_interval(found.ood["noise"]["norm"], ["auroc", "aupr", "fpr95"], ends)


def test_intervals_of_geometry_are_about_those_of_copies():
    """First order against the whole: of many images the ends agree to a sixth of the interval.

    Copies add the figure's bias to it once more; less it, an interval is theirs mirrored, as that of a ratio is.
    """
    generator = torch.Generator().manual_seed(3)
    labels = torch.arange(3000) % 4
    features = torch.randn(3000, 6, generator=generator, dtype=torch.float64) * torch.arange(1, 7)
    features = features + 3 * torch.randn(4, 6, generator=generator, dtype=torch.float64)[labels]
    classifier = torch.randn(4, 6, generator=generator, dtype=torch.float64)
    told = evaluate_features(
        features,
        labels,
        classifier=classifier,
        resamples=200,
        skip=[s for s in SECTIONS if s not in ("compactness", "collapse")],
    )
    bootstrap = Bootstrap(3000, resamples=200, seed=seed_of())
    rows = []
    for weights in torch.cat(list(bootstrap.weights())):
        x, y = features.repeat_interleave(weights.long(), 0), labels.repeat_interleave(weights.long())
        collapse = neural_collapse(x, y, 4, classifier=classifier)
        spread, apart = intra_class_spread(x, y, 4).mean(), inter_class_distance(x, y, 4)
        rows.append(
            [
                spread,
                apart,
                spread / apart,
                fisher_ratio(x, y, 4),
                collapse.nc1,
                *vars(collapse.nc2).values(),
                collapse.nc3,
            ]
        )
    low, high = bootstrap.ends(torch.tensor(rows, dtype=torch.float64))
    names = [("compactness", name) for name in ("intra", "inter", "intra_inter", "fisher")]
    names += [("collapse", name) for name in ("nc1", "nc2_equinorm", "nc2_equiangular", "nc2_maximal_angle", "nc3")]
    for place, (section, name) in enumerate(names):
        figure, width = told[section][name], float(high[place] - low[place])
        ends = figure.value**2 / high[place], figure.value**2 / low[place]
        assert (figure.low, figure.high) == pytest.approx([float(end) for end in ends], abs=0.17 * width), name
        assert figure.low < figure.value < figure.high


GEOMETRY = [s for s in SECTIONS if s not in ("compactness", "collapse")]  # what is skipped


@pytest.mark.parametrize("unit", ["images", "classes"])
def test_intervals_of_small_data_stay_in_the_range_of_their_figure(unit):
    """Few images, classes of any size, apart or not, in few dimensions or many."""
    found = {}
    for seed in range(60):
        generator = torch.Generator().manual_seed(seed)
        num, number, width = (int(torch.randint(low, high, (1,), generator=generator)) for low, high in SIZES)
        labels = torch.randint(number, (num,), generator=generator)
        means = 10 ** (seed % 4 - 2) * torch.randn(number, width, generator=generator)
        features = means[labels] + torch.randn(num, width, generator=generator) + 100 * (seed % 3)
        rows = torch.randn(number, width, generator=generator)
        told = evaluate_features(features, labels, classifier=rows, resample=unit, resamples=60, skip=GEOMETRY)
        number = len(labels.unique())
        most = {"nc2_equinorm": (number - 1) ** 0.5, "nc2_equiangular": 1, "nc2_maximal_angle": 2, "nc3": 4}
        for section in told.sections.values():
            without = [name for name, figure in section.figures.items() if figure.low is None]
            words = {word for note in section.notes if "interval" in note for word in note.replace(",", "").split()}
            assert {name for name in without if "classifier" not in name} == words & set(NAMES)
            for name, figure in section.figures.items():
                if figure.low is not None:
                    assert 0 <= figure.low <= figure.high <= most.get(name, math.inf), (seed, name)
                    if unit == "images":
                        assert figure.low <= figure.value <= figure.high
                    found[name] = found.get(name, 0) + 1
    assert set(found) == set(NAMES)


SIZES = ((6, 80), (2, 6), (1, 12))
NAMES = [
    "intra",
    "inter",
    "intra_inter",
    "fisher",
    "nc1",
    "nc2_equinorm",
    "nc2_equiangular",
    "nc2_maximal_angle",
    "nc3",
]


def test_too_few_images_have_no_interval_and_a_note_says_so():
    """Means that differ by less than they are sure of: halves show a far larger distance than the whole."""
    features, labels = torch.randn(30, 40, generator=torch.Generator().manual_seed(0)), torch.arange(30) % 10
    told = evaluate_features(features, labels, resamples=50, skip=GEOMETRY)
    assert (told["collapse"]["nc1"].low, told["compactness"]["fisher"].high) == (None, None)
    assert told["compactness"].notes == (
        "inter, intra_inter and fisher have no interval: the images are too few for one; halves of them, or draws, "
        "differ too much from the whole.",
    )
    assert not evaluate_features(features, labels, resamples=0, skip=GEOMETRY)["compactness"].notes
    two = evaluate_features(features, labels % 2, resamples=50, skip=GEOMETRY)["collapse"]
    assert two["nc2_equinorm"].low == two["nc2_equinorm"].value == two["nc2_equinorm"].high  # two means: no freedom


def test_intervals_of_geometry_hold_the_truth_about_as_often_as_they_say():
    """100 samples of 300 images in 32 dimensions, where the bias of a figure is larger than its deviation."""
    generator = torch.Generator().manual_seed(0)
    means = torch.randn(10, 32, generator=generator, dtype=torch.float64)
    labels, centered = torch.arange(300) % 10, means - means.mean(0)
    between = centered.T @ centered / 10
    truth = {
        ("compactness", "inter"): torch.pdist(means).mean(),
        ("compactness", "fisher"): between.trace() / 32,
        ("collapse", "nc1"): torch.linalg.pinv(between, hermitian=True).trace() / 10,
    }
    held = dict.fromkeys(truth, 0)
    for seed in range(100):
        features = means[labels] + torch.randn(300, 32, generator=generator, dtype=torch.float64)
        draws = torch.Generator().manual_seed(seed)
        told = evaluate_features(features, labels, resamples=200, skip=GEOMETRY, generator=draws)
        for key, value in truth.items():
            figure = told[key[0]][key[1]]
            held[key] += figure.low <= float(value) <= figure.high
    assert min(held.values()) >= 84, held


def test_classes_are_drawn_where_they_are_the_sample():
    """Identities that differ in how hard they are: the interval over them is wider than over their images."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(1200) // 40
    hardness = torch.rand(30, generator=generator)[labels]
    logits = one_hot(labels, 30) * (torch.rand(1200, generator=generator) > hardness).unsqueeze(1)
    logits = logits.double() + 0.01 * torch.randn(1200, 30, generator=generator)
    features = 4 * torch.randn(30, 3, generator=generator)[labels] + hardness.unsqueeze(1) * torch.randn(
        1200, 3, generator=generator
    )
    told = {
        unit: evaluate_features(features, labels, logits=logits, resample=unit, resamples=200, max_pairs=20_000)
        for unit in ("images", "classes")
    }
    for section, name in (
        ("classification", "accuracy"),
        ("classification", "macro_f1"),
        ("compactness", "intra"),
        ("compactness", "inter"),
        ("silhouette", "silhouette"),
        ("retrieval", "map_at_r"),
        ("verification", "eer"),
    ):
        by_image, by_class = (told[unit][section][name] for unit in ("images", "classes"))
        assert by_image.value == by_class.value
        assert by_class.high - by_class.low > 1.5 * (by_image.high - by_image.low), name
        assert by_class.low <= by_class.value <= by_class.high, name
    assert told["images"]["collapse"].figures == told["classes"]["collapse"].figures
    assert told["classes"].settings["resample"] == "classes"


def gaps_in_classes():
    """A class of one image, one that is never predicted, and of 8 more that have no image 4 that are predicted."""
    generator = torch.Generator().manual_seed(5)
    labels = torch.cat([torch.arange(89) % 5, torch.tensor([6])])
    features = 2 * torch.randn(15, 4, generator=generator)[labels] + torch.randn(90, 4, generator=generator)
    predictions = torch.where(torch.rand(90, generator=generator) < 0.7, labels, (labels + 7) % 12)
    logits = one_hot(predictions, 15) + 0.1 * torch.randn(90, 15, generator=generator)
    return {"features": features, "labels": labels, "logits": logits, "classifier": torch.randn(15, 4)}


@pytest.mark.parametrize("unit", ["images", "classes"])
def test_a_draw_of_everything_once_is_the_figure(unit, monkeypatch):
    """So value and interval are of one statistic: nothing is left out of one of them alone."""
    monkeypatch.setattr(Bootstrap, "weights", lambda self, width=0: iter([torch.ones(1, self.num_images).double()]))
    changes = {**gaps_in_classes(), "centers": None, "validation": None, "resample": unit, "resamples": 1}
    told = run(**changes)
    sections = [*told.sections.values(), *told.ood["noise"].values()]
    for name, figure in (item for section in sections for item in section.figures.items()):
        if not name.startswith("nc2_classifier"):
            slack = 2e-3 if name in told["verification"].figures else 1e-12  # draws look at fewer thresholds
            assert (figure.low, figure.high) == pytest.approx((figure.value, figure.value), rel=1e-9, abs=slack), name


@pytest.mark.parametrize("unit", ["images", "classes"])
def test_predicted_classes_without_images_count_in_every_draw(unit):
    """Of 40 classes 10 have images; each of the others is predicted once. In the figure they are three of four."""
    labels = torch.arange(300) % 10
    predictions = labels.clone()
    predictions[::10] = 10 + torch.arange(30)
    figure = run(
        features=torch.randn(300, 2), labels=labels, logits=one_hot(predictions, 40).double(),
        centers=None, classifier=None, validation=None, resample=unit, resamples=200,
    )["classification"]["macro_f1"]  # fmt: skip
    assert figure.low <= figure.value <= figure.high


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_the_calibration_error_lies_in_its_interval(temperature):
    """Of calibrated probabilities too, where each draw is farther from 0 than the figure."""
    for seed in range(10):
        generator = torch.Generator().manual_seed(seed)
        logits = 2 * torch.randn(60, 5, generator=generator)
        labels = torch.multinomial(logits.softmax(1), 1, generator=generator).squeeze(1)
        told = evaluate_features(
            torch.randn(60, 2), labels, logits=logits / temperature, resamples=50, skip=SECTIONS[:-1]
        )
        figure = told["calibration"]["ece"]
        assert 0 <= figure.low <= figure.value <= figure.high <= 1


def test_drawn_identities_count_their_genuine_pairs_once_for_each_time():
    """Two identities; drawn as (2, 0) or (0, 2) there is no impostor pair, so only draws of both tell the rate."""
    features = torch.tensor([[0.0], [1.0], [1.5], [2.0]])
    told = evaluate_features(features, torch.tensor([0, 0, 1, 1]), resample="classes", resamples=50)
    figure = told["verification"]["eer"]
    assert (figure.low, figure.high) == (figure.value, figure.value)


def test_every_figure_says_what_it_is_and_of_how_many(found):
    every = [figure for section in found.sections.values() for figure in section.figures.values()]
    every += list(found.ood["noise"]["norm"].figures.values())
    assert len(every) == 35
    for figure in every:
        assert figure.definition.endswith((".", "images."))
        assert "{" not in figure.definition
        assert figure.num_samples > 0
    counts = {name: (f.num_samples, f.samples) for s in found.sections.values() for name, f in s.figures.items()}
    assert counts["accuracy"] == counts["map_at_r"] == (N, "images")
    assert counts["intra"] == counts["nc3"] == (C, "classes")
    assert counts["eer"] == (N * (N - 1) // 2, "pairs")
    assert found["verification"].notes == ("All 818 genuine pairs; all 3,187 impostor pairs.",)
    assert found.ood["noise"]["norm"]["auroc"].num_samples == N + 30


def test_the_result_is_plain_json(found):
    plain = found.as_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert (
        plain["sections"]["classification"]["figures"]["accuracy"]["value"] == found["classification"]["accuracy"].value
    )
    assert plain["ood"]["noise"]["norm"]["figures"]["auroc"]["samples"] == "images"
    assert sum(plain["confusion"]["count"]) == N
    assert plain["per_class"]["names"] == ["0", "1", "2", "3", "4"]
    assert plain["settings"] == {
        "distance": "euclidean",
        "resample": "images",
        "resamples": FEW,
        "confidence": 0.95,
        "num_references": None,
    }


def test_recall_intervals_of_classes_are_binomial():
    """40 of 50 right: the ends are quantiles of a binomial share; a class without images has none."""
    labels = torch.tensor([0] * 50 + [1] * 50)
    logits = one_hot(torch.tensor([0] * 40 + [1] * 60), 3).double()
    told = evaluate_features(torch.randn(100, 2), labels, logits=logits, resamples=4000).per_class
    assert told.recall == (0.8, 1.0, None)
    assert told.recall_low[0] == pytest.approx(0.68, abs=0.021)  # binomial(50, 0.8): 34 and 45 of 50
    assert told.recall_high[0] == pytest.approx(0.9, abs=0.021)
    assert (told.recall_low[1:], told.recall_high[1:]) == ((1.0, None), (1.0, None))


def test_what_is_drawn_depends_on_the_generator_and_on_nothing_that_is_skipped():
    few = {"max_pairs": 200, "silhouette_images": 20}
    first, again = run(**few), run(**few, generator=torch.Generator().manual_seed(0))
    assert first.as_dict() == again.as_dict()
    other = run(**few, generator=torch.Generator().manual_seed(1))
    assert other["silhouette"]["silhouette"].value != first["silhouette"]["silhouette"].value
    part = run(**few, skip=("silhouette", "retrieval"))
    assert part["verification"].as_dict() == first["verification"].as_dict()
    assert part["silhouette"].left_out == {"silhouette": "it was not asked for."}
    assert not part["retrieval"].figures
    assert first["silhouette"]["silhouette"].num_samples == 20
    assert first["silhouette"].notes == ("Of 20 of 90 images, drawn at random, against all.",)
    assert first["verification"].notes == (
        "Of 818 genuine pairs 100, drawn at random; of 3,187 impostor pairs 100, drawn at random.",
    )
    assert first["verification"]["eer"].num_samples == 200


@pytest.mark.parametrize("exponent", [-470, -150, 150, 470])
@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_a_scale_that_is_taken_changes_no_figure(exponent, distance):
    scale = 2.0**exponent
    features, labels = example()["features"], example()["labels"]
    told, want = (
        evaluate_features(x, labels, distance=distance, normalize=True, resamples=5)
        for x in (features * scale, features)
    )
    for section, figures in want.sections.items():
        for name, figure in figures.figures.items():
            unit = scale if name in ("intra", "inter") else 1.0
            assert told[section][name].value == pytest.approx(figure.value * unit, rel=1e-9), name


def test_cosine_is_euclidean_for_features_of_unit_length():
    unit = torch.nn.functional.normalize(example()["features"])
    turned, plain = run(distance="cosine"), run(features=unit, centers=None)
    for section in ("silhouette", "retrieval", "verification"):
        for name, figure in turned[section].figures.items():
            assert figure.value == pytest.approx(plain[section][name].value, abs=1e-12)
    assert turned["compactness"].figures == run()["compactness"].figures


def test_references_are_searched_and_give_the_means():
    given = example()
    features, labels = given["features"], given["labels"]
    told = run(
        features=features[:40], labels=labels[:40], logits=None, centers=None, references=(features[40:], labels[40:])
    )
    ranked = retrieve(features[:40], labels[:40], (features[40:], labels[40:]))
    assert told["retrieval"]["map_at_r"].value == pytest.approx(ranked.map_at_r().item())
    means = torch.stack([features[40:][labels[40:] == k].mean(0) for k in range(C)])
    right = (nearest_center(features[:40], means) == labels[:40]).double().mean()
    assert told["classification"]["nearest_center_accuracy"].value == pytest.approx(right.item())
    assert told.settings["num_references"] == 50
    assert "references" in told["retrieval"]["recall@1"].definition


def test_without_centers_each_image_is_left_out_of_its_class():
    given = example()
    told = run(centers=None)["classification"]["nearest_center_accuracy"]
    found = reference.nearest_mean_of_the_others(given["features"].tolist(), given["labels"].tolist())
    right = sum(a == b for a, b in zip(found, given["labels"].tolist(), strict=True))
    assert told.value == pytest.approx(right / N)


def reasons(told):
    every = {name: why for section in told.sections.values() for name, why in section.left_out.items()}
    assert all(why.endswith(".") for why in every.values())
    return every


def test_what_cannot_be_computed_says_why():
    features, labels = example()["features"], example()["labels"]
    bare = reasons(evaluate_features(features, labels, resamples=0))
    assert bare["accuracy"] == bare["ece"] == bare["nll_scaled"] == bare["nc4"] == "no logits were given."
    assert bare["nc3"] == "no weights of a classifier were given."
    assert set(bare) == {
        *("accuracy", "balanced_accuracy", "macro_f1", "nc3", "nc4", "tar@0.0001"),
        *(f"{name}{suffix}" for name in ("ece", "brier", "nll") for suffix in ("", "_scaled")),
    }
    assert reasons(run(validation=None))["ece_scaled"].startswith("no logits of validation images were given")
    one = reasons(evaluate_features(features, 0 * labels, resamples=5))
    for name in ("inter", "fisher", "nc1", "silhouette", "recall@1", "map_at_r", "eer", "nearest_center_accuracy"):
        assert one[name] == "all images are of one class."
    alone = reasons(evaluate_features(features, torch.arange(N), resamples=5))
    for name in ("intra", "intra_inter", "fisher", "nc1", "silhouette", "eer", "nearest_center_accuracy"):
        assert alone[name] == "each image is alone in its class."
    lone = evaluate_features(features, torch.arange(N), resamples=5)
    assert lone["compactness"]["inter"].low is lone["collapse"]["nc2_equinorm"].low is None
    assert lone["compactness"].notes[0].startswith("inter has no interval: the images are too few")
    assert alone["map_at_r"] == "no image has another of its class among the references."
    few = reasons(evaluate_features(features[:4], torch.tensor([0, 0, 1, 1]), ks=(1, 3, 4), resamples=5))
    assert few["recall@4"] == "an image has 3 references, fewer than 4."
    assert "recall@3" not in few
    assert few["tar@0.1"] == "4 impostor pairs are too few to tell a share of 0.1."
    same = reasons(evaluate_features(torch.ones(6, 2), torch.arange(6) % 2, resamples=5))
    assert same["nc1"] == same["intra_inter"] == "the means of all classes coincide."
    assert same["fisher"] == "no class has any scatter."


def test_what_is_held_follows_the_classes_that_are_there():
    """Two identities with large numbers: the figures of classes 0 and 1, rows with the numbers of the identities."""
    features, labels = example()["features"], example()["labels"] % 2
    for searched in (None, (features[:30] + 0.1, labels[:30])):
        many = None if searched is None else (searched[0], 10**15 + 7 * searched[1])
        with Memory() as memory:
            told = evaluate_features(features, 10**15 + 7 * labels, references=many, resamples=9).as_dict()
        assert memory.peak < 20e6
        want = evaluate_features(features, labels, references=searched, resamples=9).as_dict()
        assert told["per_class"].pop("names") == [str(10**15), str(10**15 + 7)]
        assert want["per_class"].pop("names") == ["0", "1"]
        assert told == want
    assert evaluate_features(features, 3 * labels, logits=torch.randn(90, 4), resamples=0).num_classes == 4


def test_lonely_images_are_counted():
    told = evaluate_features(torch.randn(5, 2), torch.tensor([0, 0, 1, 1, 2]), ks=(1,), resamples=5)
    assert told["retrieval"]["recall@1"].num_samples == 4
    assert told["retrieval"].notes[-1] == "1 images have no other of their class there and are left out."
    assert told["classification"]["nearest_center_accuracy"].num_samples == 4


def test_no_draws_no_intervals(found):
    bare = run(resamples=0)
    for name, section in bare.sections.items():
        for figure, value in section.figures.items():
            assert (value.low, value.high) == (None, None)
            assert value.value == found[name][figure].value
    assert bare.per_class.recall_low == (None,) * C


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_features_of_any_kind_are_taken_for_what_they_hold(dtype):
    given = example()
    features = given["features"].to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        told = evaluate_features(features, given["labels"], resamples=5)
    want = evaluate_features(features.double(), given["labels"], resamples=5)
    for name, section in want.sections.items():
        for figure, value in section.figures.items():
            assert told[name][figure].value == pytest.approx(value.value, rel=1e-9), figure


@pytest.mark.message  # the annotations name tensors
def test_lists_and_arrays_serve_and_no_gradient_is_kept():
    given = example()
    features = given["features"].float()
    told = evaluate_features(features.tolist(), given["labels"].numpy(), resamples=3)
    kept = evaluate_features(features.requires_grad_(), given["labels"].int(), resamples=3)
    assert told["retrieval"].as_dict() == kept["retrieval"].as_dict()
    assert features.grad is None


def test_unknown_names_are_refused_with_what_is_there(found):
    with pytest.raises(KeyError, match=r"unknown section 'retrival'; known: .* Did you mean retrieval"):
        found["retrival"]
    with pytest.raises(KeyError, match="unknown figure 'recall@2'"):
        found["retrieval"]["recall@2"]
    with pytest.raises(KeyError, match="no logits were given"):
        run(logits=None)["classification"]["accuracy"]


@pytest.mark.message
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": example()["features"].index_fill(0, torch.tensor([3, 7]), math.nan)},
         r"features must be finite; 2 of 90 rows hold NaN or infinite values\."),
        ({"features": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}, r"features must hold one image"),
        (
            {"labels": example()["labels"] - 1},
            r"labels must be at least 0; got values from -1 to 3\. Rows that have no class",
        ),
        ({"labels": example()["labels"] + 1}, r"labels must lie in \[0, 5\)"),
        ({"labels": example()["labels"][1:]}, r"labels must hold one class index per row"),
        ({"class_names": list("abcda")}, r"class_names must differ; a stands there twice"),
        ({"class_names": list("abcd")}, r"all must have the same number of classes; got 4 in class_names"),
        ({"logits": example()["logits"][:, :4]}, r"all must have the same number of classes; got 4 in logits, 5 in"),
        ({"logits": example()["logits"] / 0}, r"logits must be finite; 90 of 90 rows hold NaN or infinite values"),
        ({"centers": torch.zeros(5, 3)}, r"centers must have one row per class, shape \(5, 4\); got \(5, 3\)"),
        ({"centers": torch.full((5, 4), math.inf)}, r"centers must be finite"),
        (
            {"references": (torch.zeros(3, 2), torch.zeros(3).long())},
            r"\(references\): features must have shape \(N, 4\)",
        ),
        ({"references": (torch.zeros(3, 4), torch.full((3,), 9))}, r"\(references\): labels must lie in \[0, 5\)"),
        (
            {"references": (example()["features"].clone(), example()["labels"])},
            r"references must be other images than .* finds itself among them; they are the same\. Leave",
        ),
        ({"validation": (torch.zeros(3, 4), torch.zeros(3).long())}, r"\(validation\): logits must have 5 columns"),
        ({"ood": {"noise": {"norm": torch.zeros(3)}}}, r"ood must hold \{data set: .* for noise, norm"),
        ({"ood": {"noise": (torch.zeros(3), torch.zeros(3))}}, r"ood must hold .*; got a tuple of .* for noise\."),
        ({"ood": [1]}, r"ood must hold .*; got a list of 1 number\."),
        ({"ood": 3}, r"ood must hold .*; got 3\."),
        ({"ks": 5}, r"ks must be a list of whole numbers, such as \(1, 5\); got 5\."),
        ({"ks": torch.tensor(5)}, r"ks must be a list of whole numbers"),
        ({"ks": "15"}, r"ks must be a list of whole numbers, such as \(1, 5\); got '15'\."),
        ({"skip": 5}, r"skip must be a list of sections; got 5\."),
        ({"class_names": 5}, r"class_names must be a list of texts; got 5\."),
        ({"class_names": "abcde"}, r"class_names must be a list of texts; got 'abcde'\."),
        ({"references": (example()["features"],)}, r"references must be a pair, \(features, labels\); got a tuple of"),
        ({"references": (torch.zeros(2, 4), *[torch.zeros(2).long()] * 2)}, r"references must be a pair"),
        ({"references": example()["features"]}, r"references must be a pair, \(features, labels\); got a torch"),
        ({"validation": (torch.zeros(3, 5),)}, r"validation must be a pair, \(logits, labels\); got a tuple of"),
        ({"features": example()["features"] * 2.0**520},
         r"the largest number in features must lie between 2\*\*-480 and 2\*\*480, .*; got 3\.\d+e\+157\. Scale"),
        ({"features": example()["features"] * 2.0**-600}, r"the largest number in features must .*; got 2\.\d+e-180\."),
        ({"centers": example()["centers"] * 2.0**520}, r"the largest number in centers must lie between"),
        ({"classifier": example()["classifier"] * 2.0**-520}, r"the largest number in classifier must lie between"),
        ({"ks": (0,)}, r"ks must be a whole number of at least 1; got 0"),
        ({"distance": "cosin"}, r'distance must be "euclidean" or "cosine"; got \'cosin\'. Did you mean cosine\?'),
        ({"resample": "identities"}, r'resample must be "images" or "classes"'),
        ({"resamples": -1}, r"resamples must be a whole number of at least 0; got -1"),
        ({"confidence": 2}, r"confidence must lie in \(0, 1\]"),
        ({"skip": ("retrival",)}, r"unknown section 'retrival'; known: .* Did you mean retrieval\?"),
        ({"generator": 0}, r"generator must .* torch.Generator\(\).manual_seed\(0\)\?"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_in_one_sentence(changes, message):
    with pytest.raises(ValueError, match=f"^evaluate_features:? ?{message}") as refused:
        run(**changes)
    assert "\n" not in str(refused.value)


def test_real_images_are_told_as_scikit_learn_tells_them():
    """Pixels of 1,500 FashionMNIST images for features."""
    require("FashionMNIST (Debian: dataset-fashion-mnist)", DEBIAN_FOLDER.is_dir())
    data = fashion_mnist("test")
    features, labels = data.images[:1500].flatten(1).float() / 255, data.labels[:1500]
    told = evaluate_features(features, labels, resamples=50, ks=(1, 10), max_pairs=20_000)
    want = sklearn_metrics.silhouette_score(features.double(), labels)
    assert told["silhouette"]["silhouette"].value == pytest.approx(want, abs=1e-6)
    nearest = torch.cdist(features.double(), features.double()).fill_diagonal_(math.inf).topk(10, largest=False).indices
    hits = labels[nearest] == labels.unsqueeze(1)
    assert told["retrieval"]["recall@1"].value == pytest.approx(hits[:, 0].double().mean().item(), abs=1e-3)
    assert told["retrieval"]["recall@10"].value == pytest.approx(hits.any(1).double().mean().item(), abs=1e-3)
    assert 0.6 < told["classification"]["nearest_center_accuracy"].value < 0.75
    assert 0.7 < told["retrieval"]["recall@1"].low < told["retrieval"]["recall@1"].high < 0.85
    assert_close(torch.tensor(told.per_class.spread), intra_class_spread(features, labels, 10).float())


def test_modules_keep_their_names():
    assert calibration.measure_calibration is measure_calibration


def test_what_json_gets_of_classes_and_notes_is_what_was_found():
    features = torch.tensor([[0.0, 0.0], [0.1, 0.0], [4.0, 0.0], [4.1, 0.0], [9.0, 0.0]])
    labels = torch.tensor([0, 0, 1, 1, 1])
    logits = torch.eye(2)[torch.tensor([0, 1, 1, 1, 0])]
    found = evaluate_features(features, labels, logits=logits, resamples=0)
    told = found.as_dict()
    triples = zip(*(told["confusion"][name] for name in ("labels", "predictions", "count")), strict=True)
    assert {(label, prediction): count for label, prediction, count in triples} == {
        (0, 0): 1, (0, 1): 1, (1, 0): 1, (1, 1): 2,
    }  # fmt: skip
    assert any(section.notes for section in found.sections.values())
    assert all(told["sections"][name]["notes"] == list(section.notes) for name, section in found.sections.items())
