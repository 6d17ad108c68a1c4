"""From a pretrained network to a verified bundle, and the same photograph through each of its formats."""

import sys
from pathlib import Path

import edgekit
from edgekit.errors import EdgekitError
from edgekit.preprocessing import Contract, decode_image
from edgekit.report import Picture, Pictures, write_report

HERE = Path(__file__).parent
PHOTOGRAPH = "chelsea.png"  # a cat


def classify(bundle: Path, photograph: Path) -> dict[str, list[tuple[str, float]]]:
    """The five best labels of a photograph by each format; none where nothing here runs it."""
    contract = Contract.from_toml(photograph.parent.parent / "contract.toml")
    inputs = {"image": contract.apply(decode_image(photograph))}
    answers: dict[str, list[tuple[str, float]]] = {}
    for target in ("onnx", "tflite", "coreml"):
        try:
            session = edgekit.load(bundle, target=target)
        except EdgekitError as error:
            print(f"{target:7} not executed: {error.why}")
            answers[f"{target} / float32"] = []
            continue
        verdict = session.self_test()
        scores = session.run(inputs)["probabilities"][0]
        best = [(contract.labels[index], float(scores[index])) for index in scores.argsort()[::-1][:5]]
        print(f"{target:7} {best[0][0]} {best[0][1]:.3f}   (self-test: {verdict})")
        answers[f"{target} / float32"] = best
    return answers


def main(folder: Path) -> None:
    """Convert, verify on the photographs, classify one of them, write the report."""
    # A path or a factory is converted in worker processes, all targets side by side.
    sys.path.insert(0, str(HERE))
    result = edgekit.convert(
        "network:build",
        to=["onnx", "tflite", "coreml"],
        samples=folder / "photos",
        preprocess=folder / "contract.toml",
        output=folder / "model.edge",
        force=True,
        event=lambda target, step, seconds: print(f"  {target}: {step or f'done in {seconds:.0f} s'}", flush=True),
    )
    for failure in result.failed:
        raise SystemExit(str(failure.error))
    print()
    photograph = folder / "photos" / PHOTOGRAPH
    answers = classify(folder / "model.edge", photograph)
    shown = Pictures("What each format says", (Picture.of(photograph, answers),))
    write_report(folder / "model.edge", folder / "report.html", extra=(shown,))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
