"""Invariant features of a shipped checkpoint in a scikit-learn pipeline: classify, cluster, and turn the pictures.

uv run examples/features_of_images.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import eqae
from eqae.data import load_dataset

CHECKPOINT = Path(__file__).parents[1] / "checkpoints" / "o2mnist_p4m"


def main() -> None:
    """Fit on 1,297 digits in random orientations that the checkpoint never saw, and judge on 500 others."""
    digits = load_dataset("o2-digits", None, {})
    train, test = digits.train, digits.test

    # The extractor is a transformer like any other: images (N, 28, 28) in, features (N, 300) out.
    extractor = eqae.FeatureExtractor(CHECKPOINT)
    classifier = make_pipeline(extractor, StandardScaler(), LogisticRegression(max_iter=400))
    classifier.fit(train.pixels, train.labels)
    accuracy = classifier.score(test.pixels, test.labels)
    print(f"accuracy {accuracy:.3f} on {len(test)} images, {extractor.width} features each")

    clusterer = make_pipeline(
        extractor, StandardScaler(), PCA(32, random_state=0), KMeans(10, n_init=10, random_state=0)
    )
    agreement = adjusted_rand_score(test.labels, clusterer.fit_predict(test.pixels))
    print(f"k-means, no labels: adjusted Rand index {agreement:.3f} (0 is chance)")

    # Turned and mirrored copies get the same answer, because their features are the same.
    answers = classifier.predict(test.pixels)
    for turned in (test.pixels.rot90(1, (-2, -1)), test.pixels.flip(-1)):
        assert np.array_equal(classifier.predict(turned), answers)
    print("a quarter turn and a mirror change no answer")
    assert accuracy > 0.8


if __name__ == "__main__":
    main()
