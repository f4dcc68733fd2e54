import pytest
from detectron2.modeling import build_model

from inet_d2.engine import explained_parts, load_config
from places import config_path

TINY = "quick_schedules/inet_instant_test.yaml"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["MODEL.BACKBONE.NAME", "build_vgg"],
            r"BACKBONE\.NAME: 'build_vgg' is not registered; .*build_vgg16",
        ),
        (["MODEL.ROI_HEADS.NAME", "Heads"], r"ROI_HEADS\.NAME: 'Heads' is not registered; choose from .*INetROIHeads"),
        (["MODEL.META_ARCHITECTURE", "Inet"], r"META_ARCHITECTURE: 'Inet' is not registered; choose from .*CropReID"),
        (["MODEL.PROPOSAL_GENERATOR.NAME", "R"], r"PROPOSAL_GENERATOR\.NAME: 'R' is not registered; choose from .*RPN"),
        (["MODEL.VGG.NORM", "GroupNorm"], r'MODEL\.VGG\.NORM: expected "", "GN".*found "GroupNorm"'),
        (["MODEL.PIXEL_MEAN", "[1.0]"], r"MODEL\.PIXEL_MEAN: expected 3 numbers, .* found \[1\.0\]"),
        (["MODEL.PIXEL_STD", "[1.0, 2.0]"], r"MODEL\.PIXEL_STD: expected 3 numbers"),
        (["INPUT.FORMAT", "L"], r'INPUT\.FORMAT: expected one of BGR, RGB, found "L"'),
    ],
)
def test_names_and_pictures_that_there_are_not_are_refused(options, message):
    cfg = load_config(config_path(TINY), options)
    with pytest.raises(ValueError, match=message), explained_parts(cfg):
        build_model(cfg)


def test_other_errors_stay_what_they_are():
    cfg = load_config(config_path(TINY))
    with pytest.raises(KeyError, match="mine"), explained_parts(cfg):
        raise KeyError("mine")
