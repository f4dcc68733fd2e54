"""Compute the losses and gradients of a batch on which a training stopped because they were not finite."""

import argparse
import sys
from collections.abc import Sequence

import torch
from detectron2.modeling import build_model
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage

from inet_d2.command_line import exit_status, split_options
from inet_d2.data.training_records import with_counted_pids
from inet_d2.engine import RunCheckpointer, check_weights, load_config, training_precision
from inet_d2.engine.checkpoint_file import read_checkpoint
from inet_d2.engine.train_step import non_finite_gradients

EXAMPLES = """
Examples:
  The configuration and a checkpoint of the run that stopped:
    python tools/replay_batch.py output/bad_batch_0.pth --config-file output/config.yaml \\
        MODEL.WEIGHTS output/model_0004999.pth
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; the exit code is 0 where all is finite, 1 where something is not, 2 for bad input."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("batch", help="bad_batch_*.pth of OUTPUT_DIR")
    parser.add_argument("--config-file", required=True, help="configuration of the run")
    words, opts = split_options(sys.argv[1:] if arguments is None else arguments)
    options, found = parser.parse_args(words), []
    status = exit_status("replay_batch", lambda: found.append(replay(options.batch, options.config_file, opts)))
    return status or int(found[0])


def replay(batch_file: str, config_file: str, opts: Sequence[str]) -> bool:
    """Print the losses and what is not finite; the answer is whether anything is not."""
    content = read_checkpoint(batch_file)
    if "batch" not in content:
        raise ValueError(f"{batch_file}: expected a batch that a stopped training saved, found another file.")
    cfg = with_counted_pids(load_config(config_file, opts))
    model = build_model(cfg)
    check_weights(model, cfg.MODEL.WEIGHTS, complete=False)
    RunCheckpointer(model).load(cfg.MODEL.WEIGHTS)
    model.train()
    precision = training_precision(cfg)
    print(f"iteration {content['iteration']}")
    for x in content["batch"]:
        print(f"  {x.get('file_name', '?')}: {len(x['boxes'])} boxes, image {tuple(x['image'].shape)}")
    with EventStorage():
        try:
            with torch.autocast(model.device.type, precision, enabled=precision is not None):
                losses = model([as_input(x) for x in content["batch"]])
        except FloatingPointError as error:  # the engine's own look at its proposals
            print(error)
            return True
    sum(losses.values()).backward()
    for name, value in losses.items():
        print(f"{name:20} {float(value.detach()):.6g}")
    wrong = non_finite_gradients(model)
    print(f"gradients that are not finite: {', '.join(wrong) if wrong else 'none'}")
    return bool(wrong) or not all(bool(torch.isfinite(value)) for value in losses.values())


def as_input(saved: dict) -> dict:
    """A training input from what was saved of it."""
    saved = dict(saved)
    instances = Instances(tuple(saved.pop("image_size")))
    instances.gt_boxes = Boxes(saved.pop("boxes"))
    instances.gt_classes, instances.gt_pids = saved.pop("classes"), saved.pop("pids")
    return {**saved, "instances": instances}


if __name__ == "__main__":
    sys.exit(main())
