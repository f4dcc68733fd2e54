"""What one engine has trained, in the hands of the other."""

import json
import shutil

from detectron2.checkpoint import DetectionCheckpointer
from detectron2.modeling import build_model

from experiments import exchange
from experiments.training import QUICK, train
from inet_d2.engine import INetTrainer, check_weights, load_config
from inet_d2.files import write_json

CONFIG = f"{QUICK}/inet_instant_test.yaml"


@exchange
def evaluation_of_the_others_checkpoint(folder, other):
    """The figures that the other engine had at the end of its training, from its checkpoint."""
    weights = str(other / "inet/model_final.pth")
    cfg = load_config(CONFIG, ["MODEL.WEIGHTS", weights, "OUTPUT_DIR", str(folder / "others")])
    (folder / "others").mkdir()
    model = build_model(cfg)
    check_weights(model, weights, complete=True)
    DetectionCheckpointer(model).load(weights)
    figures = INetTrainer.test(cfg, model)
    theirs = json.loads((other / "inet/results.json").read_text())
    write_json(folder / "figures.json", figures)  # as theirs: what is no number is null
    if json.loads((folder / "figures.json").read_text()) != theirs:
        raise ValueError(f"the other engine had {theirs}, from its weights this one has {figures}")
    return figures


@exchange
def resuming_the_others_training(folder, other):
    """Three more iterations, with the optimizer, the schedule and the dictionary of the other engine."""
    shutil.copytree(other / "inet", folder / "resumed", ignore=shutil.ignore_patterns("metrics.json", "inference"))
    return train(CONFIG, folder / "resumed", "SOLVER.MAX_ITER", 7, resume=True)
