# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A target of fuzzing, and what its cases are held to."""

import dataclasses
import importlib
import json
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

LONGEST_LINE = 700
"""Characters of a line of an error, without the path of the file that it names."""

WORKED, REFUSED, FAILED, CRASHED, RUNNING, NOT_RUN = b'.rFC>\0'
"""What became of a case, one byte each."""

TARGETS = {
    'stream': 'targets.messages:STREAM',
    'depth_message': 'targets.messages:DEPTH',
    'dat': 'targets.recordings:DAT',
    'npz': 'targets.recordings:NPZ',
    'checkpoint': 'targets.checkpoints:CHECKPOINT',
    'onnx': 'targets.checkpoints:ONNX',
    'mcap': 'targets.bags:MCAP',
    'sqlite': 'targets.bags:SQLITE',
    'convert': 'targets.conversions:TARGET',
    'calibration': 'targets.calibrations:CALIBRATION',
    'rectify': 'targets.rectify:RECTIFY',
    'camera_info': 'targets.camera_infos:TARGET',
    'parameters': 'targets.parameters:PARAMETERS',
    'training_config': 'targets.training:CONFIG',
    'resume': 'targets.training:RESUME',
    'adapt_folder': 'targets.adaptations:TARGET',
    'rendered_rooms': 'targets.rendered:TARGET',
    'depth_maps': 'targets.depth_maps:TARGET',
    'calib_files': 'targets.calib_files:TARGET',
    'names_with_times': 'targets.pictures:NAMES',
    'picture_headers': 'targets.pictures:HEADERS',
}
"""Import path by name; another target may be given by its path."""


class ContractError(Exception):
    """A case that neither worked nor was refused as documented."""


@dataclasses.dataclass(frozen=True)
class Target:
    """Something of the package that reads what others made.

    Attributes:
        make: Makes an input: a valid one, changed.
        use: Uses it as the package does; may write to the (empty) folder that it is given.
        refusals: Documented errors.
        lines: Lines that such an error may have.
        prepare: Called once, before the limits of memory hold: what is imported, and started.
    """

    make: Callable[[Random], Any]
    use: Callable[[Any, Path], object]
    refusals: tuple[type[BaseException], ...]
    lines: int = 1
    prepare: Callable[[], object] = lambda: None


def find_target(name: str) -> Target:
    """Import a target.

    Raises:
        KeyError: There is none of that name.
    """
    module, attribute = TARGETS.get(name, name).split(':')
    target = getattr(importlib.import_module(module), attribute)
    assert isinstance(target, Target)
    return target


def random_of(seed: int, name: str, index: int) -> Random:
    """The randomness of a case, the same on every machine."""
    return Random(f'{seed} {name} {index}')


def judge(target: Target, case: Any, folder: Path) -> int:
    """Run a case.

    Returns:
        ``WORKED`` or ``REFUSED``.

    Raises:
        Exception: What the case raised against the contract.
    """
    try:
        target.use(case, folder)
    except target.refusals as error:
        check_text(str(error).replace(str(folder), ''), target.lines)
        return REFUSED
    return WORKED


def check_text(text: str, lines: int = 1) -> None:
    """Check an error or a warning: it has a line, no more than allowed, and none is endless.

    Raises:
        ContractError: It is otherwise.
    """
    found = text.split('\n')
    longest = max(map(len, found))
    printable = all(line.isprintable() for line in found)
    if not text.strip() or len(found) > lines or longest > LONGEST_LINE or not printable:
        raise ContractError(
            f'a message of {len(found)} lines, the longest of {longest} characters'
            f'{"" if printable else ", with control characters"}; expected {lines} of at most '
            f'{LONGEST_LINE}: {text[:300]!r}'
        )


def save_failure(folder: Path, command: str, case: Any, problem: str) -> None:
    """Save a failing case: its input, and ``failure.json`` with the problem and the command."""
    folder.mkdir(parents=True, exist_ok=True)
    files: Mapping[str, Any] = case if isinstance(case, dict) else {'input': case}
    for name, content in files.items():
        if isinstance(content, bytes):
            (folder / Path(name).name).write_bytes(content)
        else:
            path = folder / f'{Path(name).name}.txt'
            path.write_text(repr(content), encoding='utf-8', errors='backslashreplace')
    content = {'command': command, 'problem': problem}
    (folder / 'failure.json').write_text(json.dumps(content, indent=1) + '\n')


def problem_of(error: BaseException) -> str:
    """The traceback of an error, without what judged it; cut where it has no end."""
    text = ''.join(traceback.format_exception(error))
    return text if len(text) < 20_000 else f'{text[:10_000]}\n...\n{text[-10_000:]}'


def command_of(seed: int, name: str, index: int) -> str:
    """The command that repeats a case."""
    return f'python test/fuzz/run.py --targets {name} --seed {seed} --case {index}'


def say(text: str) -> None:
    """Print a line at once."""
    print(text, file=sys.stderr, flush=True)
