"""Archives and tables that a stranger wrote: a set or one sentence; no crash, no full disk."""

import gzip
import io
import json
import os
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from conftest import Run
from seeded import photo
from shufflenet.data import ImageSet, _spool, load, open_images
from shufflenet.data.packing import Encoding, pack
from shufflenet.errors import DataError, ImageError
from shufflenet.spec import Preprocess

HOW = Preprocess(resize_px=8, crop_px=8)


def png(seed: str = "a") -> bytes:
    content = io.BytesIO()
    Image.fromarray(photo(seed, 12, 16)).save(content, "PNG")
    return content.getvalue()


def archive(
    path: Path,
    members: Mapping[str, bytes],
    header: Mapping[str, str] | None = None,
    **pax: str,
) -> Path:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT, pax_headers=header) as file:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size, member.pax_headers = len(content), dict(pax)
            file.addfile(member, io.BytesIO(content))
    return path


def labeled(label: bytes, name: str = "0.cls") -> dict[str, bytes]:
    return {"0.png": png(), name: label}


def names(images: ImageSet) -> dict[str, str]:
    return {sample.name: images.classes[sample.label] for sample in images.samples}


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        (labeled(b"[" * 200_000, "0.json"), "have no .cls or .json with a label"),
        (labeled(b'{"label": true}', "0.json"), "have no .cls or .json with a label"),
        (labeled(b'{"label": [1]}', "0.json"), "have no .cls or .json with a label"),
        (labeled(b'{"label": 1e999}', "0.json"), "have no .cls or .json with a label"),
        (labeled(b'{"label": "a\\nb"}', "0.json"), "labels '0.png' by what is no name of a class"),
        (labeled(b"9" * 5000), "labels '0.png' by what is no name of a class, '9999"),
        (labeled(b"x" * 3_000_000), "labels '0.png' by what is no name of a class, 'xxxx"),
        (labeled(b"cat\x1b[2Jdog"), "labels '0.png' by what is no name of a class"),
        (labeled(b"-7"), "has an image without a label, '0.png'"),
        (labeled(b" \n"), "has an image without a label, '0.png'"),
        (labeled(b"\xff\xfe"), "whose name is not UTF-8"),
    ],
)
def test_labels_that_are_none_are_refused(
    members: Mapping[str, bytes], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=sentence) as caught:
        open_images(archive(tmp_path / "a.tar", members))
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    "header",
    [
        {"SHUFFLENET.classes": "[" * 99_999},
        {"SHUFFLENET.classes": '{"a": 1}'},
        {"SHUFFLENET.classes": "[1, 2]"},
        {"SHUFFLENET.classes": "no"},
        {"SHUFFLENET.images": "9" * 5000},
        {"SHUFFLENET.images": "-1"},
        {"SHUFFLENET.images": "x"},
        {"SHUFFLENET.images": "7"},
        {"size": "99999999999999999999"},
        {"size": "-512"},
    ],
)
def test_headers_that_are_none_are_refused(header: Mapping[str, str], tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar", labeled(b"0"), header)
    with pytest.raises(DataError, match="cannot be read as|is truncated: it holds"):
        open_images(path)
    with pytest.raises(DataError):
        open_images(archive(tmp_path / "b.tar", labeled(b"0"), size="99999999999999999999"))


def test_a_header_that_leads_backwards_ends(tmp_path: Path) -> None:
    """A negative size in base 256 makes some versions of tarfile read one header for ever."""
    content = bytearray(tarfile.TarInfo("cat/0.png").tobuf(tarfile.GNU_FORMAT))
    content[124:136] = (-512).to_bytes(12, "big", signed=True)
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(content)
    (tmp_path / "a.tar").write_bytes(bytes(content) * 3)
    with pytest.raises(DataError, match="cannot be read as an archive"):
        open_images(tmp_path / "a.tar")


def test_links_in_an_archive_are_the_files_they_lead_to(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        member = tarfile.TarInfo("cat/0.png")
        member.size = len(png())
        file.addfile(member, io.BytesIO(png()))
        for name, kind, target in (
            ("dog/1.png", tarfile.LNKTYPE, "cat/0.png"),
            ("dog/2.png", tarfile.SYMTYPE, "../cat/0.png"),
            ("dog/3.png", tarfile.SYMTYPE, "/etc/passwd"),
            ("dog/4.png", tarfile.FIFOTYPE, ""),
        ):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, target
            file.addfile(link)
    images = open_images(tmp_path / "a.tar")
    contents = {sample.name: sample.read() for sample in images.samples}
    assert contents == {
        "cat/0.png": png(), "dog/1.png": png(), "dog/2.png": png(), "dog/3.png": b"",
    }  # fmt: skip
    assert isinstance(load(images.samples[3], HOW), ImageError)


def test_a_sparse_file_is_refused(tmp_path: Path) -> None:
    member = tarfile.TarInfo("cat/0.png")
    member.size, member.type = 512, tarfile.GNUTYPE_SPARSE
    content = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    (tmp_path / "a.tar").write_bytes(bytes(content) + bytes(512 * 3))
    with pytest.raises(DataError, match="cannot be read as an archive"):
        open_images(tmp_path / "a.tar")


def test_a_compressed_file_may_not_fill_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_spool, "_SMALL_BYTES", 1 << 20)
    zeros = tmp_path / "zeros.tar.gz"
    zeros.write_bytes(gzip.compress(bytes(1 << 24)))
    with pytest.raises(DataError, match="it begins with no file"):
        open_images(zeros)
    path = archive(tmp_path / "a.tar", {"cat/0.png": bytes(1 << 24)})
    (tmp_path / "a.tgz").write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(DataError, match="it holds more than 2 MB"):
        open_images(tmp_path / "a.tgz")


def test_an_index_that_is_a_pipe_is_not_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = archive(tmp_path / "a.tar", labeled(b"cat"))
    os.mkfifo(tmp_path / "a.idx")
    assert names(open_images(path)) == {"0.png": "cat"}
    assert "does not fit its archive" in caplog.text


@pytest.mark.parametrize("kind", ["pipe", "device", "broken link", "link to itself", "long link"])
def test_what_is_no_regular_file_is_one_unreadable_image(
    kind: str,
    class_folders: Path,
    tmp_path: Path,
    run: Run,
    caplog: pytest.LogCaptureFixture,
) -> None:
    odd = class_folders / "red" / "odd.png"
    match kind:
        case "pipe":
            os.mkfifo(odd)
        case "device":
            odd.symlink_to("/dev/zero")
        case "broken link":
            odd.symlink_to("gone")
        case "link to itself":
            odd.symlink_to(odd)
        case "long link":
            odd.symlink_to("x" * 300)
    code, out, err = run("pack", class_folders, "--to", tmp_path / "a.tar", "--json", "--size", 16)
    assert code == 0
    assert (json.loads(out)["images"], json.loads(out)["unreadable"]) == (24, 1)
    assert "odd.png' as an image: " in caplog.text
    code, out, err = run("predict", class_folders, "--csv", "--top", 1)
    assert code == 1
    assert len(out.splitlines()) == 25
    assert err.count("Cannot read ") == 1


def parquet(path: Path, rows: list[tuple[bytes | None, str | None, Any]], **meta: str) -> Path:
    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    images = [{"bytes": content, "path": name} for content, name, _ in rows]
    columns = {"image": pyarrow.array(images, kind), "label": [label for *_, label in rows]}
    table = pyarrow.table(columns).replace_schema_metadata(meta)
    pyarrow.parquet.write_table(table, path)
    return path


def names_in_schema(names: object) -> str:
    return json.dumps({"info": {"features": {"label": {"names": names}}}})


@pytest.mark.parametrize(
    ("rows", "meta", "sentence"),
    [
        ([(None, "/etc/passwd", 0)], {}, "a file outside its own folder, '/etc/passwd'"),
        ([(None, "../a.png", 0)], {}, "names a file outside its own folder"),
        ([(None, "link.png", 0)], {}, "names a file outside its own folder"),
        ([(b"", None, 1.5)], {}, "the label in row 1 is neither a whole number nor text"),
        ([(b"", None, True)], {}, "the label in row 1 is neither a whole number nor text"),
        ([(b"", None, [1.5])], {}, "the label in row 1 is neither a whole number nor text"),
        ([(b"", None, "a\nb")], {}, "by what is no name of a class"),
        ([(b"", None, 0)], {"huggingface": "[" * 99_999}, "is not JSON that can be read"),
        ([(b"", None, 0)], {"huggingface": names_in_schema("cat")}, "the names of classes is"),
        ([(b"", None, 0)], {"huggingface": names_in_schema([1])}, "the names of classes"),
        ([(b"", None, 9)], {"huggingface": names_in_schema(["a"])}, "names 1 class"),
    ],
)
def test_parquet_of_strangers_is_refused(
    rows: list[tuple[bytes | None, str | None, Any]],
    meta: dict[str, str],
    sentence: str,
    tmp_path: Path,
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "in" / "link.png").symlink_to(tmp_path / "a.png")
    with pytest.raises(DataError, match=sentence):
        open_images(parquet(tmp_path / "in" / "a.parquet", rows, **meta))


def test_schemas_of_other_shapes_hold_no_names(tmp_path: Path) -> None:
    for text in ("[]", "7", '{"info": []}', '{"info": {"features": {"label": null}}}'):
        rows: list[tuple[bytes | None, str | None, Any]] = [(b"", None, 3)]
        images = open_images(parquet(tmp_path / "a.parquet", rows, huggingface=text))
        assert images.classes == ("3",)


def test_parquet_may_not_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_spool, "_SMALL_BYTES", 1 << 16)
    monkeypatch.setattr(_spool, "_RATIO", 2)
    with pytest.raises(DataError, match="it holds more than 0 MB of images"):
        open_images(parquet(tmp_path / "a.parquet", [(bytes(1 << 22), None, 0)]))


def _tar(folder: Path) -> Path:
    return archive(folder / "whole.tar", {f"{c}/{n}.png": png() for c in "ab" for n in range(3)})


def _shard(folder: Path) -> Path:
    (folder / "photos").mkdir()
    for name in ("cat", "dog"):
        (folder / "photos" / name).mkdir()
        (folder / "photos" / name / "0.png").write_bytes(png())
    pack(open_images(folder / "photos"), folder / "shards", Encoding(8))
    return folder / "shards" / "000000.tar"


def _compressed(folder: Path) -> Path:
    path = folder / "whole.tar.gz"
    path.write_bytes(gzip.compress(_tar(folder).read_bytes(), 1))
    return path


def _index(folder: Path) -> Path:
    return _shard(folder).with_suffix(".idx")


def _parquet(folder: Path) -> Path:
    meta = {"huggingface": names_in_schema(["cat", "dog"])}
    return parquet(folder / "whole.parquet", [(png(), "a", n % 2) for n in range(9)], **meta)


def _table(folder: Path) -> Path:
    (folder / "a b.png").write_bytes(png())
    (folder / "whole.csv").write_text('path,label\n"a b.png",cat\na b.png,"d,og"\n')
    return folder / "whole.csv"


@pytest.mark.parametrize("make", [_tar, _shard, _compressed, _index, _parquet, _table])
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_damage_anywhere_leaves_a_set_or_one_sentence(
    make: Callable[[Path], Path], tmp_path: Path
) -> None:
    """Bytes are changed, removed and repeated at random, of one seed."""
    path = make(tmp_path)
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    rng, sentences = np.random.default_rng(7), list[str]()
    source = path.with_suffix(".tar") if path.suffix == ".idx" else path
    for _ in range(120):
        damaged = whole.copy()
        places = rng.integers(len(damaged), size=rng.integers(1, 12))
        values = np.array([rng.integers(256), 0, 255, ord("9")], np.uint8)
        damaged[places] = rng.choice(values, size=len(places))
        first, last = sorted(rng.integers(len(damaged), size=2))
        match rng.integers(4):
            case 0:
                damaged = damaged[:last]
            case 1:
                damaged = np.concatenate([damaged[:last], damaged[first:]])
        path.write_bytes(damaged.tobytes())
        try:
            images = open_images(source)
        except DataError as error:
            sentences.append(str(error))
        else:
            for sample in images.samples:
                assert isinstance(load(sample, HOW), np.ndarray | ImageError)
    assert sentences or make is _index
    assert not any("\n" in sentence for sentence in sentences)
