"""Cross-checks against other simulators; see peers.py for where they come from."""

import sys
from functools import partial
from pathlib import Path

import peers
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # plain.py, the networks as arrays


def _peer(name):
    try:
        peers.interpreter(name)
    except peers.Unavailable as error:
        pytest.skip(str(error))
    return partial(peers.run, name)


@pytest.fixture(scope="session")
def nest():
    """NEST as a function: nest(**job) -> dict."""
    return _peer("nest")


@pytest.fixture(scope="session")
def brian2():
    """Brian2 as a function: brian2(**job) -> dict."""
    return _peer("brian2")
