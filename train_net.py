"""Train or evaluate a person-search model.

Everything is Detectron2's: configuration files, KEY VALUE overrides, hooks, OUTPUT_DIR, TensorBoard.
"""

import argparse
import sys
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import inet_d2  # noqa: F401  # isort: skip  (first: it keeps a warning of fvcore back)
from detectron2.config import CfgNode
from detectron2.engine import default_argument_parser
from detectron2.evaluation import verify_results
from detectron2.utils import comm
from torch import nn

from inet_d2.command_line import exit_status
from inet_d2.engine import (
    INetTrainer,
    RunCheckpointer,
    check_settings,
    find_weights,
    load_config,
    record_restored_on_error,
    run_in_processes,
    sentence_of,
    setup,
)

EXAMPLES = """
Examples:
  Train on CUHK-SYSU ($DETECTRON2_DATASETS/CUHK-SYSU):
    python train_net.py --config-file configs/CUHK-SYSU/inet_vgg16.yaml MODEL.WEIGHTS output/initialized/model_final.pth
  Go on after an interruption:
    python train_net.py --config-file configs/CUHK-SYSU/inet_vgg16.yaml --resume
  On four GPUs, or on the processes that torchrun starts (IMS_PER_BATCH counts the images of all of them):
    python train_net.py --config-file configs/CUHK-SYSU/inet_vgg16.yaml --num-gpus 4 SOLVER.IMS_PER_BATCH 8 ...
    torchrun --nproc-per-node 4 train_net.py --config-file configs/CUHK-SYSU/inet_vgg16.yaml SOLVER.IMS_PER_BATCH 8 ...
  Evaluate at several gallery sizes (0 is the full gallery):
    python train_net.py --config-file configs/CUHK-SYSU/inet_vgg16.yaml --eval-only \\
        MODEL.WEIGHTS output/model_final.pth TEST.SEARCH.GALLERY_SIZES "(100,4000,0)"
"""


def prepare(args: argparse.Namespace) -> Callable[[], object]:
    """Read the configuration, the data sets and the weights, and return what is to be run.

    Raises:
        OSError, ValueError: something that the user named is missing or does not fit; nothing has been done yet.
    """
    with record_restored_on_error(load_config(args.config_file, args.opts).OUTPUT_DIR):
        cfg = setup(args)
        return prepare_evaluation(cfg, args.resume) if args.eval_only else prepare_training(cfg, args.resume)


def prepare_training(cfg: CfgNode, resume: bool) -> Callable[[], object]:
    """Build the trainer and load what it starts from."""
    trainer = INetTrainer(cfg)
    trainer.resume_or_load(resume=resume)
    return trainer.train


def prepare_evaluation(cfg: CfgNode, resume: bool) -> Callable[[], object]:
    """Build the model and load what is to be evaluated."""
    check_settings(cfg)
    INetTrainer.check_test_sets(cfg)
    model = INetTrainer.build_model(cfg)
    checkpointer = RunCheckpointer(model, cfg.OUTPUT_DIR)
    checkpointer.load(find_weights(checkpointer, cfg.MODEL.WEIGHTS, resume=resume, complete=True))
    return partial(evaluate, cfg, model)


def evaluate(cfg: CfgNode, model: nn.Module) -> None:
    """Evaluate on DATASETS.TEST; figures that differ from TEST.EXPECTED_RESULTS end the program with code 1."""
    results = INetTrainer.test(cfg, model)
    if comm.is_main_process():
        verify_results(cfg, results)


def main(args: argparse.Namespace) -> None:
    """Run one process; what it cannot go on with is one sentence, and a traceback in log.txt.

    The exit code is 2 for input that cannot be used, 3 for a run that had to stop.
    """
    ready: list[Callable[[], object]] = []
    if status := exit_status("error", lambda: ready.append(prepare(args))):
        sys.exit(status)
    try:
        ready[0]()
    except Exception as error:
        if not (sentence := sentence_of(error)):
            raise
        sys.stderr.write(f"error: {sentence}\n")
        sys.exit(3)


def parse_arguments() -> argparse.Namespace:
    """Detectron2's arguments, and how long processes wait for each other."""
    parser = default_argument_parser(epilog=EXAMPLES)
    parser.add_argument(
        "--dist-timeout",
        type=float,
        default=30.0,
        metavar="MINUTES",
        help="several processes: end the run when one does not answer for so long (default: 30)",
    )
    args = parser.parse_args()
    if args.dist_url == parser.get_default("dist_url") and args.num_machines == 1:
        args.dist_url = "auto"  # a free port, so that two jobs on a machine do not meet
    return args


def start(args: argparse.Namespace) -> int:
    """Run :func:`main` in all processes of the job; the exit code."""
    return run_in_processes(
        main,
        (args,),
        per_machine=args.num_gpus,
        num_machines=args.num_machines,
        machine_rank=args.machine_rank,
        dist_url=args.dist_url,
        device=load_config(args.config_file, args.opts).MODEL.DEVICE,
        timeout=timedelta(minutes=args.dist_timeout),
    )


if __name__ == "__main__":
    arguments, codes = parse_arguments(), []
    sys.exit(exit_status("error", lambda: codes.append(start(arguments))) or codes[0])
