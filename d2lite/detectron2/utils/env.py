import logging
import os
import random
import secrets

import numpy as np
import torch


def seed_all_rng(seed: int | None = None) -> None:
    """Seed random, numpy and torch (all devices); None draws a seed from the system."""
    if seed is None:
        seed = secrets.randbelow(2**24)
        logging.getLogger(__name__).info("No SEED is set; %d was drawn.", seed)
    os.environ["PYTHONHASHSEED"] = f"{seed}"  # for processes that start later
    for generator in (random, np.random):
        generator.seed(seed)
    torch.manual_seed(seed)
