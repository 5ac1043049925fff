"""Typed face of the compiled module. Shapes and units stand in the docstrings of ext/*.pxi."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Self, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .distributions import Distribution, Steps
from .model import Model

_Value = float | ArrayLike | Distribution
_Injected = _Value | Steps
_Reset = Literal["value", "subtract", "none"]
_F64 = NDArray[np.float64]
_I64 = NDArray[np.int64]
_I32 = NDArray[np.int32]

__all__ = [
    "LIF",
    "QIF",
    "AdaptiveLIF",
    "AlphaLIF",
    "DeltaLIF",
    "DoubleExpLIF",
    "FlyLIF",
    "LeakyIntegrator",
    "PerfectIntegrator",
    "Poisson",
    "SpikeSource",
]

# ---- models

class SpikingMembrane(Model): ...

class LIF(SpikingMembrane):
    def __init__(
        self,
        *,
        C_m: _Value = ...,
        tau_m: _Value = ...,
        E_L: _Value = ...,
        V_th: _Value = ...,
        V_reset: _Value = ...,
        t_ref: _Value = ...,
        I_e: _Injected = ...,
        tau_syn_ex: _Value = ...,
        tau_syn_in: _Value = ...,
        reset: _Reset = ...,
    ) -> None: ...

class PerfectIntegrator(SpikingMembrane):
    def __init__(
        self,
        *,
        C_m: _Value = ...,
        t_ref: _Value = ...,
        I_e: _Injected = ...,
        tau_syn_ex: _Value = ...,
        tau_syn_in: _Value = ...,
        V_th: _Value = ...,
        V_reset: _Value = ...,
    ) -> None: ...

class LeakyIntegrator(Model):
    def __init__(
        self,
        *,
        C_m: _Value = ...,
        tau_m: _Value = ...,
        E_L: _Value = ...,
        I_e: _Injected = ...,
        tau_syn_ex: _Value = ...,
        tau_syn_in: _Value = ...,
    ) -> None: ...

class DeltaLIF(SpikingMembrane):
    def __init__(
        self,
        *,
        C_m: _Value = ...,
        tau_m: _Value = ...,
        E_L: _Value = ...,
        V_th: _Value = ...,
        V_reset: _Value = ...,
        t_ref: _Value = ...,
        I_e: _Injected = ...,
        reset: _Reset = ...,
    ) -> None: ...

class DoubleExpLIF(SpikingMembrane):
    def __init__(
        self,
        *,
        C_m: _Value = ...,
        tau_m: _Value = ...,
        E_L: _Value = ...,
        V_th: _Value = ...,
        V_reset: _Value = ...,
        t_ref: _Value = ...,
        I_e: _Injected = ...,
        tau_rise_ex: _Value = ...,
        tau_decay_ex: _Value = ...,
        tau_rise_in: _Value = ...,
        tau_decay_in: _Value = ...,
        reset: _Reset = ...,
    ) -> None: ...

class AlphaLIF(SpikingMembrane):
    def __init__(
        self,
        *,
        C_m: _Value = ...,
        tau_m: _Value = ...,
        E_L: _Value = ...,
        V_th: _Value = ...,
        V_reset: _Value = ...,
        t_ref: _Value = ...,
        I_e: _Injected = ...,
        tau_syn_ex: _Value = ...,
        tau_syn_in: _Value = ...,
        reset: _Reset = ...,
    ) -> None: ...

class AdaptiveLIF(SpikingMembrane):
    def __init__(
        self,
        *,
        C_m: _Value = ...,
        tau_m: _Value = ...,
        E_L: _Value = ...,
        V_th: _Value = ...,
        V_reset: _Value = ...,
        t_ref: _Value = ...,
        I_e: _Injected = ...,
        tau_syn_ex: _Value = ...,
        tau_syn_in: _Value = ...,
        q_stc: _Value = ...,
        tau_stc: _Value = ...,
        q_sfa: _Value = ...,
        tau_sfa: _Value = ...,
        reset: _Reset = ...,
    ) -> None: ...

class QIF(Model):
    def __init__(self, *, tau_m: _Value = ..., V_reset: _Value = ..., t_ref: _Value = ...) -> None: ...

class FlyLIF(SpikingMembrane):
    def __init__(
        self,
        *,
        tau_m: _Value = ...,
        tau_syn: _Value = ...,
        E_L: _Value = ...,
        V_th: _Value = ...,
        V_reset: _Value = ...,
        t_ref: _Value = ...,
    ) -> None: ...

class Poisson(Model):
    def __init__(self, *, rate: _Injected = ..., grid: _Value = ...) -> None: ...

class SpikeSource(Model):
    times: _F64
    ids: _I64
    def __init__(self, times: ArrayLike = ..., ids: ArrayLike = ...) -> None: ...

# ---- the built network

HEAD_WIDTH: int

class Population:
    n: int
    first: int
    index: int
    model: Model
    parameters: dict[str, _F64]
    state: _F64
    coef: _F64
    def __init__(
        self, model: Model, n: int, parameters: dict[str, _F64], first: int, index: int, epoch: float, offset: float
    ) -> None: ...
    def configure(self, parameters: dict[str, _F64]) -> None: ...
    def coefficients(self, p: dict[str, _F64]) -> list[_F64]: ...
    def set_steps(self, times: _F64, values: _F64) -> None: ...
    def inputs(self) -> dict[str, Any]: ...
    def set_inputs(self, inputs: dict[str, Any]) -> None: ...
    def evolve(self, rows: _F64, ids: _I64, times: _F64) -> None: ...
    def certified_wait(self, row: _F64, j: int, t: float) -> float: ...
    def slopes(self, rows: _F64, ids: _I64) -> _F64: ...
    def longest_window(self) -> float: ...
    def effects(self, length: float) -> tuple[float, float, bool]: ...
    def costate_width(self) -> int: ...
    def replays(self) -> bool: ...
    def asks(self, incoming: list[Rows]) -> bool: ...
    def gradients(self, p: dict[str, _F64], g: _F64) -> dict[str, _F64]: ...
    spiked: _F64
    def peaks(self, rows: _F64, ids: _I64, lengths: _F64, levels: _F64) -> tuple[_I64, _F64]: ...
    def write_tape(self, epoch: float) -> None: ...
    def finish_tape(self) -> None: ...
    def certain_respite(self, row: _F64, j: int) -> float: ...

@final
class LIFPopulation(Population): ...

@final
class DeltaPopulation(Population): ...

@final
class DoubleExpPopulation(Population): ...

@final
class AdaptivePopulation(Population): ...

@final
class QIFPopulation(Population): ...

@final
class FlyPopulation(Population): ...

@final
class PoissonPopulation(Population):
    seed: int
    def set_rates(self, seed: int, times: _F64, values: _F64) -> None: ...
    def restart(self, now: tuple[float, float], start: tuple[float, float]) -> None: ...
    def begin(self) -> None: ...
    def drawn(self, begin: tuple[float, float], end: tuple[float, float]) -> tuple[_F64, _I64]: ...

@final
class SpikeSourcePopulation(Population):
    def set_spikes(self, times: _F64, ids: _I64) -> None: ...
    def pending(self) -> tuple[_F64, _I64]: ...

@final
class Rows:
    indptr: _I64
    indices: _I32
    weight: NDArray[Any]
    delay_data: NDArray[Any]
    delay_table: _F64
    post: Population
    port: int
    first: int
    pre: int
    def __init__(
        self,
        pre: Population,
        post: Population,
        port: int,
        indptr: _I64,
        indices: _I32,
        weight: NDArray[Any],
        delay: NDArray[Any],
        table: _F64 = ...,
    ) -> None: ...
    @property
    def delay(self) -> NDArray[Any]: ...
    @property
    def shortest(self) -> float: ...
    @property
    def largest(self) -> float: ...
    @property
    def in_degree(self) -> int: ...
    def segment(self, length: float) -> float: ...
    def one_each(self) -> tuple[int, int]: ...
    def set_weight(self, weight: NDArray[Any]) -> None: ...

# ---- the engine

PAUSED_CODE: int
NO_MEMORY_CODE: int
RAN_AWAY_CODE: int
NOT_FINITE_CODE: int
UNSOUND_CODE: int
WATCH_SPIKES_FLAG: int
WATCH_STATE_FLAG: int
FLIGHT: np.dtype[Any]

@final
class Flights:
    pushes: int
    pops: int
    def dump(self) -> NDArray[Any]: ...
    def drain(self, n: int) -> NDArray[Any]: ...
    def load(self, entries: NDArray[Any]) -> None: ...
    def check(self) -> None: ...

@final
class Alarms:
    n: int
    size: int
    moves: int
    def __new__(cls, size: int) -> Self: ...
    def dump(self) -> _F64: ...
    def move(self, neuron: int, epoch: float, offset: float) -> None: ...
    def first(self) -> int: ...
    def load(self, times: _F64) -> None: ...
    def check(self) -> None: ...

@final
class Log:
    n: int
    width: int
    def __new__(cls, width: int) -> Self: ...
    def rows(self, start: int = 0) -> _F64: ...
    def cut(self, n: int) -> None: ...
    def extend(self, rows: _F64) -> None: ...

@final
class Engine:
    populations: list[Any]
    projections: list[Rows]
    outgoing: list[_I32]
    flights: Flights
    alarms: Alarms
    spikes: Log
    tape: Log | None
    taping: bool
    traces: list[Log]
    watch: NDArray[np.uint8]
    counts: _I64
    synaptic_events: int
    solver_steps: int
    predictions: int
    n_spikes: int
    overflowed: int
    lagging: dict[int, Any]
    def catch_up(self) -> None: ...
    def __init__(self, populations: list[Any], projections: list[Rows], epoch: float, offset: float) -> None: ...
    @property
    def time(self) -> tuple[float, float]: ...
    def set_projections(self, projections: list[Rows], current: list[int]) -> None: ...
    def set_watch(self, spikes: NDArray[np.bool_], states: NDArray[np.bool_]) -> None: ...
    def write_tape(self) -> None: ...
    def open(self, epoch: float, offset: float) -> None: ...
    def close(self) -> None: ...
    def run(self, epoch: float, offset: float, quota: int) -> int: ...
    def reset_alarms(self, index: int) -> None: ...
    def schedule_steps(self, index: int) -> None: ...
    def runaways(self) -> list[int]: ...
    def moving(self) -> dict[str, NDArray[Any]]: ...
    def rewind(self, state: Mapping[str, NDArray[Any]]) -> None: ...
    def snapshot(self) -> dict[str, NDArray[Any]]: ...
    def restore(self, state: dict[str, NDArray[Any]]) -> None: ...
    def check(self) -> None: ...

# ---- gradients

@final
class Sweep:
    coefficients: list[_F64]
    states: list[_F64]
    steps: list[_F64]
    weights: list[_F64]
    delays: list[_F64]
    times: _F64
    def __init__(
        self,
        engine: Engine,
        start: tuple[float, float],
        end: tuple[float, float],
        initial: list[_F64],
        pulls: _F64,
        marks: _F64,
        records: list[tuple[_F64, _I64] | None],
        rates: bool = ...,
    ) -> None: ...

# ---- windows

@final
class Worker: ...

@final
class Sums:
    p: Population
    def __new__(cls, p: Population, workers: int) -> Self: ...
    def deal_out(self, begin: Sequence[int]) -> None: ...
    @property
    def begins(self) -> list[int]: ...
    def set_quanta(self, weight: float, length: float, synapses: float = 1.0) -> None: ...
    def take(self, row: _F64, before_end: _F64, weight: _F64, length: float) -> tuple[bool, float]: ...
    frame: float
    dense: bool
    lonely: bool
    def set_places(self, dense: bool, frame: float = 0.0) -> None: ...
    def settle(self, row: _F64, before_end: _F64, weight: _F64, length: float, left: float) -> tuple[bool, float, float]: ...
    def search(self, row: _F64, gap: float) -> tuple[float, float]: ...
    def dump(self) -> dict[str, NDArray[Any]]: ...
    def load(self, sums: NDArray[np.int64], credit: NDArray[np.int64], pending: NDArray[np.uint64], end: float) -> None: ...
    @property
    def waiting(self) -> bool: ...

@final
class Windows:
    engine: Engine
    workers: list[Worker]
    sums: list[Sums]
    longest: float
    exact: int
    shadowed: int
    seen: int
    culprit: int
    proving: bool
    kept: dict[str, NDArray[Any]]
    def __new__(cls, engine: Engine, length: float, threads: int, summing: bool = False) -> Self: ...
    @property
    def summing(self) -> bool: ...
    @property
    def at_once(self) -> dict[int, int]: ...
    def deal_out(self, driven: Iterable[Population]) -> None: ...
    def survey(self) -> None: ...
    def end_of_window(self, epoch: float, offset: float) -> tuple[float, float]: ...
    @property
    def length(self) -> float: ...
    def open(self, epoch: float, offset: float) -> None: ...
    def close(self) -> None: ...
    def keep_frames(self) -> None: ...
    def resume(self) -> None: ...
    def run(self, epoch: float, offset: float, quota: int) -> int: ...
    def work(self, k: int, go: Any) -> None: ...

def window_length(engine: Engine) -> float | tuple[int, float]: ...
def frame_length(p: Population, length: float) -> float: ...
def summing_length(engine: Engine) -> float: ...
def ranks_of(engine: Engine, length: float) -> list[int]: ...

# ---- random numbers and connections

DISTRIBUTIONS: dict[str, int]

def threefry_block(key: NDArray[np.uint64], counter: NDArray[np.uint64]) -> NDArray[np.uint64]: ...
def philox_blocks(seed: int, purpose: int, id: int, n: int) -> NDArray[np.uint64]: ...
def quantiles(name: str, a: float, b: float, u: _F64) -> _F64: ...
def draw(
    kind: int,
    a: float,
    b: float,
    low: float,
    high: float,
    clip: bool,
    seed: int,
    purpose: int,
    first_id: int,
    out: NDArray[Any],
) -> int: ...
def unit_peak(decay: ArrayLike, rise: ArrayLike) -> tuple[_F64, _F64, _F64]: ...
def aligned_zeros(n: int, width: int) -> _F64: ...
def probability_rows(
    p: float, n_post: int, skipped: _I32, seed: int, purpose: int, first: int, indptr: _I64, indices: _I32 | None
) -> None: ...
def chosen_rows(
    n_post: int, skipped: _I32, repeats: bool, seed: int, purpose: int, first: int, indptr: _I64, indices: _I32
) -> None: ...
def chosen_columns(
    k: int, n_pre: int, skipped: _I32, repeats: bool, seed: int, purpose: int, first: int, ends: _I64, indices: _I32 | None
) -> None: ...
def shared_out(
    total: int, n_post: int, skipped: _I32, repeats: bool, seed: int, purpose: int, first: int, attempts: int, counts: _I64
) -> int: ...
def rows_of_pairs(pre: _I32, ends: _I64, order: NDArray[np.uint32] | _I64) -> None: ...
def sort_rows(indptr: _I64, *arrays: NDArray[Any]) -> None: ...

NO_TABLE: _F64

@final
class Codebook:
    def __init__(self, most: int) -> None: ...
    def encode(self, values: _F64, out: NDArray[np.uint16]) -> bool: ...
    def contents(self) -> _F64: ...

MEMBRANE: dict[str, Any]
SYNAPSES: dict[str, Any]
RESET: dict[str, tuple[str, ...]]
RESETS: dict[str, int]

# ---- feed-forward layers: batches of SpikeTrains

class LayerNet:
    cables_of: list[list[int]]
    def __init__(self, engine: Engine, order: list[int], columns: dict[int, tuple[_I32 | _I64, ...] | None]) -> None: ...

class StageLoss:
    def __init__(
        self,
        times: _F64 | None = None,
        max_V: _F64 | None = None,
        found: tuple[Any, Any, Any] | None = None,
        decay_rates: _F64 | None = None,
        integrals: _F64 | None = None,
        targets: _F64 | None = None,
        squares: _F64 | None = None,
        look_times: _F64 | None = None,
        looks: _F64 | None = None,
    ) -> None: ...

class LayerChunk:
    first: int
    n: int
    found: dict[int, tuple[Any, Any, Any]]
    def __init__(self, net: LayerNet, first: int, n: int, duration: float) -> None: ...
    def give(self, population: int, times: _F64, ids: _I32, starts: _I64) -> None: ...
    def forward(self) -> None: ...
    def spikes(self, population: int) -> tuple[_I64, _F64, _I64, _F64]: ...
    def count(self, population: int) -> int: ...
    def maxima(self, population: int, best: _F64) -> None: ...
    def watch(self, population: int, looks: _F64, seen: _F64) -> None: ...
    def integrate(self, population: int, decay_rate: float, target: float, squared: bool, integral: _F64) -> None: ...
    def backward(
        self,
        losses: dict[int, StageLoss],
        wanted: dict[int, tuple[int, int]],
        grads: _F64,
        adjoints: dict[int, int],
        times: dict[int, _F64],
        rates: bool,
        drive: bool,
    ) -> None: ...
