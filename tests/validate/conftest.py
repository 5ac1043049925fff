"""Cross-checks against other simulators; see peers.py for where they come from."""

from functools import partial

import peers
import pytest


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
