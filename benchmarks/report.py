# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share: their command line, calls in turn, the machine, tables."""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

LIBRARIES = ('numpy', 'onnxruntime', 'torch')

Key = TypeVar('Key')
Result = TypeVar('Result')


class InputError(ValueError):
    """Option of a benchmark that cannot be used; its text is one line."""


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


def columns(rows: Iterable[dict[str, Any]], cells: dict[str, str]) -> str:
    """A table of rows as the JSON has them, by a header and a format string for each column."""
    return table(list(cells), [[cell.format_map(row) for cell in cells.values()] for row in rows])


def in_turn(calls: dict[Key, Callable[[], Result]], repetitions: int) -> dict[Key, list[Result]]:
    """Results of each call, made in turn, after one of each that is not counted."""
    found: dict[Key, list[Result]] = {name: [] for name in calls}
    names = list(calls)
    for repetition in range(repetitions + 1):
        names.append(names.pop(0))  # what runs before a call, and warms its cache, changes
        for name in names:
            result = calls[name]()
            if repetition:
                found[name].append(result)
    return found


def settings(options: argparse.Namespace, *names: str) -> dict[str, Any]:
    """The given options by these names."""
    return {name: getattr(options, name) for name in names}


def parser(name: str, description: str) -> argparse.ArgumentParser:
    """The parser of a benchmark's command line, with the option that all of them have."""
    made = argparse.ArgumentParser(prog=f'python -m benchmarks.{name}', description=description)
    add_json(made)
    return made


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the option of the result's file; a recording never has its suffix."""
    parser.add_argument('--json', type=_json_file, help='file .json for the result')


def _json_file(text: str) -> Path:
    if not text.endswith('.json'):
        raise argparse.ArgumentTypeError(f'{text!r}: expected a file .json')
    return Path(text)


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add the option of the device that networks are trained on."""
    parser.add_argument('--device', choices=('cpu', 'cuda'), default='cpu', help='default: cpu')


def device_name(device: str) -> str:
    """Name a device: the GPU's own name, or ``cpu``."""
    if device != 'cuda':
        return device
    import torch  # most benchmarks need none

    return torch.cuda.get_device_name()


def run_command(
    parser: argparse.ArgumentParser,
    args: list[str] | None,
    run: Callable[[argparse.Namespace], dict[str, Any]],
    text: Callable[[dict[str, Any]], str],
) -> int:
    """Run a benchmark's command line: measure, print, write.

    Args:
        parser: Of the options, made by :func:`parser`.
        args: The command line; None: that of the process.
        run: Measures, and returns the content of the JSON but ``machine``.
        text: Formats that content with ``machine``.

    Returns:
        The exit status: 1 where an entry of ``checks`` is False.
    """
    options = parser.parse_args(args)
    try:
        result = {'machine': machine(), **run(options)}
    except InputError as error:
        parser.error(str(error))
    print(machine_line(result['machine']), text(result), sep='\n\n')
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=2) + '\n')
    return int(False in result.get('checks', {}).values())
