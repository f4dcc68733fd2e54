import logging
import os
import random

import numpy as np
import torch


def seed_all_rng(seed: int | None = None) -> None:
    """Seed random, numpy and torch (all devices); None draws a seed from the system."""
    if seed is None:
        seed = int.from_bytes(os.urandom(3), "big")
        logging.getLogger(__name__).info("Using a generated random seed %d", seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)
    random.seed(seed)
    os.environ["PYTHONHASHSEED"] = str(seed)
