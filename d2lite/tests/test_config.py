import hashlib
import importlib

import detectron2
import pytest
from detectron2.config import CfgNode, configurable, get_cfg

lite_only = pytest.mark.skipif(not hasattr(detectron2, "__d2lite__"), reason="says what the embedded engine lacks")


def flat(node, prefix=""):
    for key, value in node.items():
        yield from flat(value, f"{prefix}{key}.") if isinstance(value, CfgNode) else [(prefix + key, value)]


def test_all_default_keys_and_values():
    text = "\n".join(f"{k}={v!r}" for k, v in sorted(flat(get_cfg())))
    expected = "ba41a2094debc57215e825a09b3b4d644e83b9a572b231d51b802e0aa7c80332"
    assert (text.count("\n"), hashlib.sha256(text.encode()).hexdigest()) == (191, expected)


def test_merge_of_files_and_lists(tmp_path):
    (tmp_path / "base.yaml").write_text("VERSION: 2\nSEED: 1\nSOLVER: {STEPS: [10, 20], MAX_ITER: 30}\n")
    (tmp_path / "child.yaml").write_text("_BASE_: base.yaml\nSOLVER: {MAX_ITER: 25}\n")
    cfg = get_cfg()
    cfg.merge_from_file(str(tmp_path / "child.yaml"))
    cfg.merge_from_list(["SOLVER.BASE_LR", "0.5"])
    assert (cfg.SEED, cfg.SOLVER.STEPS, cfg.SOLVER.MAX_ITER, cfg.SOLVER.BASE_LR) == (1, (10, 20), 25, 0.5)
    assert get_cfg().SOLVER.BASE_LR == 0.001


BAD = {"SOLVER: {X: 1}": KeyError, "SOLVER: {BASE_LR: 1}": ValueError, "VERSION: 3": AssertionError}


@pytest.mark.parametrize("text", BAD)
def test_bad_config_files(tmp_path, text):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(BAD[text]):
        get_cfg().merge_from_file(str(tmp_path / "bad.yaml"))


def test_configurable():
    class A:
        @configurable
        def __init__(self, a, b=2, *, c=3):
            self.args = (a, b, c)

        @classmethod
        def from_config(cls, cfg, k=0):
            return {"a": cfg.SEED, "b": k}

    calls = [A(get_cfg(), k=9, c=5), A(get_cfg(), 7), A(cfg=get_cfg()), A(1, c=4)]
    assert [a.args for a in calls] == [(-1, 9, 5), (-1, 7, 3), (-1, 0, 3), (1, 2, 4)]

    @configurable(from_config=lambda cfg, *, x=1: {"a": cfg.SEED, "x": x})
    def function(a, x, y=0):
        return a, x, y

    assert (function(get_cfg(), x=4, y=5), function(1, 2)) == ((-1, 4, 5), (1, 2, 0))
    del A.from_config
    with pytest.raises(AttributeError, match="from_config"):
        A(get_cfg())


@lite_only
@pytest.mark.parametrize("name", ["config.LazyConfig", "engine.PreciseBN", "evaluation.LVISEvaluator", "model_zoo.get"])
def test_names_that_are_left_out_name_real_detectron2(name):
    module, _, attribute = f"detectron2.{name}".rpartition(".")
    with pytest.raises(NotImplementedError, match="facebookresearch/detectron2"):
        getattr(importlib.import_module(module), attribute)
    with pytest.raises(AttributeError):
        _ = detectron2.config.__wrapped__  # what inspect asks for


@lite_only
def test_old_config_files_are_refused(tmp_path):
    (tmp_path / "old.yaml").write_text("MODEL: {WEIGHT: x}")
    with pytest.raises(NotImplementedError, match="full Detectron2"):
        get_cfg().merge_from_file(str(tmp_path / "old.yaml"))
