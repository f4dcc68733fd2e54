"""The graphs against the models that they are made of; no exporter yet, so that differences are differences in kind."""

import numpy as np
import pytest
import torch

from inet_d2.export.comparison import model_embeddings, model_outputs
from inet_d2.export.graphs import GivenBoxes, WholePicture


def run(graph, *inputs):
    with torch.no_grad():
        outputs = graph.eval()(*map(torch.from_numpy, inputs))
    return [x.numpy() for x in outputs] if isinstance(outputs, tuple) else outputs.numpy()


@pytest.mark.parametrize("name", ["inet", "final_box", "oim", "nae", "seqnet", "fpn"])
def test_the_graphs_do_what_the_model_does(name, make_model, images):
    model = make_model(name)
    whole, given = WholePicture(model), GivenBoxes(model)
    most = 0
    for image in images:
        expected, found = model_outputs(model, image), run(whole, image)
        most = max(most, len(expected.boxes))
        for a, b in zip(expected, found, strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-5, atol=2e-5)
        height, width = image.shape[-2:]
        boxes = np.array([[0, 0, width, height], [3, 1, 20.5, 8], [-4, 2, width + 9, 7]], np.float32)
        for few in (boxes, boxes[:1]):
            np.testing.assert_allclose(run(given, image, few), model_embeddings(model, image, few), atol=1e-5)
        assert run(given, image, boxes[:0]).shape == (0, 16)
    assert most > 3


@pytest.mark.parametrize("name", ["inet", "seqnet", "fpn"])
@pytest.mark.parametrize("option", ["MODEL.ROI_HEADS.SCORE_THRESH_TEST", "MODEL.PROPOSAL_GENERATOR.MIN_SIZE"])
def test_nobody_is_no_error(name, option, make_model, images):
    """No detection passes the threshold; no proposal is large enough."""
    model = make_model(name, option, {"SCORE": 1.0}.get(option.split(".")[-1][:5], 1000))
    boxes, scores, embeddings = run(WholePicture(model), images[0])
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)
    assert embeddings.shape == (0, 16)


def test_as_many_are_kept_as_the_configuration_says(make_model, images):
    model = make_model("inet", "TEST.DETECTIONS_PER_IMAGE", 2)
    assert len(run(WholePicture(model), images[0])[0]) == 2
    everybody = make_model("inet", "TEST.DETECTIONS_PER_IMAGE", -1)
    assert len(run(WholePicture(everybody), images[0])[0]) == len(model_outputs(everybody, images[0]).boxes) > 2


def test_sides_are_filled_up_to_pad_to(make_model, images):
    model = make_model("inet", "MODEL.PAD_TO", 64)
    for image in images:
        np.testing.assert_allclose(run(WholePicture(model), image)[0], model_outputs(model, image).boxes, atol=1e-4)


def test_a_model_of_crops_embeds_boxes(make_model, images):
    model = make_model("crops")
    boxes = np.array([[0, 0, 40, 90]], np.float32)
    np.testing.assert_allclose(
        run(GivenBoxes(model), images[1], boxes), model_embeddings(model, images[1], boxes), atol=1e-5
    )


def test_what_only_training_needs_stays_out(make_model):
    model = make_model("inet")
    names = [name for name, _ in WholePicture(model).named_buffers()]
    assert not any("identity_losses" in name for name in names)
    assert any("identity_losses" in name for name, _ in model.named_buffers())  # and the model keeps it
