# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Steps of an adaptation, and how it goes through them: what an interrupted one kept is read."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from spike_training.adaptation.schedule import Schedule
from spike_training.adaptation.stored import write


class File(NamedTuple):
    """File that keeps the result of a step.

    Attributes:
        name: Its name in the folder of the adaptation.
        read: Returns the result; called with the path, and the results that the step needs.
        write: Writes the result; called with the path and the result.
    """

    name: str
    read: Callable[..., Any]
    write: Callable[[Path, Any], None] = write

    def result(self, folder: Path, needed: Sequence[Any], compute: Callable[[], Any]) -> Any:
        """Return the result, computed first unless an interrupted adaptation did."""
        path = folder / self.name
        if not (path.exists() or path.is_symlink()):
            result = compute()
            if result is None:
                return None
            self.write(path, result)
        return self.read(path, *needed)


@dataclasses.dataclass(frozen=True)
class Step:
    """Step of an adaptation.

    Attributes:
        name: Name of its result.
        compute: Returns the result; called with the results that it needs, and a step of known
            parts with what it calls after each.
        needs: Names of results of earlier steps.
        shown: What is shown while it runs; steps in a row that show the same are one to the user.
            Empty: nothing.
        parts: Number of its parts, at most; None: unknown.
        file: File that keeps the result, unless this is None; None: it is not kept.
    """

    name: str
    compute: Callable[..., Any]
    needs: tuple[str, ...] = ()
    shown: str = ''
    parts: int | None = None
    file: File | None = None

    def result(self, folder: Path, found: dict[str, Any], advance: Callable[[], None]) -> Any:
        """Return the result, by what was found so far."""
        needed = [found[name] for name in self.needs]
        also = [] if self.parts is None else [advance]
        compute = functools.partial(self.compute, *needed, *also)
        return compute() if self.file is None else self.file.result(folder, needed, compute)


def go_through(steps: Sequence[Step], folder: Path, schedule: Schedule) -> dict[str, Any]:
    """Go through steps.

    Args:
        steps: The steps, in their order.
        folder: Folder of the adaptation.
        schedule: Its time.

    Returns:
        Their results by name.
    """
    found: dict[str, Any] = {}
    for k, step in enumerate(steps):
        assert {*step.needs} <= {one.name for one in steps[:k]}, f'{step.name} comes too early'
    for (shown, parts), together in itertools.groupby(steps, lambda one: (one.shown, one.parts)):
        silent = contextlib.nullcontext(lambda: None)
        with schedule.step(shown, parts) if shown else silent as advance:
            for step in together:
                found[step.name] = step.result(folder, found, advance)
    return found
