"""The tasks. Recipes were chosen on validation data; the test sets are for the table."""

import gzip
import itertools
import os
import time
from pathlib import Path

import numpy as np

import eventsim as es
from eventsim import decode, losses
from eventsim.encode import Latency
from eventsim.networks import yin_yang

from .learn import Task

DATA = Path(os.environ.get("EVENTSIM_DATA", Path(__file__).parents[2] / "shared" / "data"))  # with mnist/, fashion-mnist/

# ---- Yin-Yang


def yin_yang_task(hidden, delays, bias, **recipe):
    """First spike of three outputs that fire once."""

    def network(rng):
        net = es.Network()
        source = net.add("input", 4 + bias, es.SpikeSource())
        layer = net.add("hidden", hidden, yin_yang.CELL)
        once = es.LIF(**yin_yang.CELL.values | {"t_ref": yin_yang.DURATION})
        output = net.add("output", 3, once)
        for pre, post, mean, sd in ((source, layer, 2.0, 1.0), (layer, output, 1.0, 0.25)):
            n = pre.n * post.n
            net.connect(pre, post, weight=rng.normal(mean, sd, n), delay=rng.uniform(0.1, 5.0, n) if delays else 1e-3)
        return net

    silent = losses.SilentHinge("output", margin=-0.05) + losses.SilentHinge("hidden", margin=-0.05, dead=True)
    return Task(
        data=lambda: {name: yin_yang.data(name) for name in yin_yang.SETS},
        network=network,
        encode=lambda X: yin_yang.spikes(X, bias),
        loss=losses.FirstSpikeCrossEntropy("output", tau=0.5, alpha=0.003, tau_early=6.4) + silent,
        answer=lambda response: decode.first_spike(response, "output"),
        duration=yin_yang.DURATION,
        learn=("weight", "delay") if delays else ("weight",),
        **dict(disturb=lambda X, rng: X, batch=32, rate=5e-3, spikes={"hidden": 1.0, "output": 0.9}) | recipe,
    )


# ---- images


def images(folder):
    """Images (n, 784) in [0, 1] and labels of MNIST or Fashion-MNIST."""

    def read(name, offset):
        path = DATA / folder / f"{name}.gz"
        if not path.exists():
            raise SystemExit(f"{path} is not there; set EVENTSIM_DATA to a folder that has {folder}/{name}.gz")
        return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=offset)

    def pair(name):
        pixels = read(f"{name}-images-idx3-ubyte", 16).reshape(-1, 784)
        return pixels.astype(np.float32) / 255.0, read(f"{name}-labels-idx1-ubyte", 8).astype(np.int64)

    return {"train": pair("train"), "test": pair("t10k")}


def shifted(X, rng):
    """Every image moved by one pixel, up, down, left or right, or not at all."""
    images, way = X.reshape(-1, 28, 28), rng.integers(0, 5, len(X))
    out = images.copy()
    for k, move in enumerate([(1, 0), (-1, 0), (0, 1), (0, -1)]):
        out[way == k] = np.roll(images[way == k], move, axis=(1, 2))
    return out.reshape(X.shape)


LEAK = dict(tau_m=20.0, tau_syn_ex=5.0, tau_syn_in=5.0, C_m=3.15, E_L=0.0)  # a weight of 1 pA lifts the membrane by 1 mV at most


def image_task(folder, hidden=(350,), **recipe):
    """The read-out with the largest integral of its membrane."""

    def network(rng):
        net = es.Network()
        layers = [net.add("input", 784, es.SpikeSource())]
        layers += [net.add(f"hidden {k}", n, es.LIF(**LEAK, V_th=1.0, V_reset=0.0, t_ref=0.0)) for k, n in enumerate(hidden, 1)]
        layers.append(net.add("output", 10, es.LeakyIntegrator(**LEAK)))
        for pre, post in itertools.pairwise(layers):
            net.connect(pre, post, weight=rng.normal(0.0, 1.0, pre.n * post.n) / np.sqrt(pre.n), delay=1e-3)
        return net

    return Task(
        data=lambda: images(folder),
        network=network,
        loss=losses.IntegralVCrossEntropy("output", scale=20.0),
        answer=lambda response: decode.integral_V(response, "output"),
        **dict(encode=Latency(20.0, threshold=0.1), disturb=lambda X, rng: X, duration=40.0, spikes=1.0, spread=0.2) | recipe,
    )


TASKS = {
    "yin_yang": yin_yang_task(200, False, True, epochs=60, late_batch=(0.6, 128), reach=0.983),
    "yin_yang_delays": yin_yang_task(30, True, False, epochs=40, reach=0.982),
    "yin_yang_small": yin_yang_task(5, True, False, epochs=150, rate=0.02, spikes={"hidden": 2.0, "output": 0.9}, reach=0.955),
    "mnist": image_task("mnist", epochs=20, batch=64, rate=3e-3, average=0.999, disturb=shifted, reach=0.982),
    "fashion": image_task(
        "fashion-mnist",
        hidden=(350, 350),
        encode=Latency(20.0, threshold=0.02),
        drop=0.15,
        epochs=20,
        batch=64,
        rate=3e-3,
        average=0.999,
        weight_decay=0.03,
        reach=0.88,
    ),
}


# ---- digits of scikit-learn, by the classifier as it is


def digits(split, seeds, threads=1):
    """`SpikingClassifier()` on four fifths of the 1797 digits, drawn by the number `split`; test accuracy on the others, the mean
    over random states `seeds`."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise SystemExit("digits come with scikit-learn, which is not installed: pip install scikit-learn") from None
    X, y = load_digits(return_X_y=True)
    order, n_train = np.random.default_rng(split).permutation(len(X)), round(0.8 * len(X))
    train, test = order[:n_train], order[n_train:]
    start, scores = (time.perf_counter(), time.process_time()), []
    for seed in seeds:
        classifier = es.SpikingClassifier(threads=threads, random_state=seed).fit(X[train], y[train])
        scores.append(classifier.score(X[test], y[test]))
    wall, cpu = time.perf_counter() - start[0], time.process_time() - start[1]
    return dict(split=split, test=float(np.mean(scores)), tests=scores, wall=wall, cpu=cpu)
