"""The largest value of each channel of a region."""

from torch import Tensor
from torch.nn import functional as F


def largest_of_points(maps: Tensor) -> Tensor:
    """(R, C, H, W) -> (R, C), the maximum over the points; R may be 0.

    The gradient goes to one point, also where several are the largest, as in the published code of NAE and SeqNet.
    """
    # amax shares it among them, for which its backward pass compares every point: four times the work.
    return F.adaptive_max_pool2d(maps, 1).flatten(start_dim=1)
