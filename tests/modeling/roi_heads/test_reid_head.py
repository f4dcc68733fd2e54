"""The embedding head alone: its norm, its registry, and the names in its checkpoint."""

import pytest
import torch
from detectron2.layers import ShapeSpec
from torch import nn
from torch.nn.functional import normalize

from inet_d2.modeling import ROI_REID_HEAD_REGISTRY, EmbeddingHead, build_reid_head

POOLED, FEATURES = ShapeSpec(channels=8, height=7, width=7), ShapeSpec(channels=5)


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_is_that_of_vectors_to_the_last_bit(training):
    torch.manual_seed(0)
    head = EmbeddingHead(input_dim=5, embed_dim=32, norm="BN").train(training)
    twin = nn.BatchNorm1d(32).train(training)
    nn.init.uniform_(head.norm.weight)
    head.norm.running_var.uniform_(0.5, 2.0)
    twin.load_state_dict(head.norm.state_dict())
    x = torch.randn(37, 5)
    assert torch.equal(head(None, x), normalize(twin(head.embedding(x))))
    assert torch.equal(head.norm.running_mean, twin.running_mean)
    assert torch.equal(head.norm.running_var, twin.running_var)


@pytest.mark.parametrize("norm", ["BN", "SyncBN", "FrozenBN", "GN"])
@pytest.mark.parametrize("rows", [0, 6])
def test_every_norm_keeps_rows_apart_and_takes_none(norm, rows):
    torch.manual_seed(0)
    head = EmbeddingHead(input_dim=5, embed_dim=64, norm=norm).eval()
    x = torch.randn(rows, 5)
    embeddings = head(None, x.requires_grad_())
    assert embeddings.shape == (rows, 64)
    alone = [head(None, row[None]) for row in x]
    torch.testing.assert_close(embeddings, torch.cat([embeddings[:0], *alone]))


def test_names_in_a_checkpoint():
    statistics = ["running_mean", "running_var", "num_batches_tracked"]
    names = [f"embedding.{n}" for n in ("weight", "bias")] + [f"norm.{n}" for n in ("weight", "bias", *statistics)]
    assert list(EmbeddingHead(input_dim=5, embed_dim=32, norm="BN").state_dict()) == names
    assert list(EmbeddingHead(input_dim=5, embed_dim=32).state_dict()) == names[:2]


def test_it_says_whether_it_needs_the_box_head():
    assert EmbeddingHead(input_dim=5, embed_dim=4).needs_region_features
    head = EmbeddingHead(input_dim=5, embed_dim=4, fc=nn.Sequential(nn.Flatten(), nn.Linear(8, 5)))
    assert not head.needs_region_features
    assert head(torch.randn(3, 8, 1, 1), None).shape == (3, 4)


def test_a_head_of_the_users_own_is_found_by_its_name(tiny_cfg):
    @ROI_REID_HEAD_REGISTRY.register()
    class ShapeHead(nn.Module):
        def __init__(self, cfg, pooled_shape, feature_shape):
            super().__init__()
            self.shapes = (pooled_shape, feature_shape)

    try:
        tiny_cfg.MODEL.ROI_REID_HEAD.NAME = "ShapeHead"
        assert build_reid_head(tiny_cfg, POOLED, FEATURES).shapes == (POOLED, FEATURES)
    finally:
        del ROI_REID_HEAD_REGISTRY._obj_map["ShapeHead"]
    with pytest.raises(ValueError, match=r'ROI_REID_HEAD\.NAME: expected one of .*EmbeddingHead.*, found "ShapeHead"'):
        build_reid_head(tiny_cfg, POOLED, FEATURES)


def test_an_unknown_norm_is_refused():
    with pytest.raises(ValueError, match=r'ROI_REID_HEAD\.NORM: expected "" or one of "BN", .*, found "BatchNorm"'):
        EmbeddingHead(input_dim=5, embed_dim=4, norm="BatchNorm")
