"""The files that are broken, each with the reader that has to cope."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from faults.containers import add_yaml_line, change_mat, change_zip
from faults.digest import digest
from inet_d2.baselines.detectors.boosting import BoostedTrees
from inet_d2.baselines.detectors.detector import build_detector
from inet_d2.data.datasets import load_cuhk_sysu, load_cuhk_sysu_protocol, load_prw, load_prw_protocol
from inet_d2.data.datasets.protocol_file import read_protocol_file, write_protocol_file
from inet_d2.engine import RunCheckpointer, load_config
from inet_d2.engine.checkpoint_file import read_checkpoint
from inet_d2.engine.setup import config_leaves
from inet_d2.evaluation import ContextPredictions, SearchPredictions
from inet_d2.image_file import read_image
from inet_d2.scenes import make_scenes
from inet_d2.search import Frame, People, Source, open_store

_DIMENSION, _PEOPLE = 8, 12
_GALLERIES = (50, 100)


class WrongFigureError(Exception):
    """A reader gave what cannot be right."""


@dataclass(frozen=True)
class Target:
    """A file and its reader.

    Attributes:
        row: of the table.
        path: the file; it is replaced by broken ones.
        read: reads it and gives a :func:`digest` of its content.
        has_checksums: of all its content, so that other content is the reader's fault.
        has_an_end: the format shows that the end is missing.
        change_within: changes the content and packs it with the right checksums; None where there is no such thing.
        must_not_appear: a file that code in the broken one would make.
    """

    row: str
    path: Path
    read: Callable[[], str]
    has_checksums: bool = False
    has_an_end: bool = False
    change_within: Callable[[bytes, np.random.Generator], bytes] | None = None
    must_not_appear: Path | None = None


def make_targets(folder: Path, seed: int) -> list[list[Target]]:
    """Write one sound file of each kind and more.

    Args:
        folder: is there, and empty.
        seed: of their content.

    Returns:
        For each row of the table its targets.
    """
    rng = np.random.default_rng(seed)
    return [
        _cuhk_sysu_files(folder),
        _prw_files(folder),
        [_jpeg(folder)],
        [*_predictions(folder, rng), _protocol(folder), _detector(folder, rng)],
        [_checkpoint(folder)],
        [_yaml(folder)],
        [_index(folder, rng)],
    ]


def _cuhk_sysu_files(folder: Path) -> list[Target]:
    root = make_scenes(folder, "tiny", seed=0, progress=False, processes=1)

    def read() -> str:
        splits = [load_cuhk_sysu(root, split) for split in ("train", "test")]
        return digest([splits, [load_cuhk_sysu_protocol(root, size) for size in _GALLERIES]])

    paths = sorted(root.glob("annotation/**/*.mat"))
    return [Target(".mat, CUHK-SYSU", path, read, has_checksums=True, change_within=change_mat) for path in paths]


def _prw_files(folder: Path) -> list[Target]:
    sizes = {"frames": (8, 8), "ids": (3, 3)}
    root = make_scenes(folder, "street", seed=0, progress=False, processes=1, layout="prw", **sizes)

    def read() -> str:
        return digest([load_prw(root, "train"), load_prw(root, "test"), load_prw_protocol(root)])

    paths = sorted(root.rglob("*.mat"))
    return [Target(".mat, PRW", path, read, has_checksums=True, change_within=change_mat) for path in paths]


def _jpeg(folder: Path) -> Target:
    path = folder / "CUHK-SYSU/Image/SSM/s1.jpg"
    return Target("JPEG", path, lambda: digest(read_image(path, "RGB")), has_an_end=True)


def _unit_vectors(rng: np.random.Generator, count: int) -> np.ndarray:
    vectors = rng.standard_normal((count, _DIMENSION))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def _boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    corners = rng.uniform(0, 100, (count, 2, 2))
    return np.concatenate([corners.min(axis=1), corners.max(axis=1) + 1], axis=1).astype(np.float32)


def _predictions(folder: Path, rng: np.random.Generator) -> list[Target]:
    scores = rng.random(_PEOPLE).astype(np.float32)
    SearchPredictions(
        gallery_names=np.array(["a.jpg", "b.jpg", "c.jpg"]),
        gallery_counts=np.array([5, 0, _PEOPLE - 5]),
        gallery_boxes=_boxes(rng, _PEOPLE),
        gallery_scores=scores,
        gallery_embeddings=_unit_vectors(rng, _PEOPLE),
        query_names=np.array(["a.jpg", "b.jpg"]),
        query_boxes=_boxes(rng, 2),
        query_embeddings=_unit_vectors(rng, 2),
    ).save(folder / "predictions.npz")
    ContextPredictions(np.array([3, _PEOPLE - 3]), scores, _unit_vectors(rng, _PEOPLE)).save(folder / "context.npz")
    kinds = {"predictions.npz": SearchPredictions, "context.npz": ContextPredictions}
    return [_npz(folder / name, lambda path, kind=kind: kind.load(path)) for name, kind in kinds.items()]


def _npz(path: Path, read: Callable[[Path], Any]) -> Target:
    return Target(".npz", path, lambda: digest(read(path)), has_checksums=True, change_within=change_zip)


def _protocol(folder: Path) -> Target:
    path = folder / "protocol.npz"
    write_protocol_file(path, {size: load_cuhk_sysu_protocol(folder / "CUHK-SYSU", size) for size in _GALLERIES})
    return _npz(path, lambda path: [read_protocol_file(path, size) for size in _GALLERIES])


def _detector(folder: Path, rng: np.random.Generator) -> Target:
    cfg = load_config("")
    detector = build_detector(cfg)
    features = rng.integers(0, 100, (6, 3), dtype=np.int32)
    values = rng.standard_normal((6, 4)).astype(np.float32)
    detector.trees = BoostedTrees(features, features.astype(np.float32), values, 2)
    path = folder / "detector.npz"
    detector.save(path)

    def read(path: Path) -> Any:
        loaded = build_detector(cfg)
        loaded.load(path)
        return [loaded.offset, vars(loaded.trees)]

    return _npz(path, read)


def _checkpoint(folder: Path) -> Target:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(_DIMENSION, _DIMENSION), nn.BatchNorm1d(_DIMENSION))
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9)
    RunCheckpointer(model, str(folder), optimizer=optimizer).save("model_final", iteration=3)
    path = folder / "model_final.pth"
    return Target(
        "checkpoint", path, lambda: digest(read_checkpoint(path)), has_checksums=True, change_within=change_zip
    )


def _yaml(folder: Path) -> Target:
    path, made = folder / "config.yaml", folder / "made_by_yaml"
    path.write_text(load_config("").dump())
    change = partial(add_yaml_line, file=str(path), made=str(made))
    return Target(
        "yaml",
        path,
        lambda: digest(dict(config_leaves(load_config(str(path))))),
        change_within=change,
        must_not_appear=made,
    )


def _index(folder: Path, rng: np.random.Generator) -> Target:
    path, examples = folder / "people.index", _unit_vectors(rng, 2)
    with open_store(str(path), create=True) as store:
        for number in range(40):
            people = People(_boxes(rng, 3), rng.random(3).astype(np.float32), _unit_vectors(rng, 3))
            source = Source(f"/{number}.jpg", f"hash{number}", "image", 10, 10, 640, 480, 1e9 + number)
            store.add([(source, [Frame(0.0, 0.0, people, bytes(192))])])

    def read() -> str:
        with open_store(str(path), read_only=True) as store:
            found = store.search(examples, 5)
            if not np.all(np.abs(found.similarities) <= 1.001):  # NaN included
                raise WrongFigureError(f"similarities of {found.similarities}")
            return digest([store.sources(), store.count(), found, store.rows()])

    return Target("index", path, read, has_an_end=True)
