# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What every benchmark says beside its figures: the machine, as JSON and as a Markdown table."""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.named_commit import CommitError

LIBRARIES = ('numpy', 'onnxruntime', 'torch')


def machine() -> dict[str, Any]:
    """The machine in words; call it before the benchmark loads it.

    Returns:
        ``date``, ``cpu``, ``cores`` (that this process may use), ``load_1min`` (of all processes,
        before the benchmark), ``python`` and the version of each library (None: not installed).
    """
    return {
        'date': datetime.date.today().isoformat(),
        'cpu': _cpu_model(),
        'cores': len(os.sched_getaffinity(0)),
        'load_1min': os.getloadavg()[0],
        'python': platform.python_version(),
        **{name: _version(name) for name in LIBRARIES},
    }


def _cpu_model() -> str:
    for line in Path('/proc/cpuinfo').read_text().splitlines():
        if line.startswith('model name'):
            return line.split(':', 1)[1].strip()
    return platform.machine()


def _version(library: str) -> str | None:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None


def machine_line(found: dict[str, Any]) -> str:
    """One line of text from :func:`machine`."""
    libraries = ', '.join(f'{name} {found[name]}' for name in LIBRARIES if found[name])
    return (
        f'{found["date"]}: {found["cpu"]}, {found["cores"]} cores, load {found["load_1min"]:.1f} '
        f'before, Python {found["python"]}, {libraries}'
    )


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, padded so that it reads well in a terminal too."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    padded = [
        ' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    ]
    padded.insert(1, ' | '.join('-' * width for width in widths))
    return '\n'.join(f'| {line} |' for line in padded)


def run_command(
    parser: argparse.ArgumentParser,
    args: list[str] | None,
    run: Callable[[argparse.Namespace], dict[str, Any]],
    text: Callable[[dict[str, Any]], str],
) -> int:
    """Run a benchmark's command line: measure, print, write; the exit status."""
    options = parser.parse_args(args)
    try:
        result = run(options)
    except CommitError as error:
        parser.error(str(error))
    print(text(result))
    write_json(options.json, result)
    return 0


def write_json(path: Path | None, result: dict[str, Any]) -> None:
    """Write a result where the user asked for a file."""
    if path is not None:
        path.write_text(json.dumps(result, indent=2) + '\n')
