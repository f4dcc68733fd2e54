"""An answer as text, JSON or CSV."""

import csv
import io
from datetime import datetime, timezone
from typing import Any

from inet_d2.search.calibration import FAR_BEYOND, in_words
from inet_d2.search.moments import format_offset, format_time
from inet_d2.search.query import Answer, Found
from inet_d2.search.store import VIDEO

FIELDS = ("rank", "verdict", "similarity", "path", "time", "begin", "end", "num_boxes", "x1", "y1", "x2", "y2", "score")
NO_LINE = (
    "No threshold: the index is not calibrated, so the rows below are the most similar people, not finds "
    "(inet-search calibrate)."
)


def verdict_of(found: Found) -> str:
    """One word or two: find, below the line, copy of the query, not them, or unrated."""
    if found.is_copy:
        return "copy of the query"
    if found.is_rejected:
        return "not them"
    return {None: "unrated", True: "find", False: "below the line"}[found.is_find]


def headline_of(answer: Answer) -> str:
    """What the answer says as a whole, in a sentence or two."""
    searched = f"{answer.num_windows:,} pictures"
    if answer.threshold is None:
        return f"{NO_LINE} {searched} searched."
    rate = answer.query.false_alarms
    line = f"threshold {answer.threshold:.3f} for {searched}: {rate:.0%} of searches for someone absent err"
    if answer.curve.is_far_beyond(answer.num_windows):
        line += f"; extrapolated to more than {FAR_BEYOND} times the labelled images, a guess"
    elif answer.curve.is_extrapolated(answer.num_windows):
        line += "; extrapolated beyond the labelled images"
    line += f"; calibrated on {answer.curve.data}"
    if answer.is_not_found:
        return f"Not found ({line})."
    return f"Found in {len(answer.finds)} of the rows below ({line})."


def remark_of(found: Found) -> str:
    """What a hit's similarity means, in words; "" where the verdict says all."""
    if found.is_copy or found.is_rejected:
        return ""
    if found.false_alarm_rate is not None:
        return in_words(found.false_alarm_rate)
    if found.deviations is None:
        return ""
    return f"{found.deviations:.1f} robust deviations above this index's other people (not calibrated)"


def answer_as_json(answer: Answer, model: dict[str, Any]) -> dict[str, Any]:
    """Everything an answer says, in JSON types.

    Args:
        answer: of a search.
        model: the index's description of its model.

    Returns:
        ``headline``, ``is_not_found`` (``null`` without a threshold), what was searched and with what, and ``found``.
    """
    query = answer.query
    return {
        "headline": headline_of(answer),
        "is_not_found": None if answer.threshold is None else answer.is_not_found,
        "threshold": answer.threshold,
        "false_alarms": query.false_alarms,
        "calibrated_on": answer.curve.data if answer.curve else None,
        "pictures_searched": answer.num_windows,
        "people_in_index": answer.num_people,
        "model": model.get("fingerprint"),
        "asked": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "query": [{"name": p.name, "box": [round(float(x), 1) for x in p.box]} for p in query.pictures],
        "found": [found_as_json(found, rank) for rank, found in enumerate(answer.found, start=1)],
    }


def found_as_json(found: Found, rank: int) -> dict[str, Any]:
    """One row of an answer in JSON types."""
    sighting, source = found.sighting, found.source
    return {
        "rank": rank,
        "verdict": verdict_of(found),
        "similarity": round(sighting.similarity, 4),
        "false_alarm_rate": found.false_alarm_rate,
        "robust_deviations": found.deviations,
        "remark": remark_of(found),
        "path": source.path,
        "kind": source.kind,
        "source": source.id,
        "person": int(found.ids[0]),
        "time": format_time(sighting.time),
        "begin": round(sighting.begin, 3),
        "end": round(sighting.end, 3),
        "offset": round(float(found.offsets[0]), 3),
        "num_boxes": len(found.ids),
        "box": [round(float(edge), 1) for edge in found.boxes[0]],
        "score": round(float(found.scores[0]), 4),
    }


def answer_as_csv(answer: Answer) -> str:
    """The rows of an answer as CSV, with the columns ``FIELDS``."""
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for rank, found in enumerate(answer.found, start=1):
        row = found_as_json(found, rank)
        writer.writerow({**row, "path": _printable(row["path"]), **dict(zip(FIELDS[8:12], row["box"], strict=True))})
    return text.getvalue()


def _printable(path: str) -> str:
    """A spreadsheet takes a cell that begins with one of these for a formula."""
    return f"'{path}" if path[:1] in "=+-@" else path


def answer_as_text(answer: Answer) -> str:
    """The answer as a table for a terminal."""
    lines = [headline_of(answer)]
    if not answer.found:
        return "\n".join([*lines, "Nobody in what was searched."])
    lines.append(f"{'rank':>4}  {'similarity':>10}  {'verdict':<17}  {'when':<25}  {'boxes':>5}  where")
    for rank, found in enumerate(answer.found, start=1):
        where = found.source.path.encode("unicode_escape").decode() if not found.source.path.isprintable() else None
        lines.append(
            f"{rank:>4}  {found.sighting.similarity:>10.4f}  {verdict_of(found):<17}  "
            f"{format_time(found.sighting.time):<25}  {len(found.ids):>5}  {where or found.source.path}{_stay(found)}"
        )
        if remark := remark_of(found):
            lines.append(f"{'':>18}{remark}")
    return "\n".join(lines)


def _stay(found: Found) -> str:
    if found.source.kind != VIDEO:
        return ""
    sighting = found.sighting
    return f" {format_offset(sighting.begin)} to {format_offset(sighting.end)}"
