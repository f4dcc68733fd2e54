"""Configuration keys, our yaml files, and the names, shapes and order of what they build."""

from pathlib import Path

import torch
from detectron2.config import CfgNode, get_cfg
from detectron2.modeling import build_model

from experiments import experiment
from inet_d2.engine import INetTrainer, load_config

CONFIGS = sorted(path.as_posix() for path in Path("configs").rglob("*.yaml"))
# Their networks are parts of Detectron2 that an engine may lack.
NOT_EVERYWHERE = {"configs/CUHK-SYSU/inet_swin_t_fpn.yaml"}


def flat(node: CfgNode, prefix: str = "") -> dict:
    """{"MODEL.DEVICE": repr of the value}: a list is not a tuple, 1 is not 1.0."""
    items = {}
    for key, value in node.items():
        items.update(flat(value, f"{prefix}{key}.") if isinstance(value, CfgNode) else {prefix + key: repr(value)})
    return dict(sorted(items.items()))


def refusal(function, *arguments) -> str:
    try:
        function(*arguments)
    except Exception as error:  # noqa: BLE001  (which one it is, is the result)
        return f"{type(error).__name__}: {error}"
    return "accepted"


@experiment
def config_defaults(folder):
    return flat(get_cfg())


@experiment
def config_files(folder):
    return {path: flat(load_config(path)) for path in CONFIGS}


@experiment
def config_dump(folder):
    return get_cfg().dump()


@experiment
def config_refusals(folder):
    pairs = [
        ["SOLVER.BASE_LR", 1],
        ["SOLVER.BASE_LR", "1.0"],
        ["SOLVER.NO_SUCH_KEY", 1],
        ["NO_SUCH_NODE.KEY", 1],
        ["SOLVER.MAX_ITER"],
        ["SOLVER.STEPS", "[1, 2]"],
        ["SOLVER.STEPS", "5"],
        ["MODEL.MASK_ON", "yes"],
        ["MODEL.RPN.IN_FEATURES", "('res4',)"],
    ]
    frozen = get_cfg()
    frozen.freeze()
    refused = [refusal(get_cfg().merge_from_list, pair) for pair in pairs]
    refused.append(refusal(setattr, frozen, "SEED", 3))
    for number, text in enumerate(("VERSION: 2\nTYPO: 1\n", "VERSION: 2\nSEED: text\n", "SEED: 4\n")):
        path = folder / f"refused{number}.yaml"
        path.write_text(text)
        refused.append(refusal(get_cfg().merge_from_file, str(path)).replace(str(folder), ""))
    newer = folder / "newer.yaml"
    newer.write_text("VERSION: 99\n")
    # This check is the engine's own, and so are its words; the others are those of the library under both.
    refused.append(refusal(get_cfg().merge_from_file, str(newer)).partition(":")[0])
    return refused


@experiment
def config_bases(folder):
    """_BASE_ as text and as a list, relative to the file; what comes later wins."""
    (folder / "first.yaml").write_text("VERSION: 2\nSEED: 1\nSOLVER: {MAX_ITER: 11, BASE_LR: 0.5}\n")
    (folder / "second.yaml").write_text("VERSION: 2\nSEED: 2\nSOLVER: {MAX_ITER: 12}\n")
    (folder / "inner").mkdir(exist_ok=True)
    (folder / "inner/both.yaml").write_text('_BASE_: ["../first.yaml", "../second.yaml"]\nVIS_PERIOD: 3\n')
    (folder / "inner/last.yaml").write_text('_BASE_: "both.yaml"\nSOLVER: {GAMMA: 0.3}\n')
    cfg = get_cfg()
    cfg.merge_from_file(str(folder / "inner/last.yaml"))
    return flat(cfg)


def meta_models():
    """Every model that our configurations describe and each engine can build, without memory for its weights."""
    for path in CONFIGS:
        if path in NOT_EVERYWHERE:
            continue
        cfg = load_config(path)
        cfg.MODEL.DEVICE = "meta"
        with torch.device("meta"):
            yield path, cfg, build_model(cfg)


@experiment
def state_dicts(folder):
    return {
        path: [f"{name} {tuple(value.shape)} {value.dtype}" for name, value in model.state_dict().items()]
        for path, _, model in meta_models()
    }


@experiment
def optimizer_groups(folder):
    """Groups in order, their options, and the names of their parameters in order."""
    groups = {}
    for path, cfg, model in meta_models():
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        optimizer = INetTrainer.build_optimizer(cfg, model)
        groups[path] = [
            {
                **{key: repr(value) for key, value in group.items() if key != "params"},
                "params": [names[id(parameter)] for parameter in group["params"]],
            }
            for group in optimizer.param_groups
        ]
    return groups


@experiment
def random_weights(folder):
    """The same seed starts from the same weights: construction and draws are in the same order."""
    cfg = load_config("configs/demo/inet.yaml")
    torch.manual_seed(0)
    return dict(build_model(cfg).state_dict())
