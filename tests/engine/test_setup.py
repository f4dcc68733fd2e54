import pytest
import torch

from inet_d2.engine import load_config


def test_options_win_over_the_file():
    cfg = load_config(
        "configs/CUHK-SYSU/inet_vgg16.yaml", ["SOLVER.BASE_LR", "0.5", "MODEL.ROI_REID_HEAD.NUM_PIDS", "7"]
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
        (["SOLVER.MAX_ITER", "many"], r"command line: .*many.*the type of its default"),
    ],
)
def test_bad_options_are_refused(opts, message):
    with pytest.raises(ValueError, match=message):
        load_config("configs/CUHK-SYSU/inet_vgg16.yaml", opts)


def test_an_unknown_key_in_a_file_is_refused(tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text("VERSION: 2\nMODEL:\n  ROI_REID_HEAD:\n    DICTIONARY_SIZE: 5\n")
    with pytest.raises(ValueError, match=r"wrong\.yaml: .*MODEL\.ROI_REID_HEAD\.DICTIONARY_SIZE.*inet_d2/config\.py"):
        load_config(str(path))


def test_a_missing_file_is_refused():
    with pytest.raises(FileNotFoundError, match=r"configs/none\.yaml: cannot read this configuration file"):
        load_config("configs/none.yaml")
