"""Tables of paths and labels, as people and ImageNet's authors write them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from shufflenet.data import ImageSet, open_images
from shufflenet.errors import DataError
from shufflenet.labels import ilsvrc2012_order, label_set

NAMES = ("ILSVRC2012_val_00000001.JPEG", "ILSVRC2012_val_00000002.JPEG")


@pytest.fixture
def val(tmp_path: Path) -> Path:
    """ImageNet's first two validation images, by name, in one folder."""
    for place, name in enumerate(NAMES):
        (tmp_path / "val").mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), (90 * place, 0, 0)).save(tmp_path / "val" / name)
    return tmp_path / "val"


def labels(images: ImageSet) -> dict[str, str]:
    """The class of every file, by its content's name."""
    return {Path(s.path).name: images.classes[s.label] for s in images.samples}


PUBLISHED: dict[str, str] = {
    "val_map.txt": "{0} n02123045\n{1} n07873807\n",
    "LOC_val_solution.csv": "ImageId,PredictionString\n"
    "ILSVRC2012_val_00000002,n07873807 1 1 9 9 n07873807 2 2 8 8\n"
    "ILSVRC2012_val_00000001,n02123045 1 1 9 9\n",
    "ILSVRC2012_validation_ground_truth.txt": "12\n988\n",
    "ILSVRC2015_clsloc_validation_ground_truth.txt": "12\r\n988\r\n",
    "val_annotations.txt": "{0}\tn02123045\t0\t1\t2\t3\n{1}\tn07873807\t0\t1\t2\t3\n",
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_imagenets_labels_are_read_as_published(name: str, val: Path) -> None:
    (val / name).write_text(PUBLISHED[name].format(*NAMES))
    expected = {NAMES[0]: "n02123045", NAMES[1]: "n07873807"}
    if "ground_truth" in name:
        expected = dict(zip(NAMES, (wnid(12), wnid(988)), strict=True))
    assert labels(open_images(val / name)) == expected
    images = open_images(val)
    assert labels(images) == expected
    assert images.source == str(val)
    assert images.findings.label_file == name
    assert images.findings.sentences("val") == [f"Labels are from {name!r}."]


def wnid(number: int) -> str:
    return ilsvrc2012_order()[number - 1]


def test_ilsvrc_numbers_classes_in_its_own_order() -> None:
    """Source: the development kit's meta.mat, as MLDatasets.jl shows parts of it."""
    numbers = {identifier: number for number, identifier in enumerate(ilsvrc2012_order(), 1)}
    known = {"n07693725": 768, "n01689811": 469, "n04371774": 569, "n03347037": 919}
    assert {identifier: numbers[identifier] for identifier in known} == known
    assert numbers.keys() == {label.id for label in label_set("imagenet-1k")}


def test_the_surest_of_several_label_files_is_taken(val: Path) -> None:
    (val / "val_map.txt").write_text("".join(f"{name} cat\n" for name in NAMES))
    (val / "other.csv").write_text("".join(f"{name},dog\n" for name in NAMES))
    (val / "LOC_val_solution.csv").write_text("ImageId,PredictionString\nx,n1 1 1 9 9\n")
    assert open_images(val).classes == ("cat",)
    (val / "val_map.txt").unlink()
    (val / "LOC_val_solution.csv").unlink()
    (val / "about.txt").write_text("These are two images.\nNothing more.\n")
    assert open_images(val).classes == ("dog",)
    (val / "more.csv").write_text("".join(f"{name},owl\n" for name in NAMES))
    with pytest.raises(DataError, match="'more.csv' and 'other.csv' may label them"):
        open_images(val)


def test_images_that_a_table_does_not_name_are_told(val: Path) -> None:
    (val / "labels.csv").write_text(f"{NAMES[0]},cat\n")
    images = open_images(val)
    assert len(images) == 1
    assert images.findings.unlabeled == 1
    assert images.findings.sentences("val")[-1] == "1 image in 'val' without a label: left out."


def test_images_elsewhere_that_a_table_names_are_not_counted(val: Path, tmp_path: Path) -> None:
    there = [tmp_path / f"{number}.png" for number in range(3)]
    for path in there:
        path.write_bytes((val / NAMES[0]).read_bytes())
    (val / "held-out.csv").write_text("".join(f"{path},cat\n" for path in (*there, NAMES[0])))
    images = open_images(val)
    assert (len(images), images.findings.unlabeled) == (4, 1)


def test_a_validation_folder_with_a_label_file_beside_training_folders(val: Path) -> None:
    (val / "val_map.txt").write_text("".join(f"{name} cat\n" for name in NAMES))
    for name in ("cat", "dog"):
        (val.parent / "train" / name).mkdir(parents=True)
        shutil.copy(val / NAMES[0], val.parent / "train" / name)
    training = open_images(val.parent, "train")
    assert training.classes == ("cat", "dog")
    assert training.findings.validation == "val"
    assert labels(open_images(val.parent, "val")) == dict.fromkeys(NAMES, "cat")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "filename,label\n{0},cat\n{1},dog\n"),
        ("a.csv", "image,class\n{0},cat\n{1},dog\n"),
        ("a.csv", "id,breed\nILSVRC2012_val_00000001,cat\nILSVRC2012_val_00000002,dog\n"),
        ("a.csv", "my,own\n{0},cat\n{1},dog\n"),  # a header that nobody knows
        ("a.csv", "cat,{0}\ndog,{1}\n"),
        ("a.csv", '\ufeffpath;label\r\n"{0}";"cat"\r\n\r\n{1}; dog \r\n'),
        ("a.csv", "size,Class,Filename\n1,cat,{0}\n2,dog,{1}\n"),
        ("a.tsv", "{0}\tcat\n{1}\tdog\n"),
        ("a.txt", "{0} cat\n{1}   dog\n"),
        ("a.txt", "{0}\tcat\n{1}\tdog"),
        ("a.txt", "./{0} cat\n.\\{1} dog\n"),
        ("a.txt", "../val/{0} cat\n../val/{1} dog\n"),
        ("A.TXT", "ILSVRC2012_val_00000001 cat\nILSVRC2012_val_00000002 dog\n"),
    ],
)
def test_tables_are_read_however_they_are_written(name: str, text: str, val: Path) -> None:
    (val / name).write_bytes(text.format(*NAMES).encode())
    assert labels(open_images(val / name)) == {NAMES[0]: "cat", NAMES[1]: "dog"}
    (val / name).write_bytes(text.format(*NAMES).encode("utf-16"))
    assert labels(open_images(val / name)) == {NAMES[0]: "cat", NAMES[1]: "dog"}


def test_names_and_labels_may_hold_spaces_commas_and_quotes(tmp_path: Path) -> None:
    for name in ("my cat.jpg", 'a "b", c.jpg'):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    (tmp_path / "a.csv").write_text(
        'path,label\nmy cat.jpg,"tabby, cat"\n"a ""b"", c.jpg",big cat\n'
    )
    expected = {"my cat.jpg": "tabby, cat", 'a "b", c.jpg': "big cat"}
    assert labels(open_images(tmp_path / "a.csv")) == expected
    (tmp_path / "b.txt").write_text("my cat.jpg tabby cat\n")
    assert labels(open_images(tmp_path / "b.txt")) == {"my cat.jpg": "tabby cat"}


def test_a_bare_name_that_several_images_have_is_not_guessed(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / folder / "1.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "b" / "2.png")
    (tmp_path / "t.csv").write_text("path,label\n2,x\n2.png,x\n")
    assert len(open_images(tmp_path / "t.csv")) == 2
    (tmp_path / "t.csv").write_text("path,label\n2,x\n1.png,y\n")
    with pytest.raises(DataError, match="1 image of which there is no file, such as '1.png'"):
        open_images(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("a.csv", "path,label\nhttps://a.b/1.jpg,cat\n", "names addresses, such as 'https://a.b"),
        ("a.csv", "path,label\n{0},cat\nS3://a/1.jpg,cat\n", "names addresses"),
        ("a.csv", "path,label\n" + "x" * 300 + ".jpg,cat\n", "1 image of which there is no file"),
        ("a.csv", "path,label\n\0.jpg,cat\n", "cannot be read|there is no file"),
        ("a.csv", "path,label\n/dev/zero,cat\n", "of which there is no file, such as '/dev/zero'"),
        ("a.csv", f"path,label\n{'y' * 200_000},cat\n", "cannot be read"),
        ("a.txt", "{0} cat\n{1}\n", "has 1 field in row 2|there is no file"),
        ("a.txt", "only words\n", "names 1 image of which there is no file, such as 'only'"),
        ("a.txt", "1\n2\n", "has no columns path and label"),
        ("a.csv", "a.jpg,5,7,cat\n", "has no columns path and label"),
        ("ILSVRC2012_validation_ground_truth.txt", "1\n1001\n", "in line 2, but '1001'"),
        ("ILSVRC2012_validation_ground_truth.txt", "0\n", "in line 1, but '0'"),
        ("ILSVRC2012_validation_ground_truth.txt", "1 2\n", "in line 1, but '1 2'"),
        ("ILSVRC2012_validation_ground_truth.txt", f"{'9' * 5000}\n", "in line 1, but '9999"),
    ],
)
def test_tables_that_cannot_be_used_are_refused(
    name: str, text: str, sentence: str, val: Path
) -> None:
    (val / name).write_text(text.format(*NAMES))
    with pytest.raises(DataError, match=sentence) as caught:
        open_images(val / name)
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("gone")])
def test_what_is_no_file_is_refused(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "a.csv")
    with pytest.raises(DataError):
        open_images(tmp_path / "a.csv")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(4):
        Image.new("RGB", (40, 40), (9 * number, 0, 0)).save(folder / f"{number}.png")
    return folder


@pytest.mark.parametrize(
    "header", ["File Name,Class", "filepaths,labels", "image-id,Class Name", "bild,klasse"]
)
@pytest.mark.parametrize("turned", [False, True])
def test_columns_are_found_however_people_write_their_names(
    header: str, turned: bool, pictures: Path
) -> None:
    rows = [header, "0.png,cat", "1.png,cat", "2.png,dog", "3.png,dog"]
    rows = [",".join(reversed(row.split(","))) for row in rows] if turned else rows
    (pictures / "a.csv").write_text("\n".join(rows))
    images = open_images(pictures / "a.csv")
    assert images.classes == ("cat", "dog")
    assert [sample.label for sample in images.samples] == [0, 0, 1, 1]


def test_an_image_with_two_labels_is_refused_and_one_named_twice_is_told(pictures: Path) -> None:
    table = pictures / "a.csv"
    table.write_text("path,label\n0.png,cat\n1.png,dog\n./0.png,cat\n")
    images = open_images(table)
    assert [sample.label for sample in images.samples] == [0, 1, 0]
    assert images.findings.sentences("a.csv") == [
        "1 row of 'a.csv' for an image that has a row before: each counts."
    ]
    table.write_text("path,label\n0.png,cat\n1.png,dog\n./0.png,dog\n")
    with pytest.raises(DataError, match=r"labels './0.png' as 'cat' and as 'dog'. Leave one row"):
        open_images(table)


@pytest.mark.parametrize("folder", [False, True])
def test_a_column_of_splits_chooses_the_rows(folder: bool, pictures: Path) -> None:
    table = pictures / "a.csv"
    table.write_text(
        "path,label,split\n0.png,cat,train\n1.png,dog,Test\n2.png,dog,train\n3.png,cat,Test\n"
    )
    source = pictures if folder else table
    for part, used, other, names in (
        ("train", "train", "Test", ["0.png", "2.png"]),
        ("val", "Test", "train", ["1.png", "3.png"]),
    ):
        images = open_images(source, part)  # type: ignore[arg-type]  # a literal of two
        assert [sample.name for sample in images.samples] == names
        assert images.findings.validation == "Test"
        told = f"'{table}' holds splits: '{used}' is used here, beside it are '{other}'."
        assert told in images.findings.sentences(images.source)
    with pytest.raises(DataError, match="which are splits. Give a table of the rows of one"):
        open_images(source)
    table.write_text("path,label,set\n0.png,cat,red\n1.png,dog,train\n")  # some other column
    assert len(open_images(table, "train")) == 2


@pytest.mark.parametrize("first", ["sep=;\n", '"sep=;"\r\n', "SEP=;\r\n"])
def test_a_line_that_tells_excel_the_separator_is_no_row(first: str, pictures: Path) -> None:
    for header in ("path;label\n", ""):
        (pictures / "a.csv").write_text(f"{first}{header}0.png;cat\n1.png;dog\n")
        assert labels(open_images(pictures / "a.csv")) == {"0.png": "cat", "1.png": "dog"}


@pytest.mark.parametrize(
    "text",
    [
        "path,label\n0.PNG,cat\n1.png,dog\n",
        "image_id,label\n7,cat\n1,dog\n",
        "7.png,cat\n1.png,dog\n2.png,dog\n",
        "label,path\ncat,7.png\ndog,1.png\n",
    ],
)
def test_a_missing_image_in_the_first_row_is_no_header(text: str, pictures: Path) -> None:
    (pictures / "a.csv").write_text(text)
    with pytest.raises(DataError, match="names 1 image of which there is no file, such as '"):
        open_images(pictures / "a.csv")


def test_a_table_beside_images_that_cannot_be_used_is_named(pictures: Path) -> None:
    (pictures / "a.csv").write_text("path,label\n0.png,cat\n9.png,dog\n")
    with pytest.raises(DataError, match=r"a.csv' names 1 image of which there is no file"):
        open_images(pictures)
    (pictures / "a.csv").write_text("day,weather\nmonday,rain\nfriday,sun\n")
    with pytest.raises(DataError, match="in no class folder"):
        open_images(pictures)
