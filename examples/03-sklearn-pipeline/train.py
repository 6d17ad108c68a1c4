"""Train a pipeline on the Wisconsin breast cancer data that scikit-learn ships, and save it without a pickle."""

import sys
from pathlib import Path

import skops.io
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def main(folder: Path) -> None:
    """Write ``model.skops``, and rows that the model has not seen: ``samples.csv``, with their ``diagnosis.csv``."""
    folder.mkdir(parents=True, exist_ok=True)
    data = load_breast_cancer(as_frame=True)
    diagnosis = data.target.map(dict(enumerate(map(str, data.target_names))))
    X_train, X_test, y_train, y_test = train_test_split(data.data, diagnosis, test_size=0.3, random_state=0)
    model = make_pipeline(StandardScaler(), RandomForestClassifier(100, random_state=0)).fit(X_train, y_train)
    print(f"{model.score(X_test, y_test):.1%} of {len(X_test)} unseen rows are right")
    skops.io.dump(model, folder / "model.skops")
    X_test.to_csv(folder / "samples.csv", index=False)
    y_test.to_csv(folder / "diagnosis.csv", index=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
