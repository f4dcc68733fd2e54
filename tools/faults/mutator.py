"""Changes bytes as broken disks, cut copies and careless editors do, and as nobody does."""

from collections.abc import Callable

import numpy as np

_BLOCK = 64
_EXTREMES = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x10000000)


def _place(content: bytes, rng: np.random.Generator, room: int = 1) -> int:
    return int(rng.integers(max(len(content) - room + 1, 1)))


def _span(content: bytes, rng: np.random.Generator) -> slice:
    size = int(rng.integers(1, min(_BLOCK, len(content)) + 1))
    start = _place(content, rng, size)
    return slice(start, start + size)


def _replaced(content: bytes, where: slice, block: bytes) -> bytes:
    return content[: where.start] + block + content[where.stop :]


def flip_bits(content: bytes, rng: np.random.Generator, number: int = 1) -> bytes:
    """Turn bits around."""
    flipped = bytearray(content)
    for place in rng.integers(len(content), size=number):
        flipped[place] ^= 1 << int(rng.integers(8))
    return bytes(flipped)


def flip_many_bits(content: bytes, rng: np.random.Generator) -> bytes:
    """Sixteen of them."""
    return flip_bits(content, rng, 16)


def cut(content: bytes, rng: np.random.Generator) -> bytes:
    """Lose the end."""
    return content[: _place(content, rng)]


def zero_block(content: bytes, rng: np.random.Generator) -> bytes:
    """A hole, as file systems leave after a crash."""
    where = _span(content, rng)
    return _replaced(content, where, bytes(where.stop - where.start))


def fill_block(content: bytes, rng: np.random.Generator) -> bytes:
    """Bytes of something else."""
    where = _span(content, rng)
    return _replaced(content, where, rng.bytes(where.stop - where.start))


def remove_block(content: bytes, rng: np.random.Generator) -> bytes:
    """Lose a piece in the middle."""
    return _replaced(content, _span(content, rng), b"")


def repeat_block(content: bytes, rng: np.random.Generator) -> bytes:
    """Have a piece twice."""
    where = _span(content, rng)
    return _replaced(content, where, 2 * content[where])


def move_block(content: bytes, rng: np.random.Generator) -> bytes:
    """Have a piece elsewhere."""
    where = _span(content, rng)
    rest = _replaced(content, where, b"")
    place = _place(rest, rng)
    return rest[:place] + content[where] + rest[place:]


def set_word(content: bytes, rng: np.random.Generator) -> bytes:
    """An extreme number where there may be a size."""
    place = _place(content, rng, 4) & ~3
    word = int(rng.choice(_EXTREMES)).to_bytes(4, "little")
    return _replaced(content, slice(place, place + 4), word)


def append_block(content: bytes, rng: np.random.Generator) -> bytes:
    """Something behind the end."""
    return content + rng.bytes(int(rng.integers(1, _BLOCK)))


def empty(content: bytes, rng: np.random.Generator) -> bytes:
    """Nothing is left."""
    return b""


Mutation = Callable[[bytes, np.random.Generator], bytes]
MUTATIONS: tuple[Mutation, ...] = (
    flip_bits, flip_many_bits, cut, zero_block, fill_block, remove_block, repeat_block, move_block, set_word,
    append_block, empty,
)  # fmt: skip
_WEIGHTS = np.array([4, 2, 3, 1, 2, 2, 1, 1, 4, 1, 0.2])


def draw_mutation(rng: np.random.Generator) -> Mutation:
    """One of them; those that find most come most often."""
    return MUTATIONS[rng.choice(len(MUTATIONS), p=_WEIGHTS / _WEIGHTS.sum())]
