"""fastai, run for real; its import warns of torch.jit, which is its own affair."""

import warnings
from functools import partial

import pytest
import torch
from torch.utils.data import TensorDataset

from sigma2r import JointLoss, SoftNearestNeighborLoss
from tests.adapters import plain
from tests.pages import run_page

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from fastai.callback.core import Callback
    from fastai.callback.mixup import CutMix, MixUp
    from fastai.callback.progress import ProgressCallback
    from fastai.data.core import DataLoaders, Datasets
    from fastai.data.load import DataLoader as FastaiLoader
    from fastai.data.transforms import Categorize
    from fastai.interpret import ClassificationInterpretation
    from fastai.learner import Learner, load_learner
    from fastai.metrics import accuracy
    from fastai.optimizer import Adam, OptimWrapper
    from fastai.torch_core import TensorCategory, TensorImage

    from sigma2r.adapters.fastai import compact_learner

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*:FutureWarning", "ignore:.*torch.jit.*:DeprecationWarning")
# What fastai's Adam is in torch's words; biases do not decay there.
AS_FASTAI = {"betas": (0.9, 0.99), "eps": 1e-5, "biases_decay": False}


def learner(folder, *, model=None, **changes):
    order = plain.sampler()
    valid = FastaiLoader(TensorDataset(plain.IMAGES, plain.LABELS), bs=30)
    dls = DataLoaders(plain.batches(order), valid)
    told = {"lr": plain.LR, "loss_lr": plain.LOSS_LR, "wd": plain.DECAY, "path": folder, **changes}
    made = compact_learner(dls, model or plain.model(), **told)
    made.remove_cb(ProgressCallback)
    return made


def fit(made, *args, **keywords):
    with made.no_logging():
        made.fit(*args, **keywords)
    return plain.state(made.model)


def last(states):
    *_, state = states
    return state


def test_network_centers_and_growth_move_as_in_a_plain_loop(tmp_path):
    made = learner(tmp_path, moms=(0.9, 0.9, 0.9))
    assert isinstance(made, Learner)
    expected = last(plain.plain_loop(3, **AS_FASTAI))
    plain.assert_same(fit(made, 3), expected, within=2e-5)  # its Adam rounds otherwise
    assert [hyper["lr"] for hyper in made.opt.hypers] == [plain.LR, *[plain.LOSS_LR] * 3]


def test_with_an_optimizer_of_torch_they_move_alike_bit_for_bit(tmp_path):
    made = learner(tmp_path, opt_func=partial(OptimWrapper, opt=torch.optim.AdamW))
    plain.assert_same(fit(made, 3), last(plain.plain_loop(3)))
    assert [group["weight_decay"] for group in made.opt.opt.param_groups] == [plain.DECAY, 0.0, 0.0, 0.0]


def built(model):
    return OptimWrapper(opt=torch.optim.AdamW(model.param_groups(lr=9.0, loss_lr=9.0, weight_decay=9.0)))


@pytest.mark.parametrize("kind", ["fastai", "torch", "torch, built"])
def test_centers_do_not_decay_whatever_fit_says(tmp_path, kind):
    """The network does. Losses of no weight leave centers to decay alone, so they rest."""
    model = plain.model()
    opt_func = {"fastai": Adam, "torch": partial(OptimWrapper, opt=torch.optim.AdamW)}.get(kind) or built(model)
    model.criterion.schedules = [0.0, 0.0]
    start = plain.state(model)
    made = learner(tmp_path, model=model, opt_func=opt_func)
    for given in (None, 5.0, [4.0], [3.0, 0.0, 0.0, 0.0]):
        after = fit(made, 1, wd=given)
        network = plain.DECAY if given is None else given if isinstance(given, float) else given[0]
        assert [hyper["wd"] for hyper in made.opt.hypers] == [network, 0.0, 0.0, 0.0]
        assert rates(made) == [plain.LR, *[plain.LOSS_LR] * 3]
        assert all(torch.equal(after[name], start[name]) for name in start if name.startswith("criterion"))
    made.create_opt()
    assert [hyper["wd"] for hyper in made.opt.hypers][1:] == [0.0, 0.0, 0.0]
    with pytest.raises(ValueError, match=r"^compact_learner: wd must be that of the network alone.*got \[3\.0, 1\.0"):
        fit(made, 1, wd=[3.0, 1.0, 1.0, 1.0])


@pytest.mark.filterwarnings("ignore:numpy.core is deprecated:DeprecationWarning")  # fastai's own, where it loads
def test_going_on_from_what_was_saved_is_going_on_without(tmp_path):
    whole = fit(learner(tmp_path), 3)
    first = learner(tmp_path)
    with first.no_logging():
        first.fit(2)
    first.save("two")
    resumed = learner(tmp_path, model=plain.model(seed=5))
    resumed.load("two")
    plain.assert_same(fit(resumed, 3, start_epoch=2), whole)


def test_metrics_see_logits_and_predictions_are_probabilities(tmp_path):
    made = learner(tmp_path, metrics=accuracy)
    with made.no_logging():
        made.fit(4, lr=[0.05, *[plain.LOSS_LR] * 3])
    loss, share = made.validate()
    assert share > 0.8
    preds, labels = made.get_preds()
    torch.testing.assert_close(preds.sum(1), torch.ones(plain.SIZE))
    assert float((preds.argmax(1) == labels).float().mean()) == pytest.approx(share)
    with torch.no_grad():
        values = [made.model(x, labels=y)["loss"] for x, y in made.dls.valid]
    assert loss == pytest.approx(float(torch.stack(values).mean()), rel=1e-5)


def number_of(row):
    return int(plain.LABELS[row])


def test_the_loss_of_an_item_is_its_cross_entropy(tmp_path):
    rows = range(plain.SIZE)
    dls = Datasets(rows, [[image_of], [number_of, Categorize()]], splits=[[*rows], [*rows]]).dataloaders(bs=12)
    made = compact_learner(dls, plain.model(), path=tmp_path)
    made.remove_cb(ProgressCallback)
    fit(made, 2, lr=0.05)
    preds, labels, each = made.get_preds(with_loss=True)
    torch.testing.assert_close(each.as_subclass(torch.Tensor), -preds.log()[rows, labels].as_subclass(torch.Tensor))
    told = ClassificationInterpretation.from_learner(made)
    assert told.confusion_matrix().sum() == plain.SIZE
    assert float(told.top_losses(1)[0]) == pytest.approx(float(each.max()))


@pytest.mark.message
@pytest.mark.parametrize("mixes", [MixUp, CutMix])
def test_mixed_images_are_refused_in_one_sentence(tmp_path, mixes):
    model = plain.model()
    model.network.body.insert(0, torch.nn.Flatten())
    made = learner(tmp_path, model=model, cbs=mixes())
    made.dls.train.collate_fn = lambda rows: tuple(torch.stack(c).view(len(rows), *((1, 2, 4) * (not i)))
                                                   for i, c in enumerate(zip(*rows, strict=True)))  # fmt: skip
    with pytest.raises(ValueError, match=r"^compact_learner: in training each image must have one class.*Leave out M"):
        fit(made, 1)


def test_tensors_of_its_own_kinds_are_taken(tmp_path):
    def typed(rows):
        images, labels = (torch.stack(column) for column in zip(*rows, strict=True))
        return TensorImage(images), TensorCategory(labels)

    made = learner(tmp_path, opt_func=partial(OptimWrapper, opt=torch.optim.AdamW))
    made.dls.train.collate_fn = typed
    plain.assert_same(fit(made, 1), next(plain.plain_loop(1)))


def test_one_cycle_takes_a_rate_for_each_group(tmp_path):
    made = learner(tmp_path, opt_func=partial(OptimWrapper, opt=torch.optim.SGD))
    seen = []
    made.add_cb(Callback(after_step=lambda _: seen.append([hyper["lr"] for hyper in made.opt.hypers])))
    with made.no_logging():
        made.fit_one_cycle(2, lr_max=[0.01, 0.2, 0.2, 0.2])
    assert [max(rates) for rates in zip(*seen, strict=True)] == pytest.approx([0.01, 0.2, 0.2, 0.2], rel=0.05)


def in_two(network):
    return [list(network.body.parameters()), list(network.head.parameters())]


def rates(made):
    return [hyper["lr"] for hyper in made.opt.hypers]


@pytest.mark.parametrize("opt_func", [Adam, partial(OptimWrapper, opt=torch.optim.AdamW)], ids=["fastai", "torch"])
def test_a_rate_that_is_not_given_for_every_group_is_the_networks(tmp_path, opt_func):
    for given, expected in [
        (3e-3, [3e-3, 3e-3]), (slice(1e-3), [1e-4, 1e-3]), (slice(1e-4, 1e-2), [1e-4, 1e-2]), ([0.3], [0.3, 0.3]),
        ([0.1, 0.2], [0.1, 0.2]), (None, [plain.LR, plain.LR]),
    ]:  # fmt: skip
        made = learner(tmp_path, splitter=in_two, opt_func=opt_func)
        fit(made, 1, lr=given)
        assert rates(made) == pytest.approx([*expected, *[plain.LOSS_LR] * 3])
    fit(made, 1, lr=[0.1, 0.2, 0.3, 0.4, 0.5])
    assert rates(made) == [0.1, 0.2, 0.3, 0.4, 0.5]


@pytest.mark.filterwarnings("ignore:numpy.core is deprecated:DeprecationWarning")
def test_the_finder_of_rates_looks_for_the_networks(tmp_path):
    made, seen = learner(tmp_path), []
    before = plain.state(made.model)
    made.add_cb(Callback(after_step=lambda _: seen.append(rates(made))))
    with made.no_logging():
        made.lr_find(num_it=12, show_plot=False)
    assert seen[0][0] < 1e-6 < 0.1 < seen[-1][0]
    assert {tuple(each[1:]) for each in seen} == {(plain.LOSS_LR,) * 3}
    assert all(torch.equal(value, before[name]) for name, value in plain.state(made.model).items())


def test_a_frozen_body_is_fine_tuned_with_losses_that_learn_throughout(tmp_path):
    model = plain.model()
    model.criterion.frozen_features = True  # while the body is frozen
    made, seen = learner(tmp_path, model=model, splitter=in_two), []
    start = plain.state(model)
    made.freeze()
    assert {n for n, p in model.named_parameters() if not p.requires_grad} == {
        n for n in start if n.startswith("network.body")
    }
    fit(made, 1)
    moved = {name for name, value in plain.state(model).items() if not torch.equal(value, start[name])}
    assert moved == {name for name in start if not name.startswith("network.body")}
    made.add_cb(Callback(after_step=lambda _: seen.append(rates(made))))
    with made.no_logging():
        made.fine_tune(1, base_lr=2e-3)
    assert all(p.requires_grad for p in model.parameters())
    assert [max(each) for each in zip(*seen, strict=True)] == pytest.approx([2e-4, 2e-3, *[plain.LOSS_LR] * 3], rel=0.1)


def image_of(row):
    return plain.IMAGES[row]


def label_of(row):
    return plain.LABELS[row]


@pytest.mark.filterwarnings("ignore:load_learner` uses Python's insecure pickle:UserWarning")
@pytest.mark.filterwarnings("ignore:numpy.core is deprecated:DeprecationWarning")
def test_a_learner_is_exported_and_loaded_for_use(tmp_path):
    rows = range(plain.SIZE)
    dls = Datasets(rows, [[image_of], [label_of]], splits=[[*rows], [*rows]]).dataloaders(bs=12)
    made = compact_learner(dls, plain.model(), path=tmp_path)
    made.remove_cb(ProgressCallback)
    fit(made, 1)
    made.export("whole.pkl")
    loaded = load_learner(tmp_path / "whole.pkl")
    assert torch.equal(loaded.model(plain.IMAGES), made.model.eval()(plain.IMAGES))


@pytest.mark.message
def test_wrong_use_is_one_sentence(tmp_path):
    with pytest.raises(
        ValueError, match=r"^compact_learner: model must be WithLoss\(network, criterion\); got a tests\.Network\.$"
    ):
        learner(tmp_path, model=plain.Network())
    with pytest.raises(ValueError, match=r"^compact_learner: wd must be a finite number of at least 0"):
        learner(tmp_path, wd=-0.1)
    with pytest.raises(ValueError, match=r"^compact_learner: the loss must be .* got loss_func=a torch"):
        learner(tmp_path, loss_func=torch.nn.CrossEntropyLoss())
    for options, told in (({"lr": 3.0}, "lr"), ({"wd": 3.0}, "wd"), ({"weight_decay": 3.0}, "wd")):
        with pytest.raises(ValueError, match=rf"^compact_learner: {told} must be said.*, {told}=3\.0"):
            learner(tmp_path, opt_func=partial(Adam, **options))
    of_all = OptimWrapper(opt=torch.optim.AdamW(plain.model().parameters()))
    with pytest.raises(ValueError, match=r"^compact_learner: an optimizer in opt_func must hold the network in 1 of "
                       r"its groups.*4 in all; got other groups, 1 in all\."):  # fmt: skip
        learner(tmp_path, opt_func=of_all)
    raised = plain.model()
    raised.criterion = JointLoss(SoftNearestNeighborLoss(learn_temperature=True), -0.1)
    with pytest.raises(ValueError, match=r"^compact_learner: a loss with a negative weight must learn nothing"):
        learner(tmp_path, model=raised)


def test_the_page_runs(tmp_path):
    run_page("docs/adapters/fastai.md", tmp_path, warnings="ignore")
