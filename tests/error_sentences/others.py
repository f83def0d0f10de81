"""The errors of arguments and of training runs, each with its sentence."""

from shufflenet import errors

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
        errors.UnknownClass("goldfsh", ["goldfish", "tench"], 2),
        "The model has no class 'goldfsh'. Did you mean 'goldfish'? Give a name or an identifier "
        "that one class has, or an index from 0 to 1.",
    ),
    (
        errors.UnknownClass("7", ["goldfish"], 1),
        "The model has no class '7'. Give a name or an identifier that one class has, or an index "
        "from 0 to 0.",
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
        errors.NoWeights("net", ["net.a", "net.b"]),
        "'net' is a network, without weights. Name weights of it, such as 'net.a': shufflenet"
        " list net.",
    ),
    (
        errors.NoWeights("net", []),
        "'net' is a network, without weights. Train it: shufflenet train --help.",
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
        errors.ProcessesDiffer("run", "training data: images: 24 in process 0, 23 in process 1"),
        "The run folder 'run' is shared by processes that differ (training data: images: 24 in "
        "process 0, 23 in process 1). Start the same command with the same data on every machine.",
    ),
    (
        errors.ProcessLost("run", RuntimeError("[gloo/pair.cc:5] Closed by peer [::1]:9. GLHF!")),
        "The run folder 'run' lost another process that trains in it (Closed by peer [::1]:9). "
        "That one may have said why. Continue from the last checkpoint by the same commands with "
        "--resume.",
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
        errors.HeldOutWithoutBoxes("run"),
        "The run folder 'run' lists the images that it held out without their boxes. Name images "
        "with boxes: --data DATA --model 'run'.",
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
        errors.TeacherOfOtherChannels("big.onnx", ("gray", 1), ("stored", 5)),
        "The teacher 'big.onnx' takes gray of 1 channel, and stored of 5 channels is what is "
        "trained on. Use a teacher that was trained on such images.",
    ),
]
