"""Configuration from the command line, the trainer, its checkpoints, and the check of weights."""

from inet_d2.engine.checkpointer import RunCheckpointer
from inet_d2.engine.model_parts import explained_parts
from inet_d2.engine.precision import training_precision
from inet_d2.engine.processes import run_in_processes
from inet_d2.engine.run_stopped import RunStoppedError, sentence_of
from inet_d2.engine.settings_check import check_settings
from inet_d2.engine.setup import load_config, record_restored_on_error, setup
from inet_d2.engine.trainer import INetTrainer
from inet_d2.engine.weights import check_weights, find_weights

__all__ = [
    "INetTrainer",
    "RunCheckpointer",
    "RunStoppedError",
    "check_settings",
    "check_weights",
    "explained_parts",
    "find_weights",
    "load_config",
    "record_restored_on_error",
    "run_in_processes",
    "sentence_of",
    "setup",
    "training_precision",
]
