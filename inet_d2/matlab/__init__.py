"""MATLAB v5 files: read with scipy, streamed and decoded where they are too large for it, written as MATLAB does."""
