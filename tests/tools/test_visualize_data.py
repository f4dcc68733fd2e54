import pytest
from PIL import Image

from inet_d2.visualization.region_picture import HEADER
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
    assert (width % 3, height) == (0, 120 + HEADER)


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
