"""The page for people: what a browser shows, and the routes that answer it."""

from shufflenet.serve.page._routes import PAGE_PATHS, page_routes

__all__ = ["PAGE_PATHS", "page_routes"]
