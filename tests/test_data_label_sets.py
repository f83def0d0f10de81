"""Images of several labels: read from tables and parquet, split, fitted to a model's classes."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from colored_squares import COLORS, write_squares
from shufflenet.data import ImageSet, join_labels, label_as, multi_label, open_images, split
from shufflenet.data._draw_held_out import draw_held_out  # a formula of its own, tried with many
from shufflenet.data._label_sets import split_labels  # likewise
from shufflenet.data.packing import Encoding, pack
from shufflenet.errors import (
    AllUnlabeled,
    ClassNameWithBar,
    DataError,
    DoubledLabel,
    ImageLabeledTwice,
    LabelEmpty,
    NotInShards,
    OneRightClass,
    UnknownClassFolders,
    UnlabeledImage,
)
from shufflenet.spec import Label

Table = Callable[..., Path]


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """Write a table with an image of each name that its first column has."""

    def write(*rows: str, name: str = "labels.csv") -> Path:
        for row in rows[1:]:
            image = row.split("\t" if name.endswith("tsv") else ",")[0]
            Image.new("RGB", (8, 8), "red").save(tmp_path / image)
        (tmp_path / name).write_text("\n".join(rows) + "\n")
        return tmp_path / name

    return write


def test_a_table_with_a_bar_is_multi_label(table: Table) -> None:
    images = open_images(table("path,label", "a.png,dog|cat", "b.png,", "c.png, sofa | cat "))
    assert (images.task, images.classes) == ("multi-label", ("cat", "dog", "sofa"))
    assert images.right == [(0, 1), (), (0, 2)]
    assert [sample.label for sample in images.samples] == [-1, -1, -1]
    assert [join_labels(images, sample) for sample in images.samples] == ["cat|dog", "", "cat|sofa"]


def test_a_table_is_multi_label_if_any_of_its_splits_has_a_bar(table: Table) -> None:
    rows = ("path,tags,split", "a.png,dog|cat,train", "b.png,dog,val", "c.png,,val")
    images = open_images(table(*rows), "val")
    assert (images.task, images.right) == ("multi-label", [(0,), ()])


def test_tabs_and_a_table_beside_images_are_read_too(table: Table) -> None:
    path = table("file\tlabels", "a.png\tdog|cat", "b.png\t", name="labels.tsv")
    for images in (open_images(path), open_images(path.parent)):
        assert images.right == [(0, 1), ()]


def test_the_task_can_be_named(table: Table, class_folders: Path) -> None:
    plain = table("path,label", "a.png,dog", "b.png,cat")
    assert open_images(plain).task == "classification"
    assert open_images(plain, task="multi-label").right == [(1,), (0,)]
    empty = table("path,label", "a.png,dog", "b.png,")
    with pytest.raises(UnlabeledImage):
        open_images(empty)
    assert open_images(empty, task="multi-label").right == [(0,), ()]
    bars = table("path,label", "a.png,dog|cat", "b.png,cat")
    assert open_images(bars, task="classification").classes == ("cat", "dog|cat")
    folders = open_images(class_folders, task="multi-label")
    alone = open_images(class_folders)
    assert folders.right == alone.right
    assert {sample.label for sample in folders.samples} == {-1}
    assert multi_label(folders) is folders


def test_a_bar_in_a_folder_is_a_bar(tmp_path: Path) -> None:
    for name in ("a|b", "c"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / name / "0.png")
    images = open_images(tmp_path)
    assert (images.task, images.classes) == ("classification", ("a|b", "c"))
    with pytest.raises(ClassNameWithBar):
        open_images(tmp_path, task="multi-label")


@pytest.mark.parametrize(
    ("cells", "error"),
    [
        (("cat||dog", "cat"), LabelEmpty),
        (("cat|", "cat"), LabelEmpty),
        (("|", "cat"), LabelEmpty),
        (("cat|dog|cat", "cat"), DoubledLabel),
        (("Ka\u0308fer|K\u00e4fer", "cat"), DoubledLabel),
    ],
)
def test_labels_that_are_none_are_refused(
    table: Table, cells: tuple[str, str], error: type[DataError]
) -> None:
    with pytest.raises(error):
        open_images(
            table(
                "path,label",
                *(f"{name}.png,{cell}" for name, cell in zip("ab", cells, strict=True)),
            )
        )


def test_a_table_without_any_label_is_refused(table: Table) -> None:
    with pytest.raises(AllUnlabeled):
        open_images(table("path,label", "a.png,", "b.png,"), task="multi-label")


def test_an_image_may_be_named_twice_with_the_same_labels_in_any_order(table: Table) -> None:
    images = open_images(table("path,label", "a.png,dog|cat", "a.png,cat|dog"))
    assert images.findings.repeated == 1
    with pytest.raises(ImageLabeledTwice, match="join them by"):
        open_images(table("path,label", "a.png,dog|cat", "a.png,cat"))


@given(st.text(alphabet="ab| \t", max_size=12))
def test_any_cell_is_labels_or_a_sentence(text: str) -> None:
    try:
        labels = split_labels("a.csv", "0.png", text)
    except LabelEmpty:
        assert "|" in text
    else:
        assert "|".join(labels) == "|".join(part.strip() for part in text.split("|"))


def test_parquet_of_lists_and_of_text_with_bars(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    content = (write_squares(tmp_path / "squares", 1).parent / "000.png").read_bytes()
    image = [{"bytes": content, "path": None}] * 3
    feature = {"feature": {"names": ["x", "y", "z"], "_type": "ClassLabel"}, "_type": "List"}
    meta = f'{{"info": {{"features": {{"label": {feature}}}}}}}'.replace("'", '"')
    for label, metadata, classes, right in (
        ([["b", "a"], [], None], {}, ("a", "b"), [(0, 1), (), ()]),
        ([[2, 0], [], [1]], {"huggingface": meta}, ("x", "y", "z"), [(0, 2), (), (1,)]),
        (["b|a", "", None], {}, ("a", "b"), [(0, 1), (), ()]),
    ):
        table = pyarrow.table({"image": image, "label": label}).replace_schema_metadata(metadata)
        parquet.write_table(table, tmp_path / "a.parquet")
        images = open_images(tmp_path / "a.parquet")
        assert (images.task, images.classes, images.right) == ("multi-label", classes, right)
    parquet.write_table(
        pyarrow.table({"image": image, "label": [[0], [1], []]}), tmp_path / "b.parquet"
    )
    with pytest.raises(OneRightClass):
        open_images(tmp_path / "b.parquet", task="classification")
    for names in ([["b|a", "a"], ["a"], []], [["a|b"], ["a", "b"], []]):
        parquet.write_table(pyarrow.table({"image": image, "label": names}), tmp_path / "c.parquet")
        with pytest.raises(ClassNameWithBar, match="Rename the class"):
            open_images(tmp_path / "c.parquet")  # held-out.csv would have it as two


def test_labels_are_fitted_to_a_model(table: Table) -> None:
    images = open_images(table("path,label", "a.png,dog|cat", "b.png,", "c.png,sofa|cat"))
    labels = [Label("c", "cat"), Label("s", "sofa"), Label("d", "dog")]
    fitted = label_as(images, labels)
    assert (fitted.classes, fitted.right) == (("c", "s", "d"), [(0, 2), (), (0, 1)])
    assert fitted.task == "multi-label"
    some = label_as(images, labels[:2], partial=True)
    assert some.right == [(0,), (), (0, 1)]
    assert some.findings.sentences("x") == [
        "1 label of 1 class left out, for no class of the model is called 'dog'."
    ]
    with pytest.raises(UnknownClassFolders):
        label_as(images, labels[:2])
    with pytest.raises(UnknownClassFolders):
        label_as(images, [Label("e", "eel"), Label("f", "fox")], partial=True)


def test_shards_hold_no_label_sets(table: Table, tmp_path: Path) -> None:
    images = open_images(table("path,label", "a.png,dog|cat"))
    with pytest.raises(NotInShards):
        pack(images, tmp_path / "a.tar", Encoding(8))


def test_every_color_is_on_both_sides_of_a_split(tmp_path: Path) -> None:
    images = open_images(write_squares(tmp_path, 60))
    training, held_out = split(images, 0.2, seed=1)
    assert split(images, 0.2, seed=1) == (training, held_out)
    assert split(images, 0.2, seed=2)[1] != held_out
    assert (len(training), len(held_out)) == (48, 12)
    assert held_out.classes == tuple(COLORS)
    counts, all_counts = (
        Counter(label for right in part.right for label in right) for part in (held_out, images)
    )
    for label, count in all_counts.items():
        assert abs(counts[label] - 0.2 * count) <= 2
    assert {*training.samples, *held_out.samples} == {*images.samples}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sets(st.integers(0, 5), max_size=3).map(sorted).map(tuple), min_size=2, max_size=60
    ),
    st.sampled_from([0.1, 0.25, 0.5]),
    st.integers(0, 3),
)
def test_a_class_alone_on_its_images_is_held_out_in_part(
    right: list[tuple[int, ...]], fraction: float, seed: int
) -> None:
    drawn = draw_held_out(right, fraction, seed)
    assert drawn <= set(range(len(right)))
    assert drawn == draw_held_out(right, fraction, seed)
    counts = Counter(label for labels in right for label in labels)
    for label, count in counts.items():
        own = [i for i, labels in enumerate(right) if label in labels]
        if all(right[i] == (label,) for i in own):
            expected = max(1, round(count * fraction)) if count > 1 else 0
            assert len(drawn.intersection(own)) == expected


def test_a_set_remembers_its_task() -> None:
    assert ImageSet("a", ("x",), ()).task == "classification"
