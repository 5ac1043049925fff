"""Handwritten digits with the spiking classifier, which follows the conventions of scikit-learn.

    python examples/08_digits.py [picture [folder of MNIST]]

The 1797 digits of 8 x 8 pixels come with scikit-learn. Where that is not installed, the Yin-Yang points take their place. With
a folder that has the four files of MNIST (train-images-idx3-ubyte.gz and so on) its 70,000 digits are learned: some minutes.
"""

import gzip
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from eventsim.classifier import SpikingClassifier
from eventsim.networks import yin_yang


def mnist(folder):
    """Images (70000, 784) in [0, 1] and labels; the last 10,000 are for tests."""
    both = "train", "t10k"
    pixels = [gzip.decompress((folder / f"{name}-images-idx3-ubyte.gz").read_bytes())[16:] for name in both]
    labels = [gzip.decompress((folder / f"{name}-labels-idx1-ubyte.gz").read_bytes())[8:] for name in both]
    X = np.frombuffer(b"".join(pixels), np.uint8).reshape(-1, 784).astype(np.float32) / 255.0
    return X, np.frombuffer(b"".join(labels), np.uint8).astype(np.int64)


hidden, epochs = 100, 10
if len(sys.argv) > 2:
    X, y = mnist(Path(sys.argv[2]))
    n_train, hidden, epochs = 60_000, 350, 5
else:
    try:
        from sklearn.datasets import load_digits

        X, y = load_digits(return_X_y=True)
        n_train = 1400
    except ImportError:
        X, y = yin_yang.samples(2500, seed=42)
        n_train = 2000
    order = np.random.default_rng(0).permutation(len(X))
    X, y = X[order], y[order]

classifier = SpikingClassifier(hidden=(hidden,), epochs=epochs, validation_fraction=0.1, random_state=0)
classifier.fit(X[:n_train], y[:n_train])
X_test, y_test = X[n_train:], y[n_train:]
predicted, certainty = classifier.predict(X_test), classifier.predict_proba(X_test).max(axis=1)
print(f"{len(classifier.classes_)} classes, {n_train} samples: {100 * np.mean(predicted == y_test):.1f} % of the others right")
wrong = predicted != y_test
print(f"mean probability of the answer: {certainty[~wrong].mean():.2f} where right, {certainty[wrong].mean():.2f} where wrong")

response = classifier.response(X_test[:1])
spikes, t = response.spikes("hidden 1"), np.linspace(0.0, 0.999 * classifier.duration_, 400)
fig, axes = plt.subplot_mosaic(
    [["sample", "hidden", "output"], ["history", "history", "confusion"]], figsize=(11, 6), layout="constrained"
)
side = round(X.shape[1] ** 0.5)
if side * side == X.shape[1]:
    axes["sample"].imshow(X_test[0].reshape(side, side), cmap="gray_r")
else:
    axes["sample"].bar(np.arange(X.shape[1]), X_test[0])
axes["sample"].set(title=f"a sample of class {y_test[0]}")
axes["hidden"].plot(spikes.time, spikes.neuron, "k.", ms=3)
axes["hidden"].set(xlim=(0, t[-1]), xlabel="time [ms]", ylabel="hidden neuron", title="its hidden spikes")
for c, V in zip(classifier.classes_, response.V("output", t)[0], strict=True):
    axes["output"].plot(t, V, label=str(c), lw=2 if c == y_test[0] else 0.8)
axes["output"].set(xlabel="time [ms]", ylabel="V [mV]", title="its read-outs: the largest area wins")
axes["output"].legend(frameon=False, ncols=2, fontsize=7)
for name, values in classifier.history_.items():
    if name != "spikes":
        axes["history"].plot(np.arange(1, len(values) + 1), values, label=name.replace("_", " "))
axes["history"].set(xlabel="epoch", title="learning")
axes["history"].legend(frameon=False)
n = len(classifier.classes_)
table = np.zeros((n, n), int)
np.add.at(table, (np.searchsorted(classifier.classes_, y_test), np.searchsorted(classifier.classes_, predicted)), 1)
axes["confusion"].imshow(table, cmap="Blues")
for i, j in zip(*np.nonzero(table), strict=True):
    axes["confusion"].text(j, i, table[i, j], ha="center", va="center", fontsize=7, color="w" if i == j else "k")
axes["confusion"].set(xlabel="answer", ylabel="class", title="answers", xticks=range(n), yticks=range(n))
fig.savefig(sys.argv[1] if len(sys.argv) > 1 else "digits.png", dpi=120)
