"""From the names in other people's weight files to those of our models."""

from inet_d2.conversion.conversion import Conversion, fill_copies, fit, rename
from inet_d2.conversion.reading import read_weights
from inet_d2.conversion.recognition import LAYOUTS, convert

__all__ = ["LAYOUTS", "Conversion", "convert", "fill_copies", "fit", "read_weights", "rename"]
