"""Every key of ours is read; the defaults are the paper's."""

from detectron2.config import CfgNode, get_cfg

from config_reads import keys_read, unread
from inet_d2 import add_inet_config
from inet_d2.engine import load_config
from places import ROOT, config_path


def leaves(node, prefix=""):
    for key, value in node.items():
        if isinstance(value, CfgNode):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def own_keys(cfg):
    add_inet_config(cfg)
    return set(leaves(cfg)) - set(leaves(get_cfg()))


READS = set().union(*(keys_read(path.read_text()) for path in (ROOT / "inet_d2").rglob("*.py")))


def test_every_key_of_ours_is_read():
    keys = own_keys(get_cfg())
    assert len(keys) > 30
    assert unread(keys, READS) == []


def test_a_new_key_with_the_name_of_another_is_found_unread():
    cfg = get_cfg()
    cfg.MODEL.VGG = CfgNode()
    keys = own_keys(cfg) | {"MODEL.VGG.SCALE", "MODEL.ROI_REID_HEAD.OLP.MARGIN", "TEST.SEARCH.NORM"}
    assert unread(keys, READS) == ["MODEL.ROI_REID_HEAD.OLP.MARGIN", "MODEL.VGG.SCALE", "TEST.SEARCH.NORM"]


def test_reads_are_found_behind_local_names():
    code = """
class Term:
    def from_config(cls, cfg, *, other):
        reid, size = cfg.MODEL.REID, cfg.INPUT.SIZE
        olp = reid.OLP
        reid.OFF = False
        return other.WRONG, olp.SCALE, reid[cls.name].WEIGHT, reid["HEP"].CLASSES

def build(cfg):
    return [node.ENABLED for name, node in cfg.MODEL.REID.items()]

def run(self, node):
    return self.cfg.SEED, node.WRONG

def build_part(node: CfgNode):
    bow = node.BOW
    return bow.WORDS
"""
    wholes = {"MODEL", "MODEL.REID", "MODEL.REID.OLP", "MODEL.REID.items", "INPUT", "*.BOW"}
    assert keys_read(code) - wholes == {
        "INPUT.SIZE", "MODEL.REID.OLP.SCALE", "MODEL.REID.*.WEIGHT", "MODEL.REID.HEP.CLASSES", "MODEL.REID.*.ENABLED",
        "SEED", "*.BOW.WORDS",
    }  # fmt: skip
    assert unread(["SEED", "SEED.X", "MODEL.REID.HEP.WEIGHT", "MODEL.REID.HEP.SCALE"], keys_read(code)) == [
        "MODEL.REID.HEP.SCALE",
        "SEED.X",
    ]


def test_the_defaults_are_the_papers():
    cfg = load_config(config_path("CUHK-SYSU/inet_vgg16.yaml"))
    expected = {
        "INPUT.MIN_SIZE_TRAIN": (600,),
        "INPUT.MAX_SIZE_TRAIN": 1000,
        "MODEL.ANCHOR_GENERATOR.SIZES": [[128, 256, 512]],
        "MODEL.BACKBONE.FREEZE_AT": 2,
        "MODEL.ROI_BOX_HEAD.FC_DIM": 4096,
        "MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION": 7,
        "MODEL.ROI_BOX_HEAD.SMOOTH_L1_BETA": 1.0,
        "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE": 128,
        "MODEL.ROI_HEADS.POSITIVE_FRACTION": 0.25,
        "MODEL.ROI_REID_HEAD.DICTIONARY.BACKGROUNDS_PER_IMAGE": 5,
        "MODEL.ROI_REID_HEAD.DICTIONARY.SIZE": 40 * 128,
        "MODEL.ROI_REID_HEAD.EMBED_DIM": 256,
        "MODEL.ROI_REID_HEAD.HEP.NUM_CLASSES": 100,
        "MODEL.ROI_REID_HEAD.HEP.TOP_NEGATIVES": 20,
        "MODEL.ROI_REID_HEAD.NUM_PIDS": 5532,
        "MODEL.RPN.SMOOTH_L1_BETA": 0.1111111,
        "SOLVER.BASE_LR": 0.001,
        "SOLVER.GAMMA": 0.1,
        "SOLVER.IMS_PER_BATCH": 2,
        "SOLVER.MAX_ITER": 60000,
        "SOLVER.MOMENTUM": 0.9,
        "SOLVER.STEPS": (50000,),
        "SOLVER.WEIGHT_DECAY": 0.0005,
    }
    found = {}
    for key in expected:
        node = cfg
        for part in key.split("."):
            node = node[part]
        found[key] = node
    assert found == expected
    # All losses have weight 1 and no temperature.
    reid = cfg.MODEL.ROI_REID_HEAD
    assert {reid.OLP.LOSS_WEIGHT, reid.HEP.LOSS_WEIGHT, cfg.MODEL.RPN.LOSS_WEIGHT, reid.OLP.SCALE} == {1.0}
