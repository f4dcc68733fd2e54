"""What the documents cite exists: tests, code, paths, configuration keys, links; the code of docs/extend.md runs."""

import re

import pytest
from detectron2.config import get_cfg
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.modeling import build_model
from detectron2.utils.events import EventStorage
from PIL import Image

from inet_d2 import add_inet_config
from inet_d2.data import build_train_loader
from inet_d2.engine import INetTrainer, load_config
from places import ROOT

each_document = pytest.mark.parametrize("path", [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")], ids=lambda p: p.stem)
FOLDERS = "|".join(p.name for p in ROOT.iterdir() if p.is_dir() and p.name[0] != "." and p.name != "output")
CFG = get_cfg()
add_inet_config(CFG)


@each_document
def test_cited_tests_exist(path):
    for file, name in re.findall(r"([\w/]+/test_\w+\.py)::(\w+)", path.read_text()):
        assert re.search(rf"^def {name}\(", (ROOT / file).read_text(), re.M), f"{path.name}: {file}::{name}"


def test_cited_code_exists():
    code = "".join(p.read_text() for p in ROOT.glob("inet_d2/**/*.py"))
    names = re.findall(r"`(?:\w+\.)?(\w+)`", (ROOT / "docs" / "paper_to_code.md").read_text())
    assert [n for n in names if not n.isupper() and not re.search(rf"(def|class) {n}\b", code)] == []


@each_document
def test_cited_paths_exist(path):
    cited = set(re.findall(rf"(?<![\w./-])(?:{FOLDERS})/[\w./-]*[\w/]", path.read_text()))
    assert [p for p in cited if not re.match("datasets/(CUHK-SYSU|PRW|mot)", p) and not (ROOT / p).exists()] == []


@each_document
def test_cited_configuration_keys_exist(path):
    text = re.sub(r"```python\n.*?```", "", path.read_text(), flags=re.S)  # which is run, and may add keys
    for key in set(re.findall(r"\b(?:MODEL|SOLVER|INPUT|DATA\w+|TEST)(?:\.[A-Z]\w*)+", text)):
        node = CFG
        for part in key.split("."):
            assert part in node, f"{path.name}: {key}"
            node = node[part]


@each_document
def test_relative_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#\s]+)", path.read_text()):
        assert "://" in target or (path.parent / target).exists(), f"{path.name}: {target}"


def test_the_code_about_extending_runs(tmp_path, monkeypatch):
    text = (ROOT / "docs" / "extend.md").read_text()
    (tmp_path / "my_extension.py").write_text("\n".join(re.findall(r"```python\n(.*?)```", text, re.S)))
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.S)
    for number, block in enumerate(blocks):
        (tmp_path / f"{number}.yaml").write_text(block.replace('_BASE_: "', f'_BASE_: "{ROOT}/'))
    (tmp_path / "all.yaml").write_text(f"_BASE_: {[f'{number}.yaml' for number in range(len(blocks))]}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    cfg = load_config(str(tmp_path / "all.yaml"))
    cfg.merge_from_list(["MODEL.DEVICE", "cpu", "MODEL.ROI_BOX_HEAD.FC_DIM", 16, "DATALOADER.NUM_WORKERS", 0])
    cfg.merge_from_list(["INPUT.MIN_SIZE_TRAIN", (240,), "INPUT.MIN_SIZE_TEST", 240, "OUTPUT_DIR", str(tmp_path)])
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", "b.jpg"):
        Image.effect_noise((320, 240), 40).convert("RGB").save(name)
    assert build_model(cfg).backbone.width == 32
    assert type(build_model(cfg).roi_heads.reid_head).__name__ == "TwoWayHead"
    with EventStorage():
        losses = build_model(cfg)(next(iter(build_train_loader(cfg))))
    assert {"loss_compact", "loss_olp", "loss_hep"} <= set(losses)
    sum(losses.values()).backward()
    cfg.TEST.SEARCH.USE_GT_BOXES = True
    assert INetTrainer.test(cfg, build_model(cfg))["search"]["top10"] == 100  # the one gallery image has the person
    for name in cfg.DATASETS.TRAIN + cfg.DATASETS.TEST:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)
