"""From a trained pipeline to a verified bundle, and its answers without scikit-learn."""

import sys
from pathlib import Path

import numpy as np

import edgekit


def main(folder: Path) -> None:
    """Convert ``model.skops``, verify it on ``samples.csv``, run it."""
    result = edgekit.convert(
        folder / "model.skops",
        to=["onnx"],
        samples=folder / "samples.csv",
        output=folder / "model.edge",
        # skops does not vouch for scikit-learn's compiled trees, whatever their origin; this file is our own.
        trust=True,
        force=True,
    )
    for failure in result.failed:
        raise SystemExit(str(failure.error))

    session = edgekit.load(folder / "model.edge")
    print(f"self-test: {session.self_test()}")
    X = np.loadtxt(folder / "samples.csv", np.float32, delimiter=",", skiprows=1)
    diagnosis = (folder / "diagnosis.csv").read_text(encoding="utf-8").split()[1:]
    answers = session.run({"X": X})
    print(f"{np.mean(answers['label'] == np.array(diagnosis, object)):.1%} of {len(X)} unseen rows are right")
    for label, probabilities in zip(answers["label"][:3], answers["probabilities"][:3], strict=True):
        print(f"  {label:10} {probabilities.max():.2f}")


# A path is converted in worker processes, which import this file again on some systems.
if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
