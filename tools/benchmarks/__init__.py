"""The tasks of tools/benchmark.py, one in each file; what they share is in measuring.py and steps.py."""
