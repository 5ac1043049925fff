"""Ready-made networks, one file each: what it is, where it comes from, which numbers to expect, and `build()`.

    from eventsim.networks import cuba
    result = es.simulate(cuba.build(), cuba.DURATION, seed=1)

Every module has `build(...) -> Network` and `DURATION` [ms], a length of run that shows what the network does. A network
whose neurons carry labels has `classes()` too (see `fly_brain.classes`).
"""

from importlib import import_module

NAMES = ("brunel", "celegans", "cuba", "fly_brain", "microcircuit", "sparse", "yin_yang")


def load(name):
    """The module of the network called `name`.

    Raises
    ------
    ValueError
        If there is no such network.
    """
    if name not in NAMES:
        raise ValueError(f"networks: name = {name!r} is unknown; choose one of {', '.join(NAMES)}")
    return import_module(f"{__name__}.{name}")


def scaled(network, n, scale):
    """`n` neurons times `scale`, rounded.

    Raises
    ------
    ValueError
        If that leaves fewer than 10 neurons, or no finite number.
    """
    if not 9.5 < n * scale < float("inf"):
        raise ValueError(
            f"{network}: scale = {scale:g} makes a network of {n * scale:g} neurons; choose a scale above {10 / n:g}"
        )
    return round(n * scale)
