"""Sequences in MOTChallenge's layout (Milan et al., arXiv 1603.00831): frames, tracks, records.

The format counts frames, identities and pixels from 1. Of its classes, 1 is a pedestrian; 2, 7, 8 and 12 look like
people and are not to be counted (on a vehicle, static, distractor, reflection); a line whose seventh number is 0 is not
to be counted either. Lines of the 2015 edition have 10 numbers and no class.
"""

import configparser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from inet_d2.data.datasets.annotations import AnnotationTable, build_records
from inet_d2.data.datasets.frames import frame_sizes_or_error
from inet_d2.data.datasets.person_json import number_people

_PEDESTRIAN: Final = 1
_LIKE_PEOPLE: Final = (2, 7, 8, 12)
_LINES: Final = (7, 9, 10)
_REMEDY = "see docs/own_data.md"


@dataclass(frozen=True)
class MotRule:
    """What is taken of the sequences.

    Attributes:
        every: take frames 1, 1 + every, 1 + 2 every, ...
        min_visibility: in [0, 1]; people of whom less is seen are crowds: neither searched nor learned from.
        shared_ids: an identity is one person in all sequences, each of which is a camera. Otherwise people of different
            sequences are different people, and cameras are unknown.

    Raises:
        ValueError: a value is out of its range.
    """

    every: int = 1
    min_visibility: float = 0.3
    shared_ids: bool = False

    def __post_init__(self) -> None:
        if type(self.every) is not int or self.every < 1:
            raise ValueError(f"every: expected a whole number of at least 1, found {self.every!r}")
        if type(self.min_visibility) not in (int, float) or not 0 <= self.min_visibility <= 1:
            raise ValueError(f"min_visibility: expected a number in [0, 1], found {self.min_visibility!r}")
        if type(self.shared_ids) is not bool:
            raise ValueError(f"shared_ids: expected true or false, found {self.shared_ids!r}")


def load_mot(
    sequences: Sequence[str | Path], rule: MotRule | None = None, *, image_sizes: bool = True
) -> list[dict[str, Any]]:
    """Read sequences as Detectron2 records, with ``sequence`` and ``frame``, and ``camera_id`` for shared ids.

    Args:
        sequences: folders with ``seqinfo.ini``, ``gt/gt.txt`` and the frames, no folder name twice.
        rule: what to take; None for the defaults.
        image_sizes: False opens no frame and takes ``height`` and ``width`` from ``seqinfo.ini``.

    Returns:
        One record per frame, sequence after sequence; ``image_id`` is sequence/file name. Frames without a line are
        records without people.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: no sequence, one twice, a file with another structure, or nobody in any of them.
    """
    rule = rule or MotRule()
    folders = [Path(folder) for folder in sequences]
    names = [folder.resolve().name for folder in folders]
    if not folders or len(set(names)) < len(names):
        raise ValueError(f"sequences: expected folders of different names, found {', '.join(names) or 'none'}")
    parts = [_read_sequence(folder, name, rule) for folder, name in zip(folders, names, strict=True)]
    ids = [
        None if crowd or number < 0 else (number if rule.shared_ids else f"{name} {number:09d}")
        for name, part in zip(names, parts, strict=True)
        for number, crowd in zip(part.ids.tolist(), part.crowds.tolist(), strict=True)
    ]
    pids = np.split(number_people(ids, where=", ".join(map(str, folders))), np.cumsum([len(p.ids) for p in parts])[:-1])
    records = []
    for camera, (part, own) in enumerate(zip(parts, pids, strict=True), start=1):
        records += part.records(own, camera if rule.shared_ids else None)
    if image_sizes:
        sizes = frame_sizes_or_error("mot", [Path(record["file_name"]) for record in records])
        for record, (width, height) in zip(records, sizes, strict=True):
            record.update(width=width, height=height)
    return records


@dataclass(frozen=True, eq=False)
class _Sequence:
    """One sequence: F frames, R boxes sorted by frame."""

    name: str
    size: tuple[int, int]
    frames: np.ndarray
    paths: list[Path]
    table: AnnotationTable
    ids: np.ndarray
    crowds: np.ndarray

    def records(self, pids: np.ndarray, camera: int | None) -> list[dict[str, Any]]:
        cameras = None if camera is None else np.full(len(self.frames), camera)
        sizes = [self.size] * len(self.frames)
        records = build_records(self.table, pids, self.paths, sizes, cameras=cameras)
        crowds = iter(self.crowds.astype(int).tolist())
        for record, frame in zip(records, self.frames.tolist(), strict=True):
            record.update(sequence=self.name, frame=frame)
            for annotation in record["annotations"]:
                annotation["iscrowd"] = next(crowds)
        return records


def _read_sequence(folder: Path, name: str, rule: MotRule) -> _Sequence:
    info = _read_info(folder / "seqinfo.ini")
    lines = _read_lines(folder / "gt" / "gt.txt")
    frames = np.arange(1, info.length + 1, rule.every)
    beyond = np.flatnonzero((lines[:, 0] < 1) | (lines[:, 0] > info.length))
    if beyond.size:
        raise ValueError(
            f"{folder / 'gt' / 'gt.txt'}: expected frames 1 to {info.length} (seqLength), found {lines[beyond[0], 0]:g}"
        )
    has_classes = lines.shape[1] == 9
    classes = lines[:, 7] if has_classes else np.full(len(lines), _PEDESTRIAN)
    visibility = lines[:, 8] if has_classes else np.ones(len(lines))
    crowds = np.isin(classes, _LIKE_PEOPLE) | (lines[:, 6] == 0) | (visibility < rule.min_visibility)
    kept = (
        np.isin(classes, (_PEDESTRIAN, *_LIKE_PEOPLE)) & (lines[:, 4:6] > 0).all(axis=1) & np.isin(lines[:, 0], frames)
    )
    rows = np.flatnonzero(kept)
    rows = rows[np.argsort(lines[rows, 0], kind="stable")]
    files = [f"{frame:06d}{info.ending}" for frame in frames.tolist()]
    boxes = lines[rows, 2:6] - [1, 1, 0, 0]
    table = AnnotationTable(
        np.array([f"{name}/{file}" for file in files]), np.searchsorted(frames, lines[rows, 0]), boxes
    )
    paths = [folder / info.folder / file for file in files]
    return _Sequence(name, info.size, frames, paths, table, lines[rows, 1].astype(np.int64), crowds[rows])


@dataclass(frozen=True)
class _Info:
    length: int
    size: tuple[int, int]
    folder: str
    ending: str


def _read_info(path: Path) -> _Info:
    """seqinfo.ini: how many frames there are, of which size, and where."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text(encoding="utf-8-sig"))
        section = parser["Sequence"]
        numbers = [int(section[key]) for key in ("seqLength", "imWidth", "imHeight")]
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path} is missing; name folders of MOTChallenge's layout ({_REMEDY})") from error
    except (configparser.Error, KeyError, ValueError) as error:
        raise ValueError(
            f"{path}: expected [Sequence] with seqLength, imWidth and imHeight, found another structure ({error}); "
            f"{_REMEDY}"
        ) from error
    if min(numbers) < 1:
        raise ValueError(f"{path}: expected seqLength, imWidth and imHeight of at least 1, found {numbers}; {_REMEDY}")
    return _Info(numbers[0], (numbers[1], numbers[2]), section.get("imDir", "img1"), section.get("imExt", ".jpg"))


def _read_lines(path: Path) -> np.ndarray:
    """gt.txt: (R, 7, 9 or 10) float64 rows of frame, id, x, y, width, height, whether to count, class, visibility."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; a sequence without ground truth cannot be trained on or scored")
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig", errors="replace").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = [float(value) for value in line.split(",")]
            if len(row) not in _LINES or (rows and len(row) != len(rows[0])) or not np.isfinite(row).all():
                raise ValueError(f"{len(row)} values")
        except ValueError as error:
            raise ValueError(
                f"{path}: line {number}: expected frame,id,x,y,width,height,count,class,visibility in each line, found "
                f"{line!r} ({error}); {_REMEDY}"
            ) from error
        rows.append(row)
    if not rows:
        raise ValueError(f"{path}: expected lines of people, found none; {_REMEDY}")
    return np.array(rows)
