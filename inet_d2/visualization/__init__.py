"""Pictures of results."""

from inet_d2.visualization.failure_page import FailedSearch, failure_page
from inet_d2.visualization.gallery_plot import draw_gallery_curves
from inet_d2.visualization.search_visualizer import DrawnMatch, draw_search_result

__all__ = ["DrawnMatch", "FailedSearch", "draw_gallery_curves", "draw_search_result", "failure_page"]
