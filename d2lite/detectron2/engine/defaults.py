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


def default_argument_parser(epilog: str | None = None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config-file", default="", metavar="FILE", help="path to config file")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint in OUTPUT_DIR")
    parser.add_argument("--eval-only", action="store_true", help="perform evaluation only")
    parser.add_argument("--num-gpus", type=int, default=1, help="number of gpus *per machine*")
    parser.add_argument("--num-machines", type=int, default=1, help="total number of machines")
    parser.add_argument("--machine-rank", type=int, default=0, help="the rank of this machine")
    port = 2**15 + 2**14 + hash(getattr(os, "getuid", lambda: 1)()) % 2**14
    parser.add_argument("--dist-url", default=f"tcp://127.0.0.1:{port}", help="where the processes meet")
    parser.add_argument("opts", nargs=argparse.REMAINDER, help="config keys and values, 'KEY VALUE ...'")
    return parser


def default_setup(cfg, args) -> None:
    """Make OUTPUT_DIR, set up and write the head of the log, save the config, seed, set torch's switches."""
    rank, save = comm.get_rank(), comm.is_main_process() and cfg.OUTPUT_DIR
    if save:
        PathManager.mkdirs(cfg.OUTPUT_DIR)
    setup_logger(cfg.OUTPUT_DIR, distributed_rank=rank, name="fvcore")
    logger = setup_logger(cfg.OUTPUT_DIR, distributed_rank=rank)
    logger.info("Rank of current process: %d. World size: %d", rank, comm.get_world_size())
    logger.info("Environment info:\n%s", collect_env_info())
    logger.info("Command line arguments: %s", args)
    if save:
        path = os.path.join(cfg.OUTPUT_DIR, "config.yaml")
        logger.info("Running with full config, saved to %s:\n%s", path, cfg.dump())
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
    writers = [CommonMetricPrinter(max_iter), JSONWriter(os.path.join(output_dir, "metrics.json"))]
    if importlib.util.find_spec("tensorboard"):
        return [*writers, TensorboardXWriter(output_dir)]
    logging.getLogger(__name__).warning("tensorboard is not installed: no event files are written.")
    return writers


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
        model = self.build_model(cfg)
        logging.getLogger(__name__).info("Model:\n%s", model)
        optimizer = self.build_optimizer(cfg, model)
        data_loader = self.build_train_loader(cfg)
        model = create_ddp_model(model, broadcast_buffers=False)
        self._trainer = SimpleTrainer(model, data_loader, optimizer)
        self.scheduler = self.build_lr_scheduler(cfg, optimizer)
        self.checkpointer = DetectionCheckpointer(model, cfg.OUTPUT_DIR, trainer=weakref.proxy(self))
        self.start_iter, self.max_iter, self.cfg = 0, cfg.SOLVER.MAX_ITER, cfg
        self.register_hooks(self.build_hooks())

    def resume_or_load(self, resume: bool = True) -> None:
        """Load MODEL.WEIGHTS, or with `resume` all of the last checkpoint and go on after its iteration."""
        self.checkpointer.resume_or_load(self.cfg.MODEL.WEIGHTS, resume=resume)
        if resume and self.checkpointer.has_checkpoint():
            self.start_iter = self.iter + 1

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
        if not len(self.cfg.TEST.EXPECTED_RESULTS) or not comm.is_main_process():
            return None
        verify_results(self.cfg, self._results)
        return self._results

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
                logging.getLogger(__name__).info("Evaluation results for %s in csv format:", name)
                print_csv_format(results[name])
        return next(iter(results.values())) if len(results) == 1 else results
