"""Every configuration key that inet_d2 adds to Detectron2's defaults.

The defaults are the paper's values (He, Zhang, Jia, arXiv 1804.00376) or, where the paper is silent, the reading
that ``docs/paper_to_code.md`` states. Keys marked "ours" exist because a cold start needs them; at their defaults
they change nothing.
"""

from detectron2.config import CfgNode as CN  # noqa: N817  (Detectron2's own idiom)

from inet_d2.baselines.config import add_baseline_config
from inet_d2.config_reid import add_reid_config


def add_inet_config(cfg: CN) -> None:
    """Add the keys of inet_d2 to a Detectron2 configuration, in place.

    Call it after ``get_cfg()`` and before ``merge_from_file``.

    Args:
        cfg: an unfrozen configuration with Detectron2's defaults.
    """
    # Modules of yours to import before anything is built, so that they can register their parts. A module's
    # function add_config(cfg), if it has one, adds keys, which may then stand in the same file.
    cfg.EXTENSIONS = ()
    # Data sets of yours, each with its files, by the name that TRAIN and TEST give it; docs/own_data.md has examples.
    # Ours.
    cfg.DATASETS.OWN = CN(new_allowed=True)
    _add_backbone_config(cfg)
    _add_input_config(cfg)
    _add_reid_config(cfg)
    _add_region_config(cfg)
    _add_crop_config(cfg)
    _add_solver_config(cfg)
    _add_test_config(cfg)
    add_baseline_config(cfg)
    add_reid_config(cfg)


def _add_backbone_config(cfg: CN) -> None:
    cfg.MODEL.VGG = CN()
    # Multiplies the channels of every layer (64, 128, 256, 512, 512); paper 1.0.
    cfg.MODEL.VGG.WIDTH_FACTOR = 1.0
    # Normalisation after each convolution: "" (paper), "GN", "BN" or "FrozenBN".
    cfg.MODEL.VGG.NORM = ""
    # Stride of conv5_3 in pixels: 16 (paper) or 8 (the fourth pooling is left out). Ours.
    cfg.MODEL.VGG.STRIDE = 16
    # Swin Transformer of "build_swin_fpn_backbone" (Liu et al. 2021); the defaults are Swin-T. MODEL.FPN.IN_FEATURES
    # names its stages "p0" (stride 4) to "p3" (stride 32).
    cfg.MODEL.SWIN = CN()
    # Channels of the first stage; each further stage has twice those before.
    cfg.MODEL.SWIN.EMBED_DIM = 96
    # Blocks of each stage.
    cfg.MODEL.SWIN.DEPTHS = (2, 2, 6, 2)
    # Attention heads of each stage.
    cfg.MODEL.SWIN.NUM_HEADS = (3, 6, 12, 24)
    # Side of the attention windows, in patches.
    cfg.MODEL.SWIN.WINDOW_SIZE = 7
    # Stochastic depth of the last block, in [0, 1); more than 0 needs the package timm.
    cfg.MODEL.SWIN.DROP_PATH_RATE = 0.0
    # Keep the batch norms of the model in evaluation mode while training (their affine weights still learn). Ours.
    cfg.MODEL.HOLD_BATCH_NORM = False
    # Beginnings of names of modules whose batch norms are not held: those that the weights a run starts from do not
    # have, whose statistics are therefore still the initial ones. Without HOLD_BATCH_NORM all are live anyway. Ours.
    cfg.MODEL.LIVE_BATCH_NORM = ()
    # Dropout probability after each fully-connected layer of VGG16BoxHead, in [0, 1); Caffe's VGG16 has 0.5.
    cfg.MODEL.ROI_BOX_HEAD.DROPOUT = 0.5


def _add_region_config(cfg: CN) -> None:
    # What INetRes5ROIHeads and its kin make of the fifth stage's points: "mean" (Detectron2's C4 models) or "max".
    cfg.MODEL.ROI_BOX_HEAD.POOLING = "mean"
    # The second head of SeqROIHeads (Li and Miao 2021, published code).
    second = cfg.MODEL.ROI_REID_HEAD.SECOND_STAGE = CN()
    # Weight of its box regression; MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_WEIGHT is the first head's.
    second.BBOX_REG_LOSS_WEIGHT = 1.0
    # Non-maximum suppression after it, IoU in [0, 1]; MODEL.ROI_HEADS.NMS_THRESH_TEST is the first head's.
    second.NMS_THRESH_TEST = 0.5


def _add_reid_config(cfg: CN) -> None:
    reid = cfg.MODEL.ROI_REID_HEAD = CN()
    # Embedding head, a name in ROI_REID_HEAD_REGISTRY. The next key and NORM and SEPARATE_FC are those of the default.
    reid.NAME = "EmbeddingHead"
    # What the embedding is: "learned", a linear layer behind the box head that the losses below train, or "box_head",
    # the box head's own output at unit length, which no identity loss trains (a plain detector with a fixed embedding;
    # EMBED_DIM, NORM and SEPARATE_FC then play no part, and every loss below must be off).
    reid.EMBEDDING = "learned"
    # Length of the embedding (section 3.1).
    reid.EMBED_DIM = 256
    # Number of labelled identities of the training set, C; the classifier has C + 1 outputs (section 3.3). 0 = counted
    # in DATASETS.TRAIN when training begins.
    reid.NUM_PIDS = 5532
    # Normalisation of the embedding before it is scaled to unit length: "" (paper), "BN", "SyncBN", "FrozenBN" or "GN".
    # Ours.
    reid.NORM = ""
    # Give the embedding fully-connected layers of its own instead of sharing fc6/fc7 with detection. Ours.
    reid.SEPARATE_FC = False
    # A sampled RoI counts as a person for the identity losses and the dictionary at IoU >= PERSON_IOU with its
    # ground truth, and as background at IoU < BACKGROUND_IOU with every ground truth; between them it is ignored.
    # Paper: 0.5 for both, nothing is ignored. Other values: ours.
    reid.PERSON_IOU = 0.5
    reid.BACKGROUND_IOU = 0.5
    # Which box a detection's embedding is pooled from: False = the proposal (paper's code base), True = the final box.
    reid.POOL_FINAL_BOX = False

    _add_paper_losses(reid)
    _add_other_losses(reid)
    _add_classifier_config(reid)


def _add_paper_losses(reid: CN) -> None:
    # On-line feature dictionary (section 3.2).
    reid.DICTIONARY = CN()
    # Entries: 40 x 128 (section 4.3).
    reid.DICTIONARY.SIZE = 5120
    # Random background entries stored per image (section 4.1).
    reid.DICTIONARY.BACKGROUNDS_PER_IMAGE = 5
    # Store people without identity as negatives (Table 1, "I-Net" against "I-Net w/o unlabeled").
    reid.DICTIONARY.USE_UNLABELLED = True

    # On-line pairing loss (Eq. 1-4).
    reid.OLP = CN({"ENABLED": True})
    reid.OLP.LOSS_WEIGHT = 1.0
    # Multiplies cosine similarities before the softmax; paper 1.0, 10-16 learns faster.
    reid.OLP.SCALE = 1.0
    # Who receives the gradient: "anchor" (Eq. 2-4) or "full" (plain autograd of Eq. 1).
    reid.OLP.GRADIENT = "anchor"

    # Hard example priority softmax (Eq. 5).
    reid.HEP = CN({"ENABLED": True})
    reid.HEP.LOSS_WEIGHT = 1.0
    # M, classes in the pool (section 3.3).
    reid.HEP.NUM_CLASSES = 100
    # Hardest negatives of each subgroup whose classes get priority (section 3.3).
    reid.HEP.TOP_NEGATIVES = 20


def _add_classifier_config(reid: CN) -> None:
    # The classifier behind HEP, SOFTMAX and RANDOM_SOFTMAX.
    reid.CLASSIFIER = CN()
    # Multiplies the logits; paper 1.0.
    reid.CLASSIFIER.SCALE = 1.0
    # Use unit-length class weights and no bias, so that logits are cosines. Ours; paper False.
    reid.CLASSIFIER.COSINE = False
    # Share of the loss that persons have, in (0, 1); background has the rest. 0 = plain mean over RoIs (Eq. 5). Ours.
    reid.CLASSIFIER.PERSON_SHARE = 0.0
    # Row-sparse gradients for HEP and RANDOM_SOFTMAX: a step costs the same for any NUM_PIDS. Rows that a step does
    # not use then see no weight decay and no momentum in it. One process only; with norm clipping it needs a torch
    # whose clip_grad_norm_ takes sparse gradients (2.15 does, 2.12 does not). Ours; paper False.
    reid.CLASSIFIER.SPARSE_GRADIENT = False


def _add_other_losses(reid: CN) -> None:
    # Softmax over all C + 1 classes, the alternative of Table 3.
    reid.SOFTMAX = CN({"ENABLED": False})
    reid.SOFTMAX.LOSS_WEIGHT = 1.0

    # Softmax over NUM_CLASSES classes per region, drawn anew: its own, background and random ones. The ancestor of HEP
    # (Xiao et al. 2016, arXiv 1604.01850v1).
    reid.RANDOM_SOFTMAX = CN({"ENABLED": False})
    reid.RANDOM_SOFTMAX.LOSS_WEIGHT = 1.0
    reid.RANDOM_SOFTMAX.NUM_CLASSES = 100

    # On-line instance matching (Xiao et al. 2017, arXiv 1604.01850v3).
    reid.OIM = CN({"ENABLED": False})
    reid.OIM.LOSS_WEIGHT = 1.0
    # Inverse temperature: 10 in the published code, 30 in most later code.
    reid.OIM.SCALE = 10.0
    # The part of an identity's row in the lookup table that a new region leaves as it is, in [0, 1).
    reid.OIM.MOMENTUM = 0.5
    # Entries of the queue of unlabelled people.
    reid.OIM.QUEUE_SIZE = 5000
    # Keep unlabelled people in the queue (Table 1, "OIM" against "OIM w/o unlabeled").
    reid.OIM.USE_UNLABELLED = True

    # Do as the published code of OIM, NAE and SeqNet: rows that are not filled yet count as similarities of 0, and a
    # row has unit length after every region. False leaves such rows out and scales once for a batch. Ours.
    reid.OIM.AS_PUBLISHED = False

    # Batch-hard triplets within an image pair (Hermans et al. 2017, arXiv 1703.07737).
    reid.TRIPLET = CN({"ENABLED": False})
    reid.TRIPLET.LOSS_WEIGHT = 1.0
    # In units of cosine. Ours.
    reid.TRIPLET.MARGIN = 0.3
    # Take negatives from the dictionary too, backgrounds included. Ours.
    reid.TRIPLET.USE_DICTIONARY = False

    # Same person or not, for pairs of people across an image pair (Zheng et al. 2017, arXiv 1611.05666).
    reid.VERIFICATION = CN({"ENABLED": False})
    reid.VERIFICATION.LOSS_WEIGHT = 1.0
    # The decision starts as SCALE * (cosine - THRESHOLD) and then learns. Ours.
    reid.VERIFICATION.SCALE = 10.0
    reid.VERIFICATION.THRESHOLD = 0.5


def _add_input_config(cfg: CN) -> None:
    # How images are resized: "detectron2" (antialiased, whole grey levels, sides rounded), "fast" (ours: the same by
    # PyTorch's kernel, values differ by at most 1) or "torchvision" (no antialiasing, no rounding, sides floored),
    # which the published weights of NAE and SeqNet expect.
    cfg.INPUT.RESIZE = "detectron2"
    # In training, decode a JPEG at a half, a quarter or an eighth of its size where that is still at least what it is
    # resized to. It saves most of the decoding and changes pixels. Not with RESIZE "torchvision"; crops are cut from
    # whole frames all the same. Ours.
    cfg.INPUT.SCALED_DECODING = False
    # Pad images at the right and at the bottom to a multiple of this, pixels; 0 = what the backbone asks for.
    cfg.MODEL.PAD_TO = 0


def _add_crop_config(cfg: CN) -> None:
    # The first stage (meta-architecture "CropReID"): identity learning on person crops of the training frames.
    crop = cfg.INPUT.PERSON_CROP = CN()
    # Height and width in pixels that a person's box is resized to.
    crop.SIZE = (160, 80)
    # Pixels of real image around the resized box, on each side.
    crop.CONTEXT = 16
    # Largest shift and scale change of the box, as a share of its width and height.
    crop.JITTER = (0.08, 0.05)
    # Brightness gain is drawn from [1 - GAIN, 1 + GAIN].
    crop.GAIN = 0.2
    # Crops per identity in a batch; SOLVER.IMS_PER_BATCH counts crops and must be a multiple of it.
    crop.PER_IDENTITY = 3
    # Memory of each training process for what crops can show of their frames, MiB, so that frames are not decoded
    # again; it changes no pixel. 0 = decode every time. Ours.
    crop.CACHE_MIB = 1024

    cfg.MODEL.CROP_REID = CN()
    # Scale and weights of the two losses of the first stage: identity softmax and in-batch pairs.
    cfg.MODEL.CROP_REID.SCALE = 10.0
    cfg.MODEL.CROP_REID.SOFTMAX_WEIGHT = 1.0
    cfg.MODEL.CROP_REID.PAIR_WEIGHT = 1.0


def _add_solver_config(cfg: CN) -> None:
    # Builder of the training loader, a name in TRAIN_LOADER_REGISTRY: "build_pair_train_loader",
    # "build_image_train_loader", "build_crop_train_loader" or "build_clip_train_loader".
    cfg.DATALOADER.TRAIN_LOADER = "build_pair_train_loader"
    # What a training does about a sample that cannot be loaded: "raise" ends the run, "skip" takes another sample in
    # its place and says so. An evaluation always ends. Ours.
    cfg.DATALOADER.ON_BAD_SAMPLE = "raise"
    # The share of samples, in [0, 1), that may be replaced under "skip"; more of them end the run. Ours.
    cfg.DATALOADER.MAX_BAD_SHARE = 0.02
    # Seconds without a batch after which a warning says which files are waited for; 0 = never. Ours.
    cfg.DATALOADER.PATIENCE = 60.0
    # Where SOLVER.AMP.ENABLED: "fp16" (Detectron2's; gradients are scaled), "bf16", or "auto", which is bf16 where the
    # device has instructions for it and float32 elsewhere. Ours.
    cfg.SOLVER.AMP.PRECISION = "fp16"
    # Batches of SOLVER.IMS_PER_BATCH whose gradients make one iteration, as the mean over all; Caffe's iter_size. Ours.
    cfg.SOLVER.ITER_SIZE = 1
    # "SGD" (paper) or "AdamW".
    cfg.SOLVER.OPTIMIZER = "SGD"
    # Checkpoints to keep besides model_final.pth, the newest ones; 0 keeps all, as Detectron2 does. Ours.
    cfg.SOLVER.CHECKPOINTS_KEPT = 0
    # Learning-rate factors of the parts that MODEL.WEIGHTS brings along and of all other parts; paper 1.0. Ours.
    cfg.SOLVER.LR_FACTOR_PRETRAINED = 1.0
    cfg.SOLVER.LR_FACTOR_NEW = 1.0
    # Prefixes of the parameter names that count as pretrained.
    cfg.SOLVER.PRETRAINED_MODULES = ("backbone", "roi_heads.box_head", "roi_heads.reid_head", "roi_heads.identity")


def _add_test_config(cfg: CN) -> None:
    search = cfg.TEST.SEARCH = CN()
    # Gallery sizes to report: 50, 100, 500, 1000, 2000, 4000, or 0 for the full gallery. PRW always uses the full one.
    search.GALLERY_SIZES = (100,)
    # Detections below this score are neither searched nor counted, in [0, 1].
    search.SCORE_THRESH = 0.5
    # The model learned from drawn scenes (ours, configs/demo): inet-search warns that it knows no photographs.
    search.DRAWN_TRAINING_SET = False
    # "reference" (official walk) or "seqnet"; they differ on four queries of CUHK-SYSU.
    search.RULES = "reference"
    # Average precision by "step" sum or by "trapezoid" (publications before 2018).
    search.AP = "step"
    # Embed the annotated boxes instead of detections (column "GT" of the paper's Table 1).
    search.USE_GT_BOXES = False
    # Embed the detections of this predictions.npz instead of the model's own, with their boxes and scores; "" for none.
    search.BOXES_FROM = ""
    # PRW only: leave the frames of the query's camera out of its gallery.
    search.CROSS_CAMERA = False
    # Multiply similarities by the score of the detection, as NAE and SeqNet do ("confidence weighted similarity").
    search.CONFIDENCE_WEIGHT = False
