"""DukeMTMC-reID (Ristani et al. 2016, Zheng et al., ICCV 2017), in Market-1501's layout; withdrawn by its authors."""

from typing import Final

from inet_d2.data.datasets.market1501 import MARKET1501
from inet_d2.data.datasets.market_layout import MarketLayout

DUKE_REID: Final = MarketLayout(
    "dukemtmc_reid",
    pattern=MARKET1501.pattern,
    remedy="set DETECTRON2_DATASETS to the folder that holds a complete copy (see datasets/README.md)",
)
load_duke_reid, duke_reid_identities = DUKE_REID.records, DUKE_REID.identities
