"""Random numbers as a function of what they are for, so that a run can go on anywhere as if it had never stopped.

The generators of torch, numpy and Python are seeded anew for every sample (from the run's seed and the sample's place
in the stream) and for every iteration (from the seed, the iteration and the process). No state of a generator has to
be saved then, and neither the number of loader processes nor an evaluation in between changes what is drawn.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

# First number of a key, so that samples and iterations never share one.
SAMPLE, ITERATION = 0, 1


def seed_generators(*key: int) -> None:
    """Seed the global generators of torch (all devices), numpy and Python.

    Args:
        key: numbers >= 0; other keys give unrelated random numbers.
    """
    torch.manual_seed(_seed_host_generators(key))


@contextmanager
def generators_seeded(*key: int) -> Iterator[None]:
    """Seed the global generators of the host for a block; afterwards they are as they were before.

    Args:
        key: see :func:`seed_generators`.
    """
    python_state, numpy_state, torch_state = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    torch.default_generator.manual_seed(_seed_host_generators(key))
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002
        torch.set_rng_state(torch_state)


def _seed_host_generators(key: tuple[int, ...]) -> int:
    """Seed numpy and Python; the seed for torch is returned."""
    words = np.random.SeedSequence((len(key), *key)).generate_state(3, np.uint64)
    random.seed(int(words[0]))
    np.random.seed(words[1:2].view(np.uint32))  # noqa: NPY002
    return int(words[2])
