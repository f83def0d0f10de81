"""The errors of model files, networks and what they compute, each with its sentence."""

from shufflenet import errors

SENTENCES: list[tuple[errors.ShuffleNetError, str]] = [
    (
        errors.FileMissing("a.onnx"),
        "The file 'a.onnx' does not exist. Check the path, or see the names you can use: "
        "shufflenet list.",
    ),
    (
        errors.FileTooLarge("a.onnx", "it is larger than 4.29 GB"),
        "The file 'a.onnx' is not read (it is larger than 4.29 GB). No network of the family is: "
        "name another file, or save the weights alone.",
    ),
    (
        errors.OldOperators("a.onnx", 12, 13),
        "The file 'a.onnx' is of ONNX operator set 12; only from 13 on is a file read as layers, "
        "to export, compile or quantize it. ONNX Runtime predicts with it as it is. For the rest "
        "begin with the float network that it was made from: shufflenet convert, of another "
        "project's file, then export.",
    ),
    (
        errors.DamagedProgram("a.pte", "ExecuTorch", "its tables point outside the file"),
        "The file 'a.pte' is no whole program of ExecuTorch (its tables point outside the file). "
        "Copy it again, or export the network again.",
    ),
    (
        errors.MayRunCode("a.pt2", "it has pickled weights"),
        "The file 'a.pt2' is not loaded, since loading it may run code (it has pickled weights). "
        "Export the network again; torch.export.load opens it if you trust its maker.",
    ),
    (
        errors.NoProof("a.onnx"),
        "The file 'a.onnx' holds no logits to be verified by. Write it again: shufflenet export, "
        "quantize or compile.",
    ),
    (
        errors.NotVerifiable("a.o", [".onnx", ".so", ".dll"]),
        "The file 'a.o' is of a kind that cannot be verified. Name a .onnx, .so or .dll; a network "
        "compiled as a library can be verified where it runs.",
    ),
    (
        errors.NotCompiledNetwork("a.so", "is no compiled network"),
        "The file 'a.so' is no compiled network. Write one: shufflenet compile NAME --to FILE.so.",
    ),
    (
        errors.NotLoadable("a.so", "it is cut short"),
        "The file 'a.so' cannot be loaded here (it is cut short). Compile it for this machine: "
        "shufflenet compile NAME --to FILE.so.",
    ),
    (
        errors.NotLoadable("a.wasm", "out of memory"),
        "The file 'a.wasm' cannot be loaded here (out of memory). Write it again: shufflenet "
        "compile NAME --to FILE.wasm --target wasm32.",
    ),
    (
        errors.FileChanged("a.onnx"),
        "The file 'a.onnx' was changed while it was in use. Open it again.",
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
        errors.DamagedFile("a.safetensors", "header too large"),
        "The file 'a.safetensors' is not a complete safetensors file (header too large). It "
        "may be truncated: write, copy or train it again.",
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
        errors.DamagedOpenVino("a.xml", "no element found: line 1, column 0"),
        "The file 'a.xml' is no network that shufflenet export wrote for OpenVINO (no element "
        "found: line 1, column 0). Copy it again, with the .bin file beside it, or export the "
        "network again.",
    ),
    (
        errors.DamagedLiteRt("a.tflite", "a part of it lies outside"),
        "The file 'a.tflite' is not a complete LiteRT file (a part of it lies outside). It may be "
        "truncated: copy or export it again.",
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
        "The file 'a.onnx' holds damaged logits for its check. Write it again.",
    ),
    (
        errors.ChangedExport("a.onnx"),
        "The file 'a.onnx' was damaged or changed after it was exported. Copy it again, or "
        "export the network again.",
    ),
    (
        errors.NotExportable("default", "LiteRT", "has a Foo, which is not read"),
        "The model 'default' has a Foo, which is not read, so that it cannot be written as LiteRT. "
        "Use a model that this package wrote.",
    ),
    (
        errors.DamagedNcnn("b/a.param", "writes a tensor twice"),
        "The file 'b/a.param' is no network that shufflenet export wrote for ncnn (it writes a "
        "tensor twice). Copy it again, with its .bin and .json files, or export the network again.",
    ),
    (
        errors.NoSidecar("b/a.param", "b/a.param.json"),
        "The file 'b/a.param' has no card beside it, 'a.param.json'. Copy both files together, or "
        "export the network again.",
    ),
    (
        errors.SidecarUnreadable("b/a.param", "b/a.param.json", "it is not UTF-8."),
        "The file 'b/a.param' has a card beside it, 'a.param.json', that cannot be read: it is not "
        "UTF-8. Copy both files together, or export the network again.",
    ),
    (
        errors.NeedsInt8("default"),
        "The model 'default' is in float32. Quantize it first, and export what that writes: "
        "shufflenet quantize default --data DATA --to int8.onnx.",
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
        errors.LinkError("libnet.so", "undefined symbol: memcpy\n>>> referenced by in.o"),
        "The linker cannot make 'libnet.so': undefined symbol: memcpy. Nothing was written; please "
        "report this with the model's name and the target.",
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
        errors.CardFileKept("README.md"),
        "'README.md' was not written by `shufflenet card`, or was edited since, so it is kept. "
        "Give another --to, or move it away.",
    ),
    (
        errors.WriteError("a.onnx", "No space left on device"),
        "Cannot write 'a.onnx': No space left on device. What was there before is unchanged; "
        "make room or choose another place, then run the command again.",
    ),
    (
        errors.UnknownTarget("aarch64-linx", ["host", "aarch64-linux"]),
        "'aarch64-linx' is neither a target nor one of LLVM's triples that code is written for. "
        "Did you mean 'aarch64-linux'?",
    ),
    (
        errors.UnknownTarget("vax", ["host"]),
        "'vax' is neither a target nor one of LLVM's triples that code is written for. See all: "
        "shufflenet compile --list-targets.",
    ),
    (
        errors.UnknownProcessor("processor", "cortex-a761", "aarch64-linux", ["cortex-a76"]),
        "LLVM knows no processor 'cortex-a761' of aarch64-linux. Did you mean 'cortex-a76'?",
    ),
    (
        errors.UnknownProcessor("feature", "+x", "wasm32-unknown-unknown", ["+simd128"]),
        "LLVM knows no feature '+x' of wasm32-unknown-unknown. See all: --features help.",
    ),
    (
        errors.OtherBinary("a.so", ".o, .a or .wasm", "wasm32"),
        "The file 'a.so' must end in .o, .a or .wasm to be compiled for wasm32.",
    ),
    (
        errors.NotCompilable("a.onnx", "a Transpose"),
        "The file 'a.onnx' has a Transpose, for which no machine code is written. Compile what "
        "shufflenet export or shufflenet quantize wrote of a V1 or V2.",
    ),
    (
        errors.NotForPages("a.onnx", "pixels of 16 bits"),
        "The file 'a.onnx' takes pixels of 16 bits, which a page cannot make of photos. Compile it "
        "with --target wasm32 to a .wasm file, and prepare images in your program.",
    ),
    (
        errors.DamagedPackage("net.mlpackage", "it has no Manifest.json"),
        "The file 'net.mlpackage' is no complete Core ML package of a classifier (it has no "
        "Manifest.json). Copy its whole folder again, or export it again.",
    ),
    (
        errors.OtherSystem("net.mlpackage", "Core ML", "macOS", "--runtime coreml-program"),
        "The file 'net.mlpackage' is computed by Core ML on macOS only. "
        "Use --runtime coreml-program here.",
    ),
    (
        errors.NoLastLayer("net.onnx", "has a Conv in place of its last layer"),
        "The file 'net.onnx' has a Conv in place of its last layer, so that it has no embedding. "
        "Embed with a file that shufflenet export or quantize wrote.",
    ),
    (
        errors.DamagedScale("int8.onnx", 1024),
        "The file 'int8.onnx' holds an embedding scale that is not 1024 positive numbers. Copy it "
        "again, or quantize the network again.",
    ),
    (
        errors.EmbeddingUnreadable("a.npy", "has no rows"),
        "The file of embeddings 'a.npy' has no rows. Give a .npy or .parquet file that shufflenet "
        "embed wrote.",
    ),
    (
        errors.EmbeddingUnreadable("a.npy", EOFError("No data left.\nMore.")),
        "The file of embeddings 'a.npy' cannot be read (No data left). Give a .npy or .parquet "
        "file that shufflenet embed wrote.",
    ),
    (
        errors.EmbeddingsDiffer("a.npy", 512, "net", 1024),
        "The file of embeddings 'a.npy' has embeddings of 512 numbers, but those of the model "
        "'net' have 1024. Name the model that it was written with: --model.",
    ),
    (
        errors.NoMaps("net"),
        "The model 'net' does not end with a mean over its last feature maps and its "
        "classifier alone, so that the maps show no class. Use a network that does, such as a "
        "ShuffleNet V2.",
    ),
    (
        errors.NeedsGradients("net.onnx"),
        "The file 'net.onnx' is of a network whose classifier reads more than the mean of the last "
        "feature maps, so that its heat maps need gradients. Give the network's checkpoint, a "
        ".safetensors file, and install torch: pip install 'shufflenet[torch]'.",
    ),
]
