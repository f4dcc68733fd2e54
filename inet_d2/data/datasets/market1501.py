"""Market-1501 (Zheng et al., ICCV 2015): crops of 1,501 people by six cameras."""

from typing import Final

from inet_d2.data.datasets.market_layout import MarketLayout

MARKET1501: Final = MarketLayout(
    "market1501",
    pattern=r"(?P<person>-?\d+)_c(?P<camera>\d+)",
    remedy="put a complete copy of Market-1501 there or set DETECTRON2_DATASETS (see datasets/README.md)",
    junk=-1,  # parts of people
    distractor=0,
)
load_market1501, market1501_identities = MARKET1501.records, MARKET1501.identities
