import pytest
import torch

from inet_d2.modeling.spatial_temporal_attention import (
    SpatialTemporalAttention,
    attention_maps,
    attention_scores,
    frame_difference,
    fuse,
)


@pytest.fixture
def clip():
    """Two frames, two channels, 2 x 2 cells."""
    first = [[[1.0, 0], [0, 1]], [[0, 1], [1, 0]]]
    second = [[[2.0, 0], [0, 0]], [[0, 0], [0, 1]]]
    return torch.tensor([first, second], dtype=torch.float64)[None]


def random_clips(frames=3, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, frames, 3, 4, 2, generator=generator, dtype=dtype)


def test_hand_case(clip):
    # Squares summed over channels: frame 1 is 1 everywhere, over 4; frame 2 is 4, 0, 0, 1, over 5.
    maps = attention_maps(clip)
    assert torch.allclose(maps[0, 0], torch.full((2, 2), 0.25).double())
    assert torch.allclose(maps[0, 1], torch.tensor([[0.8, 0], [0, 0.2]]).double())
    # Two parts, a row each: .5 and .5 in frame 1, .8 and .2 in frame 2; .5 / 1.3 = .3846, .5 / .7 = .7143.
    scores = attention_scores(maps, 2)
    assert torch.allclose(scores[0], torch.tensor([[0.5 / 1.3, 0.5 / 0.7], [0.8 / 1.3, 0.2 / 0.7]]).double())
    fused = fuse(clip, scores)
    best, mean = fused[0, :2].mean(dim=2), fused[0, 2:].mean(dim=2)  # over the cells of a row: (channel, part)
    # Part 1 is best in frame 2, whose row holds (2, 0) and (0, 0); part 2 in frame 1, with (0, 1) and (1, 0).
    assert torch.allclose(best, torch.tensor([[1.0, 0.5], [0.0, 0.5]]).double())
    # .3846 * .5 + .6154 * 1 = .8077, .3846 * .5 = .1923; .7143 * .5 = .3571, .7143 * .5 + .2857 * .5 = .5.
    assert torch.allclose(mean, torch.tensor([[0.8077, 0.3571], [0.1923, 0.5]]).double(), atol=1e-4)
    # .55^2 + .25^2 + .25^2 + .05^2 = .43, whose root is .6557.
    difference = frame_difference(maps, torch.tensor([0]), torch.tensor([1]))
    assert difference == pytest.approx(0.43**0.5)


def test_scores_of_a_part_sum_to_one_and_follow_their_frames():
    clips = random_clips()
    scores = attention_scores(attention_maps(clips), 2)
    assert torch.allclose(scores.sum(dim=1), torch.ones(2, 2).double())
    order = [2, 0, 1]
    turned = attention_scores(attention_maps(clips[:, order]), 2)
    assert torch.allclose(turned, scores[:, order])
    assert torch.allclose(fuse(clips[:, order], turned), fuse(clips, scores))


def test_equal_frames_and_single_frames():
    one = random_clips(1)
    for clips in (one, one.expand(-1, 3, -1, -1, -1)):
        maps = attention_maps(clips)
        scores = attention_scores(maps, 4)
        assert torch.allclose(scores, torch.full_like(scores, 1 / clips.shape[1]))
        assert torch.allclose(fuse(clips, scores), torch.cat([one[:, 0]] * 2, dim=1))
        zeros = torch.zeros(2, dtype=torch.int64)
        assert (frame_difference(maps, zeros, zeros + clips.shape[1] - 1) == 0).all()


def test_a_louder_frame_gets_no_more_attention():
    clips = random_clips()
    louder = clips.clone()
    louder[:, 1] *= 5
    assert torch.allclose(attention_maps(louder), attention_maps(clips))


def test_empty_frames_give_numbers_and_gradients():
    clips = torch.zeros(1, 2, 3, 4, 2, requires_grad=True)
    maps = attention_maps(clips)
    total = fuse(clips, attention_scores(maps, 2)).sum() + frame_difference(maps, *torch.tensor([[0], [1]])).sum()
    total.backward()
    assert torch.isfinite(clips.grad).all()


@pytest.mark.parametrize("part", ["discriminative and global", "difference"])
def test_gradcheck(part):
    clips = (random_clips() + 0.1).requires_grad_()

    def value(features):
        maps = attention_maps(features)
        if part == "difference":
            return frame_difference(maps, torch.tensor([0, 2]), torch.tensor([1, 0]))
        return fuse(features, attention_scores(maps, 2))

    assert torch.autograd.gradcheck(value, clips)


def test_regularisation_of_the_module():
    clips = random_clips()
    module = SpatialTemporalAttention(num_parts=2)
    fused, regularisation = module(clips)
    assert fused.shape == (2, 6, 4, 2)
    maps = attention_maps(clips)
    # Each clip's value is that of one of its pairs of different frames.
    pairs = [(0, 1), (0, 2), (1, 2)]
    values = torch.stack([frame_difference(maps, *torch.tensor([[i, i], [j, j]])) for i, j in pairs])
    possible = (values[:, None, 0] + values[None, :, 1]) / 2
    assert (possible - regularisation).abs().min() < 1e-12
    assert module.eval()(clips)[1] == 0
    assert module.train()(clips[:, :1])[1] == 0


def test_parts_must_divide_the_rows(clip):
    with pytest.raises(
        ValueError, match=r"parts that divide the 2 rows of the feature map, found 4; change MODEL\.VIDEO"
    ):
        attention_scores(attention_maps(clip), 4)


def test_everything_stays_on_the_device_of_the_features():
    for module in (SpatialTemporalAttention(num_parts=2), SpatialTemporalAttention(num_parts=2).eval()):
        assert [x.device.type for x in module(torch.ones(2, 3, 4, 4, 2, device="meta"))] == ["meta", "meta"]
