"""CUHK03 (Li et al., CVPR 2014) with the new split of Zhong et al. (CVPR 2017), in Market-1501's layout.

Its folders are those of ``detected`` or ``labeled``. Cameras are the two views of each pair.
"""

from typing import Final

from inet_d2.data.datasets.market_layout import MarketLayout

CUHK03: Final = MarketLayout(
    "cuhk03",
    # 0001_c1_1.png, or pair, person, view and image: 1_001_1_01.png.
    pattern=r"(?P<person>\d+|\d+_\d+)_c?(?P<camera>\d+)_\d+\.",
    remedy="put a complete copy of CUHK03-NP there or set DETECTRON2_DATASETS (see datasets/README.md)",
    identity=str,
)
load_cuhk03, cuhk03_identities = CUHK03.records, CUHK03.identities
