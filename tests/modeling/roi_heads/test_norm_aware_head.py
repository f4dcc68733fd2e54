import pytest
import torch
from detectron2.layers import ShapeSpec

from inet_d2.engine import load_config
from inet_d2.modeling.roi_heads.norm_aware_head import NormAwareHead
from inet_d2.modeling.roi_heads.reid_head import build_reid_head

POOLED, REGION = ShapeSpec(channels=8, height=2, width=2), ShapeSpec(channels=16)


def identity_head():
    """One channel each, nothing learned: the vector is (largest pooled value, region feature)."""
    head = NormAwareHead(pooled_dim=1, region_dim=1, embed_dim=2).eval()
    for projector in (head.pooled_projector, head.region_projector):
        torch.nn.init.ones_(projector[0].weight)
        torch.nn.init.ones_(projector[1].weight)
        projector[1].eps = 1e-12  # some versions of torch refuse 0
    head.rescaler.eps = 1e-12
    return head


def test_by_hand():
    # The largest of the points is 3, the region feature 4: length 5, direction (.6, .8).
    pooled, region = torch.tensor([[[[1.0, 3.0], [-7.0, 2.0]]]]), torch.tensor([[4.0]])
    head = identity_head()
    head.rescaler.running_mean.fill_(4.0)
    head.rescaler.running_var.fill_(0.25)
    embeddings, logits = head.embed_and_score(pooled, region)
    assert embeddings[0].tolist() == pytest.approx([0.6, 0.8])
    # (5 - 4) / sqrt(.25) = 2
    assert logits.tolist() == pytest.approx([2.0])
    torch.testing.assert_close(head(pooled, region), embeddings)


def test_length_and_direction_are_apart():
    head, pooled, region = identity_head(), torch.rand(4, 1, 3, 3) + 0.1, torch.rand(4, 1) + 0.1
    embeddings, logits = head.embed_and_score(pooled, region)
    longer, higher = head.embed_and_score(3 * pooled, 3 * region)
    torch.testing.assert_close(longer, embeddings)
    assert (higher > logits).all()


def test_gradients():
    torch.manual_seed(0)
    head = NormAwareHead(pooled_dim=2, region_dim=3, embed_dim=4).double().eval()
    for projector in (head.pooled_projector, head.region_projector):
        torch.nn.init.normal_(projector[1].weight)
    pooled = torch.randn(3, 2, 2, 2, dtype=torch.float64, requires_grad=True)
    region = torch.randn(3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(head.embed_and_score, (pooled, region))


def test_under_mixed_precision_the_embedding_is_float32():
    head = NormAwareHead(pooled_dim=8, region_dim=16, embed_dim=4).eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        embeddings, logits = head.embed_and_score(torch.rand(3, 8, 2, 2), torch.rand(3, 16))
    assert embeddings.dtype == logits.dtype == torch.float32
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(3))


def test_one_region_and_none_can_be_embedded():
    head = NormAwareHead(pooled_dim=8, region_dim=16, embed_dim=4).eval()
    for rows in (0, 1):
        embeddings, logits = head.embed_and_score(torch.rand(rows, 8, 2, 2), torch.rand(rows, 16))
        assert embeddings.shape == (rows, 4)
        assert logits.shape == (rows,)


def test_it_starts_as_published():
    torch.manual_seed(0)
    head = NormAwareHead(pooled_dim=1024, region_dim=2048, embed_dim=256)
    for projector in (head.pooled_projector, head.region_projector):
        assert projector[0].weight.std().item() == pytest.approx(0.01, rel=0.05)
        assert projector[1].weight.std().item() == pytest.approx(0.01, rel=0.3)
        assert projector[0].bias.abs().max() == projector[1].bias.abs().max() == 0
    assert (head.rescaler.weight.item(), head.rescaler.bias.item()) == (1, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["MODEL.ROI_REID_HEAD.EMBED_DIM", "7"], "EMBED_DIM: expected an even number for NormAwareHead, found 7"),
        (["MODEL.ROI_REID_HEAD.NORM", "BN"], 'expected EMBEDDING "learned", NORM "" and SEPARATE_FC False'),
        (["MODEL.ROI_REID_HEAD.SEPARATE_FC", "True"], "SEPARATE_FC False, found"),
        (["MODEL.ROI_REID_HEAD.EMBEDDING", "box_head"], 'found "box_head"'),
    ],
)
def test_what_it_has_not_is_refused(options, message):
    cfg = load_config("", ["MODEL.ROI_REID_HEAD.NAME", "NormAwareHead", *options])
    with pytest.raises(ValueError, match=message):
        build_reid_head(cfg, POOLED, REGION)
