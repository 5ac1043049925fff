"""A spiking classifier with the conventions of scikit-learn, which need not be installed."""

from __future__ import annotations

import inspect
import os
import pickle
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from . import check, optim
from ._core import LIF, LeakyIntegrator, SpikeSource
from .encode import Encoder, Latency, _matrix
from .gradient import runs, value_and_grad
from .initial import initialise
from .losses import FirstSpikeCrossEntropy, IntegralVCrossEntropy, MaxVCrossEntropy, SilentHinge, cross_entropy
from .network import Network
from .response import Response
from .simulation import Simulation
from .trains import SpikeTrains

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import validate_data
except ImportError:
    validate_data = None

    class NotFittedError(ValueError, AttributeError):  # type: ignore[no-redef]
        """Predicting before fitting."""

    class ClassifierMixin:  # type: ignore[no-redef]
        """What scikit-learn's class of this name offers."""

        def score(self, X: Any, y: Any) -> float:
            """The fraction of samples whose class is predicted."""
            return float(np.mean(self.predict(X) == np.asarray(y)))  # type: ignore[attr-defined]

    class BaseEstimator:  # type: ignore[no-redef]
        """What scikit-learn's class of this name offers."""

        def get_params(self, deep: bool = True) -> dict[str, Any]:
            """The parameters, by name."""
            return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

        def set_params(self, **params: Any) -> Any:
            """Change parameters by name."""
            for name, value in params.items():
                if name not in self.get_params():
                    raise ValueError(f"{type(self).__name__}: there is no parameter {name} (= {value!r})")
                setattr(self, name, value)
            return self

        def __repr__(self) -> str:
            defaults = inspect.signature(type(self)).parameters
            changed = [f"{k}={v!r}" for k, v in self.get_params().items() if v is not defaults[k].default]
            return f"{type(self).__name__}({', '.join(changed)})"


class SpikingClassifier(ClassifierMixin, BaseEstimator):
    """A feed-forward network of LIF neurons, trained with exact gradients.

    Features become spikes, hidden layers of LIF neurons answer with spikes, and one leaky integrator per class adds them up; the
    class with the largest area under its membrane wins. Adam follows the exact gradient of the cross-entropy through all spike
    times. Weights start with mean 0, scaled until each layer fires (`initialise`).

    Parameters
    ----------
    hidden : numbers of neurons of the hidden layers
    encoder : turns X into spikes; None: `Latency`, with a complement for each feature unless the features share their minimum, as
        the pixels of images do
    epochs : passes over the training data
    learn : what is learned: ``"weight"``, ``"delay"``, or both
    loss : cross-entropy of ``"integral_V"`` or ``"max_V"`` of read-outs without threshold, or of the ``"first_spike"`` of LIF
        outputs. A read-out that is never above rest has no gradient by its maximum
    batch_size, learning_rate : of Adam
    schedule : ``"cosine"`` (to 0 over all epochs), ``"constant"``, or a function of the step
    spikes : spikes per hidden neuron and sample at the start
    tau_m, tau_syn, delay : of all neurons and synapses [ms]
    duration : length of a run [ms]; None: the latest input spike + tau_m + 2 tau_syn + the delays
    weight_decay : of Adam
    dropout : fraction of hidden neurons silenced at random for each batch, the others counting for them; None: 0.3 if the
        features share their minimum (images: many, and redundant), else 0
    input_dropout : fraction of input spikes left out at random in training, the others counting for them
    input_jitter : standard deviation of a random shift of each input spike in training [ms]; None: 2 if the features share their
        minimum, else 0
    scale : True: X is scaled to [0, 1] by the ranges seen in `fit`, one common range if the features share their minimum; False:
        X goes to the encoder as it is
    validation_fraction : fraction of the data kept aside to watch
    early_stopping : None, or the number of epochs without a better validation accuracy after which training stops; the best
        weights are kept. Needs validation_fraction > 0
    threads : of `value_and_grad`; the result does not depend on it
    random_state : int, `numpy.random.RandomState` or None; with an int, fits are reproducible bit for bit
    progress : show a progress bar

    Attributes
    ----------
    classes_ : (n_classes,) the labels
    weights_, delays_ : lists of arrays (n_pre, n_post), one per layer
    history_ : {name: list with one entry per epoch}: loss, accuracy (during training), spikes (per hidden neuron and sample), and
        with a validation fraction validation_loss, validation_accuracy
    n_features_in_, n_iter_ : features, epochs done

    Examples
    --------
    >>> from sklearn.datasets import load_digits                             # doctest: +SKIP
    >>> X, y = load_digits(return_X_y=True)                                  # doctest: +SKIP
    >>> es.SpikingClassifier(random_state=0).fit(X[:1200], y[:1200]).score(X[1200:], y[1200:])   # doctest: +SKIP
    """

    def __init__(
        self,
        hidden: Sequence[int] = (350,),
        *,
        encoder: Encoder | None = None,
        epochs: int = 60,
        learn: Sequence[str] = ("weight",),
        loss: str = "integral_V",
        batch_size: int = 32,
        learning_rate: float = 5e-3,
        schedule: Any = "cosine",
        spikes: float = 1.0,
        tau_m: float = 20.0,
        tau_syn: float = 5.0,
        delay: float = 1.0,
        duration: float | None = None,
        weight_decay: float = 0.0,
        dropout: float | None = None,
        input_dropout: float = 0.0,
        input_jitter: float | None = None,
        scale: bool = True,
        validation_fraction: float = 0.0,
        early_stopping: int | None = None,
        threads: int = 1,
        random_state: Any = None,
        progress: bool = False,
    ):
        self.hidden = hidden
        self.encoder = encoder
        self.epochs = epochs
        self.learn = learn
        self.loss = loss
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.spikes = spikes
        self.tau_m = tau_m
        self.tau_syn = tau_syn
        self.delay = delay
        self.duration = duration
        self.weight_decay = weight_decay
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.input_jitter = input_jitter
        self.scale = scale
        self.validation_fraction = validation_fraction
        self.early_stopping = early_stopping
        self.threads = threads
        self.random_state = random_state
        self.progress = progress

    # ---- training

    def fit(self, X: Any, y: Any) -> SpikingClassifier:
        """Train on X (n_samples, n_features) and labels y (n_samples,) of any type."""
        X, y = self._checked_pair(X, y)
        self._check_parameters()
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"SpikingClassifier: y has 1 class, {self.classes_[0]!r}; there is nothing to tell apart")
        rng = _generator(self.random_state)
        self._look(X)
        trains = self._encoded(X)
        latest = float(trains.times.max(initial=0.0))
        rest = self.tau_m + 2.0 * self.tau_syn + self.delay * (1 + len(self.hidden))
        self.duration_ = float(np.ceil(latest + rest)) if self.duration is None else float(self.duration)
        order = rng.permutation(len(X))
        n_kept = round(len(X) * self.validation_fraction)
        kept, rows = np.sort(order[:n_kept]), order[n_kept:]
        sim = self._simulation(self._random_weights(rng), None)
        self._initialise(sim, trains[rows[: min(len(rows), 256)]])
        self._train(sim, trains, labels, rows, kept, rng)
        return self

    def _train(self, sim: Simulation, trains: SpikeTrains, labels: Any, rows: Any, kept: Any, rng: Any) -> None:
        size = min(self.batch_size, len(rows))
        n_batches = -(-len(rows) // size)
        rate: Any = self.schedule if callable(self.schedule) else optim.Constant(self.learning_rate)
        if self.schedule == "cosine":
            rate = optim.Cosine(self.learning_rate, self.epochs * n_batches)
        adam = optim.Adam(rate, weight_decay=self.weight_decay)
        learn = (self.learn,) if isinstance(self.learn, str) else tuple(self.learn)
        params = optim.Parameters(sim, dict.fromkeys(sim.network.projections, learn), rates={"delay": 10.0})
        loss, hidden = self._loss(), [p for p in sim.network if p.name.startswith("hidden")]
        names = ["loss", "accuracy", "spikes"] + (["validation_loss", "validation_accuracy"] if len(kept) else [])
        self.history_: dict[str, list[float]] = {name: [] for name in names}
        best, best_x, since = -np.inf, params.flatten(), 0
        bar = _bar(self.epochs, self.progress)
        for _ in range(self.epochs):
            total, right, fired = 0.0, 0, 0.0
            for batch in np.array_split(rng.permutation(rows), n_batches):
                given = _disturbed(trains[batch], self.input_dropout, self.input_jitter_, rng)
                kept_neurons = self._drop(sim, rng)
                value, grads, response = value_and_grad(
                    sim, loss, given, labels[batch], duration=self.duration_, wrt=set(learn), threads=self.threads
                )
                for p, factor in kept_neurons.items():
                    grads[p].weight *= factor
                params.step(adam, grads)
                total += value * len(batch)
                right += int(np.sum(np.argmax(self._logits(response), axis=1) == labels[batch]))
                fired += sum(len(response.spikes(p).time) for p in hidden)
            seen = [total / len(rows), right / len(rows), fired / (len(rows) * sum(p.n for p in hidden))]
            if len(kept):
                logits = self._batches(sim, trains[kept])
                right_ones = np.argmax(logits, axis=1) == labels[kept]
                seen += [float(np.mean(cross_entropy(logits, labels[kept])[0])), float(np.mean(right_ones))]
            for name, number in zip(names, seen, strict=True):
                self.history_[name].append(float(number))
            bar.set_postfix({name: f"{number:.4g}" for name, number in zip(names, seen, strict=True)})
            bar.update()
            since += 1
            if self.early_stopping is not None:
                if seen[-1] > best:
                    best, best_x, since = seen[-1], params.flatten(), 0
                if since >= self.early_stopping:
                    break
        bar.close()
        if self.early_stopping is not None:
            params.unflatten(best_x)
        self.n_iter_ = len(self.history_["loss"])
        edges = [sim.edges(p) for p in sim.network.projections]
        tables = []
        for p, e in zip(sim.network.projections, edges, strict=True):
            place, table = e.pre.astype(np.int64) * p.post.n + e.post, np.empty((2, p.pre.n * p.post.n))
            table[:, place] = e.weight, e.delay
            tables.append(table.reshape(2, p.pre.n, p.post.n))
        self.weights_, self.delays_ = [t[0] for t in tables], [t[1] for t in tables]

    def _drop(self, sim: Simulation, rng: Any) -> dict[Any, np.ndarray]:
        """Silence hidden neurons at random until the next step, the others count for them; the factors on the weights."""
        factors: dict[Any, np.ndarray] = {}
        for p in sim.network.projections:
            q = self.dropout_ if p.index else self.input_dropout
            if q:
                stays = (rng.random(p.pre.n) >= q) / (1.0 - q) if p.index else np.full(p.pre.n, 1.0 / (1.0 - q))
                factors[p] = np.repeat(stays, p.post.n)
                sim.set(p, weight=sim.edges(p).weight * factors[p])
        return factors

    # ---- the network

    def _simulation(self, weights: list[Any], delays: list[Any] | None) -> Simulation:
        """Input, hidden layers and read-out with these weights."""
        C_m = self.tau_m * _peak(self.tau_m, self.tau_syn)  # a weight of 1 pA lifts a resting membrane by 1 mV at most
        lif: dict[str, Any] = {
            "tau_m": self.tau_m,
            "C_m": C_m,
            "tau_syn_ex": self.tau_syn,
            "tau_syn_in": self.tau_syn,
            "E_L": 0.0,
        }
        spiking = LIF(**lif, V_th=1.0, V_reset=0.0, t_ref=0.0)
        net = Network()
        layers = [net.add("input", self.encoder_.n_sources(self.n_features_in_), SpikeSource())]
        layers += [net.add(f"hidden {k}", n, spiking) for k, n in enumerate(self.hidden, 1)]
        layers += [net.add("output", len(self.classes_), spiking if self.loss == "first_spike" else LeakyIntegrator(**lif))]
        for k, (pre, post) in enumerate(pairwise(layers)):
            delay = self.delay if delays is None else np.ravel(delays[k])
            if delays is None and "delay" in self.learn:
                delay = np.full(pre.n * post.n, self.delay)
            net.connect(pre, post, weight=np.ravel(weights[k]), delay=delay)
        return Simulation(net, weight_dtype="float64")

    def _random_weights(self, rng: Any) -> list[np.ndarray]:
        sizes = [self.encoder_.n_sources(self.n_features_in_), *self.hidden, len(self.classes_)]
        weights = [rng.normal(0.0, 1.0, (n, m)) / np.sqrt(n) for n, m in pairwise(sizes)]
        if self.loss == "first_spike":  # an output that does not fire learns nothing from first spikes: a push for all of them
            weights[-1] += 0.5 / np.sqrt(sizes[-2])
        return weights

    def _initialise(self, sim: Simulation, trains: SpikeTrains) -> None:
        try:
            initialise(sim, trains, duration=self.duration_, spikes=self.spikes, spread=SPREAD, threads=self.threads)
        except ValueError:
            if len(trains.times):
                raise

    def _loss(self) -> Any:
        if self.loss == "first_spike":
            return FirstSpikeCrossEntropy("output", tau=0.2 * self.tau_syn) + SilentHinge("output")
        return MaxVCrossEntropy("output") if self.loss == "max_V" else IntegralVCrossEntropy("output", scale=self.tau_m)

    def _logits(self, response: Response) -> np.ndarray:
        """(B, n_classes), what the softmax of the loss sees."""
        if self.loss == "max_V":
            return response.max_V("output")
        if self.loss == "integral_V":
            return response.integral_V("output") / self.tau_m
        first = response.first("output")
        return np.where(np.isinf(first), -10.0 * response.duration, -first) / (0.2 * self.tau_syn)

    # ---- prediction

    def decision_function(self, X: Any) -> np.ndarray:
        """What the softmax of the loss sees, (n_samples, n_classes); for two classes the difference, (n_samples,)."""
        logits = self._scores(X)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (n_samples, n_classes): the softmax of the loss."""
        logits = self._scores(X)
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        return p / p.sum(axis=1, keepdims=True)

    def predict(self, X: Any) -> np.ndarray:
        """The labels (n_samples,)."""
        best = np.argmax(self._scores(X), axis=1)
        return self.classes_[best]

    def response(self, X: Any) -> Response:
        """Spikes and membranes of the trained network, all samples in one batch: ``"hidden 1"``, ..., ``"output"``."""
        X = self._checked(X)
        return self._respond(self._simulation(self.weights_, self.delays_), self._encoded(X))

    def _scores(self, X: Any) -> np.ndarray:
        X = self._checked(X)
        return self._batches(self._simulation(self.weights_, self.delays_), self._encoded(X))

    def _batches(self, sim: Simulation, trains: SpikeTrains) -> np.ndarray:
        parts = [self._logits(self._respond(sim, trains[k : k + 256])) for k in range(0, len(trains), 256)]
        return np.concatenate([np.zeros((0, len(self.classes_))), *parts])

    def _respond(self, sim: Simulation, trains: SpikeTrains) -> Response:
        return Response(sim.network, runs(sim, trains, self.duration_, self.threads, "auto"))

    # ---- input

    def _look(self, X: np.ndarray) -> None:
        """What kind of features are these? Their ranges, and the encoder."""
        low, high = X.min(axis=0), X.max(axis=0)
        common = bool(np.all(low == low[0]))
        self.low_, self.range_ = (low.min(), high.max() - low.min()) if common else (low, high - low)
        self.range_ = np.where(self.range_ > 0.0, self.range_, 1.0)
        self.dropout_ = (0.3 if common else 0.0) if self.dropout is None else self.dropout
        self.input_jitter_ = (2.0 if common else 0.0) if self.input_jitter is None else self.input_jitter
        self.encoder_ = Latency(complement=not common, bias=not common) if self.encoder is None else self.encoder

    def _encoded(self, X: np.ndarray) -> SpikeTrains:
        return self.encoder_((X - self.low_) / self.range_ if self.scale else X)

    def _checked(self, X: Any) -> np.ndarray:
        """X for a prediction as an array of the right shape."""
        me = type(self).__name__
        if not hasattr(self, "weights_"):
            raise NotFittedError(f"This {me} instance is not fitted yet; call fit first")
        if validate_data is not None:
            return validate_data(self, X, reset=False, dtype=np.float64)
        X = _matrix(me, X)
        if X.shape[1] != self.n_features_in_:
            raise ValueError(f"X has {X.shape[1]} features, but {me} is expecting {self.n_features_in_} features as input")
        return X

    def _checked_pair(self, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        """X and y for fitting as arrays of the right shape."""
        me = type(self).__name__
        if y is None:
            raise ValueError(f"{me}.fit: requires y to be passed, but the target y is None")
        if validate_data is not None:
            X, y = validate_data(self, X, y, dtype=np.float64)
            check_classification_targets(y)
            return X, y
        X, y = _matrix(me, X), np.asarray(y)
        if y.shape != (len(X),) or not len(y):
            raise ValueError(f"{me}: y has shape {y.shape} for {len(X)} samples; give one label for each")
        self.n_features_in_ = X.shape[1]
        return X, y

    def _check_parameters(self) -> None:
        me = type(self).__name__
        for k, n in enumerate(self.hidden):
            check.count(me, f"hidden[{k}]", n, at_least=1)
        for name in ("epochs", "batch_size", "threads"):
            check.count(me, name, getattr(self, name), at_least=1)
        for name in ("learning_rate", "spikes", "tau_m", "tau_syn"):
            check.number(me, name, getattr(self, name), "positive")
        for name in ("delay", "weight_decay", "input_jitter"):
            check.number(me, name, getattr(self, name) or 0.0, "nonnegative")
        for name in ("validation_fraction", "dropout", "input_dropout"):
            if check.number(me, name, getattr(self, name) or 0.0, "probability") == 1.0:
                raise ValueError(f"{me}: {name} = 1 leaves nothing to train on")
        choices = {"loss": ("max_V", "integral_V", "first_spike"), "schedule": ("cosine", "constant")}
        for name, known in choices.items():
            if getattr(self, name) not in known and not (name == "schedule" and callable(self.schedule)):
                raise ValueError(f"{me}: {name} = {getattr(self, name)!r} is not one of {', '.join(map(repr, known))}")
        learn = (self.learn,) if isinstance(self.learn, str) else tuple(self.learn)
        if not learn or not set(learn) <= {"weight", "delay"}:
            raise ValueError(f"{me}: learn = {self.learn!r} must name 'weight', 'delay' or both")
        if "delay" in learn and not self.delay:
            raise ValueError(f"{me}: delay = 0 cannot be learned; start from a positive one")
        if self.early_stopping is not None:
            check.count(me, "early_stopping", self.early_stopping, at_least=1)
            if not self.validation_fraction:
                raise ValueError(f"{me}: early_stopping = {self.early_stopping} needs validation_fraction > 0")

    # ---- files

    def save(self, path: Any) -> None:
        """Write this classifier to a file, atomically. It is a pickle: load only what you trust."""
        temporary = f"{os.fspath(path)}.{os.getpid()}.tmp"
        with open(temporary, "wb") as file:
            pickle.dump(self, file)
        os.replace(temporary, path)

    @classmethod
    def load(cls, path: Any) -> SpikingClassifier:
        """A classifier that `save` wrote."""
        with open(path, "rb") as file:
            loaded = pickle.load(file)
        if not isinstance(loaded, cls):
            raise TypeError(f"{cls.__name__}.load: {path} holds a {type(loaded).__name__}")
        return loaded


SPREAD = 0.2  # of the read-outs before training [mV]


def _peak(tau_m: float, tau_syn: float) -> float:
    """The largest V of tau_m V' = -V + exp(-t/tau_syn), V(0) = 0."""
    if np.isclose(tau_m, tau_syn):
        return float(np.exp(-1.0))
    ratio = tau_m / tau_syn
    return float(ratio ** (ratio / (1.0 - ratio)))


def _generator(random_state: Any) -> np.random.Generator:
    """A generator from None, an int, or a RandomState."""
    if random_state is None or isinstance(random_state, int | np.integer):
        return np.random.default_rng(random_state)
    return np.random.default_rng(random_state.randint(2**31 - 1))


def _disturbed(trains: SpikeTrains, dropout: float, jitter: float, rng: np.random.Generator) -> SpikeTrains:
    """The trains without a random fraction of their spikes, the others moved at random."""
    times, ids, starts = trains.times, trains.ids, trains.starts
    if dropout:
        stays = rng.random(len(times)) >= dropout
        times, ids, starts = times[stays], ids[stays], np.concatenate([[0], np.cumsum(stays)])[starts]
    if jitter:
        times = np.maximum(times + rng.normal(0.0, jitter, len(times)), 0.0)
    return SpikeTrains(times, ids, starts)


def _bar(epochs: int, wanted: bool) -> Any:
    from tqdm.auto import tqdm

    return tqdm(total=epochs, disable=not wanted, unit="epoch", leave=False)
