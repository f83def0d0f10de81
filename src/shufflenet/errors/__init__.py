"""Every error that this package raises on purpose.

ShuffleNetError             something the caller can act on; the command line exits with 1
├── SpecError               an argument or a field with an impossible value; a ValueError too
├── UnknownName             a name that is in no list of choices; a ValueError too
├── UnknownClass            a class that a model does not have; a ValueError too
├── UnknownTarget           a target that no code is written for; a ValueError too
├── UnknownProcessor        a processor or a feature that LLVM does not know; a ValueError too
├── OtherBinary             a file that a target is not compiled into; a ValueError too
├── NoWeights               a network where a set of weights is needed; a ValueError too
├── MissingDependency       a package that only an extra installs
├── ImageError              a file that is not a readable image
├── DataError               a data set that cannot be trained on or evaluated
├── CheckpointError         a model file that is missing, damaged, foreign or without a card
├── CompileError            a network that no machine code is generated for; a ValueError too
├── CheckpointMismatch      weights that do not fit the network
├── ClassesDisagree         a network and a card of other classes; a ValueError too
├── NotDeployable           a network that was changed beyond what deploy() knows; a ValueError too
├── DeployedDiffers         a deployed network with another result
├── NoMaps                  a network that classifies by more than its last maps; a ValueError too
├── NetworkNotNumbers       a network that computes infinities or NaN
├── TeacherMismatch         a network to learn from that knows other classes
├── TeacherOfOtherChannels  a network to learn from that takes other images
├── TeacherOfOtherTask      a network to learn from that answers another question
├── DownloadError           a published file that cannot be downloaded, or is the wrong one
├── LayoutError             weights that another project's code cannot load
├── RunError                a run that cannot be started, resumed or continued
├── ScoreError              a job of scoring that cannot be started, continued or ended
├── ParityError             an exported or converted network with another result
├── AccuracyLost            an int8 network that classifies too few images correctly
├── AnswersChanged          an int8 network that answers too many images otherwise than float
├── CardFileKept            a file that a model card would replace
├── PrecisionLost           an int8 multi-label network that finds classes less well
├── LabelsChanged           an int8 multi-label network with too many other answers than float
├── LinkError               a library that the linker could not make of generated code
├── ServeError              a service that cannot start or go on
├── NoCacheFolder           no folder to keep files in
├── RequestError            a request to the service that gets no result; it has an HTTP status
└── WriteError              a file that could not be written; the old file is unchanged

DataError, CheckpointError, DownloadError, RunError and RequestError have a class for each failure,
which takes facts, such as a path, and writes its sentences: what is wrong, then what to do.
"""

from shufflenet.errors import (
    _arguments,
    _boxes,
    _channels,
    _compiling,
    _data,
    _downloads,
    _embedding,
    _exports,
    _foreign_files,
    _formats,
    _inference,
    _label_sets,
    _labels,
    _model_files,
    _networks,
    _other_files,
    _requests,
    _results,
    _runs,
    _runtimes,
    _scoring,
    _serving,
    _splits,
    _tables,
    _tasks,
)
from shufflenet.errors._arguments import *
from shufflenet.errors._base import ShuffleNetError
from shufflenet.errors._boxes import *
from shufflenet.errors._channels import *
from shufflenet.errors._compiling import *
from shufflenet.errors._data import *
from shufflenet.errors._downloads import *
from shufflenet.errors._embedding import *
from shufflenet.errors._exports import *
from shufflenet.errors._foreign_files import *
from shufflenet.errors._formats import *
from shufflenet.errors._inference import *
from shufflenet.errors._label_sets import *
from shufflenet.errors._labels import *
from shufflenet.errors._model_files import *
from shufflenet.errors._networks import *
from shufflenet.errors._other_files import *
from shufflenet.errors._requests import *
from shufflenet.errors._results import *
from shufflenet.errors._runs import *
from shufflenet.errors._runtimes import *
from shufflenet.errors._scoring import *
from shufflenet.errors._serving import *
from shufflenet.errors._splits import *
from shufflenet.errors._tables import *
from shufflenet.errors._tasks import *

# Each file lists its classes once, in its own ``__all__``.
__all__ = [
    "ShuffleNetError",
    *_arguments.__all__,
    *_boxes.__all__,
    *_channels.__all__,
    *_compiling.__all__,
    *_data.__all__,
    *_downloads.__all__,
    *_embedding.__all__,
    *_exports.__all__,
    *_foreign_files.__all__,
    *_formats.__all__,
    *_inference.__all__,
    *_label_sets.__all__,
    *_labels.__all__,
    *_model_files.__all__,
    *_networks.__all__,
    *_other_files.__all__,
    *_requests.__all__,
    *_results.__all__,
    *_runs.__all__,
    *_runtimes.__all__,
    *_scoring.__all__,
    *_serving.__all__,
    *_splits.__all__,
    *_tables.__all__,
    *_tasks.__all__,
]
