"""Who somebody is: body, clothes, hair and things carried, all that stays the same from scene to scene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Colour = tuple[int, int, int]

# RGB. Few colours on purpose: people share them, so that one colour does not tell who somebody is.
UPPER_COLOURS: tuple[Colour, ...] = (
    (236, 230, 216),
    (52, 54, 62),
    (142, 146, 152),
    (194, 58, 56),
    (226, 132, 58),
    (234, 196, 84),
    (72, 136, 88),
    (60, 156, 158),
    (58, 98, 172),
    (222, 142, 164),
)
LOWER_COLOURS: tuple[Colour, ...] = (
    (74, 102, 146),
    (48, 50, 58),
    (112, 116, 122),
    (192, 168, 130),
    (222, 216, 204),
    (98, 104, 70),
    (116, 82, 62),
    (126, 52, 66),
)
HAIR_COLOURS: tuple[Colour, ...] = (
    (38, 32, 34),
    (94, 62, 44),
    (206, 166, 98),
    (156, 152, 150),
    (158, 78, 44),
)
SKIN_COLOURS: tuple[Colour, ...] = ((246, 212, 186), (232, 184, 150), (190, 136, 100), (122, 82, 62))
SHOE_COLOURS: tuple[Colour, ...] = ((48, 44, 46), (238, 234, 228), (124, 84, 58), (186, 62, 60))

PATTERNS = ("plain", "horizontal", "vertical", "checks", "two_tone", "logo")
LOWERS = ("trousers", "trousers", "shorts", "skirt")
HAIR_STYLES = ("short", "long", "bun", "curly", "bald")
BAGS = ("none", "none", "backpack", "side")
HATS = ("none", "none", "none", "none", "cap", "beanie")


@dataclass(frozen=True)
class Person:
    """An identity.

    Attributes:
        upper: colour of the upper clothes.
        second: colour of the pattern on them, different from ``upper``.
        pattern: one of ``PATTERNS``.
        pattern_size: period of the pattern, body heights.
        sleeves: "long" or "short".
        lower: colour of the lower clothes.
        lower_kind: "trousers", "shorts" or "skirt".
        shoes: colour.
        skin: colour.
        hair: colour.
        hair_style: one of ``HAIR_STYLES``.
        bag: "none", "backpack" or "side".
        bag_colour: of the bag.
        hat: "none", "cap" or "beanie".
        hat_colour: of the hat.
        width: of the body, 1 is the mean.
        shoulders: width of the shoulders over that of the hips, 1 is the mean.
        legs: length of the legs, body heights.
        head: size of the head, 1 is the mean.
    """

    upper: Colour
    second: Colour
    pattern: str
    pattern_size: float
    sleeves: str
    lower: Colour
    lower_kind: str
    shoes: Colour
    skin: Colour
    hair: Colour
    hair_style: str
    bag: str
    bag_colour: Colour
    hat: str
    hat_colour: Colour
    width: float
    shoulders: float
    legs: float
    head: float


def sample_person(rng: np.random.Generator) -> Person:
    """Invent somebody.

    Args:
        rng: source of chance.

    Returns:
        The person.
    """

    def pick(options: tuple) -> object:
        return options[int(rng.integers(len(options)))]

    upper, second = (UPPER_COLOURS[k] for k in rng.permutation(len(UPPER_COLOURS))[:2])
    return Person(
        upper=upper,
        second=second,
        pattern=pick(PATTERNS),
        pattern_size=float(rng.uniform(0.07, 0.1)),
        sleeves=pick(("long", "long", "short")),
        lower=pick(LOWER_COLOURS),
        lower_kind=pick(LOWERS),
        shoes=pick(SHOE_COLOURS),
        skin=pick(SKIN_COLOURS),
        hair=pick(HAIR_COLOURS),
        hair_style=pick(HAIR_STYLES),
        bag=pick(BAGS),
        bag_colour=pick(UPPER_COLOURS),
        hat=pick(HATS),
        hat_colour=pick(UPPER_COLOURS),
        width=float(rng.uniform(0.92, 1.32)),
        shoulders=float(rng.uniform(0.92, 1.1)),
        legs=float(rng.uniform(0.45, 0.5)),
        head=float(rng.uniform(1.04, 1.18)),
    )
