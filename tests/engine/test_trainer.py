import json
import math

import pytest
import torch
from detectron2.data import DatasetCatalog
from detectron2.modeling import build_model

from inet_d2.data import TRAIN_LOADER_REGISTRY, register_train_loader
from inet_d2.engine import INetTrainer, load_config
from places import config_path


@pytest.fixture
def cfg(tiny_datasets, tmp_path):
    cfg = load_config(config_path("quick_schedules/inet_instant_test.yaml"))
    cfg.MODEL.WEIGHTS = ""
    cfg.OUTPUT_DIR = str(tmp_path)
    cfg.DATASETS.TEST = ()
    return cfg


def groups(cfg):
    model = build_model(cfg)
    optimizer = INetTrainer.build_optimizer(cfg, model)
    names = {id(p): name for name, p in model.named_parameters()}
    return type(optimizer), {
        names[id(p)]: (group["lr"], group["weight_decay"]) for group in optimizer.param_groups for p in group["params"]
    }


def test_learning_rates_of_old_and_new_parts(cfg):
    cfg.SOLVER.BASE_LR = 0.01
    cfg.SOLVER.LR_FACTOR_PRETRAINED = 0.3
    cfg.SOLVER.LR_FACTOR_NEW = 2.0
    cfg.SOLVER.WEIGHT_DECAY_BIAS = 0.0
    kind, rates = groups(cfg)
    assert issubclass(kind, torch.optim.AdamW)
    assert rates["backbone.stack3.conv3_1.weight"] == (0.003, 0.01)
    assert rates["backbone.stack3.conv3_1.norm.weight"] == (0.003, 0.0)
    assert rates["roi_heads.reid_head.embedding.weight"][0] == 0.003
    assert rates["roi_heads.identity_losses.classifier.weight"][0] == 0.003
    assert rates["proposal_generator.rpn_head.conv.weight"][0] == 0.02
    assert rates["roi_heads.box_predictor.bbox_pred.bias"] == (0.02, 0.0)


def test_the_papers_optimiser():
    cfg = load_config(config_path("CUHK-SYSU/inet_vgg16.yaml"), ["MODEL.VGG.WIDTH_FACTOR", "0.0625"])
    cfg.MODEL.ROI_BOX_HEAD.FC_DIM = 8
    kind, rates = groups(cfg)
    assert issubclass(kind, torch.optim.SGD)
    # Caffe's habit: biases learn twice as fast and do not decay
    assert rates["backbone.stack3.conv3_1.weight"] == (0.001, 0.0005)
    assert rates["backbone.stack3.conv3_1.bias"] == (0.002, 0.0)
    assert "backbone.stack1.conv1_1.weight" not in rates


def test_an_unknown_optimiser_is_refused(cfg):
    cfg.SOLVER.OPTIMIZER = "Lion"
    with pytest.raises(ValueError, match=r'SOLVER\.OPTIMIZER: expected "SGD" or "AdamW", found "Lion"'):
        INetTrainer.build_optimizer(cfg, build_model(cfg))


def test_resuming_restores_dictionary_and_schedule(cfg):
    cfg.SOLVER.MAX_ITER = 4
    first = INetTrainer(cfg)
    first.train()
    state = first.model.state_dict()
    dictionary = {name: value for name, value in state.items() if ".dictionary." in name}
    assert int(state["roi_heads.identity_losses.dictionary.fill"]) > 0
    cfg.SOLVER.MAX_ITER = 6
    second = INetTrainer(cfg)
    second.resume_or_load(resume=True)
    assert second.start_iter == 4
    assert set(dictionary) == {
        f"roi_heads.identity_losses.dictionary.{n}" for n in ("embeddings", "pids", "pointer", "fill")
    }
    for name, value in dictionary.items():
        assert torch.equal(second.model.state_dict()[name], value), name
    second.train()
    assert second.iter == 6


def test_pictures_in_tensorboard_leave_the_run_as_it_is(run_cfg, tmp_path):
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    ends, logged = [], []
    for period in (0, 2):
        run = tmp_path / str(period)
        torch.manual_seed(0)
        trainer = INetTrainer(run_cfg("pairs", "VIS_PERIOD", period, "OUTPUT_DIR", run, "SOLVER.MAX_ITER", 3))
        trainer.train()
        ends.append(trainer.model.state_dict())
        lines = [json.loads(line) for line in (run / "metrics.json").read_text().splitlines()]
        logged.append([[x for x in line.items() if "time" not in x[0] and "eta" not in x[0]] for line in lines])
    assert logged[0] == logged[1]
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())
    found = [accumulators.EventAccumulator(str(tmp_path / period)).Reload() for period in "02"]
    assert found[0].Tags()["images"] == []
    for name in ("training/proposals", "training/regions"):
        assert [x.step for x in found[1].Images(name)] == [0, 2]


def test_an_interrupted_run_leaves_its_last_checkpoint(cfg, tmp_path):
    cfg.SOLVER.CHECKPOINT_PERIOD = 2
    trainer = INetTrainer(cfg)

    def fail():
        if trainer.iter == 3:
            raise RuntimeError("the lights went out")
        type(trainer).run_step(trainer)

    trainer.run_step = fail
    with pytest.raises(RuntimeError, match="the lights went out"):
        trainer.train()
    again = INetTrainer(cfg)
    again.resume_or_load(resume=True)
    assert again.start_iter == 2


def test_everything_is_checked_before_training(cfg, monkeypatch, tmp_path):
    cfg.DATASETS.TEST = ("cuhk_sysu_test",)
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="CUHK-SYSU"):
        INetTrainer(cfg)
    cfg.DATASETS.TEST = ()
    with pytest.raises(FileNotFoundError, match="CUHK-SYSU"):
        INetTrainer(cfg)


def test_another_number_of_identities_is_refused(cfg):
    cfg.MODEL.ROI_REID_HEAD.NUM_PIDS = 9
    with pytest.raises(ValueError, match=r"NUM_PIDS is 9, but cuhk_sysu_train has 8"):
        INetTrainer(cfg)


def test_figures_are_kept_as_json(cfg, tmp_path):
    cfg.DATASETS.TEST = ("cuhk_sysu_test",)
    results = INetTrainer.test(cfg, build_model(cfg))
    finite = {
        task: {name: value if math.isfinite(value) else None for name, value in figures.items()}
        for task, figures in results.items()
    }
    assert json.loads((tmp_path / "results.json").read_text()) == finite
    assert finite["bbox"]["APl"] is None  # no person is that large
    assert set(results) == {"search", "detection", "bbox"}


@pytest.fixture
def own_loader():
    """Register a loader of the user's own: own_loader("pairs"), or own_loader(None) for one that says nothing."""

    def register(gives):
        def build_own_loader(cfg):
            raise AssertionError("the check comes before any data is read")

        decorate = register_train_loader(gives=gives) if gives else TRAIN_LOADER_REGISTRY.register()
        return decorate(build_own_loader).__name__

    yield register
    TRAIN_LOADER_REGISTRY._obj_map.pop("build_own_loader", None)


@pytest.mark.parametrize(
    ("gives", "found"),
    [("single images", "gives single images"), ("crops", "gives crops"), (None, "does not say what it gives .see .*")],
)
def test_losses_of_pairs_refuse_a_loader_that_gives_none(cfg, own_loader, gives, found):
    cfg.DATALOADER.TRAIN_LOADER = own_loader(gives)
    message = rf'"build_own_loader", which {found}, but the losses OLP, HEP of MODEL\.ROI_REID_HEAD need pairs; use'
    for build in (INetTrainer, INetTrainer.build_model):  # training, and evaluation only
        with pytest.raises(ValueError, match=message):
            build(cfg)


def test_the_packages_own_loader_of_single_images_is_refused_too(cfg):
    cfg.DATALOADER.TRAIN_LOADER = "build_image_train_loader"
    with pytest.raises(ValueError, match='"build_image_train_loader", which gives single images, but the losses OLP'):
        INetTrainer.build_model(cfg)


@pytest.mark.parametrize("gives", ["pairs", "single images", None])
def test_losses_that_need_no_pairs_take_any_loader(cfg, own_loader, gives):
    reid = cfg.MODEL.ROI_REID_HEAD
    reid.OLP.ENABLED = reid.HEP.ENABLED = False
    reid.OIM.ENABLED = True
    cfg.DATALOADER.TRAIN_LOADER = own_loader(gives)
    assert INetTrainer.build_model(cfg).trains_on is None


@pytest.mark.parametrize("loss", ["OLP", "OIM", "SOFTMAX"])
def test_losses_of_identities_want_somebody_labelled(cfg, tiny_datasets, loss):
    records = DatasetCatalog.get("cuhk_sysu_train")
    for record in records:
        record["annotations"] = [{**person, "person_id": -1} for person in record["annotations"]]
    DatasetCatalog.register("nobody_train", lambda: records)
    try:
        cfg.DATASETS.TRAIN, cfg.DATASETS.TEST = ("nobody_train",), ()
        cfg.MODEL.ROI_REID_HEAD.NUM_PIDS = 0
        for name in ("OLP", "HEP", "OIM", "SOFTMAX"):
            cfg.MODEL.ROI_REID_HEAD[name].ENABLED = name == loss
        cfg.DATALOADER.TRAIN_LOADER = "build_image_train_loader" if loss != "OLP" else "build_pair_train_loader"
        with pytest.raises(
            ValueError, match=f"nobody_train: person_id: expected labelled people, .* {loss} learn from"
        ):
            INetTrainer(cfg)
    finally:
        DatasetCatalog.remove("nobody_train")


def test_a_loader_of_the_users_own_may_give_pairs(cfg, own_loader):
    cfg.DATALOADER.TRAIN_LOADER = own_loader("pairs")
    assert INetTrainer.build_model(cfg).trains_on == "pairs"


def test_the_first_stage_asks_for_crops(own_loader):
    cfg = load_config(config_path("quick_schedules/crops_instant_test.yaml"))
    assert INetTrainer.build_model(cfg).trains_on == "crops"
    cfg.DATALOADER.TRAIN_LOADER = own_loader("crops")
    INetTrainer.build_model(cfg)
    cfg.DATALOADER.TRAIN_LOADER = "build_pair_train_loader"
    with pytest.raises(ValueError, match="which gives pairs, but CropReID trains on crops; use a loader that gives"):
        INetTrainer.build_model(cfg)


def test_a_loader_cannot_give_what_nobody_knows():
    with pytest.raises(ValueError, match='gives: expected one of pairs, single images, crops, clips, found "triplets"'):
        register_train_loader(gives="triplets")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("RULES", "refrence", r"rules \(TEST\.SEARCH\.RULES\): expected one of .*, found 'refrence'"),
        ("AP", "trapez", r"ap \(TEST\.SEARCH\.AP\): expected one of .*, found 'trapez'"),
        ("CROSS_CAMERA", True, "cross-camera search needs cameras"),
        ("SCORE_THRESH", 50.0, r"score_thresh \(TEST\.SEARCH\.SCORE_THRESH\): expected a number in \[0, 1\], found 50"),
    ],
)
def test_settings_of_the_evaluation_are_checked_before_training(cfg, key, value, message):
    cfg.DATASETS.TEST = ("cuhk_sysu_test",)
    cfg.TEST.SEARCH[key] = value
    with pytest.raises(ValueError, match=message):
        INetTrainer(cfg)
