import logging
import os
import random
import time

import numpy as np
import torch


def seed_all_rng(seed: int | None = None) -> None:
    """Seed random, numpy and torch; None draws a seed from the process id, the clock and the system."""
    if seed is None:
        seed = os.getpid() + time.time_ns() // 1000 % 10**6 + int.from_bytes(os.urandom(2), "big")
        logging.getLogger(__name__).info("Using a generated random seed %d", seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)  # all devices
    random.seed(seed)
    os.environ["PYTHONHASHSEED"] = str(seed)
