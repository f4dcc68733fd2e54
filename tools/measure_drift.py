r"""Train for a while and measure how fast stored embeddings grow stale, and what the losses gain from that.

The people of a few training frames are embedded every --every iterations, on their annotated boxes and in evaluation
mode, and compared with what they were that many iterations before: so old are the negatives that OLP takes from its
dictionary. No checkpoint is written and nothing is evaluated. docs/forgetting.md explains the columns.

Examples:
    python tools/measure_drift.py --config-file configs/demo/inet_olp.yaml --json drift.json \
        MODEL.WEIGHTS output/demo/initialized/model_final.pth
    python tools/measure_drift.py --config-file configs/demo/inet_olp.yaml --iterations 300 --every 50 \
        MODEL.WEIGHTS output/demo/crops/model_final.pth SOLVER.BASE_LR 0.001 SOLVER.LR_FACTOR_PRETRAINED 0.3

Exit status: 0, or 2 when an argument or a file does not fit.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog
from detectron2.engine import HookBase, SimpleTrainer, hooks
from detectron2.utils.env import seed_all_rng
from torch import Tensor, nn
from tqdm import tqdm

from inet_d2.command_line import exit_status, split_options
from inet_d2.data.pids import is_labelled
from inet_d2.data.search_mapper import SearchDatasetMapper
from inet_d2.data.training_records import with_counted_pids
from inet_d2.engine import INetTrainer, RunCheckpointer, find_weights, load_config
from inet_d2.files import write_json
from inet_d2.modeling.identity.drift import embedding_drift

COLUMNS = ("drift", "others_now", "others_stored", "loss_now", "loss_stored", "rank1")


class DriftMeter(HookBase):
    """Embeds the same people again and again while a model is trained.

    Args:
        model: in training; left in the mode that it is in.
        inputs: test inputs with ``gallery_boxes``.
        pids: (R,) int64, of all their boxes, -1 for people without identity, who are left out.
        every: iterations between two measurements, > 0.
        scale: of the OLP loss.
    """

    def __init__(self, model: nn.Module, inputs: list[dict], pids: Tensor, *, every: int, scale: float) -> None:
        self.model, self.inputs, self.pids, self.every, self.scale = model, inputs, pids, every, scale
        self.rows: list[dict[str, float]] = []
        self._progress = tqdm(unit="iteration", mininterval=5)

    def before_train(self) -> None:
        """Where the people are at the start."""
        self._before = self._embed()
        self._progress.reset(self.trainer.max_iter)

    def after_step(self) -> None:
        """Compare with the last time, if it is time."""
        self._progress.update()
        done = self.trainer.iter + 1
        if done % self.every:
            return
        now = self._embed()
        figures = embedding_drift(now, self._before, self.pids[is_labelled(self.pids)], scale=self.scale)
        self._before = now
        self.rows.append({"iteration": done, **figures})

    def after_train(self) -> None:
        """End the progress line."""
        self._progress.close()

    @torch.no_grad()
    def _embed(self) -> Tensor:
        was_training = self.model.training
        self.model.eval()
        found = [self.model([x])[0]["instances"].pred_embeddings for x in self.inputs]
        self.model.train(was_training)
        return torch.cat(found)[is_labelled(self.pids)].cpu()


def reference_people(cfg: CfgNode, frames: int) -> tuple[list[dict], Tensor]:
    """The first frames of the training set as test inputs, and the pids of their boxes, one after the other."""
    mapper = SearchDatasetMapper(cfg)
    mapper.use_gt_boxes = True
    records = [r for r in DatasetCatalog.get(cfg.DATASETS.TRAIN[0]) if r["annotations"]][:frames]
    pids = [a["person_id"] for r in records for a in r["annotations"] if not a.get("iscrowd", 0)]
    return [mapper(record) for record in records], torch.tensor(pids)


def measure(cfg: CfgNode, *, iterations: int, every: int, frames: int) -> list[dict[str, float]]:
    """Train and measure.

    Args:
        cfg: configuration, with the weights to start from.
        iterations: of the configuration's schedule, from its beginning.
        every: iterations between two measurements.
        frames: training frames whose people are measured.

    Returns:
        One dict for each measurement: ``iteration`` and what :func:`embedding_drift` gives.

    Raises:
        OSError, ValueError: the data set, the weights or the configuration do not fit.
    """
    seed_all_rng(cfg.SEED if cfg.SEED >= 0 else None)
    cfg = with_counted_pids(cfg)
    model = INetTrainer.build_model(cfg)
    checkpointer = RunCheckpointer(model)
    checkpointer.load(find_weights(checkpointer, cfg.MODEL.WEIGHTS, resume=False, complete=False))
    inputs, pids = reference_people(cfg, frames)
    optimizer = INetTrainer.build_optimizer(cfg, model)
    model.train()
    trainer = SimpleTrainer(model, INetTrainer.build_train_loader(cfg), optimizer)
    meter = DriftMeter(model, inputs, pids, every=every, scale=cfg.MODEL.ROI_REID_HEAD.OLP.SCALE)
    trainer.scheduler = INetTrainer.build_lr_scheduler(cfg, optimizer)
    trainer.register_hooks([hooks.LRScheduler(), meter])
    trainer.train(0, iterations)
    return meter.rows


def format_rows(rows: Sequence[dict[str, float]]) -> str:
    """Measurements as a table."""
    lines = ["".join(f"{title:>15}" for title in ("iteration", *COLUMNS))]
    lines += [f"{row['iteration']:15d}" + "".join(f"{row[c]:15.3f}" for c in COLUMNS) for row in rows]
    return "\n".join(lines)


def run(options: argparse.Namespace) -> None:
    """Measure, print and write.

    Raises:
        OSError, ValueError: see :func:`measure`.
    """
    if not 0 < options.every <= options.iterations:
        raise ValueError(f"--every: expected 1 to {options.iterations} (--iterations), found {options.every}")
    cfg = load_config(options.config_file, options.opts)
    rows = measure(cfg, iterations=options.iterations, every=options.every, frames=options.frames)
    print(format_rows(rows))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        write_json(options.json, rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="%(prog)s --config-file FILE [options] [KEY VALUE ...]",
    )
    parser.add_argument("--config-file", required=True, metavar="FILE", help="of the training")
    parser.add_argument("--iterations", type=int, default=200, help="of the training (default: 200)")
    parser.add_argument("--every", type=int, default=50, help="iterations between measurements (default: 50)")
    parser.add_argument("--frames", type=int, default=60, help="training frames to measure on (default: 60)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the measurements there, too")
    words, opts = split_options(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(words, argparse.Namespace(opts=opts))
    return exit_status("measure_drift", lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
