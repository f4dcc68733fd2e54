"""What this engine may not become: known to those who use it, or large."""

import importlib
from pathlib import Path

import detectron2
import detectron2.config
import detectron2.engine
import pytest

ENGINE = Path(__file__).parents[1]
USERS = ("inet_d2", "train_net.py", "tools", "demo", "tests")


def users_that_name_it(root):
    name, files = ENGINE.name.lower(), [file for user in USERS for file in (root / user, *(root / user).rglob("*"))]
    texts = {file: file.read_text(errors="ignore") for file in files if file.is_file() and file.suffix != ".pyc"}
    return [file.name for file, text in texts.items() if name in f"{file.relative_to(root)} {text}".lower()]


def test_nobody_knows_which_engine_is_there(tmp_path):
    assert users_that_name_it(ENGINE.parent) == []
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "a.yaml").write_text(f"# {ENGINE.name.title()} has it")
    assert users_that_name_it(tmp_path) == ["a.yaml"]


def test_the_engine_stays_small():
    lines = [len(path.read_text().splitlines()) for path in ENGINE.rglob("*.py")]  # with its tests
    assert 2000 < sum(lines) <= 4000


@pytest.mark.skipif(not hasattr(detectron2, "__d2lite__"), reason="says what the embedded engine lacks")
@pytest.mark.parametrize(
    "name", ["config.LazyConfig", "data.DatasetMapper", "engine.hooks.BestCheckpointer", "model_zoo.get", "layers.ASPP"]
)
def test_names_that_are_left_out_name_real_detectron2(name):
    module, _, attribute = f"detectron2.{name}".rpartition(".")
    with pytest.raises(NotImplementedError, match="facebookresearch/detectron2"):
        getattr(importlib.import_module(module), attribute)
    with pytest.raises(AttributeError):
        _ = detectron2.config.__wrapped__  # what inspect asks for
    with pytest.raises(AttributeError):
        _ = detectron2.torch  # what pickle asks for in torch.compile


@pytest.mark.skipif(not hasattr(detectron2, "__d2lite__"), reason="says what the embedded engine lacks")
def test_a_plain_trainer_does_not_pass_over_mixed_precision():
    cfg = detectron2.config.get_cfg()
    cfg.SOLVER.AMP.ENABLED = True
    with pytest.raises(NotImplementedError, match=r"SOLVER\.AMP\.ENABLED: True, in DefaultTrainer itself, is not part"):
        detectron2.engine.DefaultTrainer(cfg)
