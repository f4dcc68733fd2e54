import numpy as np
import pytest
import torch
from detectron2.structures import Boxes, Instances
from PIL import Image

from inet_d2.data.pids import BACKGROUND, IGNORED, UNLABELLED
from places import config_path

CONFIG = config_path("quick_schedules/inet_instant_test.yaml")


@pytest.fixture
def module(tool, tiny_datasets):
    return tool("visualize_data")


def test_pictures_of_the_images_of_a_batch(module, tmp_path, capsys):
    out = tmp_path / "new" / "looks"
    assert module.main(["--config-file", CONFIG, "--output", str(out), "--batches", "1", "MODEL.WEIGHTS", ""]) == 0
    names = sorted(path.name for path in out.iterdir())
    assert names[:2] == ["000_0.png", "000_1.png"]
    assert f"{len(names)} pictures" in capsys.readouterr().out
    width, height = Image.open(out / names[0]).size
    assert (width % 3, height) == (0, 120 + module.HEADER)


def test_each_kind_of_region_is_in_its_panel(module):
    boxes = torch.tensor([[10.0, 10, 30, 50], [40, 10, 60, 50], [70, 10, 90, 50], [5, 55, 30, 75]])
    pids = torch.tensor([3, UNLABELLED, BACKGROUND, IGNORED])
    target = Instances((80, 100), gt_boxes=Boxes(boxes[:1]), gt_pids=pids[:1])
    regions = Instances((80, 100), proposal_boxes=Boxes(boxes))
    sheet = np.asarray(module.draw_image(np.zeros((80, 100, 3), np.uint8), target, regions, pids))[module.HEADER :]
    for row, panels in enumerate([(0, 1), (1,), (2,), (2,)]):
        x, y = int(boxes[row, 0]), int(boxes[row, 3]) - 5  # on the left edge of the box
        found = [panel for panel in range(3) if tuple(sheet[y, 100 * panel + x]) == module.colour(int(pids[row]))]
        assert tuple(found) == panels


@pytest.mark.parametrize(
    ("config", "words", "message"),
    [
        (CONFIG, ["--batches", "0"], "--batches: expected at least 1, found 0"),
        (CONFIG, ["MODEL.WEIGHTS", "none.pth"], "MODEL.WEIGHTS: no file none.pth"),
        (config_path("quick_schedules/crops_instant_test.yaml"), [], "CropReID samples no regions"),
    ],
)
def test_input_that_does_not_fit_is_one_sentence(module, config, words, message, tmp_path, capsys):
    assert module.main(["--config-file", config, "--output", str(tmp_path / "out"), *words]) == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()
