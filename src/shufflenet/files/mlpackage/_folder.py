"""The folder that a Core ML package is: a manifest, the program and its weights.

Apple's tools write the manifest anew whenever they open a package, so that it belongs to no hash.

Source: what coremltools 9.0 writes (modelpackage/src/ModelPackage.cpp)
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shufflenet.errors import DamagedPackage, FileMissing, NotAFile
from shufflenet.files._model_file import PACKAGE_PROGRAM, errors_of
from shufflenet.files.mlpackage._decode import decode_metadata, decode_model
from shufflenet.files.mlpackage._encode import encode_model
from shufflenet.files.mlpackage._values import Model
from shufflenet.outside import read_json, read_regular, typed

__all__ = ["Package", "encode_package", "read_package", "sealed_part"]

_MANIFEST, _DATA = "Manifest.json", "Data"
_SPEC = PACKAGE_PROGRAM.removeprefix(f"{_DATA}/")
_FOLDER = "com.apple.CoreML/weights"
_WEIGHTS = f"{_FOLDER}/weight.bin"
_MOST_BYTES = {_MANIFEST: 1 << 20, _SPEC: 1 << 26, _WEIGHTS: 1 << 31}


@dataclass(frozen=True, slots=True)
class _Item:
    path: str
    author: str = ""
    description: str = ""
    name: str = ""


def sealed_part(contents: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return those files of a package that its hash is of: all but the manifest."""
    return {name: each for name, each in contents.items() if not name.endswith(_MANIFEST)}


@dataclass(frozen=True, slots=True)
class Package:
    """The files of a package, read whole.

    Attributes:
        path: The folder.
        contents: Bytes by the path inside the folder.
    """

    path: Path
    contents: Mapping[str, bytes]

    def metadata(self) -> dict[str, str]:
        """Return the texts that the model holds for its users.

        Raises:
            DamagedPackage: it cannot be read.
        """
        try:
            return decode_metadata(self.contents[f"{_DATA}/{_SPEC}"])
        except ValueError as error:
            raise DamagedPackage(self.path, error) from error

    def model(self) -> Model:
        """Return the model.

        Raises:
            DamagedPackage: it cannot be read, or holds more than one program of one input.
        """
        spec, weights = (self.contents[f"{_DATA}/{each}"] for each in (_SPEC, _WEIGHTS))
        try:
            return decode_model(spec, weights)
        except ValueError as error:
            raise DamagedPackage(self.path, error) from error


def encode_package(model: Model) -> dict[str, bytes]:
    """Return the files of a model's package, by their paths inside the folder."""
    spec, weights = encode_model(model)
    items = {
        str(uuid.uuid5(uuid.NAMESPACE_URL, path)).upper(): {
            "author": "com.apple.CoreML",
            "description": f"CoreML Model {what}",
            "name": path.rpartition("/")[2],
            "path": path,
        }
        for path, what in ((_SPEC, "Specification"), (_FOLDER, "Weights"))
    }
    manifest = {
        "fileFormatVersion": "1.0.0",
        "itemInfoEntries": items,
        "rootModelIdentifier": next(iter(items)),
    }
    text = json.dumps(manifest, indent=4, sort_keys=True) + "\n"  # as coremltools rewrites it
    return {_MANIFEST: text.encode(), f"{_DATA}/{_SPEC}": spec, f"{_DATA}/{_WEIGHTS}": weights}


def read_package(path: str | Path) -> Package:
    """Read the files of a package whose program and weights have the names that are usual.

    Raises:
        FileMissing: there is nothing at that path.
        FileUnreadable: a file in it cannot be read.
        DamagedPackage: it is no folder, lacks a file, or its manifest is none.
    """
    path = Path(path)
    contents = {_MANIFEST: _read(path, _MANIFEST, _MOST_BYTES[_MANIFEST])}
    try:
        fields = typed(read_json(contents[_MANIFEST]), dict[str, object], "its manifest")
        items = typed(fields.get("itemInfoEntries"), dict[str, _Item], "its items")
        root = items[typed(fields.get("rootModelIdentifier"), str, "its root")]
    except (KeyError, ValueError) as error:  # a SpecError is one
        raise DamagedPackage(path, "its Manifest.json names no model") from error
    if root.path != _SPEC or _FOLDER not in (each.path for each in items.values()):
        reason = f"its Manifest.json does not name {_SPEC!r} as its model, with weights beside it"
        raise DamagedPackage(path, reason)
    for each in (_SPEC, _WEIGHTS):
        contents[f"{_DATA}/{each}"] = _read(path, f"{_DATA}/{each}", _MOST_BYTES[each])
    return Package(path, contents)


def _read(folder: Path, name: str, limit_bytes: int) -> bytes:
    """Read a file of a package.

    Raises:
        FileMissing: there is no such folder.
        FileUnreadable: the file cannot be read.
        DamagedPackage: it is no folder, or lacks the file.
    """
    if not folder.is_dir():
        raise DamagedPackage(folder, "it is no folder") if folder.exists() else FileMissing(folder)
    try:
        with errors_of(folder / name):
            return read_regular(folder / name, limit_bytes)
    except (FileMissing, NotAFile) as error:
        raise DamagedPackage(folder, f"it has no {name}") from error
