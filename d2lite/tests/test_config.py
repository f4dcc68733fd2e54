import hashlib

import detectron2
import pytest
from detectron2.config import CfgNode, configurable, get_cfg


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
    assert (cfg.SEED, cfg.SOLVER.STEPS, cfg.SOLVER.MAX_ITER, get_cfg().SEED) == (1, (10, 20), 25, -1)


BAD = {"SOLVER: {X: 1}": KeyError, "SOLVER: {BASE_LR: 1}": ValueError, "VERSION: 3": AssertionError}
BAD |= {"VERSION: 1": NotImplementedError} if hasattr(detectron2, "__d2lite__") else {}


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
