"""Reading .npz files with errors that a user can act on."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np


@contextmanager
def open_npz(path: str | Path, *, remedy: str, option: str = "") -> Iterator[np.lib.npyio.NpzFile]:
    """Open a file of arrays, which are read without pickle.

    Args:
        path: an .npz file.
        remedy: what the user should do when the file cannot be used; ends the error texts.
        option: what named the file; begins the error texts.

    Yields:
        Its arrays by name; they are read, and their checksums compared, when they are asked for. An error that is
        raised in the block is taken for one of the content.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no .npz file, is damaged, or the block could not use its content.
    """
    where = f"{option}: {path}" if option else path
    if not Path(path).is_file():
        raise FileNotFoundError(f"{where} does not exist; {remedy}")
    if not zipfile.is_zipfile(path):  # numpy would advise to unpickle it
        raise ValueError(f"{where}: expected an .npz file, found another, or one that is cut off; {remedy}")
    try:
        with np.load(path, allow_pickle=False) as content:
            yield content
    except Exception as error:  # damaged bytes may fail anywhere in numpy, zipfile and zlib
        reason = str(error).strip() or type(error).__name__
        raise ValueError(f"{where}: {reason}; {remedy}") from error
