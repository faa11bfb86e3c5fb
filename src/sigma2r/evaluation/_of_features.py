"""Sections of an evaluation that need features and labels alone, or little more.

Axes: N images, C classes, D feature dimensions, S draws.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from sigma2r._shown import listed
from sigma2r.evaluation._given import WHO, Given
from sigma2r.evaluation._influence import ClassMeans
from sigma2r.evaluation._pairs import running_weights
from sigma2r.evaluation._ranged import FEW, moved
from sigma2r.evaluation._ranged import interval as ranged
from sigma2r.evaluation._roc import Curve, equal_error_rate, shares_of, true_rate_at
from sigma2r.evaluation.bootstrap import weighted_mean
from sigma2r.evaluation.collapse import Simplex, centered_means, classifier_rows, duality, simplex, variability
from sigma2r.evaluation.compactness import MOST_CLASSES, Compactness
from sigma2r.evaluation.figure import Figure, Section
from sigma2r.evaluation.nearest import nearest_of_statistics
from sigma2r.evaluation.retrieval import retrieve
from sigma2r.evaluation.silhouette import silhouettes
from sigma2r.evaluation.verification import verify

ONE_CLASS = "all images are of one class."
COINCIDE = "the means of all classes coincide."
NAMES = ("intra", "inter", "intra_inter", "fisher")
ALONE = "each image is alone in its class."
_RATES = (1e-1, 1e-2, 1e-3, 1e-4)
_MOST: dict[str, Callable[[int], float]] = {  # of P classes
    "nc2_equinorm": lambda number: (number - 1) ** 0.5,
    "nc2_equiangular": lambda _: 1.0,
    "nc2_maximal_angle": lambda number: number / (number - 1),
    "nc3": lambda _: 4.0,
}

DEFINITIONS = {
    "intra": "Spread within classes (Eq. 12): root of the summed squared distances to the class mean over n - 1, "
    "averaged over classes of two images or more.",
    "inter": "Mean Euclidean distance between the means of two classes.",
    "intra_inter": "Spread within classes over distance between class means.",
    "fisher": "Scatter between classes over scatter within them: the sum of n times the squared distance of the class "
    "mean to the mean of all images, over the summed squared distances of images to their class mean.",
    "nc1": "Variability within classes, tr(W B+) / C: W the covariance within classes, B+ the pseudo-inverse of that "
    "of the class means (Papyan et al. 2020); 0 in the limit.",
    "equinorm": "Standard deviation of the lengths of {what} over their mean; 0 in the limit.",
    "equiangular": "Standard deviation of the cosines between {what} of two classes; 0 in the limit.",
    "maximal_angle": "Mean over pairs of classes of how far the cosine between {what} is from -1 / (C - 1); 0 in the "
    "limit.",
    "nc3": "Squared Frobenius distance of the classifier's weights and the class means about their mean, each divided "
    "by its own Frobenius norm; 0 in the limit.",
    "nc4": "Share of images that the network does not put into the class with the nearest mean of these images; 0 in "
    "the limit.",
    "silhouette": "Mean over images of (b - a) / max(a, b): a the mean distance to the others of the class, b the "
    "least mean distance to another class (Rousseeuw 1987).",
    "recall": "Share of images with one of their class among the {k} nearest {what}.",
    "r_precision": "Mean over images of the share of their class among the R nearest {what}, R of which are of it.",
    "map_at_r": "Mean over images of the average precision among the R nearest {what}, R of which are of the class "
    "(Musgrave et al. 2020).",
    "eer": "Equal error rate: share of impostor pairs accepted, and of genuine pairs refused, at the distance where "
    "both are the same.",
    "tar": "Largest share of genuine pairs accepted at a distance at which at most {rate:g} of the impostor pairs are.",
}


def compactness(given: Given) -> Section:
    """Spread, distance between classes, their ratio and Fisher's ratio."""
    count = given.statistics.count
    found = Compactness(given.means, by_class=given.by_class)
    left_out: dict[str, str] = {}
    if int(count.max()) < 2:
        left_out |= dict.fromkeys(("intra", "intra_inter", "fisher"), ALONE)
    elif not given.statistics.scatter.any():
        left_out["fisher"] = "no class has any scatter."
    if given.num_present < 2:
        left_out |= dict.fromkeys(("inter", "intra_inter", "fisher"), ONE_CLASS)
    elif given.means.coincide:
        left_out["intra_inter"] = COINCIDE
    values, drawn = found.values(), given.bootstrap.drawn(found.redrawn, 3 * given.num_classes)
    intervals: dict[str, tuple[Tensor, Tensor] | None] = dict.fromkeys(NAMES)
    if drawn is not None:
        low, high = given.bootstrap.ends(drawn)
        intervals |= {name: (low[place], high[place]) for place, name in enumerate(NAMES)}
        if not given.by_class:
            of_halves = given.of_halves(lambda means: Compactness(means, by_class=False).values())
            for place, name in enumerate(NAMES[1:], start=1):  # the first is the mean of what images have of themselves
                ends = ranged(given.bootstrap, values[place], drawn[:, place], of_halves[:, place])
                intervals[name] = ends
    everything = (given.num_images, "images")
    of = {"intra": (int((count > 1).sum()), "classes"), "inter": (given.num_present, "classes")}
    figures = {
        name: given.figure(value, intervals[name], DEFINITIONS[name], *of.get(name, everything))
        for name, value in zip(NAMES, values, strict=True)
        if name not in left_out
    }
    return Section(figures=figures, left_out=left_out, notes=without_interval(given, figures))


def collapse(given: Given) -> Section:
    """NC1 to NC4; their intervals are always over images, because they are about all classes of a classifier."""
    names = ["nc1", *(f"nc2_{part}" for part in vars_of_simplex()), "nc3", "nc4"]
    if given.num_present < 2:
        return Section(left_out=dict.fromkeys(names, ONE_CLASS))
    if given.num_present > MOST_CLASSES:
        return Section(left_out=dict.fromkeys(names, f"angles are looked at for {MOST_CLASSES:,} classes at most."))
    means = given.means
    directions = centered_means(means)
    if means.coincide:
        return Section(left_out=dict.fromkeys(names, COINCIDE))
    bootstrap, figures, left_out = given.over_images, {}, {}
    rows = None if given.classifier is None else classifier_rows(WHO, given.classifier, means)
    from_there = directions.clone().requires_grad_()
    with torch.enable_grad():
        of_means = _of_means(from_there, rows)
    changes = {name: _change(given, means, value, from_there) for name, value in of_means.items()}
    values = {name: value.detach().cpu() for name, value in of_means.items()}
    if int(given.statistics.count.max()) < 2:
        left_out["nc1"] = ALONE
    else:
        within, gradient = variability(WHO, means)
        shift, within = means.shift(gradient), within.cpu()
        changes["nc1"] = lambda weights: weighted_mean(weights, within - within.mean()) + shift(weights)
        values = {"nc1": within.mean(), **values}
    columns, of_halves = ["nc1", *of_means], None
    if bootstrap.resamples:
        of_halves = given.of_halves(lambda some: _collapsed(some, rows))
    for name, value in values.items():
        ends = None
        if of_halves is not None:
            most = _MOST[name](given.num_present) if name in _MOST else torch.inf
            change = torch.cat([changes[name](weights) for weights in bootstrap.weights()])
            ends = ranged(bootstrap, value, moved(value, change, most), of_halves[:, columns.index(name)], most)
        definition = DEFINITIONS[name.removeprefix("nc2_")].format(what="class means about their mean")
        of = (given.num_images, "images") if name == "nc1" else (given.num_present, "classes")
        figures[name] = given.figure(value, ends, definition, *of)
    few = without_interval(given, figures)
    if rows is not None:
        for name, value in vars(simplex(rows)).items():
            definition = DEFINITIONS[name].format(what="rows of the classifier")
            figures[f"nc2_classifier_{name}"] = given.figure(value, None, definition, given.num_present, "classes")
    else:
        left_out["nc3"] = "no weights of a classifier were given."
    if given.predictions is not None:
        nearest = nearest_of_statistics(given.features, given.labels, given.statistics, leave_one_out=False)
        wrong = (given.predictions != nearest).double()
        figures["nc4"] = given.figure(wrong.mean(), bootstrap.of_mean(wrong), DEFINITIONS["nc4"])
    else:
        left_out["nc4"] = "no logits were given."
    notes = (
        "Neural collapse is a state of the training images; elsewhere these figures tell how far it carries over.",
    )
    return Section(figures=figures, left_out=left_out, notes=(*notes, *few))


def vars_of_simplex() -> list[str]:
    """The names of the figures of NC2."""
    return list(Simplex.__dataclass_fields__)


def without_interval(given: Given, figures: Mapping[str, Figure]) -> tuple[str, ...]:
    """The sentence about figures that have none though intervals are asked for."""
    names = [name for name, figure in figures.items() if figure.low is None]
    if not names or not given.bootstrap.resamples:
        return ()
    return (f"{listed(names)} {'has' if len(names) == 1 else 'have'} no interval: {FEW}",)


def _of_means(directions: Tensor, rows: Tensor | None) -> dict[str, Tensor]:
    """NC2 of the class means about their mean, and NC3."""
    found = {f"nc2_{name}": value for name, value in vars(simplex(directions)).items()}
    return found if rows is None else {**found, "nc3": duality(directions, rows)}


def _collapsed(means: ClassMeans, rows: Tensor | None) -> Tensor:
    """NC1, NC2 and NC3, ``(K,)``; NaN where class means coincide."""
    directions = centered_means(means)
    found = torch.stack(list(_of_means(directions, rows).values()))
    if means.coincide:
        return torch.full_like(torch.cat([found[:1], found]), torch.nan)
    return torch.cat([variability(WHO, means)[0].mean().view(1), found])


def _change(given: Given, means: ClassMeans, value: Tensor, directions: Tensor) -> Callable[[Tensor], Tensor]:
    """What a figure of the class means about their mean gains under weights, to first order."""
    (by_means,) = torch.autograd.grad(value, directions, retain_graph=True)
    by_means = (by_means - by_means.mean(0)).nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)  # no slope where it is least
    gradient = torch.zeros_like(given.statistics.mean)
    gradient[given.statistics.count > 0] = by_means
    return means.shift(gradient)


def silhouette(given: Given) -> Section:
    """Of all images, or of some drawn without replacement, against all."""
    if given.num_present < 2:
        return Section(left_out={"silhouette": ONE_CLASS})
    if int(given.statistics.count.max()) < 2:
        return Section(left_out={"silhouette": ALONE})
    some: Tensor | None = None
    notes: tuple[str, ...] = ()
    if given.num_images > given.silhouette_images:
        drawn = torch.randperm(given.num_images, generator=given.draws(1))[: given.silhouette_images]
        some = drawn.sort().values.to(given.features.device)
        notes = (f"Of {given.silhouette_images:,} of {given.num_images:,} images, drawn at random, against all.",)
    found = silhouettes(given.compared, given.labels, of=some)
    values = torch.full((given.num_images,), torch.nan, dtype=torch.float64)
    values[slice(None) if some is None else some.cpu()] = found.cpu()
    interval = given.bootstrap.of_mean(values)
    figure = given.figure(values.nanmean(), interval, DEFINITIONS["silhouette"], found.shape[0])
    return Section(figures={"silhouette": figure}, notes=notes)


def retrieval(given: Given) -> Section:
    """Recall@k, R-precision and MAP@R; for intervals queries are drawn, references stay."""
    labels = given.labels if given.references is None else given.references[1]
    ks, names = given.ks, ("r_precision", "map_at_r")
    num_references = labels.shape[0] - (given.references is None)
    possible = [k for k in ks if k <= num_references]
    left_out = {
        f"recall@{k}": f"an image has {num_references} references, fewer than {k}." for k in ks if k not in possible
    }
    if torch.unique(labels).shape[0] < 2:
        return Section(left_out=left_out | dict.fromkeys((*(f"recall@{k}" for k in possible), *names), ONE_CLASS))
    found = retrieve(given.compared, given.labels, given.references_compared, depth=max(possible, default=1))
    known = int((found.num_relevant > 0).sum())
    if not known:
        why = "no image has another of its class among the references."
        return Section(left_out=dict.fromkeys((*(f"recall@{k}" for k in ks), *names), why))
    values = {f"recall@{k}": found.hits(k) for k in possible}
    values |= {"r_precision": found.r_precision, "map_at_r": found.average_precision}
    low, high = given.bootstrap.of_mean(torch.stack(list(values.values()), dim=1))
    what = "others" if given.references is None else "references"
    figures: dict[str, Figure] = {}
    for place, (name, value) in enumerate(values.items()):
        stem, _, k = name.partition("@")
        definition = DEFINITIONS[stem].format(k=k, what=what)
        figures[name] = given.figure(value.nanmean(), (low[place], high[place]), definition, known)
    lone = given.num_images - known
    notes = [f"For intervals queries are drawn; the {what} that are searched stay as they are."]
    if lone:
        notes.append(f"{lone:,} images have no other of their class there and are left out.")
    return Section(figures=figures, left_out=left_out, notes=tuple(notes))


def verification(given: Given) -> Section:
    """Equal error rate, and true accepts at low shares of false ones."""
    names = ("eer", *(f"tar@{rate:g}" for rate in _RATES))
    if given.num_present < 2:
        return Section(left_out=dict.fromkeys(names, ONE_CLASS))
    pairs = verify(given.compared, given.labels, max_pairs=given.max_pairs, generator=given.draws(2))
    num_genuine, num_impostor = pairs.genuine.shape[0], pairs.impostor.shape[0]
    if not num_genuine:
        return Section(left_out=dict.fromkeys(names, ALONE))
    distances = pairs.genuine.cpu(), pairs.impostor.cpu()
    thinned = Curve(*distances, thin=True)
    genuine_pairs = pairs.genuine_pairs.cpu()[thinned.order]
    impostor_pairs = pairs.impostor_pairs.cpu()[thinned.order_of_negatives]

    def rates(true: Tensor, false: Tensor) -> Tensor:
        at = [true_rate_at(true, false, rate) for rate in _RATES]
        return torch.stack([equal_error_rate(true, false), *at], dim=1)

    def statistic(weights: Tensor) -> Tensor:
        # A class that is drawn twice is there as two classes, whose images make no pair.
        genuine = running_weights(weights, genuine_pairs, thinned.below, of_both=not given.by_class)
        impostor = running_weights(weights, impostor_pairs, thinned.negatives_below, of_both=True)
        return rates(*shares_of(genuine, impostor))

    values = rates(*Curve(*distances).shares()).squeeze(0)
    low, high = given.bootstrap.interval(statistic, 10 * thinned.below.shape[0])
    figures, left_out = {}, {}
    for place, name in enumerate(names):
        rate = None if name == "eer" else _RATES[place - 1]
        if rate is not None and num_impostor * rate < 1:
            left_out[name] = f"{num_impostor:,} impostor pairs are too few to tell a share of {rate:g}."
            continue
        definition = DEFINITIONS["eer"] if rate is None else DEFINITIONS["tar"].format(rate=rate)
        interval = (low[place], high[place])
        figures[name] = given.figure(values[place], interval, definition, num_genuine + num_impostor, samples="pairs")
    told = [
        f"{'All' if there == total else 'Of'} {total:,} {kind} pairs"
        + (f" {there:,}, drawn at random" * (there < total))
        for kind, there, total in (
            ("genuine", num_genuine, pairs.total_genuine),
            ("impostor", num_impostor, pairs.total_impostor),
        )
    ]
    return Section(figures=figures, left_out=left_out, notes=(f"{told[0]}; {told[1].lower()}.",))
