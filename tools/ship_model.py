"""Make the files of the model that ships in the package from the best checkpoint of a run.

Weights are rounded to float16 numbers (``deploy.compact``), so that checkpoint and ONNX file
together stay below 6 MB; accuracy is counted anew after that, by the network, by the deployed
network and by the ONNX file, and the three must agree before anything is written.

    python tools/ship_model.py RUN/best.safetensors --val VAL --data TEXT --licence TEXT
"""

import argparse
import dataclasses
import tempfile
from pathlib import Path

from shufflenet.data import open_images, relabel
from shufflenet.deploy import compact, deploy
from shufflenet.evaluate import evaluate
from shufflenet.export import export_onnx
from shufflenet.files import Checkpoint, write_atomic, write_checkpoint
from shufflenet.labels import class_index
from shufflenet.models import load_model_and_card
from shufflenet.networks import ShuffleNet, state_arrays
from shufflenet.runtimes import OnnxClassifier
from shufflenet.runtimes.pytorch import TorchClassifier
from shufflenet.spec import Preprocess
from shufflenet.zoo import SHIPPED


def main() -> None:
    """Round, count three times, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("checkpoint")
    parser.add_argument("--val", required=True)
    parser.add_argument("--data", required=True, help="what the card says of the training data")
    parser.add_argument("--licence", required=True, help="what the card says of the licence")
    parser.add_argument("--taught-by", default="", help="what the card says of the teacher")
    parser.add_argument("--resize-px", type=int, help="another size than it was measured at")
    parser.add_argument("--crop-px", type=int, help="with --resize-px: what is kept of it")
    args = parser.parse_args()
    if SHIPPED.onnx is None or SHIPPED.checkpoint is None:
        raise SystemExit("zoo.SHIPPED names no files.")

    trained, card = load_model_and_card(args.checkpoint)
    if not isinstance(trained, ShuffleNet):
        raise SystemExit("What ships classifies.")
    origin = dataclasses.replace(
        card.origin, data=args.data, licence=args.licence, taught_by=args.taught_by
    )
    card = dataclasses.replace(card, name=SHIPPED.name, origin=origin)
    if args.resize_px:
        how = Preprocess(resize_px=args.resize_px, crop_px=args.crop_px)
        card = dataclasses.replace(card, preprocess=how)
    net = compact(trained)
    labels = card.labels
    images = relabel(open_images(args.val), [label.id for label in labels], class_index(labels))
    before = evaluate(TorchClassifier(trained, card), images)
    counted = {
        "network": evaluate(TorchClassifier(net, card), images),
        "deployed": evaluate(TorchClassifier(deploy(net), card), images),
    }
    card = dataclasses.replace(card, accuracy=counted["network"])
    with tempfile.TemporaryDirectory() as folder:
        onnx = Path(folder) / "default.onnx"
        print(export_onnx(net, card, onnx))
        counted["onnx"] = evaluate(OnnxClassifier(onnx), images)
        print("before rounding", before)
        for name, accuracy in counted.items():
            print(name, accuracy)
        if len(set(counted.values())) != 1:
            raise SystemExit("The three do not agree; nothing was written.")
        write_atomic(SHIPPED.onnx, onnx.read_bytes())
    write_checkpoint(SHIPPED.checkpoint, Checkpoint(card, state_arrays(net)))
    for path in (SHIPPED.onnx, SHIPPED.checkpoint):
        print(f"{path.stat().st_size:>9,} bytes  {path.name}")


if __name__ == "__main__":
    main()
