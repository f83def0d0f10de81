import errno
import io
import os
import tarfile
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from seeded import photo
from shufflenet.data.parts import Limits, Part, Totals, Unit, cut, open_source, read_part
from shufflenet.data.parts import _read as reading  # likewise
from shufflenet.data.parts import _walk as walking  # the bound that a test lowers
from shufflenet.errors import (
    DataMissing,
    DataUnreadable,
    ImageColumnMissing,
    ImageError,
    MachineFails,
    NoImages,
    ParquetPathOutside,
    ParquetUnreadable,
    SourceChanged,
    SpecError,
    TableUnreadable,
    UnknownDataFormat,
    WebForbidden,
)
from shufflenet.files.stores import LocalStore
from shufflenet.preprocess import read_image_file


def jpeg(seed: str) -> bytes:
    content = io.BytesIO()
    Image.fromarray(photo(seed, 20, 24)).save(content, "JPEG")
    return content.getvalue()


def parts_of(source: str | Path) -> list[Part]:
    return list(cut(open_source(str(source), spool=True).units(), Limits()))


def read(source: str | Path, *, spool: bool = True) -> dict[str, bytes | str]:
    opened = open_source(str(source), spool=spool)
    found: dict[str, bytes | str] = {}
    for part in cut(opened.units(), Limits()):
        for name, content in read_part(opened.store, part, opened.address):
            assert name not in found
            found[name] = content.problem if isinstance(content, ImageError) else content
    return found


def names(source: str | Path) -> list[str]:
    return [unit.name for part in parts_of(source) for unit in part.units]


def write_tar(path: Path, members: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as file:  # type: ignore[call-overload]
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    for name in (
        "b.jpg",
        "a/2.jpg",
        "a/1.png",
        "a.jpg",
        ".hidden/x.jpg",
        "notes.txt",
        "c/n\nl.jpg",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(jpeg(name))
    return folder


def test_a_folder_is_listed_by_name_with_paths_below_it(tree: Path) -> None:
    assert names(tree) == ["a/1.png", "a/2.jpg", "a.jpg", "b.jpg", "c/n\nl.jpg"]
    assert read(tree)["a/2.jpg"] == jpeg("a/2.jpg")


def test_names_beyond_what_is_sorted_in_memory_have_the_same_order(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        (tree / f"{number * 7 % 20}.jpg").touch()
    before = names(tree)
    monkeypatch.setattr(walking, "_IN_MEMORY", 4)
    assert names(tree) == before


def test_linked_folders_are_listed_once_and_circles_end(tree: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "o.jpg").write_bytes(jpeg("o"))
    (tree / "up").symlink_to(tree)
    (tree / "again").symlink_to(tree / "a")
    (tree / "out1").symlink_to(outside)
    (tree / "out2").symlink_to(outside)
    (outside / "circle").symlink_to(outside)
    assert [name for name in names(tree) if name.startswith(("up", "again", "out"))] == [
        "out1/o.jpg"
    ]


def units(count: int, size: int = 1) -> Iterator[Unit]:
    return (Unit(f"{number}.jpg", f"/{number}.jpg", size=size) for number in range(count))


def test_parts_grow_from_128_images_to_the_limit() -> None:
    sizes = [len(part.units) for part in cut(units(20_000), Limits(images=512))]
    assert sizes[:16] == [128] * 16
    assert sizes[16:32] == [256] * 16
    assert set(sizes[32:-1]) == {512}
    assert sum(sizes) == 20_000


def test_parts_end_before_their_limit_of_bytes() -> None:
    sizes = [len(part.units) for part in cut(units(10, size=40), Limits(bytes=100))]
    assert sizes == [2] * 5
    assert [len(part.units) for part in cut(units(3, size=400), Limits(bytes=100))] == [1, 1, 1]


def test_what_has_an_unknown_number_of_images_is_a_part_of_its_own() -> None:
    mixed = [*units(2), Unit("a/", "a.tar", "archive", images=0), *units(1)]
    assert [part.images for part in cut(mixed, Limits())] == [2, 0, 1]


@pytest.mark.parametrize("limits", [{"images": 0}, {"bytes": 0}])
def test_a_part_holds_at_least_something(limits: dict[str, int]) -> None:
    with pytest.raises(SpecError):
        Limits(**limits)


def test_the_same_source_has_the_same_fingerprints_and_a_changed_one_others(tree: Path) -> None:
    def fingerprint() -> str:
        totals = Totals()
        for part in parts_of(tree):
            totals.add(part)
        return totals.fingerprint

    before = fingerprint()
    assert fingerprint() == before
    (tree / "d.jpg").touch()
    added = fingerprint()
    (tree / "d.jpg").unlink()
    assert fingerprint() == before
    (tree / "b.jpg").write_bytes(jpeg("other"))
    assert len({before, added, fingerprint()}) == 3


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.csv", "label,path\ncat,a.jpg\ndog,s3://b/c.jpg\n", ["a.jpg", "s3://b/c.jpg"]),
        ("a.csv", "a.jpg,cat\nb.jpg,dog\n", ["a.jpg", "b.jpg"]),
        ("a.csv", "what,who\na.jpg,cat\n", ["a.jpg"]),
        ("a.csv", "url\nhttps://host/a\n", ["https://host/a"]),
        ("a.csv", 'path\n"a\nb.jpg"\n\n', ["a\nb.jpg"]),
        ("a.tsv", "path\tlabel\nmy, cat.jpg\tcat\n", ["my, cat.jpg"]),
        ("a.txt", "my cat.jpg\nb.jpg 3\nphotos/1 cat\n", ["my cat.jpg", "b.jpg", "photos/1"]),
    ],
)
def test_a_table_names_images_in_its_order(
    name: str, text: str, expected: list[str], tmp_path: Path
) -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        (tmp_path / name).write_text(text, encoding=encoding, newline="")
        assert names(tmp_path / name) == expected


def test_a_table_of_any_length_is_listed_in_the_same_memory(tmp_path: Path) -> None:
    def peak(rows: int) -> int:
        with (tmp_path / "a.csv").open("w") as file:
            file.write("path\n")
            file.writelines(f"folder/{number:020}.jpg\n" for number in range(rows))
        tracemalloc.start()
        totals = Totals()
        for part in cut(
            open_source(str(tmp_path / "a.csv"), spool=False).units(), Limits(images=256)
        ):
            totals.add(part)
        assert totals.images == rows
        try:
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(100)  # what is imported and cached at first
    assert peak(80_000) < 1.1 * peak(40_000)


def test_tables_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"path\n\xff\xfe\xff.jpg\n")
    with pytest.raises(TableUnreadable):
        names(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_bytes(b"path\n")
    with pytest.raises(NoImages):
        names(tmp_path / "a.csv")


def test_a_row_whose_file_is_missing_says_so(tree: Path) -> None:
    (tree / "list.txt").write_text("a.jpg\nmissing.jpg\n")
    assert read(tree / "list.txt") == {
        "a.jpg": jpeg("a.jpg"),
        "missing.jpg": "there is no such file",
    }


MEMBERS = {
    "./x/0.jpg": jpeg("0"),
    "x/0.seg.png": b"mask",
    "x/0.cls": b"3",
    "x/1.jpg": jpeg("1"),
    "x/1.cls": b"4",
    "y/a.b.png": jpeg("2"),
    ".DS_Store": b"junk",
    "readme.txt": b"text",
}
IN_THEM = {"x/0.jpg": jpeg("0"), "x/1.jpg": jpeg("1"), "y/a.b.png": jpeg("2")}


@pytest.mark.parametrize(("suffix", "mode"), [(".tar", "w"), (".tar.gz", "w:gz"), (".tgz", "w:gz")])
@pytest.mark.parametrize("spool", [True, False])
def test_archives_give_their_images_without_masks(
    suffix: str, mode: str, spool: bool, tmp_path: Path
) -> None:
    path = write_tar(tmp_path / f"a{suffix}", MEMBERS, mode)
    assert read(path, spool=spool) == IN_THEM


def test_several_archives_name_their_images_by_archive(tmp_path: Path) -> None:
    for number in range(2):
        write_tar(tmp_path / f"s-{number}.tar", {"0.jpg": jpeg(str(number))})
    expected = {"s-0.tar/0.jpg": jpeg("0"), "s-1.tar/0.jpg": jpeg("1")}
    assert read(tmp_path) == expected
    assert read(tmp_path / "s-{0..1}.tar") == expected
    with pytest.raises(DataMissing):
        names(tmp_path / "s-{0..2}.tar")


def test_a_truncated_archive_is_refused(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", IN_THEM)
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(DataUnreadable):
        names(path)


def table_of(column: str, values: object) -> pyarrow.Table:
    return pyarrow.table({"label": [1] * len(values), column: values})  # type: ignore[arg-type]


def test_parquet_gives_a_row_an_image(tree: Path) -> None:
    path = tree / "a.parquet"
    rows = [{"bytes": jpeg("0"), "path": None}, {"bytes": None, "path": "a.jpg"}]
    rows += [{"bytes": None, "path": None}]
    for values, column, group in ((rows, "image", 2), ([jpeg("0"), None], "image", 1)):
        pyarrow.parquet.write_table(table_of(column, values), path, row_group_size=group)
        expected: dict[str, bytes | str] = {"a.parquet#0": jpeg("0"), "a.parquet#1": jpeg("a.jpg")}
        if len(values) == 2:
            expected["a.parquet#1"] = "its row is empty"
        else:
            expected["a.parquet#2"] = "its row is empty"
        assert read(path) == expected
    pyarrow.parquet.write_table(table_of("url", ["b.jpg"]), path)
    assert read(path) == {"a.parquet#0": jpeg("b.jpg")}


def test_parquet_that_holds_no_images_or_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(table_of("number", [1]), path)
    with pytest.raises(ImageColumnMissing):
        names(path)
    pyarrow.parquet.write_table(table_of("path", ["../a.jpg"]), path)
    with pytest.raises(ParquetPathOutside):
        read(path)
    path.write_bytes(b"PAR1 no parquet PAR1")
    with pytest.raises(ParquetUnreadable):
        names(path)


def test_what_is_read_ahead_is_bounded_and_left_when_nobody_wants_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(reading, "_AHEAD_BYTES", 100)  # less than an image: one at a time
    path = write_tar(tmp_path / "a.tar.gz", IN_THEM, "w:gz")
    assert read(path, spool=False) == IN_THEM
    opened = open_source(str(path), spool=False)
    (part,) = cut(opened.units(), Limits())
    images = read_part(opened.store, part, opened.address)
    assert next(images)[0] == "x/0.jpg"
    images.close()  # type: ignore[attr-defined]  # a generator
    assert not [each for each in threading.enumerate() if each.name == "shufflenet-read"]


@pytest.mark.parametrize("change", ["rewrite", "remove"])
@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_a_file_that_is_not_what_was_listed_is_refused(
    change: str, kind: str, tmp_path: Path
) -> None:
    path = tmp_path / "in" / "a.jpg"
    path.parent.mkdir()
    path.write_bytes(jpeg("0"))
    source = path.parent
    if kind == "archive":
        source = path = write_tar(tmp_path / "a.tar", IN_THEM)
    opened = open_source(str(source), spool=True)
    parts = list(cut(opened.units(), Limits()))
    if change == "rewrite":
        path.write_bytes(path.read_bytes() + b"more")
    else:
        path.unlink()
    with pytest.raises(SourceChanged):
        list(read_part(opened.store, parts[0], opened.address))


@pytest.mark.parametrize("kind", ["folder", "tar", "tar.gz"])
def test_a_file_that_is_written_while_it_is_read_is_refused(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "folder":
        path = tmp_path / "in" / "a.jpg"
        path.parent.mkdir()
        path.write_bytes(jpeg("0"))
        source = path.parent
    else:
        source = path = write_tar(tmp_path / f"a.{kind}", IN_THEM, "w:gz" * (kind != "tar") or "w")
    opened = open_source(str(source), spool=False)
    parts = list(cut(opened.units(), Limits()))
    before = LocalStore.open

    def writes(store: LocalStore, at: str) -> BinaryIO:
        file = before(store, at)
        os.utime(path, ns=(0, 0))
        return file

    def reads(at: str, name: str) -> bytes:
        os.utime(path, ns=(0, 0))
        return read_image_file(at, name)

    monkeypatch.setattr(LocalStore, "open", writes)
    monkeypatch.setattr(reading, "read_image_file", reads)
    with pytest.raises(SourceChanged):
        list(read_part(opened.store, parts[0], opened.address))


def test_a_file_that_is_removed_while_its_folder_is_listed_is_not_there(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the temporary file of a worker is, whose answers are below the source."""
    expected = [unit.name for unit in open_source(str(tree), spool=True).units()]
    scan = os.scandir

    @contextmanager
    def removing(folder: str) -> Iterator[Iterator[os.DirEntry[str]]]:
        passing = Path(folder, ".part.partial")
        passing.touch()
        with scan(folder) as entries:
            found = list(entries)
        passing.unlink()
        yield iter(found)

    monkeypatch.setattr(os, "scandir", removing)
    assert [unit.name for unit in open_source(str(tree), spool=True).units()] == expected


def fails_with(error: OSError | MemoryError) -> Callable[..., object]:
    def fails(*arguments: object, **options: object) -> object:
        raise error

    return fails


@pytest.mark.parametrize("code", ["EMFILE", "ENFILE", "ENOMEM", "EIO", "ESTALE"])
@pytest.mark.parametrize("kind", ["folder", "table", "tar"])
def test_what_is_wrong_with_the_machine_is_no_images_answer(
    kind: str, code: str, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = {
        "folder": tree,
        "table": tree / "list.txt",
        "tar": write_tar(tmp_path / "a.tar", IN_THEM),
    }
    (tree / "list.txt").write_text(names(tree)[0])
    opened = open_source(str(sources[kind]), spool=True)
    (part,) = cut(opened.units(), Limits())
    error = OSError(getattr(errno, code), os.strerror(getattr(errno, code)))
    if kind == "tar":
        monkeypatch.setattr(LocalStore, "open", fails_with(error))
    else:
        monkeypatch.setattr(os, "open", fails_with(error))
    with pytest.raises(MachineFails, match="run the same command again"):
        list(read_part(opened.store, part, opened.address))


def test_no_memory_for_a_file_is_no_images_answer(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_source(str(tree), spool=True)
    (part,) = cut(opened.units(), Limits())
    monkeypatch.setattr(os, "open", fails_with(MemoryError()))
    with pytest.raises(MemoryError):
        list(read_part(opened.store, part, opened.address))


def test_a_row_on_the_web_is_no_error_of_an_image_while_nothing_may_be_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    column = pyarrow.table({"url": ["https://127.0.0.1:1/a.jpg"]})
    pyarrow.parquet.write_table(column, tmp_path / "a.parquet")
    monkeypatch.setenv("SHUFFLENET_OFFLINE", "1")
    with pytest.raises(WebForbidden):
        read(tmp_path / "a.parquet")


def test_what_is_no_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataMissing):
        open_source(str(tmp_path / "missing"), spool=True)
    with pytest.raises(NoImages):
        open_source(str(tmp_path), spool=True)
    (tmp_path / "a.zip").touch()
    with pytest.raises(UnknownDataFormat):
        open_source(str(tmp_path / "a.zip"), spool=True)
