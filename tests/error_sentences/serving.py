"""The errors of a service as a process, each with its sentence."""

from shufflenet import errors

SENTENCES: list[tuple[errors.ShuffleNetError, str]] = [
    (
        errors.AddressInUse("127.0.0.1", 8000),
        "Port 8000 of '127.0.0.1' is in use: another program listens there. "
        "Choose another --port, or 0 for a free one.",
    ),
    (
        errors.AddressRefused("::1", 80, "it is not yours.", "Choose another --port."),
        "Cannot listen on port 80 of '::1' (it is not yours). Choose another --port.",
    ),
    (
        errors.TokenFileShared("a token", 0o644),
        "The token file 'a token' can be read or written by others (mode 644). "
        "Keep it to yourself: chmod 600 'a token'.",
    ),
    (
        errors.TokenFileUnusable("token", "it is a folder"),
        "The token file 'token' cannot be used (it is a folder). "
        "Make one: (umask 077; openssl rand -hex 32 > token).",
    ),
    (
        errors.WorkerFailed(3, -9),
        "3 workers ended before serving, the last by signal 9. "
        "What stderr says above is the reason.",
    ),
    (
        errors.WorkerFailed(1, 3),
        "1 worker ended before serving with code 3. What stderr says above is the reason.",
    ),
    (errors.HostNotNamed(), "A request names one host, in the header Host."),
    (
        errors.OtherHost(),
        "The service does not answer for this host. "
        "Ask for localhost, or for a NAME that it was started with: --allow-host NAME.",
    ),
    (
        errors.OtherSite(),
        "Pages of other sites may not use this service. "
        "Behind a proxy, start it with --allow-host NAME of the site.",
    ),
    (errors.TokenMissing(), "Send the service's token: Authorization: Bearer TOKEN."),
    (
        errors.TokenMissing(other=True),
        "The token of the request is not the service's. Send the service's token: Authorization: "
        "Bearer TOKEN.",
    ),
]
