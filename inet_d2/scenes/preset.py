"""The sizes of a generated data set: frames, identities, appearances, pixels, galleries."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class SplitSize:
    """How much one split holds.

    Attributes:
        frames: number of frames, > 0.
        ids: number of labelled identities, > 0.
        appearances: fewest and most frames a labelled identity is in, >= 2.
        strangers: mean number of unlabelled people in a frame, >= 0.
    """

    frames: int
    ids: int
    appearances: tuple[int, int]
    strangers: float


@dataclass(frozen=True)
class ScenePreset:
    """Everything but the seed that decides what a data set looks like.

    Attributes:
        name: the preset's name.
        width: of a frame, pixels.
        height: of a frame, pixels.
        person_height: shortest and tallest person, pixels.
        train: size of the training split.
        test: size of the test split; every test identity is one query.
        gallery_sizes: one ``TestG<n>.mat`` is written for each.
        max_overlap: largest part of the smaller of two boxes that the other may cover.
        hard: strength of the photometric changes; 0 none, 1 strong.
    """

    name: str
    width: int
    height: int
    person_height: tuple[int, int]
    train: SplitSize
    test: SplitSize
    gallery_sizes: tuple[int, ...] = (50, 100)
    max_overlap: float = 0.35
    hard: float = 0.3


@dataclass(frozen=True)
class StreetPreset(ScenePreset):
    """Scenes whose pixels alone say less of who somebody is.

    Attributes:
        cameras: number of cameras, each with colours, contrast and resolution of its own.
        cast: strength of a camera's colours and contrast; 0.2 is a factor of up to 1.22 a channel.
        resolution: smallest and largest scale at which cameras see the scene, in (0, 1].
        like_clothes: part of the people who wear one of the common outfits, in [0, 1].
        outfits: number of these.
        shade: depth of the shade that falls on people in patches, new in each frame.
        weave: depth of the texture of cloth.
    """

    cameras: int = 6
    cast: float = 0.2
    resolution: tuple[float, float] = (0.4, 0.8)
    like_clothes: float = 0.7
    outfits: int = 12
    shade: float = 0.25
    weave: float = 0.12


PRESETS = {
    "tiny": ScenePreset(
        name="tiny",
        width=160,
        height=120,
        person_height=(36, 92),
        train=SplitSize(frames=12, ids=8, appearances=(3, 4), strangers=0.5),
        test=SplitSize(frames=10, ids=6, appearances=(2, 4), strangers=0.5),
    ),
    "demo": ScenePreset(
        name="demo",
        width=320,
        height=240,
        person_height=(78, 185),
        train=SplitSize(frames=210, ids=200, appearances=(4, 6), strangers=0.9),
        test=SplitSize(frames=160, ids=120, appearances=(3, 5), strangers=1.0),
    ),
    "street": StreetPreset(
        name="street",
        width=320,
        height=240,
        person_height=(78, 185),
        train=SplitSize(frames=210, ids=200, appearances=(4, 6), strangers=0.9),
        test=SplitSize(frames=160, ids=120, appearances=(3, 5), strangers=1.0),
        hard=1.0,
    ),
    # The demo's frames with enough people to show half a point.
    "study": ScenePreset(
        name="study",
        width=320,
        height=240,
        person_height=(78, 185),
        train=SplitSize(frames=1050, ids=1000, appearances=(4, 6), strangers=0.9),
        test=SplitSize(frames=667, ids=500, appearances=(3, 5), strangers=1.0),
        gallery_sizes=(50, 100, 500),
    ),
    "paper": ScenePreset(
        name="paper",
        width=800,
        height=600,
        person_height=(40, 300),
        train=SplitSize(frames=11206, ids=5532, appearances=(2, 4), strangers=3.6),
        test=SplitSize(frames=6978, ids=2900, appearances=(2, 4), strangers=4.6),
        gallery_sizes=(50, 100, 500, 1000, 2000, 4000),
    ),
}


def get_preset(
    name: str,
    *,
    frames: tuple[int, int] | None = None,
    ids: tuple[int, int] | None = None,
    hard: float | None = None,
) -> ScenePreset:
    """Look a preset up and change its sizes.

    Args:
        name: a key of ``PRESETS``.
        frames: training and test frames, instead of the preset's.
        ids: training and test identities, instead of the preset's.
        hard: photometric strength in [0, 2], instead of the preset's.

    Returns:
        The preset with the changes.

    Raises:
        ValueError: unknown name, ``hard`` outside [0, 2], or a size that cannot be planned: too few frames for
            the appearances, or more than 7 people in the mean frame.
    """
    if name not in PRESETS:
        raise ValueError(f"unknown preset {name!r}; choose one of {', '.join(PRESETS)}")
    preset = PRESETS[name]
    train, test = preset.train, preset.test
    if frames is not None:
        train, test = replace(train, frames=frames[0]), replace(test, frames=frames[1])
    if ids is not None:
        train, test = replace(train, ids=ids[0]), replace(test, ids=ids[1])
    preset = replace(preset, train=train, test=test, hard=preset.hard if hard is None else float(hard))
    if not 0 <= preset.hard <= 2:
        raise ValueError(f"hard must be in [0, 2], found {preset.hard}; 0.3 is the presets' value")
    for split, size in (("training", train), ("test", test)):
        _check_split(split, size)
    return preset


def _check_split(split: str, size: SplitSize) -> None:
    if size.frames < 1 or size.ids < 1:
        raise ValueError(f"the {split} split needs frames and ids, found {size.frames} and {size.ids}")
    if size.frames <= size.appearances[1]:
        raise ValueError(
            f"{size.frames} {split} frames are too few for identities in up to "
            f"{size.appearances[1]} frames; ask for more than {size.appearances[1]}"
        )
    people = size.ids * sum(size.appearances) / 2 / size.frames + size.strangers
    if people > 7:
        raise ValueError(
            f"{size.ids} identities in {size.frames} {split} frames are {people:.1f} people in a "
            "frame, at most 7 fit; ask for more frames or fewer ids"
        )
