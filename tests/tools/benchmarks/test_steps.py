import pytest
import torch
from detectron2.utils.events import EventStorage

from benchmarks.steps import configuration, make_pair, step_of
from inet_d2.data.pids import UNLABELLED


def test_pair_of_frames(tiny):
    cfg = configuration(tiny, [])
    first, second = (frame["instances"] for frame in make_pair(cfg, 4))
    assert first.image_size == (120, 160)
    assert first.gt_pids.tolist() == second.gt_pids.tolist()
    assert first.gt_pids[3] == UNLABELLED
    assert len(set(first.gt_pids.tolist())) == 4
    boxes = torch.cat([first.gt_boxes.tensor, second.gt_boxes.tensor])
    assert boxes.min() >= 0
    assert (boxes[:, 2:] <= torch.tensor([160, 120])).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()


def test_detector_has_no_identity_losses_and_the_same_rois(options):
    pooled, losses = {}, {}
    for name in ("Faster R-CNN", "I-Net"):
        step = step_of(name, options)
        before = {key: value.clone() for key, value in step.module.named_parameters()}
        torch.manual_seed(5)
        step()
        assert all(torch.equal(value, before[key]) for key, value in step.module.named_parameters())
        hook = step.module.roi_heads.box_pooler.register_forward_pre_hook(
            lambda _, arguments, name=name: pooled.__setitem__(name, torch.cat([b.tensor for b in arguments[1]]))
        )
        torch.manual_seed(6)
        with EventStorage():
            losses[name] = set(step.module(step.frames))
        hook.remove()
    assert len(pooled["I-Net"]) == 2 * 16
    assert torch.equal(pooled["I-Net"], pooled["Faster R-CNN"])
    assert losses["I-Net"] - losses["Faster R-CNN"] == {"loss_olp", "loss_hep"}


@pytest.mark.parametrize(("name", "sparse"), [("HEP 30", True), ("HEP 30 dense", False)])
def test_step_of_hep_alone(options, name, sparse):
    step = step_of(name, options)
    assert set(step.module.terms) == {"hep"}
    assert step.module.classifier.weight.shape[0] == 31
    assert step.module.classifier.sparse_gradient is sparse
    assert len(step.module.dictionary) == step.module.dictionary.size
    before = step.module.classifier.weight.clone()
    parts = step()
    assert len(parts) == 3
    assert min(parts) >= 0
    assert not torch.equal(step.module.classifier.weight, before)
