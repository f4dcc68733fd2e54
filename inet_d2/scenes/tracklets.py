"""Tracklets of people who walk past cameras, in MARS's layout, some of them covered for a while."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from inet_d2.matlab.write import save_matrix
from inet_d2.scenes.drawing import draw_person
from inet_d2.scenes.folder import SETTINGS_FILE, is_there, made_aside
from inet_d2.scenes.gait import pose_at, sample_gait
from inet_d2.scenes.look import StreetLook
from inet_d2.scenes.person import sample_person
from inet_d2.scenes.photo import develop, relight
from inet_d2.scenes.preset import SplitSize, StreetPreset
from inet_d2.scenes.props import PROPS, draw_prop
from inet_d2.scenes.street import draw_street, sample_camera

VERSION = 1
OCCLUSIONS_FILE = "occlusions.json"
JUNK, DISTRACTOR = -1, 0
# Steps of the walk, pixels that the box trembles, and how much taller than the person it is.
PHASE_STEP, TREMBLE, ROOM = 1 / 8, 2, 1.1
FINE = 2


@dataclass(frozen=True)
class TrackletPreset:
    """Everything but the seed that decides what a set of tracklets looks like.

    Attributes:
        ids: training and test identities.
        distractors: people of the test split whom nobody searches, one tracklet each.
        frames: of a tracklet.
        size: height and width of a crop, pixels.
        cameras: fewest and most cameras that see a person, >= 2.
        tracks: fewest and most tracklets of a person by one of them.
        occluded: share of the tracklets in which something covers the person for a while.
        covered: smallest and largest share of the crop's height that it covers, from below.
        stretch: fewest and most frames that it does so.
    """

    ids: tuple[int, int]
    distractors: int
    frames: int
    size: tuple[int, int]
    cameras: tuple[int, int] = (2, 3)
    tracks: tuple[int, int] = (1, 2)
    occluded: float = 0.3
    covered: tuple[float, float] = (0.35, 0.55)
    stretch: tuple[int, int] = (3, 5)


TRACKLET_PRESETS = {
    "tiny": TrackletPreset(ids=(12, 8), distractors=3, frames=8, size=(64, 32)),
    "demo": TrackletPreset(ids=(60, 40), distractors=12, frames=12, size=(64, 32)),
}


@dataclass(frozen=True)
class _Track:
    """One tracklet to be drawn: whose, by which camera (from 1), and its number there."""

    is_test: bool
    person: int
    pid: int
    camera: int
    number: int


def make_tracklets(
    output: str | Path, preset: str = "tiny", *, seed: int = 0, progress: bool = True, force: bool = False
) -> Path:
    """Write a data set of drawn tracklets in the layout of MARS.

    Besides MARS's files there is ``occlusions.json``: by the name of each crop that is covered, from which share of its
    height on downwards.

    Args:
        output: folder that gets ``MARS``; made where it is missing.
        preset: a key of ``TRACKLET_PRESETS``.
        seed: >= 0; other people, other streets.
        progress: show a progress bar.
        force: make it again where a generated data set is. Anything else is never removed.

    Returns:
        The ``MARS`` folder.

    Raises:
        ValueError: a bad argument; the sentence says which and what fits.
        FileExistsError: the folder is there with other settings and ``force`` is False, or was not generated.
    """
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, found {seed}")
    if preset not in TRACKLET_PRESETS:
        raise ValueError(f"unknown preset of tracklets {preset!r}; choose one of {', '.join(TRACKLET_PRESETS)}")
    chosen = TRACKLET_PRESETS[preset]
    root = Path(output) / "MARS"
    settings = json.dumps({"version": VERSION, "seed": seed, **asdict(chosen)}, indent=2) + "\n"
    if is_there(root, settings, force):
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    with made_aside(root) as folder:
        tracks = _plan(chosen, seed)
        covered: dict[str, float] = {}
        names: dict[bool, list[str]] = {False: [], True: []}
        rows: dict[bool, list[tuple[int, int, int, int]]] = {False: [], True: []}
        for track in tqdm(tracks, desc="tracklets", unit="tracklet", disable=not progress):
            first = len(names[track.is_test]) + 1
            for frame, (crop, top) in enumerate(_draw(track, chosen, seed), start=1):
                name = f"{_folder_name(track.pid)}C{track.camera}T{track.number:04d}F{frame:03d}.jpg"
                path = folder / ("bbox_test" if track.is_test else "bbox_train") / _folder_name(track.pid) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(crop)
                names[track.is_test].append(name)
                if top < 1:
                    covered[name] = round(top, 4)
            rows[track.is_test].append((first, len(names[track.is_test]), track.pid, track.camera))
        _write_lists(folder / "info", names, {split: np.array(found) for split, found in rows.items()})
        (folder / OCCLUSIONS_FILE).write_text(json.dumps(covered, indent=1) + "\n")
        (folder / SETTINGS_FILE).write_text(settings)
    return root


def _folder_name(pid: int) -> str:
    """As in MARS, where junk is in ``00-1``."""
    return f"{pid:04d}" if pid >= 0 else "00-1"


def _plan(preset: TrackletPreset, seed: int) -> list[_Track]:
    """All tracklets, by split and id; people are numbered training first, then test, then distractors and junk."""
    rng = np.random.default_rng([seed, 20])
    tracks = []
    for person in range(sum(preset.ids)):
        is_test, number = person >= preset.ids[0], 0
        cameras = rng.permutation(3)[: rng.integers(preset.cameras[0], preset.cameras[1] + 1)]
        for camera in sorted(cameras.tolist()):
            for _ in range(rng.integers(preset.tracks[0], preset.tracks[1] + 1)):
                number += 1
                tracks.append(_Track(is_test, person, person + 1, camera + 1, number))
    strangers = [DISTRACTOR] * preset.distractors + [JUNK]
    for number, pid in enumerate(strangers, start=1):
        tracks.append(_Track(True, sum(preset.ids) + number, pid, int(rng.integers(3)) + 1, number))
    return sorted(tracks, key=lambda track: (track.is_test, track.pid))  # stable: junk and distractors come first


def _draw(track: _Track, preset: TrackletPreset, seed: int) -> Iterator[tuple[bytes, float]]:
    """JPEG bytes of each frame, and from which share of its height it is covered; 1 where it is not."""
    key = [seed, 21, track.is_test, track.person, track.camera, track.number]
    rng = np.random.default_rng(key)
    height, width = preset.size
    tall = round(height / ROOM)
    sizes = SplitSize(1, 1, (1, 1), 0.0)
    scene = StreetPreset("tracklets", 5 * width, 2 * height, (tall // 2, tall), sizes, sizes, cameras=3)
    look, light = StreetLook(scene, seed), float(rng.uniform(-1, 1))
    # A camera always looks at the same street.
    place = np.random.default_rng([seed, 22, track.camera])
    street = draw_street(scene, sample_camera(scene, place), place)
    person = look.dress(sample_person(np.random.default_rng([seed, 1, track.person])), track.person)
    gait, phase = sample_gait(rng), rng.random()
    begin, step = rng.uniform(width, 3 * width), rng.uniform(-2.5, 2.5)
    cover, covers = _sample_cover(preset, light, rng)
    shade = int(rng.integers(1 << 31))
    for frame in range(preset.frames):
        pose = pose_at(person, gait, phase + PHASE_STEP * frame)
        sprite = draw_person(look.turned(person, gait.view, track.person), pose, light, FINE * tall, rng)
        sprite = relight(look.woven(sprite, rng), scene.hard, np.random.default_rng(shade))
        scale = tall / sprite.shape[0]
        sprite = cv2.resize(sprite, (max(round(sprite.shape[1] * scale), 2), tall), interpolation=cv2.INTER_AREA)
        dx, dy = rng.integers(-TREMBLE, TREMBLE + 1, 2).tolist()
        left, top = round(begin + step * frame) + dx, height - 4 + dy
        crop = street[top : top + height, left : left + width].copy()
        _paste(crop, sprite, (width - sprite.shape[1]) // 2 + int(rng.integers(-1, 2)), height - tall - 1)
        start = 1.0
        if covers[frame]:
            start = 1 - cover.shape[0] / height
            _paste(crop, cover, (width - cover.shape[1]) // 2, height - cover.shape[0])
        yield _encoded(develop(look.exposed(crop, track.camera - 1), scene.hard, rng), rng), start


def _sample_cover(preset: TrackletPreset, light: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Something as wide as a crop to stand before a person, and (frames,) bool: when it does."""
    height, width = preset.size
    low = [kind for kind in PROPS if kind.is_slim and kind.size[1] < 1]
    picture = draw_prop(low[int(rng.integers(len(low)))], light, FINE * height, rng)
    rows = round(height * rng.uniform(*preset.covered))
    cover = cv2.resize(picture, (round(1.2 * width), rows), interpolation=cv2.INTER_AREA)
    is_covered = np.zeros(preset.frames, dtype=bool)
    length = int(rng.integers(preset.stretch[0], preset.stretch[1] + 1))
    first = int(rng.integers(0, max(preset.frames - length, 0) + 1))
    is_covered[first : first + length] = rng.random() < preset.occluded
    return cover, is_covered


def _paste(image: np.ndarray, sprite: np.ndarray, x: int, y: int) -> None:
    """Put a picture, RGB multiplied by alpha and alpha, into another; what passes the edges is cut off."""
    height, width = image.shape[:2]
    x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + sprite.shape[1], width), min(y + sprite.shape[0], height)
    part, pixels = image[y0:y1, x0:x1], sprite[y0 - y : y1 - y, x0 - x : x1 - x]
    part *= 1 - pixels[..., 3:] / 255
    part += pixels[..., :3]


def _encoded(crop: np.ndarray, rng: np.random.Generator) -> bytes:
    done, jpeg = cv2.imencode(".jpg", crop[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(75, 96))])
    if not done:
        raise RuntimeError("OpenCV could not encode a crop")
    return jpeg.tobytes()


def _write_lists(folder: Path, names: dict[bool, list[str]], rows: dict[bool, np.ndarray]) -> None:
    """The files in ``info``. Each camera that sees a test person gives one query, its first tracklet there."""
    folder.mkdir()
    for is_test, split in ((False, "train"), (True, "test")):
        (folder / f"{split}_name.txt").write_text("".join(f"{name}\n" for name in names[is_test]))
        save_matrix(folder / f"tracks_{split}_info.mat", f"track_{split}_info", rows[is_test])
    pairs, firsts = np.unique(rows[True][:, 2:], axis=0, return_index=True)
    queries = np.sort(firsts[pairs[:, 0] > DISTRACTOR]) + 1
    save_matrix(folder / "query_IDX.mat", "query_IDX", queries[None])
