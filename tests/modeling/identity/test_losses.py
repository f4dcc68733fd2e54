"""One iteration of the identity side: who is anchor, positive, negative, stored, classified."""

import math
import random

import pytest
import torch
from detectron2.config import CfgNode, configurable, get_cfg
from torch.nn.functional import normalize

from inet_d2 import add_inet_config
from inet_d2.data.pids import BACKGROUND, IGNORED, UNLABELLED
from inet_d2.modeling.identity import IDENTITY_TERM_REGISTRY, IdentityTerm
from inet_d2.modeling.identity.losses import IdentityLosses

NUM_PIDS = 30


def build(*, size=64, use_unlabelled=True, **changes):
    """Losses by configuration: build(**{"HEP.ENABLED": False, ...})."""
    torch.manual_seed(0)
    options = {
        "EMBED_DIM": 8,
        "NUM_PIDS": NUM_PIDS,
        "DICTIONARY.SIZE": size,
        "DICTIONARY.BACKGROUNDS_PER_IMAGE": 2,
        "DICTIONARY.USE_UNLABELLED": use_unlabelled,
        "HEP.NUM_CLASSES": 10,
        "HEP.TOP_NEGATIVES": 4,
    }
    cfg = get_cfg()
    add_inet_config(cfg)
    pairs = {f"MODEL.ROI_REID_HEAD.{key}": value for key, value in {**options, **changes}.items()}
    cfg.merge_from_list([x for pair in pairs.items() for x in pair])
    return IdentityLosses(cfg)


def batch(pids, images, seed=0):
    generator = torch.Generator().manual_seed(seed)
    embeddings = normalize(torch.randn(len(pids), 8, generator=generator)).requires_grad_()
    return embeddings, torch.tensor(pids), torch.tensor(images)


def test_losses_by_slow_twin():
    losses = build()
    losses.dictionary.update(*(x.detach() for x in batch([3, 9, UNLABELLED, BACKGROUND], [0] * 4, seed=1)[:2]))
    stored_embeddings, stored_pids = (x.clone() for x in losses.dictionary.contents())
    embeddings, pids, images = batch([3, UNLABELLED, BACKGROUND, 3, 7, BACKGROUND, IGNORED], [0, 0, 0, 1, 1, 1, 1])
    result, statistics = losses(embeddings, pids, images)

    negatives = [(e, int(p)) for e, p in zip(stored_embeddings, stored_pids, strict=True)]
    # This iteration's entries: all people and, here, all (<= 2) backgrounds of each image, never the ignored one.
    negatives += [(embeddings[i], int(pids[i])) for i in (0, 1, 3, 4, 2, 5)]
    expected = 0.0
    for anchor, positive in ((0, 3), (3, 0)):
        up = math.exp(float(embeddings[anchor] @ embeddings[positive]))
        down = sum(math.exp(float(embeddings[anchor] @ e)) for e, p in negatives if p != 3)
        expected -= math.log(up / (up + down)) / 2
    assert float(result["loss_olp"].detach()) == pytest.approx(expected, abs=1e-5)
    assert statistics["reid/num_subgroups"] == 2
    assert statistics["reid/num_labelled"] == 3


def test_softmax_counts_background_and_leaves_unlabelled_and_ignored_out():
    losses = build(**{"HEP.ENABLED": False, "SOFTMAX.ENABLED": True, "SOFTMAX.LOSS_WEIGHT": 2.0})
    embeddings, pids, images = batch([3, UNLABELLED, BACKGROUND, IGNORED, 4], [0, 0, 0, 1, 1])
    result, _ = losses(embeddings, pids, images)
    logits = losses.classifier(embeddings[[0, 2, 4]])
    expected = 2.0 * torch.nn.functional.cross_entropy(logits, torch.tensor([3, NUM_PIDS, 4]))
    assert set(result) == {"loss_olp", "loss_softmax"}
    torch.testing.assert_close(result["loss_softmax"], expected)


def test_hep_with_a_pool_of_all_classes_is_the_full_softmax():
    embeddings, pids, images = batch([3, 3, BACKGROUND, 4], [0, 1, 1, 1])
    result, _ = build(**{"HEP.NUM_CLASSES": NUM_PIDS + 1, "SOFTMAX.ENABLED": True})(embeddings, pids, images)
    torch.testing.assert_close(result["loss_hep"], result["loss_softmax"])


def test_hep_chance_level():
    # All class weights zero: log of the pool's size, whatever the pool (spec: ln 100 for M = 100).
    losses = build(**{"HEP.NUM_CLASSES": 10})
    torch.nn.init.zeros_(losses.classifier.weight)
    result, _ = losses(*batch([3, 3, BACKGROUND, 4], [0, 1, 1, 1]))
    assert float(result["loss_hep"].detach()) == pytest.approx(math.log(10), abs=1e-6)


def test_dictionary_takes_people_and_a_few_backgrounds_of_each_image():
    losses = build()
    pids = [3, UNLABELLED, BACKGROUND, BACKGROUND, BACKGROUND, IGNORED, 3, BACKGROUND, UNLABELLED]
    embeddings, pids, images = batch(pids, [0, 0, 0, 0, 0, 0, 1, 1, 1])
    losses(embeddings, pids, images)
    stored, stored_pids = losses.dictionary.contents()
    assert sorted(stored_pids.tolist()) == [-2, -2, -2, -1, -1, 3, 3]
    # Two different backgrounds of image 0 and the one of image 1.
    rows = [(embeddings.detach() == row).all(1).nonzero().item() for row in stored[stored_pids == BACKGROUND]]
    assert rows[-1] == 7
    assert len(set(rows[:2]) & {2, 3, 4}) == 2


def test_background_entries_are_drawn_at_random():
    losses = build(size=4096)
    embeddings, pids, images = batch([3] + [BACKGROUND] * 6, [0] * 7)
    for _ in range(200):
        losses(embeddings, pids, images)
    stored, stored_pids = losses.dictionary.contents()
    stored = stored[stored_pids == BACKGROUND]
    counts = torch.stack([(stored == e).all(1).sum() for e in embeddings[1:].detach()])
    # 200 draws of 2 of 6: 67 each expected, 5 standard deviations are 33
    assert counts.sum() == 400
    assert counts.min() > 33
    assert counts.max() < 101


def test_unlabelled_switch():
    losses = build(use_unlabelled=False)
    losses(*batch([3, UNLABELLED, BACKGROUND, 3], [0, 0, 0, 1]))
    assert UNLABELLED not in losses.dictionary.contents()[1]


@pytest.mark.parametrize(
    ("pids", "images"),
    [
        ([3, 4, BACKGROUND], [0, 1, 1]),  # no shared person
        ([UNLABELLED, BACKGROUND], [0, 1]),  # nobody labelled
        ([IGNORED, IGNORED], [0, 1]),  # nothing to classify
    ],
)
def test_training_goes_on_without_a_pair(pids, images):
    embeddings, pids, images = batch(pids, images)
    losses = build(**{"SOFTMAX.ENABLED": True})
    result, statistics = losses(embeddings, pids, images)
    assert set(result) == {"loss_olp", "loss_hep", "loss_softmax"}
    assert float(result["loss_olp"].detach()) == 0
    sum(result.values()).backward()
    assert torch.isfinite(embeddings.grad).all()
    assert statistics["reid/num_subgroups"] == 0


def test_resume_gives_the_next_step_of_an_uninterrupted_run():
    first = build()
    first(*batch([3, BACKGROUND, 3], [0, 0, 1], seed=1))
    second = build()
    second.load_state_dict(first.state_dict())
    again = [3, BACKGROUND, UNLABELLED, 3]
    outcomes = []
    for losses in (first, second):
        torch.manual_seed(5)
        outcomes.append(losses(*batch(again, [0, 0, 1, 1], seed=2))[0]["loss_olp"])
        assert len(losses.dictionary) == 7
    assert outcomes[0] == outcomes[1]


def test_updating_the_dictionary_does_not_disturb_the_backward_pass():
    losses = build(size=6)
    total = 0
    embeddings, pids, images = batch([3, UNLABELLED, BACKGROUND, 3], [0, 0, 0, 1])
    for _ in range(3):
        total = total + sum(losses(embeddings, pids, images)[0].values())
    total.backward()
    assert torch.isfinite(embeddings.grad).all()


ALL_OFF = {"OLP.ENABLED": False, "HEP.ENABLED": False}
EVERY_LOSS = ("OLP", "HEP", "SOFTMAX", "RANDOM_SOFTMAX", "OIM", "TRIPLET", "VERIFICATION")


def test_all_losses_side_by_side():
    options = {f"{name}.ENABLED": True for name in EVERY_LOSS}
    losses = build(**options, **{"RANDOM_SOFTMAX.NUM_CLASSES": 6, "TRIPLET.USE_DICTIONARY": True})
    embeddings, pids, images = batch([3, UNLABELLED, BACKGROUND, 3, 7], [0, 0, 0, 1, 1])
    result, _ = losses(embeddings, pids, images)
    assert set(result) == {f"loss_{name.lower()}" for name in EVERY_LOSS}
    sum(result.values()).backward()
    assert [n for n, p in losses.named_parameters() if p.grad is None] == []
    assert torch.isfinite(embeddings.grad).all()
    assert int(losses.terms["oim"].queue.fill) == 1


@pytest.mark.parametrize("name", EVERY_LOSS)
def test_each_loss_alone_brings_what_it_needs_and_its_weight(name):
    values = []
    for weight in (1.0, 0.25):
        losses = build(**{**ALL_OFF, f"{name}.ENABLED": True, f"{name}.LOSS_WEIGHT": weight})
        assert (losses.classifier is not None) is ("HEP" in name or "SOFTMAX" in name)
        assert (losses.dictionary is not None) is (name in ("OLP", "HEP"))
        assert losses.needs_pairs is (name in ("OLP", "HEP", "TRIPLET", "VERIFICATION"))
        for seed in (1, 2):
            torch.manual_seed(0)
            random.seed(0)
            result, statistics = losses(*batch([3, 7, BACKGROUND, 3, 7], [0, 0, 0, 1, 1], seed=seed))
        assert statistics["reid/num_labelled"] == 4
        values.append(result)
    assert set(values[0]) == {f"loss_{name.lower()}"}
    (plain,), (weighted,) = (x.values() for x in values)
    assert plain > 0
    torch.testing.assert_close(weighted, 0.25 * plain)


def test_nothing_switched_on():
    losses = build(**ALL_OFF)
    result, statistics = losses(*batch([3, 3], [0, 1]))
    assert result == {}
    assert statistics == {"reid/num_labelled": 2, "reid/num_unlabelled": 0}
    assert losses.state_dict() == {}


def test_sparse_gradients_equal_dense_ones():
    gradients = []
    for sparse in (False, True):
        losses = build(**{"CLASSIFIER.SPARSE_GRADIENT": sparse, "RANDOM_SOFTMAX.ENABLED": True})
        random.seed(0)
        torch.manual_seed(0)
        sum(losses(*batch([3, BACKGROUND, 3], [0, 0, 1]))[0].values()).backward()
        assert losses.classifier.weight.grad.is_sparse is sparse
        gradients.append(losses.classifier.weight.grad.to_dense() if sparse else losses.classifier.weight.grad)
    torch.testing.assert_close(*gradients)


def test_a_loss_of_the_users_own():
    class NormTerm(IdentityTerm):
        config_node = "NORM_PENALTY"

        @configurable
        def __init__(self, *, loss_weight):
            super().__init__(loss_weight=loss_weight)

        @classmethod
        def from_config(cls, cfg):
            return {"loss_weight": cfg.MODEL.ROI_REID_HEAD.NORM_PENALTY.LOSS_WEIGHT}

        def forward(self, batch):
            return batch.embeddings.abs().sum(dim=1).mean()

    IDENTITY_TERM_REGISTRY.register(NormTerm)
    try:
        assert "norm_penalty" not in build().terms  # no node, not used
        cfg = get_cfg()
        add_inet_config(cfg)
        cfg.MODEL.ROI_REID_HEAD.NORM_PENALTY = CfgNode({"ENABLED": True, "LOSS_WEIGHT": 2.0})
        cfg.MODEL.ROI_REID_HEAD.EMBED_DIM = 8
        embeddings, pids, images = batch([3, 3], [0, 1])
        result, _ = IdentityLosses(cfg)(embeddings, pids, images)
    finally:
        del IDENTITY_TERM_REGISTRY._obj_map["NormTerm"]
    torch.testing.assert_close(result["loss_norm_penalty"], 2 * embeddings.abs().sum(dim=1).mean())
