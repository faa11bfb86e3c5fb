"""The Trainer of Hugging Face, run for real."""

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset
from transformers import Trainer, TrainingArguments, ViTConfig, ViTForImageClassification

from sigma2r import BalancedBatchSampler, CenterLoss, FeatureTap, JointLoss
from sigma2r.adapters import WithLoss
from sigma2r.adapters.hugging_face import CompactTrainer
from tests.adapters import plain
from tests.pages import run_page

pytestmark = pytest.mark.filterwarnings("ignore:.*pin_memory.*")


class Rows(Dataset):
    """As a data set of Hugging Face gives them, with a column that the network does not take."""

    def __len__(self):
        return plain.SIZE

    def __getitem__(self, row):
        return {"images": plain.IMAGES[row], "label": int(plain.LABELS[row]), "weight_in_kg": 3.0}


def arguments(folder, **changes):
    told = {"num_train_epochs": 3, "learning_rate": plain.LR, "weight_decay": plain.DECAY, "max_grad_norm": 0.0,
            "lr_scheduler_type": "constant", "save_strategy": "no", "report_to": "none", "use_cpu": True,
            "disable_tqdm": True, "optim": "adamw_torch", "logging_strategy": "no", "seed": 0}  # fmt: skip
    return TrainingArguments(str(folder), **{**told, **changes})


def trainer(folder, *, kind=CompactTrainer, model=None, **changes):
    own = {"loss_lr": plain.LOSS_LR, "batch_sampler": plain.sampler()} if kind is CompactTrainer else {}
    own |= {
        key: changes.pop(key)
        for key in ("optimizers", "compute_metrics", "compute_loss_func", "loss_lr")
        if key in changes
    }
    told = arguments(folder, **changes)
    return kind(model or plain.model(), told, train_dataset=Rows(), eval_dataset=Rows(), **own)


def last(states):
    *_, state = states
    return state


def test_network_centers_and_growth_move_as_in_a_plain_loop(tmp_path):
    ours = trainer(tmp_path)
    ours.train()
    plain.assert_same(plain.state(ours.model), last(plain.plain_loop(3, biases_decay=False)))
    groups = [(group.get("name"), group["lr"], group["weight_decay"]) for group in ours.optimizer.param_groups]
    assert groups == [
        (None, plain.LR, plain.DECAY), (None, plain.LR, 0.0),
        ("centers", plain.LOSS_LR, 0.0), ("growth", plain.LOSS_LR, 0.0), ("centers-2", plain.LOSS_LR, 0.0),
    ]  # fmt: skip


def test_the_norm_that_is_clipped_is_that_of_network_and_losses_together(tmp_path):
    ours = trainer(tmp_path, max_grad_norm=0.1)
    ours.train()
    clipped = last(plain.plain_loop(3, biases_decay=False, clip=0.1))
    plain.assert_same(plain.state(ours.model), clipped, within=1e-6)  # the norm of all is summed in another order
    centers = "criterion.auxiliaries.1.centers"
    assert float((clipped[centers] - last(plain.plain_loop(3, biases_decay=False))[centers]).abs().max()) > 1e-3


@pytest.mark.parametrize("saved_at", [5, 7])
def test_going_on_from_a_checkpoint_is_going_on_without_one(tmp_path, saved_at):
    first = trainer(tmp_path, save_strategy="steps", save_steps=saved_at, max_steps=saved_at)
    first.train()
    resumed = trainer(tmp_path, model=plain.model(seed=5))
    resumed.train(resume_from_checkpoint=str(tmp_path / f"checkpoint-{saved_at}"))
    assert resumed.state.global_step == 15
    plain.assert_same(plain.state(resumed.model), last(plain.plain_loop(3, biases_decay=False)))


def test_gradients_that_are_added_up_are_averaged_and_counted_as_one_step(tmp_path):
    ours = trainer(tmp_path, gradient_accumulation_steps=2, max_steps=1, optim="sgd", weight_decay=0.0)
    ours.train()
    expected, order = plain.model(), iter(plain.sampler())
    optimizer = torch.optim.SGD(expected.param_groups(lr=plain.LR, loss_lr=plain.LOSS_LR))
    for rows in (next(order), next(order)):
        (expected(plain.IMAGES[rows], labels=plain.LABELS[rows])["loss"] / 2).backward()
    optimizer.step()
    for name, value in plain.state(expected).items():
        torch.testing.assert_close(plain.state(ours.model)[name], value)


def test_metrics_see_logits_and_the_loss_is_told(tmp_path):
    def accuracy(told):
        assert told.predictions.shape == (len(told.label_ids), plain.CLASSES)
        return {"accuracy": float((told.predictions.argmax(1) == told.label_ids).mean())}

    ours = trainer(tmp_path, compute_metrics=accuracy)
    before = ours.evaluate()
    ours.train()
    after = ours.evaluate()
    assert after["eval_accuracy"] > before["eval_accuracy"]
    ours.model.eval()
    with torch.no_grad():
        value = ours.model(plain.IMAGES[:8], labels=plain.LABELS[:8])["loss"]
    told = ours.evaluate(torch.utils.data.Subset(Rows(), range(8)))
    np.testing.assert_allclose(told["eval_loss"], float(value), rtol=1e-6)


def test_their_own_trainer_takes_an_optimizer_with_our_groups(tmp_path):
    model = plain.model()
    optimizer = torch.optim.AdamW(model.param_groups(lr=plain.LR, loss_lr=plain.LOSS_LR, weight_decay=plain.DECAY))

    class Balanced(Trainer):
        def get_train_dataloader(self):
            def as_rows(items):
                return {"images": torch.stack([x for x, _ in items]), "labels": torch.stack([y for _, y in items])}

            data = torch.utils.data.TensorDataset(plain.IMAGES, plain.LABELS)
            loader = torch.utils.data.DataLoader(data, batch_sampler=plain.sampler(), collate_fn=as_rows)
            return self.accelerator.prepare(loader)

    ours = trainer(tmp_path, kind=Balanced, model=model, optimizers=(optimizer, None), num_train_epochs=1)
    ours.train()
    plain.assert_same(plain.state(model), next(plain.plain_loop(1)))


def test_an_optimizer_that_is_given_to_ours_stays_as_it_is_and_trains_twice(tmp_path):
    model = plain.model()
    optimizer = torch.optim.SGD(model.param_groups(lr=0.01, loss_lr=0.7))
    for group in optimizer.param_groups:
        group["lr"] = torch.tensor(group["lr"])
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.5)
    ours = trainer(tmp_path, model=model, optimizers=(optimizer, schedule), max_steps=1, loss_lr=0.7)
    for _ in range(2):
        ours.train()
        assert [float(group["initial_lr"]) for group in optimizer.param_groups] == pytest.approx([0.01, 0.7, 0.7, 0.7])


@pytest.mark.message
def test_an_optimizer_that_is_given_must_have_the_rate_of_the_losses(tmp_path):
    model = plain.model()
    decaying = [{**group, "weight_decay": 0.5} for group in model.param_groups(lr=0.01, loss_lr=0.1)]
    for groups, got in [
        (model.parameters(), "got lr=0.001 and weight_decay=0.01"),
        (model.network.parameters(), "got none that holds them"),
        (model.param_groups(lr=0.01, loss_lr=0.7), "got lr=0.7 and weight_decay=0"),
        (decaying, r"got lr=0\.1 and weight_decay=0\.5"),
    ]:
        ours = trainer(tmp_path, model=model, optimizers=(torch.optim.AdamW(groups), None))
        with pytest.raises(ValueError, match=rf"^CompactTrainer: an optimizer that is given must move what the losses "
                           rf"learn, centers, at loss_lr=0\.1 without weight decay; {got}\. Build it"):  # fmt: skip
            ours.train()


def test_a_model_of_transformers_trains_with_its_pooled_features(tmp_path):
    torch.manual_seed(0)
    config = ViTConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, image_size=8,
                       patch_size=4, num_channels=1, num_labels=3)  # fmt: skip
    network = ViTForImageClassification(config)
    model = WithLoss(network, JointLoss(CenterLoss(3, 8), 0.1), FeatureTap.before_classifier(network))

    class Images(Rows):
        def __getitem__(self, row):
            return {"pixel_values": plain.IMAGES[row].repeat(8).view(1, 8, 8), "labels": int(plain.LABELS[row])}

    ours = CompactTrainer(
        model, arguments(tmp_path, num_train_epochs=1), loss_lr=0.1, train_dataset=Images(),
        batch_sampler=BalancedBatchSampler(plain.LABELS, batch_size=12),
    )  # fmt: skip
    before = model.criterion.auxiliary.centers.detach().clone()
    ours.train()
    assert float((model.criterion.auxiliary.centers.detach() - before).abs().min()) > 1e-3


def vit():
    config = ViTConfig(hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=8, image_size=8,
                       patch_size=4, num_channels=1, num_labels=3)  # fmt: skip
    torch.manual_seed(0)
    network = ViTForImageClassification(config)
    return WithLoss(network, JointLoss(CenterLoss(3, 8), 0.1), FeatureTap.before_classifier(network))


class Pictures(Rows):
    def __getitem__(self, row):
        return {"pixel_values": plain.IMAGES[row].repeat(8).view(1, 8, 8), "labels": int(plain.LABELS[row])}


def test_activations_that_are_computed_anew_move_everything_alike(tmp_path):
    states = []
    for anew in (False, True):
        told = arguments(tmp_path, num_train_epochs=1, activation_checkpointing=anew)
        ours = CompactTrainer(vit(), told, loss_lr=0.1, train_dataset=Pictures(), batch_sampler=plain.sampler())
        ours.train()
        layers = [part for part in ours.model.network.modules() if getattr(part, "gradient_checkpointing", False)]
        assert bool(layers) == anew
        states.append(plain.state(ours.model))
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value)


def test_a_model_is_made_anew_for_each_training(tmp_path):
    told = arguments(tmp_path, num_train_epochs=1)
    ours = CompactTrainer(args=told, loss_lr=plain.LOSS_LR, model_init=lambda: plain.model(), train_dataset=Rows(),
                          batch_sampler=plain.sampler())  # fmt: skip
    for _ in range(2):
        ours.train()
        plain.assert_same(plain.state(ours.model), next(plain.plain_loop(1, biases_decay=False)))
    with pytest.raises(ValueError, match=r"^CompactTrainer: model must be WithLoss.*got a tests\.Network\.$"):
        CompactTrainer(args=told, loss_lr=0.1, model_init=plain.Network)
    with pytest.raises(ValueError, match=r"^CompactTrainer: model must be WithLoss.*got None\.$"):
        CompactTrainer(args=told, loss_lr=0.1)


@pytest.mark.message
def test_wrong_use_is_one_sentence(tmp_path):
    for told, changes in [
        (r"label_smoothing_factor=0\.1", {"label_smoothing_factor": 0.1}),
        ("compute_loss_func", {"compute_loss_func": torch.nn.functional.cross_entropy}),
    ]:
        with pytest.raises(ValueError, match=rf"^CompactTrainer: the loss must be that of the model; got {told},"):
            trainer(tmp_path, **changes)
    with pytest.raises(
        ValueError, match=r"^CompactTrainer: model must be WithLoss\(network, criterion\); got a tests\.Network\.$"
    ):
        trainer(tmp_path, model=plain.Network())
    with pytest.raises(ValueError, match=r"^CompactTrainer: loss_lr must be a finite number of at least 0; got -1"):
        trainer(tmp_path, loss_lr=-1)
    with pytest.raises(ValueError, match=r"^WithLoss: the network must be given something; got labels alone\. With the "
                       r"Trainer of Hugging Face say remove_unused_columns=False"):  # fmt: skip
        trainer(tmp_path, kind=Trainer, max_steps=1).train()


def test_the_page_runs(tmp_path):
    run_page("docs/adapters/hugging-face.md", tmp_path)
