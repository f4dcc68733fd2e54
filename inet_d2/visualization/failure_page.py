"""A page of searches that went wrong, each as one picture with the words that say why."""

import html
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inet_d2.visualization.jpeg import data_uri

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
body { font: 16px/1.5 sans-serif; max-width: 1500px; margin: 2em auto; padding: 0 1em }
body { background: #f1f3f6; color: #1c2028 }
section { margin: 2em 0 } img { max-width: 100%; border-radius: 10px } p { margin: .3em 0 }
"""


@dataclass(frozen=True, eq=False)
class FailedSearch:
    """One search on the page.

    Attributes:
        title: a line of text.
        words: what went wrong, line by line.
        picture: (H, W, 3) uint8 RGB; None where the frames are not there.
    """

    title: str
    words: Sequence[str]
    picture: np.ndarray | None


def failure_page(title: str, summary: Sequence[str], searches: Sequence[FailedSearch]) -> str:
    """Write the page.

    Args:
        title: of the page.
        summary: lines above the searches.
        searches: any number, the worst first.

    Returns:
        HTML with the pictures in it; every text is escaped, nothing is fetched.
    """
    sections = "\n".join(map(_section, searches)) or "<p>Every search is perfect.</p>"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body>
<h1>{html.escape(title)}</h1>
{_paragraphs(summary)}
{sections}
</body></html>
"""


def _section(search: FailedSearch) -> str:
    picture = "<p>The frames are not there.</p>"
    if search.picture is not None:
        picture = f'<img alt="{html.escape(search.title)}" src="{data_uri(search.picture)}">'
    return f"<section><h2>{html.escape(search.title)}</h2>{_paragraphs(search.words)}{picture}</section>"


def _paragraphs(lines: Sequence[str]) -> str:
    return "".join(f"<p>{html.escape(line)}</p>" for line in lines)
