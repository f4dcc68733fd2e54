"""The search tool from the command line: with a model whose answers are known, and with I-Net."""

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from detectron2.modeling import META_ARCH_REGISTRY, build_model
from detectron2.structures import Boxes, Instances
from PIL import Image
from torch import nn

from inet_d2.engine import load_config
from inet_d2.search import GalleryIndex

SCRIPT = Path(__file__).parents[2] / "demo/search_demo.py"
BLUE, GREEN, RED = (200, 20, 10), (10, 200, 30), (20, 10, 200)  # BGR


class MeanColourDemoModel(nn.Module):
    """Finds one person, the whole image; an embedding is the mean colour of its box, of unit length."""

    num_images_seen = 0

    def __init__(self, cfg):
        super().__init__()
        self.gain = nn.Parameter(torch.zeros(3))
        self.offset = nn.Parameter(torch.zeros(3))

    def embed(self, image, box):
        x1, y1, x2, y2 = (int(edge) for edge in box)
        colour = image[:, y1:y2, x1:x2].float().mean(dim=(1, 2)) * self.gain + self.offset
        return nn.functional.normalize(colour, dim=0)

    def forward(self, batch):
        assert not self.training
        outputs = []
        for x in batch:
            type(self).num_images_seen += 1
            height, width = x["image"].shape[1:]
            people = Instances((x["height"], x["width"]))
            people.pred_boxes = Boxes(torch.tensor([[0.0, 0.0, x["width"], x["height"]]]))
            people.scores = torch.tensor([0.9 if x["image_id"] != "unsure.png" else 0.3])
            people.pred_embeddings = self.embed(x["image"], (0, 0, width, height))[None]
            output = {"instances": people}
            if "query_boxes" in x:
                output["query_embeddings"] = torch.stack([self.embed(x["image"], box) for box in x["query_boxes"]])
            outputs.append(output)
        return outputs


def save_weights(path, **changes):
    torch.save({"model": {"gain": torch.ones(3), "offset": torch.zeros(3), **changes}}, path)


@pytest.fixture(scope="module")
def demo():
    META_ARCH_REGISTRY.register(MeanColourDemoModel)
    spec = importlib.util.spec_from_file_location("search_demo", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def setting(tmp_path, monkeypatch):
    """Configuration, weights, a query image with a red person, and a gallery of four images."""
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "mean_colour.yaml"
    config.write_text("MODEL: {META_ARCHITECTURE: MeanColourDemoModel, DEVICE: cpu}\nINPUT: {MIN_SIZE_TEST: 0}\n")
    save_weights(tmp_path / "weights.pth")
    gallery = tmp_path / "gallery"
    gallery.mkdir()
    for name, colour in (("blue", BLUE), ("green", GREEN), ("red", RED), ("unsure", RED)):
        cv2.imwrite(str(gallery / f"{name}.png"), np.full((60, 80, 3), colour, dtype=np.uint8))
    query = np.full((60, 80, 3), BLUE, dtype=np.uint8)
    query[10:50, 20:40] = RED
    cv2.imwrite(str(tmp_path / "query.png"), query)
    return tmp_path


@pytest.fixture
def run(demo, setting, capsys):
    """Call the demo with changes to a command line that works: ``run(query="x.png")`` -> code, stdout, stderr."""

    def call(*extra, weights="weights.pth", **changes):
        options = {
            "config-file": "mean_colour.yaml",
            "query": "query.png",
            "box": "20 10 40 50",
            "gallery": "gallery",
            "output": "out/found.png",
            **{key.replace("_", "-"): value for key, value in changes.items()},
        }
        command = [word for key, value in options.items() for word in (f"--{key}", *str(value).split())]
        opts = ["--opts", "MODEL.WEIGHTS", weights] if weights else []
        code = demo.main([*command, *extra, *opts])
        return code, *capsys.readouterr()

    return call


def ranked_files(stdout):
    return [line.split()[-1] for line in stdout.splitlines() if line.split()[0].isdigit()]


def test_finds_the_image_of_the_query_colour(run, setting):
    code, stdout, stderr = run()
    assert code == 0, stderr
    assert ranked_files(stdout) == ["red.png", "green.png", "blue.png"]  # unsure.png: score 0.3 < 0.5
    assert "   1      1.0000   0.90     0.0    0.0   80.0   60.0  red.png" in stdout
    with Image.open(setting / "out/found.png") as picture:
        assert picture.format == "PNG"
        assert picture.width > 600
    assert [file.name for file in (setting / "out").iterdir()] == ["found.png"]


def test_score_threshold_and_topk(run):
    assert ranked_files(run(score_thresh=0.2, topk=2)[1]) == ["red.png", "unsure.png"]
    code, stdout, _ = run(score_thresh=0.95)
    assert code == 0
    assert "no match in gallery" in stdout


def test_query_image_in_the_gallery_is_left_out(run):
    _, stdout, _ = run(query="gallery/red.png")
    assert "red.png" not in ranked_files(stdout)
    assert "left out of the gallery: red.png" in stdout


def test_unreadable_gallery_image_is_skipped_and_counted(run, setting):
    (setting / "gallery/broken.jpg").write_bytes(b"no image")
    code, stdout, _ = run()
    assert code == 0
    assert "1 of 5 gallery images could not be read" in stdout
    assert ranked_files(stdout)[0] == "red.png"


def test_index_is_reused_until_something_changes(run, setting):
    def num_images_seen(**changes):
        MeanColourDemoModel.num_images_seen = 0
        code, stdout, stderr = run(index="cache/gallery.npz", **changes)
        assert code == 0, stderr
        assert ranked_files(stdout)[0] == "red.png"
        return MeanColourDemoModel.num_images_seen

    assert num_images_seen() == 5  # the query and four images
    assert num_images_seen() == 1  # the query alone
    assert GalleryIndex.load(setting / "cache/gallery.npz").num_images == 4
    save_weights(setting / "weights.pth", gain=torch.tensor([1.0, 1.0, 1.1]))
    assert num_images_seen() == 5  # other weights under the same name
    cv2.imwrite(str(setting / "gallery/new.png"), np.full((60, 80, 3), GREEN, dtype=np.uint8))
    assert num_images_seen() == 6  # one more image


def test_weights_come_from_the_output_folder_unless_they_are_named(run, setting):
    output = setting / "output"
    output.mkdir()
    save_weights(output / "model_final.pth")
    (output / "last_checkpoint").write_text("model_final.pth")
    with open(setting / "mean_colour.yaml", "a") as config:
        config.write("OUTPUT_DIR: output\n")
    assert "weights: output/model_final.pth" in run(weights=None)[1]
    assert "weights: weights.pth" in run()[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"config_file": "none.yaml"}, "none.yaml"),
        ({"query": "none.png"}, "query image none.png does not exist"),
        ({"query": "mean_colour.yaml"}, "mean_colour.yaml cannot be decoded"),
        ({"gallery": "none"}, "gallery folder none does not exist"),
        ({"gallery": "empty"}, "gallery folder empty holds no image"),
        ({"box": "90 10 99 50"}, "query box 90 10 99 50: expected x1 < x2"),
        ({"box": "40 10 20 50"}, "inside query.png (80 x 60 pixels)"),
        ({"topk": 0}, "--topk: expected at least 1, found 0"),
        ({"output": "found.txt"}, "found found.txt"),
        ({"index": "weights.pth"}, "weights.pth: expected a gallery index"),
        ({"weights": None}, "no weights: "),
        ({"weights": "none.pth"}, "MODEL.WEIGHTS: no file none.pth"),
        ({"weights": "broken.pth"}, "broken.pth is no checkpoint that torch can read"),
        ({"weights": "half.pth"}, "lacks 1 parameters of the model: offset"),
        ({"weights": "wide.pth"}, "gain (4,) instead of (3,)"),
    ],
)
def test_user_errors_are_one_sentence_and_code_2(run, setting, changes, message):
    (setting / "empty").mkdir()
    (setting / "broken.pth").write_bytes(b"no checkpoint")
    torch.save({"model": {"gain": torch.ones(3)}}, setting / "half.pth")
    save_weights(setting / "wide.pth", gain=torch.ones(4))
    code, stdout, stderr = run(**changes)
    assert code == 2
    assert message in stderr
    assert len([line for line in stderr.splitlines() if line.startswith("error: ")]) == 1
    assert "Traceback" not in stderr
    assert "rank" not in stdout
    assert not (setting / "out").exists()


def test_help_has_examples(demo, capsys):
    with pytest.raises(SystemExit, match="0"):
        demo.main(["--help"])
    assert "--query street.jpg --box 312 120 398 371" in capsys.readouterr().out


def test_searches_with_inet(demo, tiny_scenes, tmp_path, capsys):
    """Untrained I-Net with every detection kept: what it finds means nothing, but all parts fit together."""
    config = tmp_path / "tiny.yaml"
    base = Path(__file__).parents[2] / "configs/demo/Base-Demo.yaml"
    config.write_text(f"_BASE_: {base}\nMODEL: {{DEVICE: cpu, VGG: {{WIDTH_FACTOR: 0.125}}}}\nOUTPUT_DIR: {tmp_path}\n")
    torch.manual_seed(0)
    model = build_model(load_config(str(config)))
    torch.save({"model": model.state_dict()}, tmp_path / "model.pth")
    frames = sorted((tiny_scenes / "CUHK-SYSU/Image/SSM").glob("*.jpg"))[:3]
    gallery = tmp_path / "gallery"
    gallery.mkdir()
    for frame in frames:
        (gallery / frame.name).write_bytes(frame.read_bytes())
    command = ["--config-file", config, "--query", frames[0], "--box", 10, 10, 60, 100, "--gallery", gallery]
    command += ["--score-thresh", 0, "--topk", 5, "--opts", "MODEL.WEIGHTS", tmp_path / "model.pth"]
    command += ["MODEL.ROI_HEADS.SCORE_THRESH_TEST", 0.0]
    assert demo.main([str(word) for word in command]) == 0
    stdout = capsys.readouterr().out
    similarities = [float(line.split()[1]) for line in stdout.splitlines() if line.split()[0].isdigit()]
    assert len(similarities) == 5
    assert similarities == sorted(similarities, reverse=True)
    assert -1.0 <= similarities[-1] <= similarities[0] <= 1.0
    assert set(ranked_files(stdout)) <= {frame.name for frame in frames}
    assert "gallery: 3 images" in stdout
    assert (tmp_path / "search.png").is_file()
