"""Training: the loop, and the run it leaves; devices and precision are Fabric's.

Everything random is a function of (seed, epoch, index of the image), so a run is the same
whatever the number of workers, and one that was killed goes on exactly as if it had not been.
"""

from shufflenet.data import ImageSet, load
from shufflenet.errors import DataError, ImageError, SpecError
from shufflenet.recipes import Recipe
from shufflenet.spec import Card, Preprocess
from shufflenet.train._devices import fabric_for, is_first_process
from shufflenet.train._job import Job, prepare
from shufflenet.train._loop import Loop, Result, Session
from shufflenet.train._run import facts, open_run
from shufflenet.train._teacher import Teacher, open_teacher
from shufflenet.trunk import ShuffleNet

__all__ = ["Job", "Result", "Session", "Teacher", "is_first_process", "train", "train_job"]


def train_job(job: Job, recipe: Recipe, session: Session) -> Result:
    """Train a network on folders or archives of images; what ``shufflenet train`` does.

    Raises:
        DataError: the data cannot be read, do not fit together, or do not suffice.
        UnknownName: no network goes by that name.
        CheckpointMismatch: the weights to start from are of another network.
        SpecError: this machine has no such accelerator.
        TeacherMismatch: the teacher does not know the classes of the data.
        RunError: the folder holds another run, cannot be resumed, or the loss is not finite.
        WriteError: the disk is full; the checkpoints written before still load.
    """
    net, card, training, validation = prepare(job, recipe, session.out.resolve().name)
    teacher = None
    if job.teacher is not None:
        teacher = open_teacher(job.teacher, card.labels)
    return train(net, card, training, validation, recipe, session, teacher)


def train(
    net: ShuffleNet,
    card: Card,
    training: ImageSet,
    validation: ImageSet,
    recipe: Recipe,
    session: Session,
    teacher: Teacher | None = None,
) -> Result:
    """Train a network and leave a run in ``session.out``.

    The folder holds ``run.json`` (network, recipe and data), ``last.pt`` and ``last-but-one.pt``
    (all that resuming needs), ``metrics.jsonl`` (a line an epoch), ``best.safetensors`` (the
    network of the best epoch so far, with its card), and TensorBoard's events.

    Args:
        net: The network, with random or given weights.
        card: Its card without accuracy; labels in the order of class indices.
        training: Images to train on.
        validation: Images to choose the best epoch by; labels numbered as in ``training``.
        recipe: What to do.
        session: How to do it.
        teacher: What to learn from besides the labels, or instead (``recipe.distillation``): maps
            images ``(n, 3, h, w)``, red, green and blue from 0 to 255, to logits.

    Raises:
        DataError: the data do not suffice.
        SpecError: this machine has no such accelerator.
        RunError: the folder holds another run, cannot be resumed, or the loss is not finite.
        WriteError: the disk is full; the checkpoints written before still load.
    """
    _check_data(training, validation, card.preprocess)
    if recipe.batch_size % (session.devices * session.nodes):
        expected = f"a multiple of the {session.devices * session.nodes} devices that share it"
        raise SpecError("batch_size", recipe.batch_size, expected)
    fabric = fabric_for(session.accelerator, session.precision, session.devices, session.nodes)
    if fabric.is_global_zero:
        open_run(session.out, facts(card, recipe, training, validation), resume=session.resume)
    fabric.barrier()
    return Loop(fabric, net, card, training, validation, recipe, session, teacher).run()


def _check_data(training: ImageSet, validation: ImageSet, how: Preprocess) -> None:
    if len(training.classes) < 2:
        raise DataError(
            training.source,
            f"has one class, {training.classes[0]!r}",
            "Training needs two or more class folders.",
        )
    first = {sample.label: sample for sample in reversed(training.samples)}
    if all(isinstance(load(sample, how), ImageError) for sample in first.values()):
        raise DataError(
            training.source,
            "holds no image that can be read: not one class begins with one",
            "Look at the files with: shufflenet predict.",
        )
    present = {sample.label for sample in validation.samples}
    missing = [name for label, name in enumerate(training.classes) if label not in present]
    if missing:
        raise DataError(
            validation.source,
            f"has no image of {len(missing)} of {len(training.classes)} classes, "
            f"such as {missing[0]!r}",
            "Validation must cover every class that is trained.",
        )
