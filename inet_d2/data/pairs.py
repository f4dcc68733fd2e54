"""All same-identity image pairs of a training set, the items of I-Net's training epochs (section 4.1)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from detectron2.data import DatasetFromList

from inet_d2.arrays import expand_ranges
from inet_d2.data.pids import is_labelled
from inet_d2.data.records import people_of, person_id

Record = dict[str, Any]


def same_identity_pairs(records: Sequence[Record]) -> np.ndarray:
    """List every unordered pair of records that show one identity.

    Two records that share several identities give one pair for each of them. An identity that is annotated
    twice in one record counts once there, so a record is never paired with itself.

    Args:
        records: dataset records with ``annotations``; each annotation has an int ``person_id`` (encoding of
            ``inet_d2/data/pids.py``). Unlabelled people make no pair.

    Returns:
        (P, 3) int64, rows ``[pid, i, j]`` with record indices i < j, sorted by pid, then i, then j; P may be
        0.

    Source: section 4.1, "16000 pairs": all n(n-1)/2 pairs of an identity that is in n images.
    """
    sightings = np.array(
        [(person_id(person), index) for index, record in enumerate(records) for person in people_of(record)],
        dtype=np.int64,
    ).reshape(-1, 2)
    sightings = np.unique(sightings[is_labelled(sightings[:, 0])], axis=0)  # sorted by pid, then record
    pids, images = sightings[:, 0], sightings[:, 1]

    # The partners of a row are the rows behind it that show the same identity.
    behind = np.arange(len(sightings)) + 1
    second, first = expand_ranges(behind, np.searchsorted(pids, pids, side="right") - behind)
    return np.stack([pids[first], images[first], images[second]], axis=1)


class PairDataset(torch.utils.data.Dataset):
    """One item per same-identity image pair: ``{"first": record, "second": record, "pid": int}``.

    Items are fresh objects that the caller may modify. The records are stored once, serialised, so that
    worker processes share them.

    Args:
        records: dataset records, see :func:`same_identity_pairs`.

    Raises:
        ValueError: no identity is in two records.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self.pairs = same_identity_pairs(records)
        if not len(self.pairs):
            raise ValueError(
                f"PairDataset: expected an identity that is in two images, found none among {len(records)} "
                "images; I-Net trains on pairs of images of one person, so use a data set with labelled "
                "people that recur"
            )
        self._records = DatasetFromList(list(records), copy=False)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> dict[str, Any]:
        pid, first, second = (int(value) for value in self.pairs[index])
        return {"first": self._records[first], "second": self._records[second], "pid": pid}
