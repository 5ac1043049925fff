"""Batches of spike trains: the inputs of many samples in three flat arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from . import check


class SpikeTrains:
    """The input spikes of a batch of samples, flat; made by encoders or `SpikeTrains.of`.

    Attributes
    ----------
    times : (m,) float64, sample after sample [ms]
    ids : (m,) int32, which source neuron
    starts : (n_samples + 1,) int64, sample k has the spikes starts[k]:starts[k + 1]

    Notes
    -----
    Indexing with a slice or an array of integers gives a batch of those samples; with an integer, the pair (times, ids).

    Examples
    --------
    >>> from eventsim import SpikeTrains
    >>> trains = SpikeTrains.of([([0.0, 1.5], [0, 1]), ([2.0], [1])])
    >>> trains
    SpikeTrains(2 samples, 3 spikes)
    >>> trains[1]
    (array([2.]), array([1], dtype=int32))
    """

    def __init__(self, times: Any, ids: Any, starts: Any):
        self.times = np.ascontiguousarray(times, np.float64)
        self.ids = np.ascontiguousarray(ids, np.int32)
        self.starts = np.ascontiguousarray(starts, np.int64)
        m = len(self.times)
        if self.times.ndim != 1 or self.ids.shape != (m,):
            raise ValueError(f"SpikeTrains: times {self.times.shape} and ids {self.ids.shape} must be (m,), of equal length")
        s = self.starts
        if s.ndim != 1 or len(s) < 1 or s[0] != 0 or s[-1] != m or np.any(np.diff(s) < 0):
            raise ValueError(f"SpikeTrains: starts must rise from 0 to the number of spikes, {m}")

    @classmethod
    def of(cls, samples: Sequence[Any]) -> SpikeTrains:
        """From a list of samples, each a pair (times (m,) [ms], ids (m,) or one id)."""
        if isinstance(samples, SpikeTrains):
            return samples
        pairs = []
        for k, sample in enumerate(samples):
            try:
                times, ids = sample
            except (TypeError, ValueError):
                raise TypeError(f"SpikeTrains.of: sample {k} = {sample!r} is not a pair (times, ids)") from None
            pairs.append(check.spikes(f"SpikeTrains.of: sample {k}", times, ids, np.iinfo(np.int32).max))
        starts = np.cumsum([0] + [len(times) for times, _ in pairs])
        if not pairs:
            return cls([], [], [0])
        return cls(np.concatenate([t for t, _ in pairs]), np.concatenate([i for _, i in pairs]), starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, int | np.integer):
            if not -len(self) <= key < len(self):
                raise IndexError(f"SpikeTrains: sample {key} of {len(self)}")
            part = slice(self.starts[key % len(self)], self.starts[key % len(self) + 1])
            return self.times[part], self.ids[part]
        if isinstance(key, slice) and key.step in (None, 1):
            lo, hi, _ = key.indices(len(self))
            starts = self.starts[lo : max(lo, hi) + 1]
            part = slice(starts[0], starts[-1])
            return self._part(self.times[part], self.ids[part], starts - starts[0])
        chosen = np.arange(len(self))[key]
        counts = self.starts[chosen + 1] - self.starts[chosen]
        starts = np.concatenate([[0], np.cumsum(counts)])
        places = np.arange(starts[-1]) + np.repeat(self.starts[chosen] - starts[:-1], counts)
        return self._part(self.times[places], self.ids[places], starts)

    @classmethod
    def _part(cls, times: np.ndarray, ids: np.ndarray, starts: np.ndarray) -> SpikeTrains:
        """Of trains that have been checked."""
        part = cls.__new__(cls)
        part.times, part.ids, part.starts = times, ids, starts
        return part

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return (self[k] for k in range(len(self)))

    def __repr__(self) -> str:
        return f"SpikeTrains({len(self)} samples, {len(self.times)} spikes)"
