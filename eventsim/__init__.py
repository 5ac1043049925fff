"""eventsim: exact event-driven simulation of large sparse spiking networks.

Describe a network (`Network`), build and run it (`simulate`, `Simulation`), look at the `Result`.
"""

from ._core import *  # noqa: F403  the models, one file each in ext/models
from ._core import __all__ as _models
from .connectivity import (
    CSR,
    AllToAll,
    FixedInDegree,
    FixedOutDegree,
    FixedProbability,
    FixedTotalNumber,
    OneToOne,
    Pairs,
)
from .distributions import Exponential, LogNormal, Normal, Steps, Uniform
from .gradient import Gradients, value_and_grad
from .model import Model
from .network import Network, Population, Projection, View
from .response import Response, Sensitivity
from .result import Result
from .simulation import Edges, Simulation, simulate
from .storage import load
from .trains import SpikeTrains

__version__ = "0.1.0"

__all__ = [
    *_models,
    "CSR",
    "AllToAll",
    "Edges",
    "Exponential",
    "FixedInDegree",
    "FixedOutDegree",
    "FixedProbability",
    "FixedTotalNumber",
    "Gradients",
    "LogNormal",
    "Model",
    "Network",
    "Normal",
    "OneToOne",
    "Pairs",
    "Population",
    "Projection",
    "Response",
    "Result",
    "Sensitivity",
    "Simulation",
    "SpikeTrains",
    "Steps",
    "Uniform",
    "View",
    "load",
    "simulate",
    "value_and_grad",
]
