"""An answer as a contact sheet, and as one HTML file that needs no server."""

import html
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from inet_d2.search.answer_files import headline_of, remark_of, verdict_of
from inet_d2.search.moments import format_offset, format_time
from inet_d2.search.query import Answer, Found
from inet_d2.search.source_picture import crop_of, picture_of
from inet_d2.search.store import VIDEO
from inet_d2.visualization import DrawnMatch, draw_search_result
from inet_d2.visualization.jpeg import data_uri

MISSING = np.full((240, 320, 3), 215, dtype=np.uint8)  # in the place of a picture whose file was moved
CROP_SIZE, SCENE_SIZE = (160, 320), (480, 360)

STYLE = """
:root { color-scheme: light dark; --line: #8886; --ok: #1a7f45; }
body { font: 16px/1.45 system-ui, sans-serif; margin: 1.2rem; }
h1 { font-size: 1.25rem; } .lead { max-width: 60rem; }
.query, .hit { display: flex; flex-wrap: wrap; gap: .8rem; padding: .8rem 0; border-top: 1px solid var(--line); }
img { border-radius: 6px; max-width: 100%; height: auto; align-self: flex-start; }
.hit.find b { color: var(--ok); } .hit.no { opacity: .75; }
p { margin: .15rem 0; overflow-wrap: anywhere; } .words { flex: 1 1 14rem; }
"""


def draw_answer(answer: Answer) -> np.ndarray:
    """Draw the query beside its finds and what came close.

    Args:
        answer: of a query with at least one picture.

    Returns:
        (h, w, 3) uint8 RGB.
    """
    query = answer.query.pictures[0]
    matches = [_drawn(found) for found in answer.found]
    return draw_search_result(query.picture, query.box, matches, query_name=query.name)


def _drawn(found: Found) -> DrawnMatch:
    picture = picture_of(found.source, float(found.offsets[0]))
    name = found.source.path.replace("\\", "/").rsplit("/", 1)[-1]
    if found.source.kind == VIDEO:
        name = f"{format_offset(found.sighting.begin)} {name}"
    label = "file moved" if picture is None else verdict_of(found)
    shown, box = (MISSING, (0, 0, 0, 0)) if picture is None else (picture, found.boxes[0])
    return DrawnMatch(shown, box, found.sighting.similarity, name, is_correct=found.is_find or None, label=label)


def answer_as_html(answer: Answer) -> str:
    """Write an answer as one HTML page with its pictures in it; every name is escaped, nothing is fetched."""
    rows = "\n".join(_hit(found, rank) for rank, found in enumerate(answer.found, start=1))
    pictures = "".join(
        f'<img alt="query" src="{data_uri(crop_of(q.picture, q.box), CROP_SIZE)}"><p>{html.escape(q.name)}</p>'
        for q in answer.query.pictures
    )
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>Person search</title><style>{STYLE}</style></head><body>
<h1>{"Not found" if answer.is_not_found else "Search of one person"}</h1>
<p class="lead">{html.escape(headline_of(answer))}</p>
<div class="query">{pictures}</div>
{rows or "<p>Nobody in what was searched.</p>"}
</body></html>
"""


def _hit(found: Found, rank: int) -> str:
    picture = picture_of(found.source, float(found.offsets[0]))
    if picture is None:
        images = "<p>The file was moved or changed since it was indexed.</p>"
    else:
        box = found.boxes[0]
        images = (
            f'<img alt="hit {rank}" src="{data_uri(crop_of(picture, box), CROP_SIZE)}">'
            f'<img alt="its picture" src="{data_uri(outlined(picture, box), SCENE_SIZE)}">'
        )
    sighting = found.sighting
    stay = ""
    if found.source.kind == VIDEO:
        stay = f", {format_offset(sighting.begin)} to {format_offset(sighting.end)} of the video"
    words = [
        f"<b>{rank}. {verdict_of(found)}</b> &middot; similarity {sighting.similarity:.3f}",
        html.escape(remark_of(found)),
        html.escape(found.source.path),
        html.escape(f"{format_time(sighting.time)}{stay} · {len(found.ids)} box{'es' * (len(found.ids) > 1)}"),
    ]
    text = "".join(f"<p>{line}</p>" for line in words if line)
    rated = {None: "", True: " find", False: " no"}[found.is_find]
    return f'<div class="hit{rated}">{images}<div class="words">{text}</div></div>'


def outlined(picture: np.ndarray, box: Sequence[float]) -> np.ndarray:
    """A copy of an (H, W, 3) picture with a box (XYXY) drawn on it."""
    image = Image.fromarray(picture)
    width = max(2, round(min(image.size) / 120))
    ImageDraw.Draw(image).rectangle([float(edge) for edge in box], outline=(255, 176, 32), width=width)
    return np.asarray(image)


def draw_numbered(picture: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """A picture with the people it shows numbered from 1, so that one can be chosen; boxes are (n, 4) XYXY."""
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    size = max(14, round(min(image.size) / 18))
    for number, box in enumerate(boxes, start=1):
        x1, y1, x2, y2 = (float(edge) for edge in box)
        draw.rectangle((x1, y1, x2, y2), outline=(255, 176, 32), width=max(2, size // 8))
        draw.rectangle((x1, y1, x1 + size * 0.75 * len(str(number)) + 4, y1 + size + 4), fill=(255, 176, 32))
        draw.text((x1 + 3, y1 + 1), str(number), (20, 20, 20), font_size=size)
    return np.asarray(image)
