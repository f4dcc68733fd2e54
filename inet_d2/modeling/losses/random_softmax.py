"""Random sampling softmax: each region is classified among its own class, background and random other classes.

It is the ancestor of HEP. The loss itself is :func:`inet_d2.modeling.losses.softmax.identity_cross_entropy`.
"""

import torch
from torch import Tensor


def random_class_sets(targets: Tensor, *, background_class: int, size: int) -> tuple[Tensor, Tensor]:
    """Draw the classes that each region is compared with.

    Args:
        targets: (n,) int64 in [0, background_class], the regions' own classes.
        background_class: C, the last class.
        size: M >= 2, distinct classes wanted per region: its own, background, and random ones for the rest.

    Returns:
        ``(classes, left_out)``: (n, min(M, C + 1) + 1) int64, the region's own class first, and a bool mask of the
        entries to leave out. What remains of a row is distinct, min(M, C + 1) classes.

    Source: Xiao et al. 2016 (arXiv 1604.01850v1), random sampling softmax, and its published code.
    """
    size = min(size, background_class + 1)
    fill = draw_distinct(len(targets), population=background_class, size=size - 1, device=targets.device)
    own = targets[:, None]
    is_person = own != background_class
    # A person has one random class less than a background region: its own where that was drawn, or any one.
    repeated = fill == own
    places = torch.arange(size - 1, device=targets.device)
    any_one = places == torch.randint(size - 1, own.shape, device=targets.device)
    repeated = torch.where(is_person & ~repeated.any(dim=1, keepdim=True), any_one, repeated)
    classes = torch.cat([own, torch.full_like(own, background_class), fill], dim=1)
    return classes, torch.cat([torch.zeros_like(is_person), ~is_person, repeated], dim=1)


def draw_distinct(rows: int, *, population: int, size: int, device: torch.device | None = None) -> Tensor:
    """Draw ``size`` distinct numbers below ``population`` for each row, every subset being equally likely.

    Args:
        rows: number of independent draws.
        population: numbers are in [0, population); the cost does not depend on it.
        size: at most ``population``.
        device: where the result lies.

    Returns:
        (rows, size) int64; the order within a row is not random.

    Source: Floyd's sampling algorithm (Bentley and Floyd 1987, "A sample of brilliance"), all rows at once.
    """
    drawn = torch.empty(rows, size, dtype=torch.int64, device=device)
    for place, limit in enumerate(range(population - size, population)):
        number = torch.randint(limit + 1, (rows,), device=device)
        taken = (drawn[:, :place] == number[:, None]).any(dim=1)
        drawn[:, place] = torch.where(taken, limit, number)
    return drawn
