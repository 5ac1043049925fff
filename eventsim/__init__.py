"""eventsim: exact event-driven simulation of large sparse spiking networks.

Describe a network (`Network`), build and run it (`simulate`, `Simulation`), look at the `Result`; differentiate anything
(`value_and_grad`) and train (`losses`, `optim`, `SpikingClassifier`).
"""

from typing import TYPE_CHECKING, Any

from . import decode, encode, losses, optim
from ._core import *  # noqa: F403  the models, one file each in ext/models
from ._core import __all__ as _models
from .check_gradient import check_gradient
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
from .decode import activity
from .distributions import Exponential, LogNormal, Normal, Steps, Uniform
from .gradient import Gradients, value_and_grad
from .initial import initialise
from .model import Model
from .network import Network, Population, Projection, View
from .response import Response, Sensitivity
from .result import Result
from .simulation import Edges, Simulation, simulate
from .storage import load
from .trains import SpikeTrains

if TYPE_CHECKING:
    from .classifier import SpikingClassifier

__version__ = "0.2.0"

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
    "SpikingClassifier",
    "Steps",
    "Uniform",
    "View",
    "activity",
    "check_gradient",
    "decode",
    "encode",
    "initialise",
    "load",
    "losses",
    "optim",
    "simulate",
    "value_and_grad",
]


def __getattr__(name: str) -> Any:
    """`SpikingClassifier` is imported when it is first used: it looks for scikit-learn, which takes its time."""
    if name == "SpikingClassifier":
        from .classifier import SpikingClassifier

        return SpikingClassifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
