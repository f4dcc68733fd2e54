"""Exit codes of the commands; 2 is input that cannot be used, see `inet_d2/command_line.py`."""

DONE = 0
NOT_ALL = 1  # some files could not be read; the person was not found
