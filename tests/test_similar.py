"""The nearest vectors, against all cosines at once; ``shufflenet similar`` as a user types it."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from conftest import Run
from shufflenet import similar
from shufflenet.embed import Embedding, read_embedding, write_embedding
from shufflenet.errors import EmbeddingUnreadable, SpecError
from shufflenet.similar import nearest

Floats = npt.NDArray[np.float32]


def vectors(seed: int, rows: int, columns: int = 6) -> Floats:
    """Make vectors of which some are equal, some are zeros, and lengths differ a lot."""
    rng = np.random.default_rng(seed)
    values = rng.integers(-2, 3, (rows, columns)).astype(np.float32)
    return np.asarray(values * 10.0 ** rng.integers(-18, 18, (rows, 1)), np.float32)


def all_cosines(rows: Floats, queries: Floats) -> npt.NDArray[np.float64]:
    def directions(values: Floats) -> npt.NDArray[np.float64]:
        wide = values.astype(np.float64)
        lengths = np.linalg.norm(wide, axis=1, keepdims=True)
        return wide / np.where(lengths > 0, lengths, 1)

    return directions(queries) @ directions(rows).T


@given(st.integers(0, 99), st.integers(0, 40), st.integers(0, 12), st.integers(1, 50))
def test_the_nearest_are_those_of_all_cosines(seed: int, rows: int, queries: int, k: int) -> None:
    among, asked = vectors(seed, rows), vectors(seed + 100, queries)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(similar, "_VECTORS", 7)  # private: as if there were thousands
        patch.setattr(similar, "_QUERIES", 5)
        found = nearest(among, asked, k)
    expected = all_cosines(among, asked)
    count = min(k, rows)
    assert found.indices.shape == found.cosines.shape == (queries, count)
    assert found.indices.dtype == np.dtype(np.int64)
    assert found.cosines.dtype == np.dtype(np.float32)
    best = -np.sort(-expected, axis=1)[:, :count]
    assert np.allclose(found.cosines, best, atol=1e-6)
    chosen = np.take_along_axis(expected, found.indices, axis=1)
    assert np.allclose(chosen, found.cosines, atol=1e-6)
    assert all(len(set(row)) == count for row in found.indices.tolist())


def test_of_equal_ones_the_lower_row_comes_first() -> None:
    among = np.ones((20_000, 2), np.float32)
    assert nearest(among, among[:1], 4).indices.tolist() == [[0, 1, 2, 3]]


@pytest.mark.parametrize(
    ("among", "asked", "k"),
    [
        (np.ones((2, 3)), np.ones((2, 4)), 1),
        (np.ones(3), np.ones((2, 3)), 1),
        (np.ones((2, 3)), np.ones((2, 3)), 0),
        (np.full((2, 3), np.nan), np.ones((2, 3)), 1),
        (np.ones((2, 3)), np.full((2, 3), np.inf), 1),
    ],
)
def test_what_has_no_cosines_is_refused(among: Floats, asked: Floats, k: int) -> None:
    with pytest.raises(SpecError):
        nearest(among.astype(np.float32), asked.astype(np.float32), k)


# --- files of embeddings ---


@pytest.mark.parametrize("suffix", [".npy", ".parquet"])
def test_what_was_written_is_read(suffix: str, tmp_path: Path) -> None:
    written = Embedding((Path("a b.jpg"), Path("ü.png")), vectors(0, 2), ())
    write_embedding(tmp_path / f"v{suffix}", written)
    read = read_embedding(tmp_path / f"v{suffix}")
    assert read.paths == written.paths
    assert np.array_equal(read.vectors, written.vectors)


def test_a_file_that_is_damaged_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    for suffix in (".npy", ".parquet"):
        path = tmp_path / f"v{suffix}"
        with pytest.raises(EmbeddingUnreadable, match="cannot be read"):
            read_embedding(path)
        write_embedding(path, Embedding((Path("a"), Path("b")), vectors(0, 2), ()))
        whole = path.read_bytes()
        for content in (b"", whole[:40], whole[: len(whole) // 2], b"PK\3\4" * 50):
            path.write_bytes(content)
            with pytest.raises(EmbeddingUnreadable):
                read_embedding(path)
    path = tmp_path / "v.npy"
    for array in (np.ones((2, 3)), np.ones(2, np.float32), np.ones((3, 2), np.float32)):
        np.save(path, array)
        with pytest.raises(EmbeddingUnreadable):
            read_embedding(path)
    np.save(path, np.array([{}, {}], object), allow_pickle=True)
    with pytest.raises(EmbeddingUnreadable):
        read_embedding(path)


# --- the command ---


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Photos, one of which is there again, brighter and smaller."""
    place = tmp_path / "all"
    place.mkdir()
    for number in range(6):
        blocks = np.random.default_rng(number).integers(0, 256, (3, 4, 3), np.uint8)
        image = Image.fromarray(blocks).resize((160, 120), Image.Resampling.NEAREST)
        image.save(place / f"{number}.png")
        if number == 3:
            image.resize((144, 108)).point(lambda value: value * 0.97 + 3).save(place / "again.png")
    return place


def test_the_same_photo_in_another_size_is_found_first(run: Run, folder: Path) -> None:
    code, out, _ = run("similar", folder / "3.png", "--among", folder, "--json", "--top", 3)
    assert code == 0
    answer = json.loads(out)
    assert answer["path"] == str(folder / "3.png")
    assert len(answer["similar"]) == 3
    assert Path(answer["similar"][0]["path"]).name == "again.png"
    assert str(folder / "3.png") not in [each["path"] for each in answer["similar"]]  # itself
    cosines = [each["cosine"] for each in answer["similar"]]
    assert cosines == sorted(cosines, reverse=True)
    assert run("similar", folder / "3.png", "--among", folder)[1].startswith(f" {cosines[0]:.3f} ")


def test_a_folder_stands_for_its_photos(run: Run, folder: Path) -> None:
    asked = folder.parent / "asked"
    asked.mkdir()
    for name in ("1.png", "3.png"):
        (asked / name).write_bytes((folder / name).read_bytes())
    code, out, _ = run("similar", asked, "--among", folder, "--top", 1)
    assert code == 0
    names = [line for line in out.splitlines() if not line.startswith(" ")]
    assert names == [str(asked / "1.png"), str(asked / "3.png")]


@pytest.mark.parametrize("suffix", [".npy", ".parquet"])
def test_a_file_of_embeddings_gives_the_same(run: Run, folder: Path, suffix: str) -> None:
    to = folder.parent / f"vectors{suffix}"
    assert run("embed", folder, "--to", to)[0] == 0
    arguments = ("similar", folder / "3.png", folder / "1.png", "--json", "--among")
    by_file, by_folder = run(*arguments, to)[1], run(*arguments, folder)[1]
    for one, other in zip(by_file.splitlines(), by_folder.splitlines(), strict=True):
        found, expected = json.loads(one), json.loads(other)
        assert [each["path"] for each in found["similar"]] == [
            each["path"] for each in expected["similar"]
        ]


def test_what_goes_wrong_is_told(run: Run, folder: Path, checkpoint: Path) -> None:
    empty = folder.parent / "empty"
    empty.mkdir()
    code, out, err = run("similar", folder / "3.png", "--among", empty)
    assert (code, out) == (1, "")
    assert "There is no image" in err
    (folder / "bad.png").write_bytes(b"no image")
    code, out, err = run("similar", folder / "3.png", folder / "bad.png", "--among", folder)
    assert code == 1
    assert "bad.png" in err
    assert "again.png" in out
    to = folder.parent / "vectors.npy"
    run("embed", folder, "--to", to, "--model", checkpoint)
    code, out, err = run("similar", folder / "3.png", "--among", to)
    assert (code, out) == (1, "")
    assert "has embeddings of 512 numbers, but those of the model" in err
