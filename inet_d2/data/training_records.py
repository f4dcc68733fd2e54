"""The records of one or several training sets, with identities that agree with the configuration."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from detectron2.config import CfgNode

from inet_d2.data.datasets.builtin import load_annotations, load_records
from inet_d2.data.datasets.tracklet_records import is_tracklets, load_tracklets
from inet_d2.data.pids import is_labelled
from inet_d2.data.records import Record, check_training_names, image_name, people_of, person_id

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingIdentities:
    """Who the labelled people of the training sets are.

    Args:
        count: identities of all sets together.
        fingerprint: the same for the same boxes of the same people under the same numbers, wherever the files lie;
            "" without labelled people.
    """

    count: int
    fingerprint: str


def training_identities(names: Sequence[str]) -> TrainingIdentities:
    """Count and identify the labelled people of DATASETS.TRAIN; frames are not opened where the reader allows that.

    Args:
        names: registered; may be empty.

    Raises:
        ValueError: no such name, or a record is none.
    """
    count, lines = 0, []
    for name in names:
        people = _labelled_people(name)
        lines += [f"{image}\t{pid + count}\t{place}" for image, pid, place in people]
        count += len({pid for _, pid, _ in people})
    digest = hashlib.sha256("\n".join(sorted(lines)).encode("utf-8", "surrogatepass")).hexdigest()
    return TrainingIdentities(count, digest if lines else "")


def _labelled_people(name: str) -> list[tuple[str, int, list[int]]]:
    """Image, identity and box of each labelled person; of a tracklet its name, identity and number of frames."""
    if is_tracklets(name):
        found = [(str(r["image_id"]), r["person_id"], [len(r["file_names"])]) for r in load_tracklets(name)]
    else:
        found = [
            (image_name(record), person_id(person), [round(x) for x in person["bbox"]])
            for record in load_annotations(name)
            for person in people_of(record)
        ]
    return [person for person in found if is_labelled(person[1])]


def with_counted_pids(cfg: CfgNode) -> CfgNode:
    """The configuration with MODEL.ROI_REID_HEAD.NUM_PIDS as DATASETS.TRAIN has it, where it is 0; otherwise as it is.

    Raises:
        ValueError: see :func:`training_identities`.
    """
    if cfg.MODEL.ROI_REID_HEAD.NUM_PIDS:
        return cfg
    counted = cfg.clone()
    counted.defrost()
    counted.MODEL.ROI_REID_HEAD.NUM_PIDS = training_identities(cfg.DATASETS.TRAIN).count
    counted.freeze()
    _logger.info(
        "MODEL.ROI_REID_HEAD.NUM_PIDS: %d, counted in %s",
        counted.MODEL.ROI_REID_HEAD.NUM_PIDS,
        " + ".join(cfg.DATASETS.TRAIN),
    )
    return counted


def load_training_records(names: Sequence[str], num_pids: int) -> list[Record]:
    """Records of all training sets, with the identities of one numbered behind those of the sets before.

    Args:
        names: registered, DATASETS.TRAIN.
        num_pids: MODEL.ROI_REID_HEAD.NUM_PIDS, of all sets together; 0 takes any.

    Returns:
        Set after set.

    Raises:
        ValueError: no set or one twice, no image or one twice, ``num_pids`` is not what the sets have, identities have
            gaps, or most images show one identity several times.
    """
    check_training_names(names)
    parts = [load_records(name) for name in names]
    check_images(names, parts)
    counts = [_count_identities(name, records) for name, records in zip(names, parts, strict=True)]
    num_people, title = sum(len(people_of(record)) for part in parts for record in part), " + ".join(names)
    if num_pids and not sum(counts):
        raise ValueError(
            f"{title}: person_id: expected {num_pids} identities (MODEL.ROI_REID_HEAD.NUM_PIDS), found "
            f"none in {num_people} annotations; give annotations a person_id, or set NUM_PIDS to 0 for a detector alone"
        )
    if num_pids not in (0, sum(counts)):
        raise ValueError(
            f"MODEL.ROI_REID_HEAD.NUM_PIDS is {num_pids}, but {title} has {sum(counts)} labelled "
            f"identities; set MODEL.ROI_REID_HEAD.NUM_PIDS to {sum(counts)}, or to 0 to have them counted"
        )
    for name, records, count in zip(names, parts, counts, strict=True):
        largest = max((person_id(person) for record in records for person in people_of(record)), default=-1)
        if largest >= count:
            raise ValueError(
                f"{name}: expected identities numbered 0 to {count - 1}, found {largest}; "
                "number them without gaps where the data set is read"
            )
    firsts = [sum(counts[:place]) for place in range(len(counts))]
    return [_renumbered(record, first) for part, first in zip(parts, firsts, strict=True) for record in part]


def check_images(names: Sequence[str], parts: Sequence[Sequence[Record]]) -> None:
    """Refuse images that come twice, and identities that tell nobody apart.

    Args:
        names: of data sets that are used together.
        parts: their records.

    Raises:
        ValueError: a set has no image, an image comes twice, or most images with several labelled people show one of
            them several times.
    """
    places: dict[str, str] = {}
    for name, records in zip(names, parts, strict=True):
        if not records:
            raise ValueError(f"{name}: expected images, found none; check the data set")
        for record in records:
            path = record["file_name"]
            if path in places:
                raise ValueError(
                    f"{name}: expected every image once, found {path} again (in {places[path]}); its people would be "
                    "paired with themselves, or kept apart from themselves: list it once"
                )
            places[path] = name
        pids = [[pid for p in people_of(r) if is_labelled(pid := person_id(p))] for r in records]
        several = [row for row, found in enumerate(pids) if len(found) > 1]
        repeated = [row for row in several if len(set(pids[row])) < len(pids[row])]
        if len(repeated) > 1 and 2 * len(repeated) > len(several):
            raise ValueError(
                f"{name}: person_id: expected every identity once in an image, found some repeated in "
                f"{len(repeated)} of the {len(several)} images with several labelled people, first "
                f"{records[repeated[0]]['file_name']}; give people whom nobody has told apart the person_id -1, or none"
            )


def _count_identities(name: str, records: list[Record]) -> int:
    pids = [person_id(person) for record in records for person in people_of(record)]
    labelled = [pid for pid in pids if is_labelled(pid)]
    _logger.info(
        "%s: %d images, %d boxes, %d of them labelled, %d identities",
        name,
        len(records),
        len(pids),
        len(labelled),
        len(set(labelled)),
    )
    return len(set(labelled))


def _renumbered(record: Record, first: int) -> Record:
    """The record with its labelled identities counted from ``first``; the record itself stays as it is."""
    if not first:
        return record
    people = [
        {**person, "person_id": person_id(person) + first} if is_labelled(person_id(person)) else person
        for person in record["annotations"]
    ]
    return {**record, "annotations": people}
