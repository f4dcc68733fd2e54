"""Training of a few iterations on the tiny scenes, and evaluation."""

import argparse
import contextlib
import json
import logging
import re
from pathlib import Path

import numpy as np
import torch
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.engine import HookBase, launch
from detectron2.evaluation import COCOEvaluator, inference_on_dataset, print_csv_format, verify_results
from detectron2.modeling import build_model
from detectron2.structures import Boxes, BoxMode, Instances
from detectron2.utils import comm

from experiments import experiment
from experiments.filling import fill
from inet_d2.engine import INetTrainer, load_config, setup
from inet_d2.engine.run_stopped import RunStoppedError

QUICK = "configs/quick_schedules"
# Of the clock and of the memory.
MEASURED = {"time", "data_time", "rank_data_time", "eta_seconds", "last_time", "last_data_time"}
# An engine may keep ground truth and raw predictions of the COCO evaluation, or not.
OPTIONAL_FILES = re.compile(r"instances_predictions\.pth|.*_coco_format\.json(\.lock)?|\..*")


class Recorder(HookBase):
    """Scalars after every step."""

    def __init__(self):
        self.seen = []

    def after_step(self):
        scalars = self.trainer.storage.latest()
        self.seen.append({name: value for name, value in scalars.items() if name not in MEASURED})


def train(config: str, output: Path, *options, resume: bool = False) -> dict:
    """Train as train_net.py does; everything that is left of it but the clock."""
    opts = ["OUTPUT_DIR", str(output), *map(str, options)]
    args = argparse.Namespace(config_file=config, opts=opts, resume=resume, eval_only=False)
    trainer = INetTrainer(setup(args))
    trainer.resume_or_load(resume)
    recorder = Recorder()
    trainer.register_hooks([recorder])
    returned = trainer.train()
    return {
        "hooks": [type(hook).__name__ for hook in trainer._hooks],
        "iterations": [trainer.start_iter, trainer.iter, trainer.max_iter],
        "returned": returned,
        "scalars": recorder.seen,
        **left_behind(output),
    }


def left_behind(output: Path) -> dict:
    lines = [json.loads(line) for line in (output / "metrics.json").read_text().splitlines()]
    checkpoint = torch.load(output / "model_final.pth", weights_only=True)
    with np.load(output / "inference/cuhk_sysu_test/predictions.npz") as predictions:
        found = {name: predictions[name] for name in predictions.files}
    return {
        "files": file_names(output),
        "metric names": [sorted(line) for line in lines],
        "metrics": [{name: value for name, value in line.items() if name not in MEASURED} for line in lines],
        "last": (output / "last_checkpoint").read_text(),
        "model": checkpoint["model"],
        "trainer": checkpoint["trainer"],
        "others": {key: value for key, value in checkpoint.items() if key not in ("model", "trainer")},
        "results": json.loads((output / "results.json").read_text()),
        "predictions": found,
        "coco": json.loads((output / "inference/cuhk_sysu_test/coco_instances_results.json").read_text()),
    }


def file_names(output: Path) -> list:
    files = [path for path in output.rglob("*") if path.is_file() and not OPTIONAL_FILES.fullmatch(path.name)]
    names = (path.relative_to(output).as_posix() for path in files)
    return sorted(re.sub(r"tfevents\..*", "tfevents", name) for name in names)


@experiment
def training_of_crops(folder):
    return train(
        f"{QUICK}/crops_instant_test.yaml", folder / "crops", "SOLVER.MAX_ITER", 4, "SOLVER.CHECKPOINT_PERIOD", 2
    )


@experiment
def training_of_inet(folder):
    """From the weights of the crops; it is evaluated twice."""
    options = ["MODEL.WEIGHTS", folder / "crops/model_final.pth", "SOLVER.MAX_ITER", 4, "TEST.EVAL_PERIOD", 2]
    return train(f"{QUICK}/inet_instant_test.yaml", folder / "inet", *options)


@experiment
def training_of_oim_with_workers(folder):
    options = ["MODEL.WEIGHTS", "", "SOLVER.MAX_ITER", 24, "DATALOADER.NUM_WORKERS", 2]
    losses = ["MODEL.ROI_REID_HEAD.OLP.ENABLED", False, "MODEL.ROI_REID_HEAD.HEP.ENABLED", False]
    loader = ["MODEL.ROI_REID_HEAD.OIM.ENABLED", True, "DATALOADER.TRAIN_LOADER", "build_image_train_loader"]
    return train(f"{QUICK}/inet_instant_test.yaml", folder / "oim", *options, *losses, *loader)


@experiment
def training_that_fails(folder):
    """A loss that is not finite ends the training, and the hooks' last words are still heard."""
    cfg = load_config(f"{QUICK}/inet_instant_test.yaml", ["OUTPUT_DIR", str(folder / "fails"), "DATASETS.TEST", "()"])
    trainer = INetTrainer(cfg)
    heard = []

    class Listener(HookBase):
        def before_step(self):
            heard.append(f"before {self.trainer.iter}")
            if self.trainer.iter == 2:
                torch.nn.init.constant_(self.trainer.model.roi_heads.box_predictor.cls_score.bias, float("nan"))

        def after_step(self):
            heard.append(f"after {self.trainer.iter}")

        def after_train(self):
            heard.append(f"end {self.trainer.iter}")

    trainer.register_hooks([Listener()])
    try:
        trainer.train()
    except RunStoppedError as error:
        heard.append(type(error).__name__)
    return [heard, file_names(folder / "fails")]


@experiment
def evaluation_of_fixed_weights(folder):
    """Detections, and the annotated boxes in their place; two gallery sizes."""
    result = {}
    for given in (False, True):
        output = folder / f"evaluation{given:d}"
        output.mkdir()
        galleries = ["TEST.SEARCH.GALLERY_SIZES", "(50, 100)", "TEST.SEARCH.SCORE_THRESH", "0.0"]
        options = ["OUTPUT_DIR", str(output), *galleries, "TEST.SEARCH.USE_GT_BOXES", str(given)]
        cfg = load_config(f"{QUICK}/inet_instant_test.yaml", options)
        figures = INetTrainer.test(cfg, fill(build_model(cfg)))
        with np.load(output / "inference/cuhk_sysu_test/predictions.npz") as predictions:
            found = {name: predictions[name] for name in predictions.files}
        result[f"given {given}"] = [figures, file_names(output), found]
    return result


def evaluate_in_a_group(output: str) -> None:
    cfg = load_config(f"{QUICK}/inet_instant_test.yaml", ["OUTPUT_DIR", output, "TEST.SEARCH.USE_GT_BOXES", "True"])
    rank = comm.get_rank()
    figures = INetTrainer.test(cfg, fill(build_model(cfg)))
    gathered = [comm.gather(f"rank {rank}", dst=1), comm.all_gather([rank] * rank), comm.get_world_size()]
    torch.save([figures, gathered, comm.is_main_process()], f"{output}/rank{rank}.pt")
    comm.synchronize()


@experiment
def evaluation_of_two_processes(folder):
    """Each has a part of the images, and the first one gathers what both found."""
    output = folder / "group"
    output.mkdir()
    # Now and then torch aborts a process while it closes its group, after the work is done.
    with contextlib.suppress(torch.multiprocessing.ProcessExitedException):
        launch(evaluate_in_a_group, 2, dist_url="auto", args=(str(output),))
    return [torch.load(output / f"rank{rank}.pt") for rank in range(2)]


class Fixed(torch.nn.Module):
    """A model that answers what it was told."""

    def __init__(self, answers):
        super().__init__()
        self.answers = answers

    def forward(self, inputs):
        return [{"instances": self.answers[x["image_id"]]} for x in inputs]


def toy_set(name: str, classes: list[str]) -> dict:
    """Register three images and make detections near their boxes: {image_id: Instances}."""
    generator = np.random.default_rng(1)
    records, answers = [], {}
    for number in range(3):
        corners = generator.uniform(0, 90, (5, 2))
        boxes = np.concatenate([corners, corners + generator.uniform(5, 110, (5, 2))], axis=1)
        kinds = generator.integers(0, len(classes), 5)
        people = [
            {"bbox": box, "bbox_mode": BoxMode.XYXY_ABS, "category_id": int(kind), "iscrowd": 0}
            for box, kind in zip(boxes.tolist(), kinds, strict=True)
        ]
        image = {"image_id": f"i{number}", "file_name": "", "height": 200, "width": 220}
        records.append({**image, "annotations": people})
        near = torch.from_numpy(boxes + generator.normal(0, 4, boxes.shape)).float()
        answers[image["image_id"]] = Instances(
            (200, 220),
            pred_boxes=Boxes(near),
            scores=torch.from_numpy(generator.random(5)).float(),
            pred_classes=torch.from_numpy(kinds),
        )
    DatasetCatalog.register(name, lambda: records)
    MetadataCatalog.get(name).set(thing_classes=classes)
    return answers


@experiment
def coco_figures(folder):
    result = {}
    for classes in (["person"], ["person", "bag", "car"]):
        name = f"toy{len(classes)}"
        answers = toy_set(name, classes)
        loader = [[record] for record in DatasetCatalog.get(name)]
        nothing = {image: found[:0] for image, found in answers.items()}
        for kind, told in (("near", answers), ("nothing", nothing)):
            evaluator = COCOEvaluator(name, output_dir=str(folder / name), allow_cached_coco=False)
            result[f"{name} {kind}"] = inference_on_dataset(Fixed(told), loader, evaluator)
        evaluator.reset()
        result[f"{name} unseen"] = evaluator.evaluate()
    return result


@experiment
def printed_figures(folder):
    """The lines for spreadsheets, and what expected results say."""
    results = {"bbox": {"AP": 12.34567, "AP50": float("nan"), "AP-person": 1.0}, "search": {"mAP": 50.0}}
    lines = []
    logger, handler = logging.getLogger("detectron2"), logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger.addHandler(handler)
    level, logger.level = logger.level, logging.INFO
    try:
        print_csv_format(results)
    finally:
        logger.removeHandler(handler)
        logger.level = level
    codes = []
    for expected in ([["search", "mAP", 50.5, 1.0]], [["search", "mAP", 52.0, 1.0]], [["bbox", "AP50", 1.0, 9.0]]):
        cfg = load_config("", ["TEST.EXPECTED_RESULTS", expected])
        try:
            codes.append(verify_results(cfg, results))
        except SystemExit as stop:
            codes.append(f"exit {stop.code}")
    return [lines, codes]
