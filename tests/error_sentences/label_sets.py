"""The errors of images of several labels, each with its sentence."""

from shufflenet import errors

SENTENCES: list[tuple[errors.ShuffleNetError, str]] = [
    (
        errors.PrecisionLost(0.5, 0.625, 1.0),
        "In int8 the network has a mean average precision of 50.00 %, and in float 62.50 %; 1 % of "
        "that may be lost, so nothing was written. Allow more with --max-drop, or calibrate on "
        "more images with --images.",
    ),
    (
        errors.LabelsChanged(31, 200, 10.0),
        "In int8 the network gives or leaves out 31 classes otherwise than in float, which gives "
        "200; 10 % of these may change, so nothing was written. Calibrate on more images with "
        "--images, or allow more with --max-drop.",
    ),
    (
        errors.LabelEmpty("a.csv", "0.jpg", "cat||dog"),
        "The data in 'a.csv' labels '0.jpg' 'cat||dog', of which a label is empty. Separate labels "
        "by one |, and leave the cell empty where no class is right.",
    ),
    (
        errors.DoubledLabel("a.csv", "0.jpg", "cat"),
        "The data in 'a.csv' labels '0.jpg' 'cat' twice. Name each class of an image once.",
    ),
    (
        errors.AllUnlabeled("a.csv"),
        "The data in 'a.csv' labels no image. Name the classes that are right in the column label, "
        "separated by |.",
    ),
    (
        errors.ClassNameWithBar("photos", "a|b"),
        "The data in 'photos' has a class 'a|b', and | separates labels where several may be "
        "right. Rename the class.",
    ),
    (
        errors.SeveralRightClasses("a.csv", "photos"),
        "The data in 'a.csv' has images of several labels, and the model 'photos' answers with one "
        "class. Give data of one label an image, or a model that was trained on such images.",
    ),
    (
        errors.OneRightClass("a.parquet"),
        "The data in 'a.parquet' labels each image by a list of classes. Train it with --task "
        "multi-label.",
    ),
    (
        errors.NotInShards("a.csv"),
        "The data in 'a.csv' has images of several labels, which shards do not hold: a .cls has "
        "one. Train on the images as they are.",
    ),
    (
        errors.TeacherOfOtherTask("net", "classification", "multi-label"),
        "The teacher 'net' was trained for classification, and the data are for multi-label. Use "
        "one that was trained for multi-label.",
    ),
]
