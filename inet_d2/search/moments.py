"""Times as people write and read them."""

import re
from datetime import datetime


def parse_moment(text: str) -> tuple[str, float]:
    """Read a moment.

    Args:
        text: a date with or without a time (``2026-05-31``, ``2026-05-31T20:15``; this machine's time zone unless it
            names one), or a place in a video (``90`` seconds, ``1:30``, ``0:01:30``).

    Returns:
        "time" and seconds since 1970, or "offset" and seconds from the start of a video.

    Raises:
        ValueError: it is neither.
    """
    if match := re.fullmatch(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)", text):
        hours, minutes, seconds = (float(part or 0) for part in match.groups())
        return "offset", 3600 * hours + 60 * minutes + seconds
    try:
        return "time", datetime.fromisoformat(text).timestamp()
    except ValueError as error:
        raise ValueError(
            f"time {text}: expected a date (2026-05-31, 2026-05-31T20:15) or a place in a video (90, 1:30)"
        ) from error


def format_offset(seconds: float) -> str:
    """1:02:03.5 for a place in a video."""
    minutes, rest = divmod(round(seconds, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"


def format_time(seconds: float) -> str:
    """A date and a time in this machine's time zone."""
    return datetime.fromtimestamp(seconds).astimezone().isoformat(sep=" ", timespec="seconds")
