"""Scoring from and into a store: an S3 server on loopback, moto's."""

import threading
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pyarrow.dataset
import pytest
from PIL import Image

from seeded import photo
from shufflenet.data.parts import Limits, cut, open_source, read_part
from shufflenet.errors import (
    DataMissing,
    OutUsed,
    SourceChanged,
    StoreUnreadable,
    WebForbidden,
    WriteError,
)
from shufflenet.files.stores import LocalStore, Store, open_store, read_url
from shufflenet.score import Job, score
from shufflenet.score import _lock as locking  # its times, which a test shortens
from shufflenet.score._lock import lock_out  # what a run holds

moto = pytest.importorskip("moto.server", reason="moto stands in for S3")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    site = moto.ThreadedMotoServer("127.0.0.1", port=0)
    site.start()
    yield f"http://127.0.0.1:{site.get_host_and_port()[1]}"
    site.stop()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """An address of an empty bucket."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    name = f"b{abs(hash(tmp_path)):x}"
    pyarrow.fs.S3FileSystem(endpoint_override=server, allow_bucket_creation=True).create_dir(name)
    return f"s3://{name}"


def fill(store: Store, folder: str, count: int = 6) -> None:
    for number in range(count):
        path = Path(f"{number}.png")
        store.write(f"{folder}/{'ab'[number % 2]}/{path}", png(str(number)))


def png(seed: str) -> bytes:
    content = BytesIO()
    Image.fromarray(photo(seed, 40, 52)).save(content, "PNG")
    return content.getvalue()


def small(source: str, out: str) -> Job:
    return Job(source, out, runtime="onnxruntime", workers=1, limits=Limits(images=4))


def test_a_bucket_is_scored_into_a_bucket_as_a_folder_into_a_folder(
    bucket: str, tmp_path: Path
) -> None:
    store, path = open_store(f"{bucket}/in")
    fill(store, path)
    fill(LocalStore(), str(tmp_path / "in"))
    there = score(small(f"{bucket}/in", f"{bucket}/out"))
    here = score(small(str(tmp_path / "in"), f"file://{tmp_path}/out"))
    assert (there.images, there.failed, there.parts) == (here.images, 0, here.parts) == (6, 0, 2)
    of_bucket = pyarrow.dataset.dataset(f"{bucket}/out/answers").to_table().sort_by("path")
    of_folder = pyarrow.dataset.dataset(tmp_path / "out" / "answers").to_table().sort_by("path")
    assert of_bucket["path"].to_pylist() == [f"{'ab'[n % 2]}/{n}.png" for n in (0, 2, 4, 1, 3, 5)]
    assert of_bucket.equals(of_folder)
    assert score(small(f"{bucket}/in", f"{bucket}/out")).answered == 0
    first = next(entry.path for entry in store.scan(f"{path[:-3]}/out/answers"))
    store.remove(first)
    assert score(small(f"{bucket}/in", f"{bucket}/out")).answered in (2, 4)
    store.write(f"{path}/a/new.png", b"new")
    with pytest.raises(SourceChanged):
        score(small(f"{bucket}/in", f"{bucket}/out"))


def test_a_table_here_names_images_there(bucket: str, tmp_path: Path) -> None:
    store, path = open_store(f"{bucket}/in")
    fill(store, path, 2)
    rows = [f"{bucket}/in/a/0.png", f"{bucket}/in/b/1.png", f"{bucket}/in/none.png"]
    (tmp_path / "a.csv").write_text("\n".join(["url", *rows]))
    summary = score(small(str(tmp_path / "a.csv"), str(tmp_path / "out")))
    assert (summary.images, summary.failures) == (3, {"there is no such file": 1})


def test_an_object_that_is_gone_or_another_since_it_was_listed_is_refused(bucket: str) -> None:
    store, path = open_store(f"{bucket}/in")
    fill(store, path, 1)
    source = open_source(f"{bucket}/in", spool=True)
    (part,) = cut(source.units(), Limits())
    store.write(f"{path}/a/0.png", b"other")
    with pytest.raises(SourceChanged):
        list(read_part(source.store, part, source.address))
    store.remove(f"{path}/a/0.png")
    with pytest.raises(SourceChanged):
        list(read_part(source.store, part, source.address))


def test_the_lock_in_a_store_is_held_by_who_renews_it(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("_RENEW_S", 0.2), ("_DEAD_S", 2.0), ("_SETTLE_S", 0.5)):
        monkeypatch.setattr(locking, name, seconds)
    store, path = open_store(f"{bucket}/out")
    with lock_out(store, path, bucket), pytest.raises(OutUsed), lock_out(store, path, bucket):
        pass
    assert store.find(f"{path}/.lock") is None
    store.write(f"{path}/.lock", b"of a run that was killed")
    with lock_out(store, path, bucket) as lock:
        lock.check(bucket)
        store.write(f"{path}/.lock", b"another took it")
        end = time.monotonic() + 30
        while not lock.lost and time.monotonic() < end:
            threading.Event().wait(0.05)
        with pytest.raises(OutUsed):
            lock.check(bucket)
    assert store.find(f"{path}/.lock") is not None


def test_stores_that_are_not_there_are_told_in_a_sentence(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StoreUnreadable):
        open_store("s4://bucket/folder")
    with pytest.raises(DataMissing):
        open_source(f"{bucket}/none", spool=True)
    store, path = open_store("s3://no-such-bucket-here/a")
    with pytest.raises(WriteError):
        store.write(path, b"a")


def test_nothing_is_fetched_while_that_is_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHUFFLENET_OFFLINE", "1")
    with pytest.raises(WebForbidden):
        read_url("https://127.0.0.1/a.jpg", 100)
