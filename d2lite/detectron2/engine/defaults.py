"""The standard way to train: arguments, setup, DefaultTrainer."""

import argparse
import importlib.util
import logging
import os
import weakref
from operator import attrgetter

import torch
from torch.nn.parallel import DistributedDataParallel

from .._lite import unsupported
from ..checkpoint import DetectionCheckpointer
from ..evaluation import inference_on_dataset, print_csv_format, verify_results
from ..modeling import build_model
from ..solver import build_lr_scheduler, build_optimizer
from ..utils import comm
from ..utils.collect_env import collect_env_info
from ..utils.env import seed_all_rng
from ..utils.events import CommonMetricPrinter, JSONWriter, TensorboardXWriter
from ..utils.file_io import PathManager
from ..utils.logger import setup_logger
from . import hooks
from .train_loop import SimpleTrainer, TrainerBase


def create_ddp_model(model, **kwargs):
    """`model` in DistributedDataParallel if there are several processes."""
    if comm.get_world_size() == 1:
        return model
    if next(model.parameters()).is_cuda:
        kwargs.setdefault("device_ids", [torch.cuda.current_device()])
    return DistributedDataParallel(model, **kwargs)


_FLAGS = (  # flag, default (False: a switch), meaning
    ("--config-file", "", "yaml file with the keys that differ from the defaults"),
    ("--resume", False, "go on from the last checkpoint in OUTPUT_DIR"),
    ("--eval-only", False, "evaluate MODEL.WEIGHTS and stop"),
    ("--num-gpus", 1, "processes on this machine, each with a GPU of its own"),
    ("--num-machines", 1, "machines that share the job"),
    ("--machine-rank", 0, "which of them this is, counted from 0"),
    ("--dist-url", "auto", "tcp://HOST:PORT where the processes meet; auto: a free port of this machine"),
)


def default_argument_parser(epilog: str | None = None) -> argparse.ArgumentParser:
    """The arguments of a training program; `epilog` is printed below their list."""
    parser = argparse.ArgumentParser(epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag, default, meaning in _FLAGS:
        is_switch = default is False
        kind = {"action": "store_true"} if is_switch else {"default": default, "type": type(default)}
        parser.add_argument(flag, help=meaning, **kind)
    parser.add_argument("opts", nargs=argparse.REMAINDER, help="KEY VALUE ..., which win over the configuration file")
    return parser


def default_setup(cfg, args) -> None:
    """Make OUTPUT_DIR, set up and write the head of the log, save the config, seed, set torch's switches."""
    rank, save = comm.get_rank(), comm.is_main_process() and cfg.OUTPUT_DIR
    if save:
        PathManager.mkdirs(cfg.OUTPUT_DIR)
    setup_logger(cfg.OUTPUT_DIR, distributed_rank=rank, name="fvcore")
    logger = setup_logger(cfg.OUTPUT_DIR, distributed_rank=rank)
    logger.info("Process %d of %d. Versions:\n%s", rank, comm.get_world_size(), collect_env_info())
    logger.info("Arguments: %s", args)
    if save:
        path = os.path.join(cfg.OUTPUT_DIR, "config.yaml")
        logger.info("Configuration with all keys (in %s):\n%s", path, cfg.dump())
        with PathManager.open(path, "w") as f:
            f.write(cfg.dump())
    seed_all_rng(None if cfg.SEED < 0 else cfg.SEED + rank)
    if not getattr(args, "eval_only", False):
        torch.backends.cudnn.benchmark = cfg.CUDNN_BENCHMARK
    if cfg.FLOAT32_PRECISION:
        torch.set_float32_matmul_precision(cfg.FLOAT32_PRECISION)


def default_writers(output_dir: str, max_iter: int | None = None) -> list:
    """The writers of the log line, of metrics.json and, where it is installed, of tensorboard files."""
    PathManager.mkdirs(output_dir)
    event_files = [TensorboardXWriter(output_dir)] if importlib.util.find_spec("tensorboard") else []
    if not event_files:
        logging.getLogger(__name__).warning("tensorboard is not installed: no event files are written.")
    return [CommonMetricPrinter(max_iter), JSONWriter(os.path.join(output_dir, "metrics.json")), *event_files]


class DefaultTrainer(TrainerBase):
    """Train and evaluate what `cfg` describes; subclasses replace the `build_*` functions by class methods."""

    build_model = staticmethod(build_model)
    build_optimizer = staticmethod(build_optimizer)
    build_lr_scheduler = staticmethod(build_lr_scheduler)
    model = property(attrgetter("_trainer.model"))
    data_loader = property(attrgetter("_trainer.data_loader"))
    optimizer = property(attrgetter("_trainer.optimizer"))

    def __init__(self, cfg) -> None:
        super().__init__()
        if cfg.SOLVER.AMP.ENABLED:
            unsupported("SOLVER.AMP.ENABLED: True, in DefaultTrainer itself,")
        self.cfg, self.max_iter = cfg, cfg.SOLVER.MAX_ITER
        self._trainer = self._build_step_runner(cfg)
        self.scheduler = self.build_lr_scheduler(cfg, self.optimizer)
        itself = weakref.proxy(self)
        self.checkpointer = DetectionCheckpointer(self.model, cfg.OUTPUT_DIR, trainer=itself)
        self.register_hooks(self.build_hooks())

    @classmethod
    def _build_step_runner(cls, cfg) -> SimpleTrainer:
        """What a step needs. The model comes first: its weights are the first random numbers after the seed."""
        plain = cls.build_model(cfg)
        logging.getLogger(__name__).info("The model, as built:\n%s", plain)
        optimizer = cls.build_optimizer(cfg, plain)
        loader = cls.build_train_loader(cfg)
        return SimpleTrainer(create_ddp_model(plain, broadcast_buffers=False), loader, optimizer)

    def resume_or_load(self, resume: bool = True) -> None:
        """Load MODEL.WEIGHTS, or with `resume` all of the last checkpoint and go on after its iteration."""
        goes_on = resume and self.checkpointer.has_checkpoint()
        self.checkpointer.resume_or_load(self.cfg.MODEL.WEIGHTS, resume=goes_on)
        self.start_iter = self.iter + 1 if goes_on else 0

    def _evaluate(self) -> dict:
        self._results = self.test(self.cfg, self.model)
        return self._results

    def build_hooks(self) -> list:
        cfg, main = self.cfg, comm.is_main_process()
        return [
            hooks.IterationTimer(),
            hooks.LRScheduler(),
            hooks.PeriodicCheckpointer(self.checkpointer, cfg.SOLVER.CHECKPOINT_PERIOD) if main else None,
            hooks.EvalHook(cfg.TEST.EVAL_PERIOD, self._evaluate),
            hooks.PeriodicWriter(default_writers(cfg.OUTPUT_DIR, self.max_iter), period=20) if main else None,
        ]

    def train(self) -> dict | None:
        """Train; returns the results of the last evaluation if they had to pass TEST.EXPECTED_RESULTS."""
        super().train(self.start_iter, self.max_iter)
        if comm.is_main_process() and self.cfg.TEST.EXPECTED_RESULTS:
            verify_results(self.cfg, self._results)
            return self._results
        return None

    def run_step(self) -> None:
        self._trainer.iter = self.iter
        self._trainer.run_step()

    def state_dict(self) -> dict:
        return {**super().state_dict(), "_trainer": self._trainer.state_dict()}

    def load_state_dict(self, state_dict: dict) -> None:
        super().load_state_dict(state_dict)
        self._trainer.load_state_dict(state_dict["_trainer"])

    @classmethod
    def _override(cls, *args):
        unsupported("DefaultTrainer without build_train_loader, build_test_loader and build_evaluator of a subclass")

    build_train_loader = build_test_loader = build_evaluator = _override

    @classmethod
    def test(cls, cfg, model, evaluators=None) -> dict:
        """Results of `model` on DATASETS.TEST: those of the one data set, or {name: results} of several."""
        evaluators = [evaluators] if evaluators and not isinstance(evaluators, list) else evaluators
        results = {}
        for index, name in enumerate(cfg.DATASETS.TEST):
            evaluator = evaluators[index] if evaluators else cls.build_evaluator(cfg, name)
            results[name] = inference_on_dataset(model, cls.build_test_loader(cfg, name), evaluator)
            if comm.is_main_process():
                logging.getLogger(__name__).info("%s, to paste into a table:", name)
                print_csv_format(results[name])
        return next(iter(results.values())) if len(results) == 1 else results
