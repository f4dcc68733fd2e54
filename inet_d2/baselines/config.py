"""The configuration keys of the two-step baselines, part of :func:`inet_d2.config.add_inet_config`."""

from detectron2.config import CfgNode as CN  # noqa: N817  (Detectron2's own idiom)


def add_baseline_config(cfg: CN) -> None:
    """Add the nodes TWO_STEP and DETECTOR, in place."""
    _add_two_step_config(cfg)
    _add_detector_config(cfg)


def _add_two_step_config(cfg: CN) -> None:
    # Two-step search (tools/two_step_search.py): boxes, a descriptor of crops, a distance.
    two_step = cfg.TWO_STEP = CN()
    # A name in DESCRIPTOR_REGISTRY: "LOMO", "BagOfWords" or "DenseColourSift".
    two_step.DESCRIPTOR = "LOMO"
    # A name in DISTANCE_REGISTRY: "Euclidean", "Cosine", "KISSME" or "XQDA".
    two_step.DISTANCE = "XQDA"
    # Principal components that descriptors are reduced to before the distance; 0 for none.
    two_step.PCA_DIM = 0
    _add_descriptor_config(two_step)

    two_step.KISSME = CN()
    # Principal components before the metric, 0 for none (Market-1501's baseline has 200).
    two_step.KISSME.PCA_DIM = 200
    # Pairs of different people: "all" (ours), or as many "random" ones as there are pairs of the same (published).
    two_step.KISSME.NEGATIVES = "all"

    two_step.XQDA = CN()
    # Added to the diagonal of the within-person covariance (published code).
    two_step.XQDA.LAMBDA = 0.001
    # Dimensions of the subspace; -1 takes all in which different people differ more than one does.
    two_step.XQDA.DIM = -1
    # "eigh", generalised eigenvectors (the paper), or "svd", left singular vectors (the published code).
    two_step.XQDA.SOLVER = "eigh"


def _add_descriptor_config(two_step: CN) -> None:
    # LOMO (Liao et al., CVPR 2015); the values are those of its published code, but for the Retinex, which is ours.
    lomo = two_step.LOMO = CN()
    # Height and width of the crops, pixels.
    lomo.SIZE = (128, 48)
    # Each scale is half as large as the one before.
    lomo.SCALES = 3
    # Side and distance of the blocks, pixels.
    lomo.BLOCK = 10
    lomo.STEP = 5
    # Bins of hue, saturation and value.
    lomo.HSV_BINS = (8, 8, 8)
    # Share by which a neighbour must be darker or brighter than a pixel, and distances of the neighbours, pixels.
    lomo.TAU = 0.3
    lomo.RADII = (3, 5)
    # Even the light before colours are counted, and the widths that it is blurred with, pixels.
    lomo.RETINEX = True
    lomo.RETINEX_SIGMAS = (5.0, 20.0)

    # Bag of words of colour names (Zheng et al., ICCV 2015).
    bow = two_step.BOW = CN()
    # Height and width of the crops, pixels.
    bow.SIZE = (128, 64)
    # Words of the codebook, and how many of them each cell counts for.
    bow.WORDS = 350
    bow.NEIGHBOURS = 10
    # A word at distance d gets exp(-d / SIGMA^2).
    bow.SIGMA = 3.0
    # Path of w2c.mat (van de Weijer et al. 2009); "" = a table of our own from matplotlib's XKCD colours.
    bow.COLOUR_NAMES = ""
    # Path of a .mat file with the published codebook; "" = k-means on training crops.
    bow.CODEBOOK = ""

    # Dense colour histograms and SIFT (Zhao et al., CVPR 2013).
    dsift = two_step.DSIFT = CN()
    # Height and width of the crops, side and distance of the patches, pixels.
    dsift.SIZE = (128, 48)
    dsift.PATCH = 10
    dsift.STEP = 4
    # Scales and bins of the colour histograms.
    dsift.SCALES = (0.5, 0.75, 1.0)
    dsift.BINS = 32


def _add_detector_config(cfg: CN) -> None:
    # Detectors of the two-step baselines (tools/train_detector.py). The defaults are ACF's INRIA setting.
    detector = cfg.DETECTOR = CN()
    # A name in PERSON_DETECTOR_REGISTRY: "ACF" or "CCF".
    detector.NAME = "ACF"
    # Trees of each stage, their depth, and whether leaves vote (discrete AdaBoost) or give half the log-odds.
    detector.STAGES = (32, 128, 512, 2048)
    detector.DEPTH = 2
    detector.DISCRETE = True
    # Windows without people that a stage adds, keeps of all so far, and takes from one frame at most.
    detector.NEGATIVES = 5000
    detector.NEGATIVES_KEPT = 10000
    detector.NEGATIVES_PER_FRAME = 25
    # Frames that a stage takes them from, at most. Ours.
    detector.NEGATIVE_FRAMES = 20000
    # People lower than this are not trained on, pixels. Ours.
    detector.LEAST_HEIGHT = 50.0
    # Added to every leaf, so that fewer people fall out of the cascade (published: 0.005 in training, 0.01 in testing).
    detector.CASCADE_SHIFT = 0.015
    # Scales in a factor of two, and how many factors of two images are enlarged by, for people below 100 pixels.
    detector.SCALES_PER_OCTAVE = 8
    detector.OCTAVES_UP = 1.0
    # CCF: checkpoint with the VGG16 backbone that MODEL.VGG describes.
    detector.WEIGHTS = ""
