"""Search one person in a gallery of images."""

from inet_d2.search.folder_search import IMAGE_SUFFIXES, embed_query, index_images, list_images
from inet_d2.search.gallery_index import GalleryIndex, RankedMatches

__all__ = ["IMAGE_SUFFIXES", "GalleryIndex", "RankedMatches", "embed_query", "index_images", "list_images"]
