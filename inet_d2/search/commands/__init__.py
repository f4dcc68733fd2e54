"""The commands of `inet-search`, one file each group."""
