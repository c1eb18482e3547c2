"""Certified examples as one page of HTML that needs nothing but a browser."""

from lipzoo_catalogue.page.page import ROWS, certified_page
from lipzoo_catalogue.page.thumbnails import thumbnails

__all__ = ["ROWS", "certified_page", "thumbnails"]
