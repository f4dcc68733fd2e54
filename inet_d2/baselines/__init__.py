"""What person search was before one network did it: a detector, a hand-made descriptor, a learned distance."""
