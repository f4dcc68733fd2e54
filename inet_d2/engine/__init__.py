"""Configuration from the command line, the trainer, and the check of weights."""

from inet_d2.engine.setup import load_config, setup
from inet_d2.engine.trainer import INetTrainer
from inet_d2.engine.weights import check_weights, find_weights

__all__ = ["INetTrainer", "check_weights", "find_weights", "load_config", "setup"]
