"""Train or evaluate a person-search model.

Everything is Detectron2's: configuration files, KEY VALUE overrides, hooks, OUTPUT_DIR, TensorBoard.
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial

from detectron2.checkpoint import DetectionCheckpointer
from detectron2.config import CfgNode
from detectron2.engine import default_argument_parser, launch
from detectron2.evaluation import verify_results
from detectron2.utils import comm
from torch import nn

from inet_d2.command_line import exit_status
from inet_d2.engine import INetTrainer, find_weights, setup

EXAMPLES = """
Examples:
  Train on CUHK-SYSU ($DETECTRON2_DATASETS/CUHK-SYSU):
    python train_net.py --config-file configs/CUHK-SYSU/inet_vgg16.yaml MODEL.WEIGHTS output/crops/model_final.pth
  Go on after an interruption:
    python train_net.py --config-file configs/CUHK-SYSU/inet_vgg16.yaml --resume
  Evaluate at several gallery sizes (0 is the full gallery):
    python train_net.py --config-file configs/CUHK-SYSU/inet_vgg16.yaml --eval-only \\
        MODEL.WEIGHTS output/model_final.pth TEST.SEARCH.GALLERY_SIZES "(100,4000,0)"
"""


def prepare(args: argparse.Namespace) -> Callable[[], object]:
    """Read the configuration, the data sets and the weights, and return what is to be run.

    Raises:
        OSError, ValueError: something that the user named is missing or does not fit; nothing has been done yet.
    """
    cfg = setup(args)
    if not args.eval_only:
        trainer = INetTrainer(cfg)
        trainer.resume_or_load(resume=args.resume)
        return trainer.train
    INetTrainer.check_test_sets(cfg)
    model = INetTrainer.build_model(cfg)
    checkpointer = DetectionCheckpointer(model, save_dir=cfg.OUTPUT_DIR)
    checkpointer.load(find_weights(checkpointer, cfg.MODEL.WEIGHTS, resume=args.resume, complete=True))
    return partial(evaluate, cfg, model)


def evaluate(cfg: CfgNode, model: nn.Module) -> None:
    """Evaluate on DATASETS.TEST; figures that differ from TEST.EXPECTED_RESULTS end the program with code 1."""
    results = INetTrainer.test(cfg, model)
    if comm.is_main_process():
        verify_results(cfg, results)


def main(args: argparse.Namespace) -> None:
    """Run one process; input that cannot be used ends it with code 2 and one sentence, and a traceback in log.txt."""
    ready: list[Callable[[], object]] = []
    if status := exit_status("error", lambda: ready.append(prepare(args))):
        sys.exit(status)
    ready[0]()


if __name__ == "__main__":
    arguments = default_argument_parser(epilog=EXAMPLES).parse_args()
    launch(
        main,
        arguments.num_gpus,
        num_machines=arguments.num_machines,
        machine_rank=arguments.machine_rank,
        dist_url=arguments.dist_url,
        args=(arguments,),
    )
