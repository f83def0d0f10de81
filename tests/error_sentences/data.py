"""The errors of data and labels, each with its sentence."""

from shufflenet import errors

SENTENCES: list[tuple[errors.ShuffleNetError, str]] = [
    (
        errors.ImageError("a.jpg", "it is empty or not an image"),
        "Cannot read 'a.jpg' as an image: it is empty or not an image.",
    ),
    (
        errors.DataMissing("photos"),
        "The data in 'photos' does not exist. Expected: DATA/<class>/<image>, as a folder, a "
        ".tar or a .tar.gz of one; WebDataset shards; parquet with image and label; or a .csv"
        " of path and label.",
    ),
    (
        errors.DataNotAFile("pipe"),
        "The data in 'pipe' is neither a folder nor a regular file. Expected: "
        "DATA/<class>/<image>, as a folder, a .tar or a .tar.gz of one; WebDataset shards; "
        "parquet with image and label; or a .csv of path and label.",
    ),
    (
        errors.UnknownDataFormat("a.zip"),
        "The data in 'a.zip' is neither a folder nor a .tar, .tar.gz, .parquet or .csv. "
        "Expected: DATA/<class>/<image>, as a folder, a .tar or a .tar.gz of one; WebDataset "
        "shards; parquet with image and label; or a .csv of path and label.",
    ),
    (
        errors.UnknownDataFormat("cells/annotations.json"),
        "The data in 'cells/annotations.json' is neither a folder nor a .tar, .tar.gz, .parquet or "
        ".csv. Expected: DATA/<class>/<image>, as a folder, a .tar or a .tar.gz of one; WebDataset "
        "shards; parquet with image and label; or a .csv of path and label. COCO's JSON is for "
        "detectors: shufflenet train --task detection.",
    ),
    (
        errors.DataUnreadable("a.jpg", "Permission denied"),
        "The data in 'a.jpg' cannot be read (Permission denied). Expected: "
        "DATA/<class>/<image>, as a folder, a .tar or a .tar.gz of one; WebDataset shards; "
        "parquet with image and label; or a .csv of path and label.",
    ),
    (
        errors.DataUnreadable("a.tar", "unexpected end of data", "an archive"),
        "The data in 'a.tar' cannot be read as an archive (unexpected end of data). Expected:"
        " DATA/<class>/<image>, as a folder, a .tar or a .tar.gz of one; WebDataset shards; "
        "parquet with image and label; or a .csv of path and label.",
    ),
    (
        errors.SeveralSplits("shards", "train", "val"),
        "The data in 'shards' holds shards of several sets, such as 'train' and 'val'. Name "
        "those of one, such as 'folder/train-{000..012}.tar'.",
    ),
    (
        errors.SplitsNotChosen("photos", "train", "val"),
        "The data in 'photos' holds 'train' and 'val', which are splits with classes inside. "
        "Give one of them; `train` takes --data photos/train --val photos/val.",
    ),
    (
        errors.SplitsNotChosen("my photos", "train", "val"),
        "The data in 'my photos' holds 'train' and 'val', which are splits with classes inside. "
        "Give one of them; `train` takes --data 'my photos/train' --val 'my photos/val'.",
    ),
    (
        errors.SplitsNotChosen("a.tar", "train", "val", of="archive"),
        "The data in 'a.tar' holds 'train' and 'val', which are splits with classes inside. "
        "Unpack it, and give one of the two folders.",
    ),
    (
        errors.SplitsNotChosen("a.csv", "train", "val", of="table"),
        "The data in 'a.csv' holds 'train' and 'val', which are splits. Give a table of the rows "
        "of one of them.",
    ),
    (
        errors.ImageLabeledTwice("a.csv", "0.jpg", "cat", "dog"),
        "The data in 'a.csv' labels '0.jpg' as 'cat' and as 'dog'. Leave one row for each "
        "image; where several labels are right, join them by |.",
    ),
    (
        errors.SplitsInsideClass("photos", "cat", "train", "val"),
        "The data in 'photos' holds splits inside of 'cat': 'train' and 'val'. Put the class "
        "folders into the folders of splits, or give a folder that holds class folders only.",
    ),
    (
        errors.SplitsOrClasses("photos", ["train", "val"]),
        "The data in 'photos' holds images directly in 'train' and 'val', which may be splits or "
        "classes. Put class folders into each split; or, if they are classes, give a .csv of "
        "path and label.",
    ),
    (
        errors.SplitBesideClasses("photos", "val", "cat"),
        "The data in 'photos' holds 'val', a split with folders inside, beside 'cat'. Put what is "
        "no class elsewhere, or give the folder that holds the class folders only.",
    ),
    (
        errors.SeveralFoldersOfSplit("photos", "train", "train_2"),
        "The data in 'photos' holds 'train' and 'train_2', of which either may be meant. "
        "Give one of them, not the folder that holds both.",
    ),
    (
        errors.SeveralTables("val", "a.csv", "b.csv"),
        "The data in 'val' holds images without class folders, and 'a.csv' and 'b.csv' may label "
        "them. Give the file that does.",
    ),
    (
        errors.ShardIncomplete("a.tar", 4, 10),
        "The data in 'a.tar' is truncated: it holds 4 images of 10. Copy or pack it again.",
    ),
    (
        errors.ShardsDisagree("shards"),
        "The data in 'shards' holds shards that list different classes. Name shards of one "
        "data set.",
    ),
    (
        errors.ParquetUnreadable("a.parquet", ValueError("no footer.\nMore.")),
        "The data in 'a.parquet' cannot be read as parquet (no footer). Expected: a column "
        "image of bytes and path, and a column label, as on the Hub.",
    ),
    (
        errors.ParquetColumnMissing("a.parquet", "label"),
        "The data in 'a.parquet' has no column 'label'. Expected: a column image of bytes and"
        " path, and a column label, as on the Hub.",
    ),
    (
        errors.ParquetColumnWithoutBytes("a.parquet"),
        "The data in 'a.parquet' has a column 'image' without bytes and path. Expected: a "
        "column image of bytes and path, and a column label, as on the Hub.",
    ),
    (
        errors.ParquetPathOutside("a.parquet", "/etc/passwd"),
        "The data in 'a.parquet' names a file outside its own folder, '/etc/passwd'. Put the "
        "images below the folder of the parquet file.",
    ),
    (
        errors.ParquetRowEmpty("a.parquet", 3),
        "The data in 'a.parquet' has no image in row 3. Expected: a column image of bytes and"
        " path, and a column label, as on the Hub.",
    ),
    (
        errors.TableUnreadable("a.csv", "invalid start byte"),
        "The data in 'a.csv' cannot be read (invalid start byte). Give a .csv with the "
        "columns path and label; paths are relative to its folder.",
    ),
    (
        errors.TableColumnsMissing("a.csv"),
        "The data in 'a.csv' has no columns path and label. Give a .csv with the columns path"
        " and label; paths are relative to its folder.",
    ),
    (
        errors.TableRowLength("a.csv", 7, 3, 2),
        "The data in 'a.csv' has 3 fields in row 7, where the first row has 2. Give a .csv "
        "with the columns path and label; paths are relative to its folder.",
    ),
    (
        errors.TableImagesMissing("a.csv", ["1.jpg", "2.jpg"]),
        "The data in 'a.csv' names 2 images of which there is no file, such as '1.jpg'. Give "
        "a .csv with the columns path and label; paths are relative to its folder.",
    ),
    (
        errors.TableOfAddresses("a.csv", "https://a.b/1.jpg"),
        "The data in 'a.csv' names addresses, such as 'https://a.b/1.jpg'. Download the images, "
        "and name the files.",
    ),
    (
        errors.GroundTruthInvalid("truth.txt", 3, "cat"),
        "The data in 'truth.txt' has no number from 1 to 1000 in line 3, but 'cat'. Give ILSVRC's "
        "ground truth as published, in the folder of the validation images.",
    ),
    (
        errors.NoImages("photos", 3),
        "The data in 'photos' holds no images, but 3 files without an image's ending. Expected: "
        "DATA/<class>/<image>, as a folder, a .tar or a .tar.gz of one; WebDataset shards; parquet "
        "with image and label; or a .csv of path and label.",
    ),
    (
        errors.NoImages("photos"),
        "The data in 'photos' holds no images. Expected: DATA/<class>/<image>, as a folder, a"
        " .tar or a .tar.gz of one; WebDataset shards; parquet with image and label; or a "
        ".csv of path and label.",
    ),
    (
        errors.NoReadableImages("photos"),
        "The data in 'photos' holds no image that can be read. See what is wrong with each: "
        "shufflenet predict.",
    ),
    (
        errors.ImagesOutsideClassFolders("photos", "1.jpg"),
        "The data in 'photos' holds images that are in no class folder, such as '1.jpg'. Expected: "
        "DATA/<class>/<image>, as a folder, a .tar or a .tar.gz of one; WebDataset shards; "
        "parquet with image and label; or a .csv of path and label.",
    ),
    (
        errors.ShardsUnlabeled("a.tar"),
        "The data in 'a.tar' holds images that are in no class folder and have no .cls or "
        ".json with a label. Expected: DATA/<class>/<image>, as a folder, a .tar or a .tar.gz "
        "of one; WebDataset shards; parquet with image and label; or a .csv of path and "
        "label.",
    ),
    (
        errors.ClassNameNotText("photos", b"caf\xe9"),
        "The data in 'photos' has a class folder whose name is not UTF-8, b'caf\\xe9'. Rename "
        "it: models store the names of their classes in UTF-8.",
    ),
    (
        errors.UnlabeledImage("a.tar", "1.jpg"),
        "The data in 'a.tar' has an image without a label, '1.jpg'. Give every image a label,"
        " or remove it.",
    ),
    (
        errors.LabelNotAName("a.tar", "0.jpg", "9" * 5000),
        f"The data in 'a.tar' labels '0.jpg' by what is no name of a class, '{'9' * 40}'. A name "
        "has one line and at most 256 characters.",
    ),
    (
        errors.LabelOutOfRange("a.tar", "1.jpg", 10, 10),
        "The data in 'a.tar' labels '1.jpg' 10, but names 10 classes. Labels count from 0 to "
        "one less than the names.",
    ),
    (
        errors.UnknownClassFolders("photos", ["dog"], ["cat", "ant"]),
        "The data in 'photos' has 1 class folder that the model does not know, such as 'dog'."
        " The model knows 2 classes, such as 'cat'.",
    ),
    (
        errors.UnknownClassFolders("photos", ["dog"], ["n1", "n2"], ["cat, tabby", "ant"]),
        "The data in 'photos' has 1 class folder that the model does not know, such as 'dog'. The "
        "model knows 2 classes, such as 'n1' or, by its whole name, 'cat, tabby'; `shufflenet show "
        "--json` lists both.",
    ),
    (
        errors.AmbiguousClass("val", "crane", [1, 3]),
        "The data in 'val' has a class 'crane', which the model's classes 1 and 3 are both called. "
        "Name the class by its identifier; `shufflenet show --json` lists them.",
    ),
    (
        errors.NumberedClasses("val", 1000, 1000),
        "The data in 'val' labels images by numbers up to 1000, and the model's 1000 classes have "
        "the numbers 0 to 999. Count from 0 in the model's order, or label by identifiers or "
        "names.",
    ),
    (
        errors.TooFewToSplit("photos", "red"),
        "The data in 'photos' cannot be split, because class 'red' has one image. Add images,"
        " or give a validation set of your own with --val.",
    ),
    (
        errors.SeveralChannelCounts("photos", {4: 12, 1: 1}),
        "The data in 'photos' has images of several numbers of channels (1 image of 1 channel, 12 "
        "images of 4 channels). Use --channels gray, rgb or rgba, which makes them alike, or train "
        "on those of one kind.",
    ),
    (
        errors.OtherChannels("photos", 5, 4),
        "The data in 'photos' has images of 5 channels, and the weights to start from take 4. Use "
        "--channels stored, which adapts their first convolution.",
    ),
    (
        errors.ManyChannels("photos", 5, "rgb"),
        "The data in 'photos' has images of 5 channels, which are not read as rgb. Use --channels "
        "stored, which reads them all.",
    ),
    (
        errors.OneClass("photos", "red"),
        "The data in 'photos' has one class, 'red'. Training needs two or more class folders.",
    ),
    (
        errors.MissingClasses("val", ["red"], 3),
        "The data in 'val' has no image of 1 of 3 classes, such as 'red'. Validation must "
        "cover every class that is trained.",
    ),
    (
        errors.TooFewImages("photos", 1),
        "The data in 'photos' holds 1 readable image, and quantizing needs at least 2. Give a"
        " folder of class folders with some hundred photos.",
    ),
    (
        errors.BlankImages("photos"),
        "The data in 'photos' is blank: every image that was drawn has one color. Give a "
        "folder of class folders with some hundred photos.",
    ),
    (
        errors.LabelFileUnreadable("names.txt", "No such file"),
        "The label file 'names.txt' cannot be read (No such file). Give a text file in UTF-8 "
        "with one line per class.",
    ),
    (
        errors.NameLineInvalid("names.txt", "n01 goldfish"),
        "The label file 'names.txt' has a line without exactly one tab: 'n01 goldfish'. Give "
        "a text file with one line per class: folder name, tab, name for people.",
    ),
    (
        errors.LabelLineInvalid("labels.txt", "a b c"),
        "The label file 'labels.txt' has a line with two tabs: 'a b c'. Give a text file with"
        " one line per class, in order: an identifier, or an identifier, a tab and a name.",
    ),
    (
        errors.LogitsUnreadable("a.npy", "no magic", (5, 3)),
        "The file 'a.npy' cannot be read as a .npy file (no magic). Expected: logits of 5 "
        "images and 3 classes, a .npy file.",
    ),
    (
        errors.LogitsOfOtherImages("a.npy", "float32", (5, 2), (5, 3)),
        "The file 'a.npy' is float32 of shape (5, 2). Expected: logits of 5 images and 3 "
        "classes, a .npy file.",
    ),
    (
        errors.LogitsNotFinite("a.npy", (5, 3)),
        "The file 'a.npy' holds infinities or NaN. Expected: logits of 5 images and 3 "
        "classes, a .npy file.",
    ),
    (
        errors.LabelTextInvalid("a.txt", "n1\t"),
        "The label file 'a.txt' has an empty field or a control character: 'n1\\t'. Give each "
        "class a name of plain text.",
    ),
    (
        errors.LabelRepeated("a.txt", "crane", 1, 3),
        "The label file 'a.txt' cannot be used, since 'crane' names classes 1 and 3. Give each "
        "class an identifier of its own: a line of identifier, tab and name.",
    ),
]
