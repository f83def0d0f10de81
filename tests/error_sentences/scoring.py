"""The errors of scoring, each with its sentence."""

from shufflenet import errors

SENTENCES: list[tuple[errors.ShuffleNetError, str]] = [
    (
        errors.StoreUnreadable("s4://a/b", ValueError("Unrecognized filesystem type\nMore.")),
        "'s4://a/b' cannot be reached (Unrecognized filesystem type). Give a path, or an address "
        "of a store that pyarrow or fsspec knows, such as s3://BUCKET/FOLDER, and check that this "
        "machine may use it.",
    ),
    (
        errors.WebForbidden("https://a/b.jpg"),
        "'https://a/b.jpg' is not fetched while SHUFFLENET_OFFLINE is set. Unset it, or name files "
        "or objects in a store.",
    ),
    (
        errors.MachineFails("a.jpg", OSError(24, "Too many open files")),
        "'a.jpg' could not be read, for a reason of the machine that reads it (Too many open "
        "files). Mend that, and run the same command again: answers that are written stay.",
    ),
    (
        errors.ImageColumnMissing("a.parquet"),
        "The parquet file 'a.parquet' has no column of images. Expected: a column 'image' of "
        "bytes, or of bytes and path as the Hugging Face Hub writes it, or a column of text such "
        "as 'path' or 'url'.",
    ),
    (
        errors.OtherJob("answers", "model", "a", "b"),
        "The folder 'answers' belongs to a job with another model ('a', now 'b'). Give the same "
        "arguments to continue it, or another --out.",
    ),
    (
        errors.SourceChanged("photos", "'a.jpg' was written again or removed"),
        "The source 'photos' has changed since scoring began: 'a.jpg' was written again or "
        "removed. Answers that are written stay; score the source as it is now with another "
        "--out.",
    ),
    (
        errors.OutNotEmpty("photos", "a.jpg"),
        "The folder 'photos' holds no job of scoring, but other files, such as 'a.jpg'. Choose an "
        "empty folder, or a new one, as --out.",
    ),
    (
        errors.OutUsed("answers"),
        "The folder 'answers' is in use: another process scores into it. Wait until that has "
        "ended, or choose another --out.",
    ),
    (
        errors.AnswersUnreadable("answers/job.json", ValueError("no JSON")),
        "'answers/job.json' cannot be read (no JSON). Delete it, and score again: its images are "
        "then answered anew.",
    ),
    (
        errors.ClusterMissing("10.0.0.1:6379", OSError("timed out")),
        "There is no Ray cluster at '10.0.0.1:6379' that this machine can join (timed out). Give "
        "the address that `ray start --head` printed, such as --cluster 10.0.0.1:6379, or leave "
        "--cluster out to use this machine.",
    ),
    (
        errors.ClusterWithoutCpus("10.0.0.1:6379", 1, 300),
        "No worker can start in the Ray cluster at '10.0.0.1:6379': its 1 node offered no CPU in "
        "300 seconds. Start nodes with CPUs, as by `ray start --address HOST:PORT`, and run the "
        "same command again.",
    ),
    (
        errors.WorkersDiffer("one has shufflenet 0.2.0, and this machine 0.1.0"),
        "The workers of the cluster are not what this machine is: one has shufflenet 0.2.0, and "
        "this machine 0.1.0. Install the same version of shufflenet with the same extras on every "
        "node.",
    ),
    (
        errors.PartEndsWorkers("a.jpg", 128, 3),
        "The part of 128 images that begins with 'a.jpg' ended 3 workers, one after the other. "
        "Memory may be short: give fewer --workers, or take the image out that needs it. Other "
        "parts that are written stay.",
    ),
    (
        errors.PartEndsWorkers("a.tar", 0, 1),
        "The part that begins with 'a.tar' ended 1 worker, one after the other. Memory may be "
        "short: give fewer --workers, or take the image out that needs it. Other parts that are "
        "written stay.",
    ),
]
