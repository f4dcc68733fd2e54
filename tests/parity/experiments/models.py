"""Whole models: losses, gradients, three steps of training, detections."""

import torch
from detectron2.config import CfgNode
from detectron2.layers import FrozenBatchNorm2d, get_norm
from detectron2.modeling import build_model
from detectron2.solver import build_lr_scheduler
from detectron2.utils.events import EventStorage

from experiments import experiment
from experiments.filling import digest, fill, person_image
from inet_d2.engine import INetTrainer, load_config

SCHEDULE = ["SOLVER.MAX_ITER", "10", "SOLVER.WARMUP_ITERS", "2", "SOLVER.WARMUP_FACTOR", "0.5", "SOLVER.STEPS", "(2,)"]


def person_batch():
    """A pair of images of different size that share person 3."""
    generator = torch.Generator().manual_seed(0)
    first = [((30.0, 40.0, 110.0, 180.0), 3), ((150.0, 20.0, 210.0, 190.0), 5), ((240, 60, 300, 200), -1)]
    second = [((60.5, 30.25, 140.0, 170.0), 3), ((10.0, 5.0, 50.0, 110.0), -1)]
    sizes = (208, 320), (192, 256)
    return [person_image(s, p, generator=generator) for s, p in zip(sizes, (first, second), strict=True)]


def take_steps(cfg: CfgNode, model, batch, build_optimizer, steps: int = 3) -> dict:
    """Losses, scalars and learning rate of each step, the gradients of the first and the state after the last."""
    optimizer = build_optimizer(cfg, model)
    scheduler = build_lr_scheduler(cfg, optimizer)
    model.train()
    result = {"steps": []}
    with EventStorage() as storage:
        for step in range(steps):
            torch.manual_seed(7)
            losses = model(batch)
            optimizer.zero_grad()
            sum(losses.values()).backward()
            if step == 0:
                grads = {name: parameter.grad for name, parameter in model.named_parameters()}
                result["gradients"] = {n: None if g is None else digest(g.clone()) for n, g in grads.items()}
            optimizer.step()
            result["steps"].append([losses, storage.latest(), [group["lr"] for group in optimizer.param_groups]])
            scheduler.step()
            storage.iter += 1
    result["state"] = {name: digest(value.clone()) for name, value in model.state_dict().items()}
    return result


def detect(model, batch) -> list:
    with torch.no_grad():
        return model.eval()(batch)


def run_model(config: str, *options: str, steps: int = 3) -> dict:
    cfg = load_config(config, [*SCHEDULE, *options])
    batch = person_batch()
    model = fill(build_model(cfg))
    queries = [{**x, "query_boxes": x["instances"].gt_boxes.tensor} for x in batch]
    given = [{**x, "gallery_boxes": x["instances"].gt_boxes.tensor} for x in queries]
    with torch.no_grad():
        padded = model.preprocess_image(batch)
        features = model.eval().backbone(padded.tensor)
    return {
        "image": [padded.tensor, padded.image_sizes],
        "features": {name: digest(value) for name, value in features.items()},
        "detections": detect(model, queries),
        "network frame": model.inference(batch, do_postprocess=False) if model.proposal_generator else None,
        "given": detect(model, given),
        "training": take_steps(cfg, model, batch, INetTrainer.build_optimizer, steps),
    }


@experiment
def inet_demo(folder):
    return run_model("configs/demo/inet.yaml")


@experiment
def inet_demo_sgd(folder):
    options = ["SOLVER.OPTIMIZER", "SGD", "SOLVER.CLIP_GRADIENTS.CLIP_TYPE", "value", "SOLVER.BIAS_LR_FACTOR", "2.0"]
    return run_model("configs/demo/inet.yaml", *options)


@experiment
def inet_paper_narrow(folder):
    """The paper's configuration with fewer channels: RoI pooling, dropout, frozen first stacks, plain SGD."""
    narrow = ["MODEL.VGG.WIDTH_FACTOR", "0.125", "MODEL.ROI_BOX_HEAD.FC_DIM", "64"]
    return run_model("configs/CUHK-SYSU/inet_vgg16.yaml", *narrow)


@experiment
def oim_demo(folder):
    return run_model("configs/demo/oim.yaml")


@experiment
def faster_rcnn_demo(folder):
    return run_model("configs/demo/faster_rcnn.yaml")


@experiment
def softmax_demo(folder):
    return run_model("configs/demo/inet_olp_softmax.yaml")


@experiment
def crops_demo(folder):
    """The first stage: one person in each image."""
    cfg = load_config("configs/demo/crops.yaml", SCHEDULE)
    generator = torch.Generator().manual_seed(1)
    people = [((16.0, 16.0, 64.0, 112.0), pid) for pid in (0, 0, 1, 1, 2, 2)]
    batch = [person_image((128, 80), [person], generator=generator) for person in people]
    given = [{**x, "gallery_boxes": x["instances"].gt_boxes.tensor} for x in batch]
    model = fill(build_model(cfg))
    return {"given": detect(model, given), "training": take_steps(cfg, model, batch, INetTrainer.build_optimizer)}


@experiment
def frozen_batch_norm(folder):
    """Both ways of computing it, its start, its making from a batch norm, and files of its first version."""
    x = torch.randn(2, 8, 5, 5)
    layer = fill(FrozenBatchNorm2d(8))
    learned = fill(torch.nn.Sequential(torch.nn.Conv2d(8, 8, 1), torch.nn.BatchNorm2d(8)))
    converted = FrozenBatchNorm2d.convert_frozen_batchnorm(learned)
    old = FrozenBatchNorm2d(8)
    old.load_state_dict({"weight": torch.full((8,), 2.0), "bias": torch.ones(8)}, strict=False)
    moving = x.clone().requires_grad_()
    layer(moving).square().sum().backward()
    norms = {name: fill(get_norm(name, 32))(torch.randn(2, 32, 4, 4)) for name in ("BN", "FrozenBN", "GN")}
    start = FrozenBatchNorm2d(8)
    return [layer(x), layer(moving), moving.grad, start(x), dict(start.state_dict()), converted(x), old(x), norms]
