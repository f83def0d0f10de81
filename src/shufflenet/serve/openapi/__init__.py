"""The service described: ``/openapi.json`` for programs, ``/docs`` for people."""

from shufflenet.serve.openapi._document import describe_service, openapi_route
from shufflenet.serve.openapi._reference import reference_route

__all__ = ["describe_service", "openapi_route", "reference_route"]
