"""Numbers of things in words."""


def num_files(number: int) -> str:
    """``1 file``, ``2 files``."""
    return f"{number} file{'s' * (number != 1)}"


def num_people(number: int) -> str:
    """``1 person``, ``2 people``."""
    return f"{number} {'person' if number == 1 else 'people'}"
