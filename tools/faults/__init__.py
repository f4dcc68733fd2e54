"""What tools/inject_faults.py breaks, and how it tells what came of it."""
