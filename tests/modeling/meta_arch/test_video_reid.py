import pytest
import torch
from detectron2.modeling import build_model
from detectron2.utils.events import EventStorage
from torch.nn import functional as F

from inet_d2.engine import INetTrainer, load_config
from places import config_path

LOSSES = {"loss_clip_softmax", "loss_clip_triplet", "loss_frame_difference"}


def build(*options):
    torch.manual_seed(0)
    words = ["MODEL.WEIGHTS", "", "MODEL.VIDEO_REID.REG_WEIGHT", "1.0", *options]
    return build_model(load_config(config_path("quick_schedules/sta_instant_test.yaml"), words))


def clips(count=4, frames=4):
    generator = torch.Generator().manual_seed(1)
    shape = (frames, 3, 64, 32)
    return [
        {"frames": torch.randint(256, shape, generator=generator, dtype=torch.uint8), "pid": k // 2, "image_id": k}
        for k in range(count)
    ]


@pytest.mark.parametrize("fusion", ["SpatialTemporalAttention", "AveragePooling"])
def test_losses_reach_all_weights(fusion):
    model = build("MODEL.VIDEO_REID.FUSION", fusion).train()
    with EventStorage() as storage:
        losses = model(clips())
        assert 0 <= storage.latest()["reid/clip_accuracy"][0] <= 1
    assert set(losses) == LOSSES
    assert (losses["loss_frame_difference"] > 0) == (fusion == "SpatialTemporalAttention")
    sum(losses.values()).backward()
    assert [name for name, value in model.named_parameters() if value.requires_grad and value.grad is None] == []


def test_losses_are_those_of_their_definitions():
    model = build().train()
    inputs = clips()
    with EventStorage(), torch.no_grad():
        losses = model(inputs)
        frames = torch.stack([x["frames"] for x in inputs])
        fused, _ = model.fusion(model.frame_features(frames.flatten(0, 1)).unflatten(0, (4, 4)))
        embeddings = model.embed(fused)
    pids = torch.tensor([0, 0, 1, 1])
    assert torch.allclose(losses["loss_clip_softmax"], F.cross_entropy(model.classifier(embeddings), pids), atol=1e-5)
    # Clip 0's only positive is clip 1, and its hardest negative the nearer one of clips 2 and 3.
    cosines = F.normalize(embeddings) @ F.normalize(embeddings).T
    by_hand = [
        F.relu(0.3 + max(cosines[a, n] for n in range(4) if pids[n] != pids[a]) - cosines[a, a ^ 1]) for a in range(4)
    ]
    assert torch.allclose(losses["loss_clip_triplet"], torch.stack(by_hand).mean(), atol=1e-5)


def test_a_tracklet_is_the_mean_of_even_clips():
    model = build().eval()
    frames = clips(1, 6)[0]["frames"]
    with torch.no_grad():
        (output,) = model([{"frames": frames}])
        # Six frames in clips of at most four: three and three.
        halves = [model.embed(model.fusion(model.frame_features(part)[None])[0]) for part in (frames[:3], frames[3:])]
        expected = F.normalize(F.normalize(torch.cat(halves)).mean(dim=0), dim=0)
        assert torch.allclose(output["embedding"], expected, atol=1e-5)
        assert output["embedding"].norm() == pytest.approx(1)
        # Seven: four and three.
        seven = torch.cat([frames, frames[:1]])
        parts = [model.embed(model.fusion(model.frame_features(p)[None])[0]) for p in (seven[:4], seven[4:])]
        expected = F.normalize(F.normalize(torch.cat(parts)).mean(dim=0), dim=0)
        assert torch.allclose(model([{"frames": seven}])[0]["embedding"], expected, atol=1e-5)
        assert model([{"frames": frames[:1]}])[0]["embedding"].shape == (32,)


def test_the_order_of_a_clips_frames_plays_no_part():
    model = build().eval()
    frames = clips(1, 4)[0]["frames"]
    with torch.no_grad():
        first, second = model([{"frames": frames}, {"frames": frames[[2, 0, 3, 1]]}])
    assert torch.allclose(first["embedding"], second["embedding"], atol=1e-5)


def test_half_precision_ends_at_the_backbone():
    model = build().train()
    with EventStorage(), torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert {loss.dtype for loss in model(clips()).values()} == {torch.float32}
        embedding = model.eval()([{"frames": clips(1)[0]["frames"]}])[0]["embedding"]
    assert embedding.dtype == torch.float32
    assert embedding.norm().item() == pytest.approx(1, abs=1e-5)


def test_every_tensor_follows_the_model_to_its_device():
    model = build().to("meta").eval()
    assert model([{"frames": clips(1)[0]["frames"]}])[0]["embedding"].device.type == "meta"
    frames = torch.cat([x["frames"] for x in clips(2)]).to("meta")
    fused, regularisation = model.train().fusion(model.frame_features(frames).unflatten(0, (2, 4)))
    assert {fused.device.type, regularisation.device.type, model.embed(fused).device.type} == {"meta"}


def test_crops_are_refused():
    with pytest.raises(
        ValueError, match="expected frames of clips or tracklets, found image, image_id; name a data set"
    ):
        build().eval()([{"image": torch.zeros(3, 8, 4), "image_id": "a"}])


def test_names_that_are_not_registered_are_refused():
    with pytest.raises(
        ValueError, match=r'FUSION: expected one of AveragePooling, SpatialTemporalAttention, found "RNN"'
    ):
        build("MODEL.VIDEO_REID.FUSION", "RNN")
    with pytest.raises(ValueError, match=r'IN_FEATURE: expected one of .*, found "res7"'):
        build("MODEL.VIDEO_REID.IN_FEATURE", "res7")
    cfg = load_config(config_path("quick_schedules/sta_instant_test.yaml"))
    cfg.DATALOADER.TRAIN_LOADER = "build_crop_train_loader"
    with pytest.raises(ValueError, match="gives crops, but VideoReID trains on clips; use a loader that gives them"):
        INetTrainer.build_model(cfg)
