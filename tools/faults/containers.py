"""Changes what is within a file and packs it again with the right checksums, as only a program could."""

import io
import struct
import zipfile
import zlib

import numpy as np

from faults.mutator import draw_mutation

_MAT_HEADER, _COMPRESSED = 128, 15
# What yaml can do and a configuration has no use for. "{made}" is a file that must not appear.
_YAML_LINES = (
    "EVIL: !!python/object/apply:os.mknod ['{made}']",
    "MODEL: !!python/name:os.system",
    "SEED: &a [*a]",
    "SEED: &a {{b: &c [1, 2], d: *c, <<: *e}}",
    'A: &a [x, x, x, x, x, x, x, x]\nB: &b [*a, *a, *a, *a, *a, *a, *a, *a]\nC: &c [*b, *b, *b, *b, *b, *b, *b, *b]\n'
    "D: &d [*c, *c, *c, *c, *c, *c, *c, *c]\nSEED: [*d, *d, *d, *d, *d, *d, *d, *d]",
    f"SEED: {'[' * 2000}",
    "_BASE_: {file}",
    "_BASE_: [{file}, {file}]",
    "_BASE_: /dev/null",
    "_BASE_: /",
    "_BASE_: 7",
    "SEED: 2026-01-01",
    "SEED: !!binary aGVsbG8=",
    "SEED: .nan",
    "SOLVER: null",
    "SOLVER: []",
    "MODEL: {{1: 2}}",
    "? [a, b]\n: c",
    "EXTENSIONS: ['os; import sys']",
    "EXTENSIONS: 7",
    "--- second document",
    "%TAG ! tag:x",
    "\tSEED: 1",
    "SEED: \x07",
)  # fmt: skip


def change_zip(content: bytes, rng: np.random.Generator) -> bytes:
    """Change one part of a zip file, such as .npz and checkpoints are."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = str(rng.choice(list(parts)))
    parts[name] = draw_mutation(rng)(parts[name], rng)
    changed = io.BytesIO()
    with zipfile.ZipFile(changed, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return changed.getvalue()


def change_mat(content: bytes, rng: np.random.Generator) -> bytes:
    """Change the first compressed variable of a MATLAB v5 file."""
    kind, size = struct.unpack_from("<II", content, _MAT_HEADER)
    if kind != _COMPRESSED:
        return draw_mutation(rng)(content, rng)
    begin = _MAT_HEADER + 8
    changed = zlib.compress(draw_mutation(rng)(zlib.decompress(content[begin : begin + size]), rng))
    return content[:_MAT_HEADER] + struct.pack("<II", kind, len(changed)) + changed + content[begin + size :]


def add_yaml_line(content: bytes, rng: np.random.Generator, *, file: str, made: str) -> bytes:
    """Put a line between two others, or in the place of all.

    Args:
        content: yaml.
        rng: draws line and place.
        file: path of the yaml file itself.
        made: a file that appears if the yaml's code is run.
    """
    line = _YAML_LINES[rng.integers(len(_YAML_LINES))].format(file=file, made=made)
    if rng.random() < 0.5:
        return f"{line}\n".encode()
    lines = content.decode().splitlines()
    # Lines of the outermost level, so that the new one stands in no block.
    places = [number for number, text in enumerate(lines) if text[:1].isalpha()]
    lines.insert(int(rng.choice(places)), line)
    return "\n".join(lines).encode()
