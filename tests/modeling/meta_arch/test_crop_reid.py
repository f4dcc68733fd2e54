import pytest
import torch
from detectron2.modeling import build_model
from detectron2.utils.events import EventStorage
from torch.nn.functional import cross_entropy


@pytest.fixture
def cfg(tiny_cfg):
    tiny_cfg.MODEL.META_ARCHITECTURE = "CropReID"
    tiny_cfg.MODEL.PROPOSAL_GENERATOR.NAME = "PrecomputedProposals"
    return tiny_cfg


def crops(make_image, pids):
    return [make_image([((8, 8, 56, 88), pid)], seed=i, size=(96, 64)) for i, pid in enumerate(pids)]


def test_losses_by_slow_twin(cfg, make_image):
    torch.manual_seed(0)
    model = build_model(cfg)
    with EventStorage():
        losses = model(crops(make_image, [0, 0, 3, 3]))
    model.eval()
    batch = crops(make_image, [0, 0, 3, 3])
    for x in batch:
        x["gallery_boxes"] = x["instances"].gt_boxes.tensor
    e = torch.cat([x["instances"].pred_embeddings for x in model(batch)])
    pids = torch.tensor([0, 0, 3, 3])
    # Softmax over the C identities, without the background column.
    logits = model.roi_heads.identity_losses.classifier(e)[:, :6]
    torch.testing.assert_close(losses["loss_crop_softmax"], cross_entropy(logits, pids))
    pair = 0.0
    for anchor, positive in ((0, 1), (1, 0), (2, 3), (3, 2)):
        logits = 10 * torch.cat([e[anchor] @ e[positive][None].T, e[anchor] @ e[pids != pids[anchor]].T])
        pair = pair - logits.log_softmax(0)[0] / 4
    torch.testing.assert_close(losses["loss_crop_pair"], pair)


def test_all_that_learns_gets_a_gradient(cfg, make_image):
    for separate in (False, True):
        cfg.MODEL.ROI_REID_HEAD.SEPARATE_FC = separate
        model = build_model(cfg)
        with EventStorage():
            sum(model(crops(make_image, [0, 0, 3, 3])).values()).backward()
        assert [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None] == []


def test_its_checkpoint_is_part_of_the_joint_model(cfg):
    first = build_model(cfg).state_dict()
    cfg.MODEL.META_ARCHITECTURE = "INet"
    cfg.MODEL.PROPOSAL_GENERATOR.NAME = "RPN"
    joint = build_model(cfg).state_dict()
    assert {n: v.shape for n, v in first.items()}.items() <= {n: v.shape for n, v in joint.items()}.items()
    assert {n.split(".")[0] for n in joint.keys() - first.keys()} == {"proposal_generator"}


def test_it_does_not_pretend_to_detect(cfg, make_image):
    model = build_model(cfg).eval()
    for call in (model, model.inference):  # some tools call the latter
        with pytest.raises(ValueError, match=r"does not detect; evaluate it with TEST\.SEARCH\.USE_GT_BOXES True"):
            call(crops(make_image, [0]))
