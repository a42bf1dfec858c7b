import numpy as np

from components.volume.label_counts import label_counts


def test_counts_are_those_of_numpy() -> None:
    labels = np.random.default_rng(0).integers(0, 256, (3, 300, 200)).astype(np.uint8)
    assert np.array_equal(label_counts(labels), np.bincount(labels.ravel(), minlength=256))
    assert label_counts(labels[:0]).sum() == 0
