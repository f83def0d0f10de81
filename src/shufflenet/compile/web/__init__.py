"""A network as a web page and as a JavaScript module: a folder for any web server.

What lies in ``site`` is copied as it is, but for the service worker's list of files.
"""

from shufflenet.compile.web._site import check_folder, write_site

__all__ = ["check_folder", "write_site"]
