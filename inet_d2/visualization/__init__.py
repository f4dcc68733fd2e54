"""Pictures of results."""

from inet_d2.visualization.search_visualizer import DrawnMatch, draw_search_result

__all__ = ["DrawnMatch", "draw_search_result"]
