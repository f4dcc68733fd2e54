"""MATLAB v5 files: checked and read with scipy, streamed where they are too large for it, written as MATLAB does."""
