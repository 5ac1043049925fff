"""Work in parts on several threads: the core works without the interpreter's lock."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


def available() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Helper(threading.Thread):
    """A thread that helps another one. The core looks at `stopped` where it looks at the keyboard in the main thread."""

    stopped = False


def spread(work: Callable[[T], object], parts: Sequence[T], threads: int) -> None:
    """Call work(part) for every part, on this thread and on others; the first error stops them all, and is raised."""
    queue, errors = iter(parts), list[BaseException]()

    def failed(error: BaseException) -> None:
        errors.append(error)
        for helper in helpers:
            helper.stopped = True

    def labour() -> None:
        try:
            for part in queue:
                if errors:
                    break
                work(part)
        except BaseException as error:
            failed(error)

    helpers = [Helper(target=labour) for _ in range(min(threads, len(parts)) - 1)]
    try:
        for helper in helpers:
            helper.start()
    except RuntimeError:  # no more threads are to be had: those that are there do the work
        pass
    except BaseException as error:  # Ctrl-C
        failed(error)
    labour()
    for helper in helpers:
        while helper.is_alive():
            try:
                helper.join()
            except BaseException as error:
                failed(error)
    if errors:
        raise errors[0]


class Lent(Generic[T]):
    """Things that threads need one of at a time; `all` holds those that were made."""

    def __init__(self, make: Callable[[], T]):
        self.make, self.all, self.free = make, list[T](), list[T]()

    @contextmanager
    def one(self) -> Iterator[T]:
        try:
            thing = self.free.pop()
        except IndexError:
            thing = self.make()
            self.all.append(thing)
        yield thing
        self.free.append(thing)
