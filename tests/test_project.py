"""Rules about the project as a whole: imports point one way, every configuration loads."""

import ast
import re

import pytest

from inet_d2.engine import load_config
from places import ROOT

PACKAGE = sorted((ROOT / "inet_d2").rglob("*.py"))
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))

# A module may import modules of its own level and of lower ones. The longest prefix counts.
LEVELS = {
    "inet_d2.arrays": 0,
    "inet_d2.boxes": 0,
    "inet_d2.image_file": 0,
    "inet_d2.matlab": 0,
    "inet_d2.scenes": 0,
    "inet_d2.command_line": 0,
    "inet_d2.config": 0,
    "inet_d2.config_reid": 0,
    "inet_d2.conversion": 0,
    "inet_d2.files": 0,
    "inet_d2.npz_file": 0,
    "inet_d2.quiet_imports": 0,
    "inet_d2.randomness": 0,
    "inet_d2.data.pids": 0,
    "inet_d2.data.datasets": 1,
    "inet_d2.data.records": 1,
    "inet_d2.modeling.gathering": 0,
    "inet_d2.modeling.precision": 0,
    "inet_d2.modeling.identity": 1,
    "inet_d2.data": 2,
    "inet_d2.modeling": 2,
    "inet_d2.evaluation": 3,
    "inet_d2.visualization": 1,
    "inet_d2.baselines.config": 0,
    "inet_d2.baselines": 4,
    "inet_d2.engine": 4,
    "inet_d2.reproduction": 5,
    "inet_d2.search": 5,
    "inet_d2.export": 6,
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
    assert path.parent.name == "baselines" or cfg.MODEL.META_ARCHITECTURE in ("INet", "CropReID", "VideoReID")


def test_the_tests_find_configurations_from_any_folder():
    """They say config_path("demo/inet.yaml"), not "configs/demo/inet.yaml"; parity runs in the repository's folder."""
    relative = re.compile(r'(load_config\(|"--config-file", )f?"configs/(?!none|CUHK-SYSU/a\.)')  # files that are none
    files = [path for path in (ROOT / "tests").rglob("*.py") if "parity" not in path.parts]
    assert [str(path.relative_to(ROOT)) for path in files if relative.search(path.read_text())] == []
