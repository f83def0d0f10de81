"""The card beside a file whose format has no place for one: FILE.json, which people can read."""

import json
from collections.abc import Mapping
from pathlib import Path

from shufflenet.errors import NoSidecar, SidecarUnreadable, SpecError
from shufflenet.files._model_file import errors_of
from shufflenet.outside import read_json, read_regular, typed
from shufflenet.spec import MAX_CARD_BYTES

__all__ = ["read_sidecar", "sidecar_content", "sidecar_of"]


def sidecar_of(path: str | Path) -> Path:
    """Return the path of the card beside a file.

    >>> sidecar_of("models/net.param").name
    'net.param.json'
    """
    return Path(f"{path}.json")


def sidecar_content(metadata: Mapping[str, str]) -> bytes:
    """Return the content of a card beside a file: an object with what the metadata's texts say."""
    values = {key: _parsed(text) for key, text in metadata.items()}
    return json.dumps(values, ensure_ascii=False, indent=1).encode()


def read_sidecar(path: str | Path) -> tuple[dict[str, str], bytes]:
    """Read the card beside a file, which a stranger may have written.

    Returns:
        The metadata, each value as its text, and the content of the file.

    Raises:
        NoSidecar: there is none.
        SidecarUnreadable: it is damaged.
        CheckpointError: it cannot be read.
    """
    beside = sidecar_of(path)
    if not beside.exists():
        raise NoSidecar(path, beside)
    with errors_of(beside):
        content = read_regular(beside, MAX_CARD_BYTES)
    try:
        values = typed(
            read_json(content.decode(), "the card", limit_bytes=MAX_CARD_BYTES),
            dict[str, object],
            "the card",
        )
    except (SpecError, UnicodeDecodeError) as error:
        raise SidecarUnreadable(path, beside, error) from error
    return {key: _text(value) for key, value in values.items()}, content


def _parsed(text: str) -> object:
    return json.loads(text) if text[:1] in ("{", "[") else text


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
