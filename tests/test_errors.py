import pytest

from shufflenet import errors


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            errors.SpecError("groups", 5, "a divisor of the 48 channels"),
            "groups is 5, but must be a divisor of the 48 channels.",
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
            "Install it: pip install 'shufflenet[torch]'.",
        ),
        (
            errors.ImageError("a.jpg", "it is empty or not an image"),
            "Cannot read 'a.jpg' as an image: it is empty or not an image.",
        ),
        (
            errors.DataError("photos", "holds no images", "Add some."),
            "The data in 'photos' holds no images. Add some.",
        ),
        (
            errors.CheckpointError("a.onnx", "does not exist", "Write it."),
            "The file 'a.onnx' does not exist. Write it.",
        ),
        (
            errors.CheckpointMismatch("net", ["a is missing", "b", "c", "d"]),
            "The weights do not fit 'net': a is missing; b; c and 1 more. "
            "Use weights of this very network.",
        ),
        (
            errors.DownloadError("net.torchvision", "must be downloaded by hand", "Get them."),
            "The weights 'net.torchvision' must be downloaded by hand. Get them.",
        ),
        (
            errors.RunError("run", "holds no run", "Start one."),
            "The run folder 'run' holds no run. Start one.",
        ),
        (
            errors.TeacherMismatch("big.onnx", ["dog", "cat"], 10),
            "The teacher 'big.onnx' does not know 2 of 10 classes, such as 'dog'. "
            "Use one that was trained on the same classes.",
        ),
        (
            errors.AccuracyLost(90, 100, 200, 1.0),
            "In int8 the network answers 90 of 200 images rightly, 10.00 % fewer than the 100 in "
            "float, more than the 1 % allowed, so nothing was written. Allow more with --max-drop, "
            "or calibrate on more images with --images.",
        ),
        (
            errors.ParityError("The exported file", 0.5, 1e-5),
            "The exported file differs from the network by 0.5, more than the 1e-05 allowed, so "
            "nothing was written. Please report this with the model's name.",
        ),
        (
            errors.WriteError("a.onnx", "No space left on device"),
            "Cannot write 'a.onnx': No space left on device. What stood there before is unchanged; "
            "make room or choose another place, then run the command again.",
        ),
    ],
)
def test_every_error_is_a_sentence_that_says_what_to_do(
    error: errors.ShuffleNetError, sentence: str
) -> None:
    assert str(error) == sentence


def test_the_tree_at_the_top_of_the_room_names_every_error() -> None:
    assert errors.__doc__ is not None
    for name in errors.__all__:
        assert f"{name} " in errors.__doc__
        assert issubclass(getattr(errors, name), errors.ShuffleNetError)
