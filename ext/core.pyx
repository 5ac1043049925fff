"""eventsim._core: the one compiled module. This file is its table of contents, in reading order.

A spike's journey: a neuron's alarm goes off (``engine.pxi: threshold``), the crossing is certified
(``solver.pxi``), the neuron is reset and its outgoing rows join the spikes in flight (``queue.pxi``);
when the first synapses of a row fall due the row is delivered (``rows.pxi``, ``population.pxi``) to
the targets' states (``models/``), whose alarms are set anew.
"""
cimport cython
from libc.math cimport (INFINITY, NAN, atan2, atanh, cos, cosh, exp, expm1, fabs, floor, isfinite, isnan, log, log1p, sin,
                        sinh, sqrt, tanh)
from libc.stdint cimport INT32_MAX, UINT32_MAX, int8_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memmove, memset
from cpython.exc cimport PyErr_CheckSignals
import threading

import numpy as np
from eventsim import check
from eventsim.distributions import Steps
from eventsim.model import Model, Parameter, State, require
from eventsim.times import split_array, still_to_come

include "time.pxi"          # when
include "random.pxi"        # counter-based random numbers
include "connect.pxi"       # connection rules -> rows
include "queue.pxi"         # spikes in flight, alarms
include "solver.pxi"        # when will a membrane reach its threshold?
include "costate.pxi"       # the same questions asked backward: what gradients are made of
include "recorder.pxi"      # the only code that appends
include "trains.pxi"        # Poisson trains
include "kernel.pxi"        # sums of arrivals, and what takes them
include "population.pxi"    # what every model shares, and the calls the engine makes

include "models/lif.pxi"    # the models, one line each
include "models/delta.pxi"
include "models/double_exp.pxi"
include "models/adaptive.pxi"
include "models/qif.pxi"
include "models/fly.pxi"
include "models/poisson.pxi"
include "models/spike_source.pxi"

include "rows.pxi"          # the synapses of one projection
include "engine.pxi"        # the event loop
include "windows/sums.pxi"      # the arrivals of a window as sums
include "windows/plan.pxi"      # the same events, neuron by neuron, in windows and on many threads: what is shared,
include "windows/lists.pxi"     # lists,
include "windows/worker.pxi"    # what a thread owns,
include "windows/windows.pxi"   # the loop,
include "windows/window.pxi"    # and a window: its steps, from first to last
include "windows/live.pxi"      # neurons that go through it event by event
include "windows/send.pxi"
include "windows/alone.pxi"     # arrivals that are the only one of their neuron
include "windows/drives.pxi"    # Poisson sources of one synapse each
include "windows/deliver.pxi"
include "windows/sweep.pxi"
include "windows/frames.pxi"    # sums that last for several windows
include "windows/length.pxi"
include "adjoint.pxi"       # the tape read backward: gradients

include "layers/forward.pxi"    # batches of feed-forward layers without an event loop
include "layers/backward.pxi"
include "layers/membranes.pxi"
include "layers/border.pxi"

#: For Python: the columns of a state row before the model's states, and what Engine.run returns besides 0.
HEAD_WIDTH, PAUSED_CODE, NO_MEMORY_CODE, RAN_AWAY_CODE, NOT_FINITE_CODE, UNSOUND_CODE = (
    HEAD, PAUSED, NO_MEMORY, RAN_AWAY, NOT_FINITE, UNSOUND)
WATCH_SPIKES_FLAG, WATCH_STATE_FLAG = WATCH_SPIKES, WATCH_STATE

#: What ``from eventsim._core import *`` gives: every model description, so that a new model is one file and one line.
__all__ = [name for name, thing in list(globals().items())
           if isinstance(thing, type) and issubclass(thing, Model) and hasattr(thing, "population")]
