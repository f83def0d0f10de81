"""An HTTP service around classifiers: an ASGI app, and the page that people open."""

from shufflenet.serve._app import build_app, make_app
from shufflenet.serve._hosts import is_loopback
from shufflenet.serve._limits import Limits
from shufflenet.serve._metrics import Metrics
from shufflenet.serve._served import Served, list_served, open_served
from shufflenet.serve._service import Computed, Service
from shufflenet.serve._token import read_token
from shufflenet.serve.process import ConnectionLimits, LogForm, Serving, Started, serve

__all__ = [
    "Computed",
    "ConnectionLimits",
    "Limits",
    "LogForm",
    "Metrics",
    "Served",
    "Service",
    "Serving",
    "Started",
    "build_app",
    "is_loopback",
    "list_served",
    "make_app",
    "open_served",
    "read_token",
    "serve",
]
