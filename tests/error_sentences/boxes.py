"""The errors of data sets of boxes, each with its sentence."""

from shufflenet import errors

_LAYOUT = (
    " Expected, as a folder, a .tar or a .tar.gz: annotations.json of COCO's format and images/; "
    "YOLO's images/, labels/ and data.yaml; or Pascal VOC's JPEGImages/ and Annotations/."
)

SENTENCES: list[tuple[errors.ShuffleNetError, str]] = [
    (
        errors.HoldsNoBoxes("photos"),
        "The data in 'photos' holds no boxes that a detector learns or is measured by."
        + _LAYOUT
        + " Folders of classes are for classifiers: shufflenet train without --task.",
    ),
    (
        errors.HoldsBoxes("my cells", "COCO"),
        "The data in 'my cells' holds boxes in COCO's format, which a detector learns and is "
        "measured by. Train one with: shufflenet train --task detection --data 'my cells' "
        "--out RUN; a classifier takes DATA/<class>/<image>.",
    ),
    (
        errors.BoxesUnreadable("a.tar", "truncated header", "an archive"),
        "The data in 'a.tar' cannot be read as an archive (truncated header)." + _LAYOUT,
    ),
    (
        errors.BoxesUnreadable("cells", "Permission denied"),
        "The data in 'cells' cannot be read (Permission denied)." + _LAYOUT,
    ),
    (
        errors.AnnotationsUnreadable("a.json", "COCO", "it has no list 'images'"),
        "The file 'a.json' cannot be read as COCO's (it has no list 'images'). Export or copy it "
        "again.",
    ),
    (
        errors.AnnotationInvalid("a.json", "annotations[3].bbox", [1], "a list of four numbers"),
        "The file 'a.json' has [1] as annotations[3].bbox, not a list of four numbers. "
        "Export or copy it again.",
    ),
    (
        errors.BoxClassWithoutName("a.json", "categories[0].name"),
        "The file 'a.json' has no name of a class as categories[0].name. Give every class a name "
        "of one line and at most 256 characters.",
    ),
    (
        errors.BoxClassTwice("a.json", "cat"),
        "The file 'a.json' lists the class 'cat' twice. Give every class a name and a number of "
        "its own.",
    ),
    (
        errors.BoxImageTwice("a.json", "0.jpg"),
        "The file 'a.json' lists the image '0.jpg' twice. Leave one entry for each image.",
    ),
    (
        errors.BoxImagesMissing("a.json", ["0.jpg", "1.jpg"]),
        "The file 'a.json' names 2 images of which there is no file, such as '0.jpg'. Put the "
        "images into the folder images beside it, under their names.",
    ),
    (
        errors.NoBoxes(
            "cells", ["Boxes left out, of no area in their images: 3, such as 'a.jpg'."]
        ),
        "The data in 'cells' holds no box that can be used. Boxes left out, of no area in their "
        "images: 3, such as 'a.jpg'.",
    ),
    (
        errors.NoBoxes("cells", []),
        "The data in 'cells' holds no box that can be used. Its annotations are empty.",
    ),
    (
        errors.ClassesOfBoxesMissing("cells"),
        "The data in 'cells' has labels of classes by number, and no file that names the classes. "
        "Add data.yaml with a list called names, or classes.txt with a name a line.",
    ),
    (
        errors.BoxSplitsNotChosen("cells", "train", "val"),
        "The data in 'cells' holds 'train' and 'val', which are splits. Say which is meant: by "
        "--split train or --split val.",
    ),
    (
        errors.SeveralBoxSets("cells", "old", "new"),
        "The data in 'cells' holds several sets of boxes, such as 'old' and 'new'. Give one of "
        "them.",
    ),
    (
        errors.OtherImageSizes("cells", "0.jpg"),
        "The data in 'cells' has images of other sizes than its annotations state, all of them, "
        "such as '0.jpg'. Take the images that were annotated, or scale the boxes as the images "
        "were scaled.",
    ),
    (
        errors.TinyImages("cells", "0.jpg", 32),
        "The data in 'cells' has images with a side of less than 32 px only, such as '0.jpg'. A "
        "detector finds nothing in them: take larger ones.",
    ),
    (
        errors.UnknownBoxClasses("cells", ["dog"], ["cat", "cow"]),
        "The data in 'cells' has boxes of 1 class that the model does not know, such as 'dog'. The "
        "model knows 2 classes, such as 'cat'.",
    ),
]
