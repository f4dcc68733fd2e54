import pytest
import torch

from inet_d2.modeling.roi_heads.point_pooling import largest_of_points


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_largest_of_every_channel_and_the_gradient_of_the_first(memory_format):
    maps = torch.tensor([[[[1.0, 3.0], [3.0, 2.0]], [[-5.0, -4.0], [-6.0, -7.0]]]]).to(memory_format=memory_format)
    maps.requires_grad_()
    found = largest_of_points(maps)
    assert found.tolist() == [[3.0, -4.0]]
    (found * torch.tensor([2.0, 5.0])).sum().backward()
    # The first channel has its largest value twice, and the first of the two gets the whole gradient.
    assert maps.grad.tolist() == [[[[0.0, 2.0], [0.0, 0.0]], [[0.0, 5.0], [0.0, 0.0]]]]


def test_no_regions():
    maps = torch.zeros(0, 3, 2, 2, requires_grad=True)
    largest_of_points(maps).sum().backward()
    assert maps.grad.shape == (0, 3, 2, 2)
