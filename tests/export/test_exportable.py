import pytest
from torch import nn

from inet_d2.engine import load_config
from inet_d2.export.exportable import check_exportable, check_model, detects
from places import config_path


@pytest.mark.parametrize(
    ("config", "options", "message"),
    [
        ("quick_schedules/sta_instant_test.yaml", [], "expected a model of single images, found VideoReID"),
        ("demo/inet.yaml", ["MODEL.ROI_HEADS.NUM_CLASSES", 3], "NUM_CLASSES: expected 1, people, found 3"),
        ("CUHK-SYSU/inet_swin_t_fpn.yaml", [], "export a model with a VGG or ResNet backbone"),
    ],
)
def test_what_cannot_be_exported_is_refused(config, options, message):
    with pytest.raises(ValueError, match=message):
        check_exportable(load_config(config_path(config), options))


def test_models_of_others_are_refused(make_model):
    with pytest.raises(ValueError, match="expected INet or CropReID, found Linear"):
        check_model(nn.Linear(1, 1))
    model = make_model("inet")
    check_model(model)

    class OwnHeads(type(model.roi_heads)):
        def _detect(self, features, proposals):
            return []

    model.roi_heads.__class__ = OwnHeads
    with pytest.raises(ValueError, match="OwnHeads detects in a way of its own"):
        check_model(model)
    model.roi_heads = nn.Linear(1, 1)
    with pytest.raises(ValueError, match="expected heads that embed people, found Linear"):
        check_model(model)


def test_a_model_of_crops_does_not_detect(make_model):
    assert detects(make_model("inet"))
    assert not detects(make_model("crops"))
