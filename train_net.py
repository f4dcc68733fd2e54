"""Train or evaluate a person-search model.

Everything is Detectron2's: configuration files, KEY VALUE overrides, hooks, OUTPUT_DIR, TensorBoard.
"""

from detectron2.checkpoint import DetectionCheckpointer
from detectron2.engine import default_argument_parser, launch
from detectron2.evaluation import verify_results

from inet_d2.engine import INetTrainer, check_weights, setup

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


def main(args):  # noqa: ANN001, ANN201
    """Run one process of the training or evaluation."""
    cfg = setup(args)
    if args.eval_only:
        model = INetTrainer.build_model(cfg)
        checkpointer = DetectionCheckpointer(model, save_dir=cfg.OUTPUT_DIR)
        if not (args.resume and checkpointer.has_checkpoint()):
            check_weights(model, cfg.MODEL.WEIGHTS, complete=True)
        checkpointer.resume_or_load(cfg.MODEL.WEIGHTS, resume=args.resume)
        results = INetTrainer.test(cfg, model)
        verify_results(cfg, results)
        return results
    trainer = INetTrainer(cfg)
    trainer.resume_or_load(resume=args.resume)
    return trainer.train()


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
