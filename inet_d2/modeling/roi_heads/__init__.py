"""ROI heads and their parts."""
