import ast
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shufflenet import errors

SOURCE = Path(errors.__file__).parent.parent


FROM_URL = errors.WhereToGet(
    name="net.source", network="net", filename="m.pth", url="https://a.b/m.pth", folders=(),
    path="cache/m.pth",
)  # fmt: skip
BY_HAND = replace(FROM_URL, url="", folders=("https://a.b", "https://c.d"))

SENTENCES: list[tuple[errors.ShuffleNetError, str]] = [
    (
        errors.SpecError("groups", 5, "a divisor of the 48 channels"),
        "groups is 5, but must be a divisor of the 48 channels.",
    ),
    (
        errors.NotJson("the card", "it is nested more than 32 deep"),
        "the card is not JSON that can be read: it is nested more than 32 deep.",
    ),
    (
        errors.UnknownName("network", "shufflenet_v2_x1", ["shufflenet_v2_x1_0", "other"]),
        "No network is called 'shufflenet_v2_x1'. Did you mean 'shufflenet_v2_x1_0'?",
    ),
    (
        errors.UnknownName("recipe", "qq", ["b", "a"]),
        "No recipe is called 'qq'. Known: a, b.",
    ),
    (
        errors.MissingDependency("The torch runtime", "torch", "torch"),
        "The torch runtime needs the package 'torch', which is not installed. "
        "Install it: pip install 'shufflenet[torch]'. Without a GPU, install torch's CPU build "
        "before, which is far smaller: "
        "pip install torch --index-url https://download.pytorch.org/whl/cpu",
    ),
    (
        errors.MissingDependency("The LLVM runtime", "llvmlite", "llvm"),
        "The LLVM runtime needs the package 'llvmlite', which is not installed. "
        "Install it: pip install 'shufflenet[llvm]'.",
    ),
    (
        errors.MissingDependency("The LLVM runtime", "llvmlite", "llvm", "Or do without."),
        "The LLVM runtime needs the package 'llvmlite', which is not installed. "
        "Install it: pip install 'shufflenet[llvm]'. Or do without.",
    ),
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
        "The data in 'a.csv' labels '0.jpg' as 'cat' and as 'dog'. Leave one label for each image.",
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
        ".json beside them. Expected: DATA/<class>/<image>, as a folder, a .tar or a .tar.gz "
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
        errors.FileMissing("a.onnx"),
        "The file 'a.onnx' does not exist. Check the path, or see the names you can use: "
        "shufflenet list.",
    ),
    (
        errors.PublishedUnderOtherName("a.pth", "net.torchvision"),
        "The file 'a.pth' does not exist. The published file with that filename is called "
        "'net.torchvision' here.",
    ),
    (
        errors.NotAFile("/"),
        "The path '/' is a folder. Name a file of weights.",
    ),
    (
        errors.FileUnreadable("a.onnx", "Permission denied"),
        "The file 'a.onnx' cannot be read (Permission denied). Check its permissions and its disk.",
    ),
    (
        errors.NotOurFormat("runs/a.pth"),
        "The file 'runs/a.pth' is neither a .onnx nor a .safetensors file. Convert it: "
        "shufflenet convert runs/a.pth --to a.safetensors.",
    ),
    (
        errors.DamagedFile("a.safetensors", "header too large"),
        "The file 'a.safetensors' is not a complete safetensors file (header too large). It "
        "may be truncated: write, copy or train it again.",
    ),
    (
        errors.OtherSuffix("a.pth", "an ONNX file", ".onnx"),
        "The file 'a.pth' is an ONNX file by another name. Rename it so that it ends in .onnx.",
    ),
    (
        errors.OtherKind("a.pth", "a TensorFlow Lite model", "Use another."),
        "The file 'a.pth' is a TensorFlow Lite model. Use another.",
    ),
    (
        errors.NoCard("a b.onnx"),
        "The file 'a b.onnx' has no card, so another program wrote it. Convert it: "
        "shufflenet convert 'a b.onnx' --to 'a b.safetensors'.",
    ),
    (
        errors.NoCard("a.safetensors"),
        "The file 'a.safetensors' has no card, so another program wrote it. Convert it: "
        "shufflenet convert a.safetensors --to a-converted.safetensors.",
    ),
    (
        errors.CardMismatch("a.safetensors", "net", ["a.weight is missing", "b", "c", "d"]),
        "The file 'a.safetensors' has a card of 'net', which it does not hold: a.weight is "
        "missing; b; c and 1 more. Write the file again, with the card of its network.",
    ),
    (
        errors.CardUnreadable(
            "a.onnx", errors.SpecError("the card's format", "newer", "at most 2")
        ),
        "The file 'a.onnx' has a card that cannot be read: the card's format is 'newer', but "
        "must be at most 2. Write the file again, or upgrade this package.",
    ),
    (
        errors.NeedsOnnx("a.safetensors"),
        "The file 'a.safetensors' is not an ONNX file. Export it first: shufflenet export "
        "a.safetensors --to model.onnx.",
    ),
    (
        errors.NeedsCheckpoint("a.onnx"),
        "The file 'a.onnx' is not a checkpoint that torch can load. Name the .safetensors "
        "file that it was exported from.",
    ),
    (
        errors.NotRunnable("a.onnx", "OpenVINO"),
        "The file 'a.onnx' is not an ONNX file that OpenVINO can run. Export it again.",
    ),
    (
        errors.UnsupportedByRuntime("a.onnx", "a Transpose", "LLVM"),
        "The file 'a.onnx' has a Transpose, which the LLVM runtime does not support. Use "
        "--runtime onnxruntime.",
    ),
    (
        errors.UnsoundOnnx("a.onnx", "makes the tensor 'b' twice"),
        "The file 'a.onnx' makes the tensor 'b' twice, unlike files of shufflenet export. Export "
        "it again, or predict with --runtime onnxruntime.",
    ),
    (
        errors.TooLargeToCompile("windows of 127 px", "15 px"),
        "The network has windows of 127 px, more than 15 px, for which no machine code is "
        "generated. Use --runtime onnxruntime.",
    ),
    (
        errors.MapsDoNotFit("maps of two sizes are added"),
        "The network has layers that do not fit each other (maps of two sizes are added), for "
        "which no machine code is generated. Use --runtime onnxruntime.",
    ),
    (
        errors.MissingInstruction("a.onnx", "weights", "AVX2"),
        "The file 'a.onnx' has int8 weights, which the LLVM runtime multiplies with AVX2, and"
        " this processor lacks it. Use --runtime onnxruntime.",
    ),
    (
        errors.ModelZooFile("a.onnx"),
        "The file 'a.onnx' is from the ONNX model zoo, which only ONNX Runtime runs "
        "unchanged. Use --runtime onnxruntime.",
    ),
    (
        errors.DamagedOnnx("a.onnx", "field 7 ends after the file does"),
        "The file 'a.onnx' is not a complete ONNX file (field 7 ends after the file does). It may "
        "be truncated: copy or export it again.",
    ),
    (
        errors.NeedsSuffix("default", (".tflite", ".lite")),
        "The file 'default' is not a .tflite or .lite file. Name a .tflite or .lite file, or "
        "choose another runtime.",
    ),
    (
        errors.NoRuntimeOpens("a.pte"),
        "The file 'a.pte' is of a kind that none of these runtimes opens. Export the model as "
        ".onnx.",
    ),
    (
        errors.DamagedCheck("a.onnx"),
        "The file 'a.onnx' holds damaged logits for its check. Quantize the network again.",
    ),
    (
        errors.ChangedInt8("a.onnx"),
        "The file 'a.onnx' was damaged or changed after it was quantized. Copy it again, or "
        "quantize the network again.",
    ),
    (
        errors.OtherInt8Logits("a.onnx"),
        "The file 'a.onnx' gives other logits here than when it was quantized: this runtime is "
        "wrong on it. Use --runtime onnxruntime, or quantize the network again.",
    ),
    (
        errors.AlreadyConverted("a.safetensors"),
        "The file 'a.safetensors' is already a checkpoint of this package. Use it as it is, "
        "or write it for another project: --layout.",
    ),
    (
        errors.UnsafeContent("a.pth", "posix.system"),
        "The file 'a.pth' holds more than arrays and plain values (posix.system), and nothing"
        " in it is run. Save only the weights in it: torch.save(net.state_dict(), FILE).",
    ),
    (
        errors.QuantizedSource("a.pth", "integers with scales"),
        "The file 'a.pth' is quantized (integers with scales). Convert it to an int8 file, --to "
        "FILE.onnx, or convert the float network's file.",
    ),
    (
        errors.NotQuantized("a.pth"),
        "The file 'a.pth' holds no tensors that torch quantized, and only those become .onnx. "
        "Convert it --to FILE.safetensors, unless this package wrote it, then export that: "
        "shufflenet export --help.",
    ),
    (
        errors.ImpossibleScale("a.pth", "conv1.0"),
        "The file 'a.pth' has an impossible scale, or none, or damaged numbers for 'conv1.0'. "
        "Download it again.",
    ),
    (
        errors.Int8Source("a.onnx"),
        "The file 'a.onnx' computes in int8. Use it as it is, or convert the float file that "
        "it was made from.",
    ),
    (
        errors.PublishedInt8("a.onnx", "net", runs=True),
        "The file 'a.onnx' is an int8 file, which cannot be converted to a network. Use float"
        " weights of the same network: shufflenet list net.",
    ),
    (
        errors.PublishedInt8("a.pth", "net", runs=False),
        "The file 'a.pth' is an int8 file of torch's own engine, which becomes an .onnx file only. "
        "Convert it --to FILE.onnx, or use float weights of the same network: shufflenet list net.",
    ),
    (
        errors.ForeignFileDamaged("a.pth", EOFError()),
        "The file 'a.pth' is not a complete file of weights in a known format (EOFError). "
        "Download it again, or name another.",
    ),
    (
        errors.NoArrays("a.pth"),
        "The file 'a.pth' holds no named arrays. Name a file of weights.",
    ),
    (
        errors.NoDictionary("a.pth"),
        "The file 'a.pth' holds no dictionary of arrays. Save one: "
        "torch.save(net.state_dict(), FILE).",
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
    (
        errors.NoClassifier("a.pth", "net", "fc.weight", ["fpn", "head"]),
        "The file 'a.pth' holds a backbone, 'net' without its classifier (fc.weight is missing; "
        "beside it are fpn, head), which answers nothing. Save the network with its classifier, "
        "or train one on it in Python: create_model('net').load_state_dict(weights, strict=False).",
    ),
    (
        errors.WholeNetwork("a.pth", "torchvision.models.ResNet"),
        "The file 'a.pth' holds a whole object of the class torchvision.models.ResNet, not its "
        "weights, and nothing in it is run. Save its weights where its code is: "
        "torch.save(net.state_dict(), FILE).",
    ),
    (
        errors.ArrayUnreadable("a.pth", "fc.weight", "numbers of ComplexFloatStorage"),
        "The file 'a.pth' cannot be converted, since 'fc.weight' has numbers of "
        "ComplexFloatStorage. Save its weights as float32: "
        "torch.save(net.float().state_dict(), FILE).",
    ),
    (
        errors.SeveralSets("a.pth", ["student", "the teacher"]),
        "The file 'a.pth' holds 2 sets of weights (student, the teacher). Name the one to "
        "convert: --key student.",
    ),
    (
        errors.NoSuchKey("a.pth", "ema", ["model", "model_ema"]),
        "The file 'a.pth' has no weights under 'ema'. It has these: model, model_ema.",
    ),
    (
        errors.NoSuchKey("a.pth", "ema", []),
        "The file 'a.pth' has no weights under 'ema'. Leave out --key.",
    ),
    (
        errors.ExternalWeights("a.onnx"),
        "The file 'a.onnx' stores its weights in another file. Save it whole: "
        "onnx.save_model(onnx.load(FILE), OTHER).",
    ),
    (
        errors.WeightsNotFinite("a.pth", "fc.weight"),
        "The file 'a.pth' holds infinities or NaN in 'fc.weight'. Download the file again, or"
        " train or export it again.",
    ),
    (
        errors.NegativeVariances("a.pth", "bn.running_var"),
        "The file 'a.pth' has negative variances in 'bn.running_var'. Download the file again.",
    ),
    (
        errors.UnknownSource("a.pth", ["a", "b", "c", "d"], ["torchvision", "paddle"]),
        "The file 'a.pth' has names of no known project (a, b, c, ...). Files of these can be"
        " converted: torchvision, paddle.",
    ),
    (
        errors.OtherSource("a.pth", "megvii", "paddle"),
        "The file 'a.pth' has the names of megvii, not of paddle. Leave out --source.",
    ),
    (
        errors.LabelsNeeded("a.pth", 1001),
        "The file 'a.pth' has 1001 classes, whose labels are unknown. Name them in order: "
        "--labels FILE, one line per class.",
    ),
    (
        errors.LabelCount("a.pth", 1001, 1),
        "The file 'a.pth' has 1001 classes, but was given 1 label. Give 1001 labels, one per line.",
    ),
    (
        errors.NotComputable("a.onnx", RuntimeError("no ShuffleNet needs Loop")),
        "The file 'a.onnx' cannot be computed (no ShuffleNet needs Loop). Export it again, as"
        " a whole network.",
    ),
    (
        errors.OtherOutputShape("a.onnx", (1, 10), (1, 1000)),
        "The file 'a.onnx' has an output of shape (1, 10), where its network has (1, 1000). "
        "Export it again, as a whole network.",
    ),
    (
        errors.AlreadyInt8("a.onnx"),
        "The file 'a.onnx' is in int8 already. Export a float network: shufflenet export --help.",
    ),
    (
        errors.NumbersTooFarApart("a.onnx", "fc.weight"),
        "The file 'a.onnx' has numbers in 'fc.weight' that are too large or too far apart for "
        "int8. Train the network again, or leave it in float.",
    ),
    (
        errors.LogitsNotNumbers("a.onnx"),
        "The file 'a.onnx' computes logits that are infinite or NaN. Copy or export it again, or "
        "train it again.",
    ),
    (
        errors.LogitsNotNumbers("net", what="model"),
        "The model 'net' computes logits that are infinite or NaN. Copy or export it again, or "
        "train it again.",
    ),
    (
        errors.ComputationFailed("a.onnx", "LLVM", (9, 3, 8, 8), MemoryError()),
        "The file 'a.onnx' cannot be computed by LLVM for images of shape (9, 3, 8, 8) "
        "(MemoryError). Give fewer or smaller images, or export it again.",
    ),
    (
        errors.OtherOutput("a.onnx", "int64 (1,)", (1, 3)),
        "The file 'a.onnx' has an output of int64 (1,), where its card needs floats of shape (1, "
        "3). Export it again, as a whole network.",
    ),
    (
        errors.LayoutError("net", "paddle", "its classifier has a bias, and theirs has none"),
        "'net' cannot be written for paddle: its classifier has a bias, and theirs has none. "
        "Keep it as .safetensors, or export it as ONNX: shufflenet export --help.",
    ),
    (
        errors.MustDownloadByHand(BY_HAND, "is missing"),
        "The weights 'net.source' must be downloaded by hand, and the cached file is missing."
        " To go on, get the file of 'net' from https://a.b or https://c.d, where it may have "
        "another name than 'm.pth', and put it at 'cache/m.pth'.",
    ),
    (
        errors.Offline(FROM_URL, "is missing"),
        "The weights 'net.source' are not downloaded while SHUFFLENET_OFFLINE is set, and the"
        " cached file is missing. Unset it, or get 'm.pth' from https://a.b/m.pth and put it "
        "at 'cache/m.pth'.",
    ),
    (
        errors.DownloadFailed(FROM_URL, "the link is dead (HTTP 404)"),
        "The weights 'net.source' could not be downloaded from 'https://a.b/m.pth': the link "
        "is dead (HTTP 404). To go on, get 'm.pth' from https://a.b/m.pth and put it at "
        "'cache/m.pth'.",
    ),
    (
        errors.ServerUnreachable(FROM_URL, "Connection refused"),
        "The weights 'net.source' could not be downloaded from 'https://a.b/m.pth': "
        "Connection refused. Run the command again later, or get 'm.pth' from "
        "https://a.b/m.pth and put it at 'cache/m.pth'.",
    ),
    (
        errors.DownloadedFileWrong(FROM_URL, "is larger than 3 bytes"),
        "The weights 'net.source' were downloaded from 'https://a.b/m.pth', but are not what "
        "was published: the file is larger than 3 bytes, so it was deleted. Run the command "
        "again; if that does not help, get 'm.pth' from https://a.b/m.pth and put it at "
        "'cache/m.pth'.",
    ),
    (
        errors.NoWeights("net", ["net.a", "net.b"]),
        "'net' is a network, without weights. Name weights of it, such as 'net.a': shufflenet"
        " list net.",
    ),
    (
        errors.NoWeights("net", []),
        "'net' is a network, without weights. Train it: shufflenet train --help.",
    ),
    (
        errors.ClassesDisagree("net", 10, 1000),
        "The network 'net' computes 10 logits, but the card has 1000 labels. Save the network "
        "with its own labels first, models.save(net, path, labels=[...]), and use the card that "
        "it returns.",
    ),
    (
        errors.NotDeployable("stage2.0.branch1.1", "is a GroupNorm, not a BatchNorm2d"),
        "stage2.0.branch1.1 is a GroupNorm, not a BatchNorm2d, so the network cannot be rewritten "
        "to compute the same without batch norms and shuffle. Undo that (hooks, pruning and "
        "weight norm can be removed), or export with --shuffle keep.",
    ),
    (
        errors.DeployedDiffers(0.5, 0.001),
        "The deployed network's logits differ from the network's by 0.5, more than the 0.001 of "
        "rounding, so it is not returned. Please report this with what was changed in the network.",
    ),
    (
        errors.NetworkNotNumbers("net"),
        "The network 'net' computes logits that are infinite or NaN. Use weights from before its "
        "training diverged.",
    ),
    (
        errors.CheckpointMismatch("net", ["a is missing", "b", "c", "d"]),
        "The weights do not fit 'net': a is missing; b; c and 1 more. "
        "Use weights of exactly this network.",
    ),
    (
        errors.RunInData("photos/run", "photos"),
        "The run folder 'photos/run' is in the data 'photos', where its files would later be taken "
        "for a class. Choose an --out outside of the data.",
    ),
    (
        errors.RunInUse("run"),
        "The run folder 'run' is in use: another process trains in it. Wait until that has "
        "ended, or choose another --out.",
    ),
    (
        errors.RunExists("run"),
        "The run folder 'run' already holds a run. Continue it with --resume, or choose "
        "another --out.",
    ),
    (
        errors.NoRun("run"),
        "The run folder 'run' holds no run. Start one by leaving out --resume.",
    ),
    (
        errors.RunFileDamaged("run", ValueError("no JSON")),
        "The run folder 'run' has a damaged run.json (no JSON). Train again with another --out.",
    ),
    (
        errors.RunDiffers("run", "recipe", "epochs was 3, now 4", data=False),
        "The run folder 'run' belongs to a run with another recipe (epochs was 3, now 4). "
        "Resume with the arguments it was started with, which its run.json holds; only --epochs "
        "and --patience may change.",
    ),
    (
        errors.RunDiffers("run", "training data", "images was 3, now 4", data=True),
        "The run folder 'run' belongs to a run with other training data (images was 3, now "
        "4). Restore the data and their options as they were, or train again with another --out.",
    ),
    (
        errors.RunCheckpointDamaged("run", "last.pt", ValueError("it ends early\nmore")),
        "The run folder 'run' has a damaged checkpoint, last.pt (it ends early). Its "
        "best.safetensors can still be used: train again with --weights and another --out.",
    ),
    (
        errors.RunByOlderVersion("run"),
        "The run folder 'run' was started by an older version, which stored weights in "
        "another order. Train again with another --out, from its best.safetensors by "
        "--weights.",
    ),
    (
        errors.NoHeldOutList("run"),
        "The run folder 'run' has no held-out.csv, the list of images that it held out. Give the "
        "images themselves: a folder with one folder per class.",
    ),
    (
        errors.HeldOutListDamaged("run", ValueError("line 3")),
        "The run folder 'run' has a damaged held-out.csv (line 3). Give the images themselves: a "
        "folder with one folder per class.",
    ),
    (
        errors.HeldOutMissing("run", ["/a/b.jpg"], 12),
        "The run folder 'run' held out 12 images, of which 1 are gone, such as '/a/b.jpg'. Put "
        "them back, or give their folder itself.",
    ),
    (
        errors.LossNotFinite(
            "run", errors.FailedStep(6, 5, ", in another --out"), float("nan"), 0.5
        ),
        "The run folder 'run' met a loss of nan at step 6, at a learning rate of 0.5. Its "
        "last good checkpoint, of step 5, is kept. Train again with a lower --learning-rate, "
        "which --find-rate suggests, or with --clip 1, in another --out.",
    ),
    (
        errors.LossNotFinite("run", errors.FailedStep(6, None, ""), float("inf"), 0.5),
        "The run folder 'run' met a loss of inf at step 6, at a learning rate of 0.5. There "
        "is no earlier checkpoint. Train again with a lower --learning-rate, which "
        "--find-rate suggests, or with --clip 1.",
    ),
    (
        errors.BatchTooLargeForMemory(
            "run", errors.FailedStep(6, None, "--accumulate 4 helps"), "32 images of 224 px", "cuda"
        ),
        "The run folder 'run' ran out of the memory of cuda at step 6, with a batch of 32 "
        "images of 224 px. There is no earlier checkpoint. To train again, --accumulate 4 "
        "helps.",
    ),
    (
        errors.TeacherMismatch("big.onnx", ["dog", "cat"], 10),
        "The teacher 'big.onnx' does not know 2 of 10 classes, such as 'dog'. "
        "Use one that was trained on the same classes.",
    ),
    (
        errors.AccuracyLost(90, 100, 200, 1.0),
        "In int8 the network classifies 90 of 200 images correctly, 10.00 % fewer than the 100 "
        "in float, more than the 1 % allowed, so nothing was written. Allow more with "
        "--max-drop, or calibrate on more images with --images.",
    ),
    (
        errors.AnswersChanged(30, 200, 10.0),
        "In int8 the network answers 30 of 200 images otherwise than in float, more than the 10 % "
        "allowed, so nothing was written. Calibrate on more images with --images, or allow more "
        "with --max-drop.",
    ),
    (
        errors.ParityError("The exported file", 0.5, 1e-5),
        "The exported file differs from the network by 0.5, more than the 1e-05 allowed, so "
        "nothing was written. Please report this with the model's name.",
    ),
    (
        errors.NoCacheFolder("~/.cache/shufflenet"),
        "The cache folder '~/.cache/shufflenet' is in a home folder that is not known. "
        "Name another one: export SHUFFLENET_HOME=FOLDER.",
    ),
    (
        errors.WriteError("a.onnx", "No space left on device"),
        "Cannot write 'a.onnx': No space left on device. What was there before is unchanged; "
        "make room or choose another place, then run the command again.",
    ),
]


@pytest.mark.parametrize(("error", "sentence"), SENTENCES)
def test_every_error_is_a_sentence_that_says_what_to_do(
    error: errors.ShuffleNetError, sentence: str
) -> None:
    assert str(error) == sentence


def leaves(kind: type[errors.ShuffleNetError]) -> Iterator[type[errors.ShuffleNetError]]:
    below = kind.__subclasses__()
    if not below:
        yield kind
    for each in below:
        yield from leaves(each)


@pytest.mark.parametrize(("error", "sentence"), SENTENCES)
def test_every_error_passes_between_processes(error: errors.ShuffleNetError, sentence: str) -> None:
    back = pickle.loads(pickle.dumps(error))  # noqa: S301  # made here
    assert type(back) is type(error)
    assert str(back) == sentence


def test_the_sentence_of_every_class_is_tested() -> None:
    ours = {
        each for each in leaves(errors.ShuffleNetError) if each.__module__.startswith("shuffle")
    }
    assert ours | {errors.SpecError} == {type(error) for error, _ in SENTENCES}  # raised itself too
    assert {each.__name__ for each in ours} < set(errors.__all__)


def test_errors_in_arguments_are_value_errors() -> None:
    assert issubclass(errors.SpecError, ValueError)
    assert issubclass(errors.UnknownName, ValueError)
    assert issubclass(errors.NoWeights, ValueError)


def test_the_tree_at_the_top_of_the_room_names_every_family() -> None:
    assert errors.__doc__ is not None
    families = errors.ShuffleNetError.__subclasses__()
    for name in ("ShuffleNetError", *(family.__name__ for family in families)):
        assert f"{name} " in errors.__doc__


@pytest.mark.parametrize(
    "path", sorted(p for p in SOURCE.rglob("*.py") if p.parent.name != "errors"), ids=str
)
def test_sentences_are_written_nowhere_else(path: Path) -> None:
    """Free text about a file, a data set or a run is an argument of its family's base class."""
    bases = ("CheckpointError", "DataError", "DownloadError", "RunError")
    called = [
        node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
    ]
    assert not [each.id for each in called if isinstance(each, ast.Name) and each.id in bases]
