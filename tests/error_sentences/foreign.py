"""The errors of other projects' files and of downloads, each with its sentence."""

from dataclasses import replace

from shufflenet import errors

FROM_URL = errors.WhereToGet(
    name="net.source", network="net", filename="m.pth", url="https://a.b/m.pth", folders=(),
    path="cache/m.pth",
)  # fmt: skip
BY_HAND = replace(FROM_URL, url="", folders=("https://a.b", "https://c.d"))

SENTENCES: list[tuple[errors.ShuffleNetError, str]] = [
    (
        errors.NotOurFormat("runs/a.pth"),
        "The file 'runs/a.pth' is neither a .onnx nor a .safetensors file. Convert it: "
        "shufflenet convert runs/a.pth --to a.safetensors.",
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
]
