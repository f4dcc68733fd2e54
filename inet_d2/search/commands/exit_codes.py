"""Exit codes of the commands."""

DONE = 0
NOT_ALL = 1  # some files could not be read; the person was not found
BAD_INPUT = 2
