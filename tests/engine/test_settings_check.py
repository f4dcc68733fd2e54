import pytest

from inet_d2.engine import check_settings, load_config
from places import config_path


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["SOLVER.MAX_ITER", "0"], r"SOLVER\.MAX_ITER: expected at least 1, found 0"),
        (["SOLVER.CHECKPOINT_PERIOD", "0"], r"SOLVER\.CHECKPOINT_PERIOD: expected at least 1, found 0"),
        (["SOLVER.ITER_SIZE", "0"], r"SOLVER\.ITER_SIZE: expected at least 1, found 0"),
        (["SOLVER.AMP.PRECISION", "half"], r'SOLVER\.AMP\.PRECISION: expected one of fp16, bf16, auto, found "half"'),
        (["SOLVER.REFERENCE_WORLD_SIZE", "8"], r"REFERENCE_WORLD_SIZE: expected 0, found 8; batch size and schedule"),
        (["SOLVER.CHECKPOINTS_KEPT", "-1"], r"SOLVER\.CHECKPOINTS_KEPT: expected at least 0, found -1"),
        (["SOLVER.BASE_LR", "0.0"], r"SOLVER\.BASE_LR: expected a number above 0, found 0\.0"),
        (["SOLVER.BASE_LR", "float('nan')"], r"type of its default|above 0"),
        (["DATASETS.TRAIN", "('nowhere',)"], r"DATASETS\.TRAIN: no data set .* 'nowhere'; choose from .*prw_train"),
        (["DATASETS.TEST", "('nowhere',)"], r"DATASETS\.TEST: no data set is registered as 'nowhere'"),
        (["MODEL.META_ARCHITECTURE", "Inet"], r"META_ARCHITECTURE: 'Inet' is not registered; choose from .*INet"),
    ],
)
def test_settings_out_of_their_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        check_settings(load_config(config_path("quick_schedules/inet_instant_test.yaml"), options))


def test_pictures_need_tensorboard(monkeypatch):
    cfg = load_config(config_path("quick_schedules/inet_instant_test.yaml"), ["VIS_PERIOD", "5"])
    check_settings(cfg)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="VIS_PERIOD: expected 0 where tensorboard is not installed, found 5"):
        check_settings(cfg)
    cfg.VIS_PERIOD = 0
    check_settings(cfg)


def test_sound_settings_pass():
    check_settings(load_config(config_path("CUHK-SYSU/inet_vgg16.yaml")))


def test_what_needs_one_process_is_refused_in_several(monkeypatch):
    cfg = load_config(
        config_path("quick_schedules/inet_instant_test.yaml"),
        ["MODEL.ROI_REID_HEAD.CLASSIFIER.SPARSE_GRADIENT", "True"],
    )
    check_settings(cfg)
    monkeypatch.setattr("detectron2.utils.comm.get_world_size", lambda: 2)
    with pytest.raises(ValueError, match="SPARSE_GRADIENT: row-sparse gradients are for one process, found 2"):
        check_settings(cfg)
