import pytest
import torch
from detectron2.config import CfgNode

from inet_d2.engine import load_config, record_restored_on_error
from places import config_path


def test_options_win_over_the_file():
    cfg = load_config(
        config_path("CUHK-SYSU/inet_vgg16.yaml"), ["SOLVER.BASE_LR", "0.5", "MODEL.ROI_REID_HEAD.NUM_PIDS", "7"]
    )
    assert cfg.SOLVER.BASE_LR == 0.5
    assert cfg.MODEL.ROI_REID_HEAD.NUM_PIDS == 7


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_the_cpu_stands_in_for_a_missing_gpu():
    assert load_config("").MODEL.DEVICE == "cpu"


@pytest.mark.parametrize(
    ("opts", "message"),
    [
        (["MODEL.ROI_REID_HEAD.OLP.SCAEL", "1.0"], r"command line: .*SCAEL.*inet_d2/config\.py"),
        (["SOLVER.BASE_LR"], r"command line: "),
        (["MODEL.DEVICE", "gpu"], r'MODEL\.DEVICE: expected "cpu", "cuda" or "cuda:1", found "gpu"'),
        (["SOLVER.MAX_ITER", "many"], r"command line: .*many.*the type of its default"),
    ],
)
def test_bad_options_are_refused(opts, message):
    with pytest.raises(ValueError, match=message):
        load_config(config_path("CUHK-SYSU/inet_vgg16.yaml"), opts)


def test_an_unknown_key_in_a_file_is_refused(tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text("VERSION: 2\nMODEL:\n  ROI_REID_HEAD:\n    DICTIONARY_SIZE: 5\n")
    with pytest.raises(ValueError, match=r"wrong\.yaml: .*MODEL\.ROI_REID_HEAD\.DICTIONARY_SIZE.*inet_d2/config\.py"):
        load_config(str(path))


@pytest.mark.parametrize("text", ["MODEL: [", "", "MODEL"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path, text):
    (tmp_path / "broken.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"broken\.yaml: "):
        load_config(str(tmp_path / "broken.yaml"))


@pytest.fixture
def extension(tmp_path, monkeypatch):
    """A module of the user's, with a key of its own, and a file that names it."""
    (tmp_path / "module_with_a_key.py").write_text("def add_config(cfg):\n    cfg.MODEL.MINE = 3\n")
    (tmp_path / "mine.yaml").write_text('VERSION: 2\nEXTENSIONS: ["module_with_a_key"]\nMODEL:\n  MINE: 5\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_an_extension_adds_keys_that_the_same_file_sets(extension):
    # Twice: the module is imported once, its keys are needed by every configuration.
    for _ in range(2):
        cfg = load_config(str(extension / "mine.yaml"), ["SOLVER.MAX_ITER", "7"])
        assert (cfg.MODEL.MINE, cfg.EXTENSIONS, cfg.SOLVER.MAX_ITER) == (5, ("module_with_a_key",), 7)
    assert "MINE" not in load_config("").MODEL


def test_an_extension_can_come_from_the_command_line_or_a_base(extension):
    assert load_config("", ["EXTENSIONS", "('module_with_a_key',)", "MODEL.MINE", "6"]).MODEL.MINE == 6
    (extension / "over.yaml").write_text('_BASE_: "mine.yaml"\nMODEL:\n  MINE: 8\n')
    assert load_config(str(extension / "over.yaml")).MODEL.MINE == 8


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("('no_such_module',)", "EXTENSIONS: cannot import no_such_module .*; put its folder on PYTHONPATH"),
        ("no_such_module", "command line: .*EXTENSIONS"),
    ],
)
def test_an_extension_that_cannot_be_imported_is_named(value, message):
    with pytest.raises(ValueError, match=message):
        load_config("", ["EXTENSIONS", value])


def test_a_missing_file_is_refused():
    with pytest.raises(FileNotFoundError, match=r"configs/none\.yaml: cannot read this configuration file"):
        load_config("configs/none.yaml")


def test_a_file_that_is_its_own_base_is_refused(tmp_path, monkeypatch):
    (tmp_path / "a.yaml").write_text("_BASE_: b.yaml\n")
    (tmp_path / "b.yaml").write_text("_BASE_: a.yaml\n")
    opened, opens = [], CfgNode._open_cfg.__func__
    monkeypatch.setattr(CfgNode, "_open_cfg", classmethod(lambda cls, name: opened.append(name) or opens(cls, name)))
    with pytest.raises(ValueError, match=r"a\.yaml: its _BASE_ leads back to itself; name another file there"):
        load_config(str(tmp_path / "a.yaml"))
    assert len(opened) == 2  # not as often as Python recurses, which takes long for large files


def test_a_base_may_be_named_twice(tmp_path):
    (tmp_path / "a.yaml").write_text("SEED: 3\n")
    (tmp_path / "b.yaml").write_text("_BASE_: [a.yaml, a.yaml]\n")
    assert load_config(str(tmp_path / "b.yaml")).SEED == 3


@pytest.mark.parametrize("through_base", [False, True])
def test_a_file_cannot_run_code(tmp_path, through_base):
    made = tmp_path / "made"
    (tmp_path / "evil.yaml").write_text(f"OUTPUT_DIR: !!python/object/apply:os.mkdir ['{made}']\n")
    (tmp_path / "base.yaml").write_text("_BASE_: evil.yaml\n")
    with pytest.raises(ValueError, match="could not determine a constructor"):
        load_config(str(tmp_path / ("base.yaml" if through_base else "evil.yaml")))
    assert not made.exists()


def test_a_refused_command_is_not_recorded(tmp_path):
    record = tmp_path / "config.yaml"
    record.write_text("of the run")

    def refuse():
        with record_restored_on_error(str(tmp_path)):
            record.write_text("of the refused command")
            raise ValueError("refused")

    with pytest.raises(ValueError, match="refused"):
        refuse()
    assert record.read_text() == "of the run"
