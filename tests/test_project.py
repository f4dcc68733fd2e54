"""Rules about the project as a whole: imports point one way, every configuration loads, every key is read."""

import ast
from pathlib import Path

import pytest
from detectron2.config import CfgNode, get_cfg

from inet_d2 import add_inet_config
from inet_d2.engine import load_config

ROOT = Path(__file__).parent.parent
PACKAGE = sorted((ROOT / "inet_d2").rglob("*.py"))
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))

# A module may import modules of its own level and of lower ones. The longest prefix counts.
LEVELS = {
    "inet_d2.arrays": 0,
    "inet_d2.boxes": 0,
    "inet_d2.matlab": 0,
    "inet_d2.scenes": 0,
    "inet_d2.command_line": 0,
    "inet_d2.config": 0,
    "inet_d2.files": 0,
    "inet_d2.randomness": 0,
    "inet_d2.data.pids": 0,
    "inet_d2.data.datasets": 1,
    "inet_d2.modeling.identity": 1,
    "inet_d2.data": 2,
    "inet_d2.modeling": 2,
    "inet_d2.evaluation": 3,
    "inet_d2.visualization": 3,
    "inet_d2.baselines": 4,
    "inet_d2.engine": 4,
    "inet_d2.reproduction": 5,
    "inet_d2.search": 5,
    "inet_d2": 4,
}


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def level(name):
    return LEVELS[max((p for p in LEVELS if f"{name}.".startswith(f"{p}.")), key=len)]


@pytest.mark.parametrize("path", PACKAGE, ids=module_name)
def test_imports_point_one_way(path):
    own = module_name(path)
    for target in imports_of(path):
        if not target.startswith("inet_d2"):
            continue
        assert level(target) <= level(own), f"{own} imports {target}"
        if own.startswith("inet_d2.data"):
            assert not target.startswith("inet_d2.modeling"), f"{own} imports {target}"
        if own.startswith("inet_d2.modeling") and target.startswith("inet_d2.data"):
            assert target.startswith("inet_d2.data.pids"), f"{own} imports {target}"
        if own.startswith("inet_d2.scenes"):
            assert target.startswith(("inet_d2.scenes", "inet_d2.matlab")), f"{own} imports {target}"


FRAMEWORK = ("detectron2", "logging", "os", "pathlib")
METRICS = sorted((ROOT / "inet_d2/evaluation").glob("*_metric.py"))
IDENTITY = sorted((ROOT / "inet_d2/modeling/identity").glob("*.py"))
BASELINES = sorted(p for room in ("descriptors", "distances") for p in (ROOT / "inet_d2/baselines" / room).glob("*.py"))


def framework_in_functions(tree):
    """Names from the framework that module-level functions use, annotations and decorators included.

    Names that the module makes of such names count too, a logger for instance. Builders (``build_*``) read a
    configuration and are no mathematics.
    """
    foreign = set()
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            foreign |= framework_imports(node)
        elif isinstance(node, ast.Assign) and names_in(node.value) & foreign:
            foreign |= {name for target in node.targets for name in names_in(target)}
    functions = [x for x in tree.body if isinstance(x, ast.FunctionDef) and not x.name.startswith("build_")]
    for function in functions:
        inside = [framework_imports(x) for x in ast.walk(function) if isinstance(x, ast.Import | ast.ImportFrom)]
        yield from (f"{function.name}: {name}" for name in sorted((names_in(function) & foreign).union(*inside)))


def names_in(tree):
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def framework_imports(node):
    module = getattr(node, "module", None)
    origins = {alias.asname or alias.name.split(".")[0]: module or alias.name for alias in node.names}
    return {name for name, origin in origins.items() if origin.split(".")[0] in FRAMEWORK}


@pytest.mark.parametrize("path", [*IDENTITY, *METRICS, *BASELINES], ids=module_name)
def test_functions_of_the_mathematics_know_no_framework(path):
    assert list(framework_in_functions(ast.parse(path.read_text()))) == []


@pytest.mark.parametrize("path", METRICS, ids=module_name)
def test_metrics_import_no_framework(path):
    assert [t for t in imports_of(path) if t.split(".")[0] in FRAMEWORK] == []


def test_the_rule_about_functions_sees_every_way_to_the_framework():
    source = """
import logging
import os.path as where
from detectron2.config import CfgNode as Node
_logger = logging.getLogger(__name__)
def clean(x): return x.os + len(x.logging)
def annotated(x: Node): return x
def logs(x): _logger.info(x)
def reads(x): return where.exists(x)
def hides(x): from pathlib import Path
def build_term(x: Node): return x
class Term:
    def forward(self, x: Node): _logger.info(x)
"""
    assert len(METRICS) > 1
    assert len(IDENTITY) > 10
    assert len(BASELINES) > 10
    found = list(framework_in_functions(ast.parse(source)))
    assert found == ["annotated: Node", "logs: _logger", "reads: where", "hides: Path"]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_configuration_loads(path):
    cfg = load_config(str(path))
    # Two-step baselines have no network.
    assert path.parent.name == "baselines" or cfg.MODEL.META_ARCHITECTURE in ("INet", "CropReID")


def own_keys(node, prefix=""):
    for key, value in node.items():
        if isinstance(value, CfgNode):
            yield from own_keys(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def test_every_key_of_ours_is_read():
    cfg = get_cfg()
    defaults = set(own_keys(cfg))
    add_inet_config(cfg)
    added = set(own_keys(cfg)) - defaults
    assert len(added) > 30
    code = "".join(p.read_text() for p in PACKAGE if p.name != "config.py")
    assert [key for key in sorted(added) if f".{key.rsplit('.', 1)[-1]}" not in code] == []


def test_the_defaults_are_the_papers():
    cfg = load_config("configs/CUHK-SYSU/inet_vgg16.yaml")
    expected = {
        "INPUT.MIN_SIZE_TRAIN": (600,),
        "INPUT.MAX_SIZE_TRAIN": 1000,
        "MODEL.ANCHOR_GENERATOR.SIZES": [[128, 256, 512]],
        "MODEL.BACKBONE.FREEZE_AT": 2,
        "MODEL.ROI_BOX_HEAD.FC_DIM": 4096,
        "MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION": 7,
        "MODEL.ROI_BOX_HEAD.SMOOTH_L1_BETA": 1.0,
        "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE": 128,
        "MODEL.ROI_HEADS.POSITIVE_FRACTION": 0.25,
        "MODEL.ROI_REID_HEAD.DICTIONARY.BACKGROUNDS_PER_IMAGE": 5,
        "MODEL.ROI_REID_HEAD.DICTIONARY.SIZE": 40 * 128,
        "MODEL.ROI_REID_HEAD.EMBED_DIM": 256,
        "MODEL.ROI_REID_HEAD.HEP.NUM_CLASSES": 100,
        "MODEL.ROI_REID_HEAD.HEP.TOP_NEGATIVES": 20,
        "MODEL.ROI_REID_HEAD.NUM_PIDS": 5532,
        "MODEL.RPN.SMOOTH_L1_BETA": 0.1111111,
        "SOLVER.BASE_LR": 0.001,
        "SOLVER.GAMMA": 0.1,
        "SOLVER.IMS_PER_BATCH": 2,
        "SOLVER.MAX_ITER": 60000,
        "SOLVER.MOMENTUM": 0.9,
        "SOLVER.STEPS": (50000,),
        "SOLVER.WEIGHT_DECAY": 0.0005,
    }
    found = {}
    for key in expected:
        node = cfg
        for part in key.split("."):
            node = node[part]
        found[key] = node
    assert found == expected
    # All losses have weight 1 and no temperature.
    reid = cfg.MODEL.ROI_REID_HEAD
    assert {reid.OLP.LOSS_WEIGHT, reid.HEP.LOSS_WEIGHT, cfg.MODEL.RPN.LOSS_WEIGHT, reid.OLP.SCALE} == {1.0}
