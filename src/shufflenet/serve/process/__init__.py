"""The service as processes: sockets, connections, workers, signals, logs."""

from shufflenet.serve.process._connections import ConnectionLimits
from shufflenet.serve.process._log import LogForm
from shufflenet.serve.process._run import Serving, Started, serve

__all__ = ["ConnectionLimits", "LogForm", "Serving", "Started", "serve"]
