"""The regions of all training processes, so that each computes the identity losses of the whole batch.

Every process then holds the same dictionary, tables and pool. The losses need no change for that: the backward pass of
gathering adds up the gradients of all processes, of which each has the same loss, and DistributedDataParallel divides
by their number. Parameters of the losses have the same gradient everywhere.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from detectron2.utils import comm
from fvcore.nn.distributed import differentiable_all_gather
from torch import Tensor, distributed


def gather_regions(embeddings: Tensor, pids: Tensor, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Join the regions of all processes, in the order of their ranks; with one process, nothing happens.

    Args:
        embeddings: (R, D) float; gradients flow back to the process that each row is from.
        pids: (R,) int64.
        images: (R,) int64 in [0, N); images 2i and 2i + 1 are a pair.

    Returns:
        The same of all processes, (R', D), (R',) and (R',). Images are numbered on from process to process,
        from an even number each, so that pairs stay pairs.
    """
    if comm.get_world_size() == 1:
        return embeddings, pids, images
    own = torch.stack([images.new_tensor(len(pids)), images.max() + 1 if len(images) else images.new_tensor(0)])
    counts = [torch.zeros_like(own) for _ in range(comm.get_world_size())]
    distributed.all_gather(counts, own)
    num_regions, num_images = torch.stack(counts).T.tolist()
    firsts = torch.tensor([0, *(n + n % 2 for n in num_images[:-1])]).cumsum(0).tolist()

    # Collectives need equal shapes.
    def padded(values: Tensor) -> Tensor:
        return torch.cat([values, values.new_zeros(max(num_regions) - len(values), *values.shape[1:])])

    labels = padded(torch.stack([pids, images], dim=1))
    all_labels = [torch.zeros_like(labels) for _ in num_regions]
    distributed.all_gather(all_labels, labels)
    all_embeddings = differentiable_all_gather(padded(embeddings))
    all_labels = [part[:n] for part, n in zip(all_labels, num_regions, strict=True)]
    return (
        torch.cat([part[:n] for part, n in zip(all_embeddings, num_regions, strict=True)]),
        torch.cat([part[:, 0] for part in all_labels]),
        torch.cat([part[:, 1] + first for part, first in zip(all_labels, firsts, strict=True)]),
    )


@contextmanager
def same_random_numbers(device: torch.device) -> Iterator[None]:
    """Let all processes draw the same numbers in a block, from torch and Python, those of the first one's seed.

    With one process nothing is seeded.

    Args:
        device: where torch draws, besides the CPU.
    """
    if comm.get_world_size() == 1:
        yield
        return
    seed = torch.randint(2**62, (1,)).to(device)
    distributed.broadcast(seed, src=0)
    before = random.getstate()
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(int(seed))
        random.seed(int(seed))
        try:
            yield
        finally:
            random.setstate(before)
