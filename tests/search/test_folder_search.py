"""Embedding a query and a list of files with a model whose answers are known."""

import logging

import cv2
import numpy as np
import pytest
import torch
from detectron2.data import transforms as T
from detectron2.structures import Boxes, Instances
from torch import nn

from inet_d2.data.search_mapper import SearchDatasetMapper
from inet_d2.search.folder_search import embed_query, index_images, list_images


class MeanColourModel(nn.Module):
    """Detects the whole image; the embedding of a box is its mean colour, scaled to unit length."""

    def forward(self, batch):
        assert not torch.is_grad_enabled()
        outputs = []
        for x in batch:
            image = x["image"].float()
            people = Instances((x["height"], x["width"]))
            people.pred_boxes = Boxes(torch.tensor([[0.0, 0.0, x["width"], x["height"]]]))
            people.scores = torch.tensor([0.8])
            people.pred_embeddings = nn.functional.normalize(image.mean(dim=(1, 2))[None])
            output = {"instances": people}
            if "query_boxes" in x:
                parts = [image[:, int(y1) : int(y2), int(x1) : int(x2)] for x1, y1, x2, y2 in x["query_boxes"]]
                output["query_embeddings"] = nn.functional.normalize(
                    torch.stack([part.mean(dim=(1, 2)) for part in parts])
                )
            outputs.append(output)
        return outputs


@pytest.fixture
def mapper():
    return SearchDatasetMapper(augmentations=[T.ResizeShortestEdge(20, 1000, "choice")], image_format="BGR")


@pytest.fixture
def folder(tmp_path):
    """blue.png, red.png (40 x 60 pixels each) and a text file."""
    for name, colour in (("red.png", (0, 0, 200)), ("blue.png", (200, 0, 0))):
        cv2.imwrite(str(tmp_path / name), np.full((40, 60, 3), colour, dtype=np.uint8))
    (tmp_path / "notes.txt").write_text("no image")
    return tmp_path


def test_images_are_listed_by_name(folder):
    assert [path.name for path in list_images(folder)] == ["blue.png", "red.png"]


def test_query_finds_the_image_of_its_colour(folder, mapper):
    image = np.full((40, 60, 3), (200, 0, 0), dtype=np.uint8)
    image[:, 30:] = (0, 0, 200)  # right half red
    cv2.imwrite(str(folder / "query.jpg"), image)
    model = MeanColourModel()
    index, skipped = index_images(model, mapper, [folder / "red.png", folder / "blue.png"], source="s")
    assert (skipped, index.source) == ([], "s")
    matches = index.rank(embed_query(model, mapper, folder / "query.jpg", [34, 4, 70, 40]))
    assert matches.names.tolist() == ["red.png", "blue.png"]
    assert matches.similarities[0] > 0.99
    assert matches.boxes[0].tolist() == [0.0, 0.0, 60.0, 40.0]


def test_unreadable_gallery_images_are_left_out_and_told(folder, mapper, monkeypatch, caplog):
    monkeypatch.setattr(logging.getLogger("inet_d2"), "propagate", True)
    (folder / "broken.png").write_bytes(b"no image")
    with caplog.at_level(logging.WARNING):
        index, skipped = index_images(MeanColourModel(), mapper, list_images(folder))
    assert [path.name for path in skipped] == ["broken.png"]
    assert index.num_images == 2
    assert "broken.png cannot be decoded" in caplog.text


@pytest.mark.parametrize("box", [[70, 5, 90, 20], [10, 10, 10, 20], [30, 20, 10, 5], [5, -9, 9, -1]])
def test_query_box_without_area_in_the_image_is_an_error(folder, mapper, box):
    with pytest.raises(ValueError, match=r"query box .*: expected x1 < x2 and y1 < y2 .* \(60 x 40 pixels\)"):
        embed_query(MeanColourModel(), mapper, folder / "red.png", box)


def test_missing_query_is_an_error(folder, mapper):
    with pytest.raises(FileNotFoundError, match=r"none\.png is missing"):
        embed_query(MeanColourModel(), mapper, folder / "none.png", [0, 0, 5, 5])


def test_missing_or_empty_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="none does not exist"):
        list_images(tmp_path / "none")
    with pytest.raises(ValueError, match="holds no image"):
        list_images(tmp_path)
