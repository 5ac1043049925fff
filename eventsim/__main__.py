"""Command line: ``python -m eventsim info | run NETWORK | version``."""

from __future__ import annotations

import argparse
import inspect
import platform
import sys
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import numpy as np

import eventsim as es
from eventsim import networks

FORMATS = (".png", ".pdf", ".svg")
INTERRUPTED = 130  # exit status of a command ended by Ctrl-C


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status is 0, 2 after a mistake (told in one line) or 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        return options.command(options)
    except (ValueError, TypeError, MemoryError, OSError) as error:
        print(f"eventsim: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("eventsim: interrupted", file=sys.stderr)
        return INTERRUPTED


def version(options: argparse.Namespace) -> int:
    """Print the version."""
    print(es.__version__)
    return 0


def info(options: argparse.Namespace) -> int:
    """Print what is installed, and the ready-made networks."""
    print(f"eventsim    {es.__version__}, compiled core {es._core.__file__}")
    print(f"python      {platform.python_version()} on {platform.platform()}")
    for package in ("numpy", "scipy", "matplotlib"):
        try:
            print(f"{package:<11} {version_of(package)}")
        except PackageNotFoundError:
            print(f"{package:<11} not installed: pip install {package}")
    print("\nReady-made networks, for `python -m eventsim run NETWORK`:\n")
    print(_list_of_networks())
    return 0


def run(options: argparse.Namespace) -> int:
    """Build a ready-made network, simulate it, print a summary and write a picture."""
    module = networks.load(options.network)
    path = Path(options.out or f"{options.network}.png")
    if path.suffix not in FORMATS:
        raise ValueError(f"--out = {path} has no known format; end it in {', '.join(FORMATS)}")
    if not path.parent.is_dir():
        raise ValueError(f"--out = {path} is in a folder that does not exist; make {path.parent} first")
    duration = module.DURATION if options.duration is None else options.duration

    began = time.perf_counter()
    net = module.build(**_arguments_of_build(module, options, duration))
    sources = [population for population in net.populations if not population.model.receptors]
    neurons = [population for population in net.populations if population.model.receptors]
    sim = es.Simulation(net, options.seed, record_spikes=neurons, threads=options.threads)
    build_time = time.perf_counter() - began
    interrupted = False
    try:
        result = sim.run(duration)
    except KeyboardInterrupt:
        interrupted, result = True, sim.result()
        print(f"interrupted at t = {sim.time:g} ms", file=sys.stderr)

    title = f"{options.network}: {_headline(module)}"
    classes = module.classes() if hasattr(module, "classes") else {}
    inputs = sum(len(sim.edges(projection).pre) for projection in net.projections if projection.pre in sources)
    print("\n".join(_summary(title, result, neurons, sources, inputs, build_time)))
    print("\n" + "\n".join(_table(result, neurons, classes)))
    try:
        result.plot(path, classes=classes, title=title)
        print(f"\npicture: {path.resolve()}")
    except ImportError as error:
        print(f"\nno picture: {error}")
    return INTERRUPTED if interrupted else 0


def _arguments_of_build(module: ModuleType, options: argparse.Namespace, duration: float) -> dict[str, Any]:
    """What of the options the network's `build` takes."""
    takes = inspect.signature(module.build).parameters
    if options.scale is not None and "scale" not in takes:
        raise ValueError(f"--scale = {options.scale:g}: {options.network} has one size only; leave --scale out")
    given = {"scale": options.scale, "duration": duration}
    return {name: value for name, value in given.items() if name in takes and value is not None}


def _summary(
    title: str, result: es.Result, neurons: list[Any], sources: list[Any], inputs: int, build_time: float
) -> Iterator[str]:
    def spikes(populations: list[Any]) -> int:
        return sum(int(result.counts(population).sum()) for population in populations)

    def row(name: str, value: str, remark: str = "") -> str:
        return f"  {name:<16} {value:>14}  {remark}".rstrip()

    def beside(number: int, what: str) -> str:
        return f"and {number:,} {what}" if sources else ""

    wall, events = result.wall["simulate"], result.counters["synaptic_events"]
    active = sum(int(np.count_nonzero(result.counts(population))) for population in neurons)
    yield title
    yield ""
    yield row("neurons", f"{sum(map(len, neurons)):,}", beside(sum(map(len, sources)), "sources"))
    yield row("synapses", f"{result.n_synapses - inputs:,}", beside(inputs, "from sources"))
    yield row("simulated", f"{result.duration:,g} ms", f"seed {result.seed}")
    yield row("spikes", f"{spikes(neurons):,}", beside(spikes(sources), "of sources"))
    yield row("active neurons", f"{active:,}")
    yield row("synaptic events", f"{events:,}", f"{1e9 * wall / events:.0f} ns each" if events else "")
    yield row("build time", f"{build_time:.2f} s")
    yield row("wall time", f"{wall:.2f} s")
    if result.duration > 0:
        yield row("real-time factor", f"{1e3 * wall / result.duration:.3g}", "wall time over simulated time")


def _table(result: es.Result, neurons: list[Any], classes: dict[str, Any]) -> Iterator[str]:
    """One line for each class of each population."""
    rows, seconds = [], 1e-3 * result.duration or np.nan
    for population in neurons:
        labels, code = classes.get(population.name, ((population.name,), np.zeros(population.n, int)))
        counts = result.counts(population)
        for k, label in enumerate(labels):
            mine = counts[code == k]
            if len(mine):
                rows.append((label, len(mine), np.count_nonzero(mine), mine.sum(), mine.mean() / seconds))
    width = max(len("class"), *(len(label) for label, *_ in rows))
    yield f"  {'class':<{width}}  {'neurons':>9}  {'active':>9}  {'spikes':>11}  {'rate (Hz)':>9}"
    for label, n, active, spikes, rate in rows:
        yield f"  {label:<{width}}  {n:>9,}  {active:>9,}  {spikes:>11,}  {rate:>9.3f}"


def _headline(module: ModuleType) -> str:
    """The first line of a network's docstring, without its name."""
    line = (module.__doc__ or "").splitlines()[0]
    return line.split(": ", 1)[-1].rstrip(".")


def _list_of_networks() -> str:
    return "\n".join(f"  {name:<14} {_headline(networks.load(name))}" for name in networks.NAMES)


class _Parser(argparse.ArgumentParser):
    """Tells a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}; see {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    style = argparse.RawDescriptionHelpFormatter
    parser = _Parser(
        prog="python -m eventsim",
        description="Exact event-driven simulation of large sparse spiking networks.",
        epilog="Example: python -m eventsim run fly_brain --duration 300",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    commands.add_parser("info", help="what is installed, and the ready-made networks").set_defaults(command=info)
    commands.add_parser("version", help="the version").set_defaults(command=version)
    add = commands.add_parser(
        "run",
        help="simulate a ready-made network",
        description="Build a ready-made network, simulate it, print a summary and write a picture (raster and rates).",
        epilog=f"networks:\n{_list_of_networks()}",
        formatter_class=style,
    )
    add.set_defaults(command=run)
    add.add_argument("network", metavar="NETWORK", help="one of those listed below")
    add.add_argument("--duration", type=float, metavar="MS", help="biological time in ms (default: the network's own)")
    add.add_argument("--seed", type=int, default=0, help="of wiring, initial states and noise (default: %(default)s)")
    add.add_argument("--threads", type=int, help="never changes the result (default: one to run, all processors to build)")
    add.add_argument("--scale", type=float, help="size, 1 for the published one (not for fly_brain, celegans, yin_yang)")
    add.add_argument("--out", metavar="FILE", help="picture, png, pdf or svg (default: NETWORK.png in the current folder)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
