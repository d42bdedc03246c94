# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Adaptation of a running system, by console scripts: recording, and swap of the checkpoint."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from yaml import YAMLError

from spike_depth_ros.base.safe_yaml import read_yaml
from spike_depth_ros.io.topics import beside, full_name, is_called
from spike_depth_ros.stereo import EYES
from spike_training.datasets.suitability import MIN_DURATION_S
from spike_training.errors import TrainingError, one_line

RECORDING = 'recording'
"""Bag in the folder of an adaptation."""

UNFINISHED = f'.{RECORDING}.'
"""Beginning of the name, whose rest nobody can foresee, of the folder of a bag that is being
recorded, or was when its recording was ended."""

_GRACE_S = 2.0

# The console script of this very package, also where it is not installed. The kernel terminates it
# when this process ends in any way (prctl, PR_SET_PDEATHSIG is 1); it then completes its bag.
_START = """
import ctypes, os, signal, sys
from spike_depth_ros import commands
parent, name = int(sys.argv.pop(1)), sys.argv.pop(1)
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() != parent:
    sys.exit(1)
sys.argv[0] = name
sys.exit(getattr(commands, name)())
"""


def record(topic: str, folder: Path, seconds: float, max_gb: float, right: str = '') -> Path:
    """Record a running stream into the folder of an adaptation.

    A complete recording of an interrupted adaptation is used again.

    Args:
        topic: Topic of spikes.
        folder: Folder of the adaptation.
        seconds: Duration.
        max_gb: Largest size of the recording, GB.
        right: Topic of the right eye; empty: one eye.

    Returns:
        The bag, FOLDER/recording.

    Raises:
        TrainingError: Nothing could be recorded, or the disk is full.
    """
    bag = folder / RECORDING
    if bag.exists():
        names = _topics(bag)
        for one in filter(None, (topic, right)):
            if not any(is_called(name, one) for name in names):
                raise TrainingError(
                    f'{bag} has {", ".join(names)}, expected {one}: choose another --out'
                )
        return bag
    for left in sorted(folder.glob(f'{UNFINISHED}*/{RECORDING}')):
        raise TrainingError(_ended(left))
    folder.mkdir(parents=True, exist_ok=True)
    # The name of a bag is also that of its file.
    unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=folder))
    try:
        told = _run(
            'spike_record', *([] if right else [topic]), '--out', str(unfinished / RECORDING),
            '--seconds', str(seconds), '--max-gb', str(max_gb),
            *(_both_eyes(topic, right) if right else []),
        )  # fmt: skip
        print(told)
        (unfinished / RECORDING).rename(bag)
    except KeyboardInterrupt:
        if (unfinished / RECORDING).exists():
            raise TrainingError(f'interrupted: {_ended(unfinished / RECORDING)}') from None
        raise
    finally:
        with contextlib.suppress(OSError):  # something was recorded
            unfinished.rmdir()
    print(f'{bag}: complete')
    return bag


def _both_eyes(left: str, right: str) -> list[str]:
    """Return the options that record two topics, and the camera_info beside each."""
    options = ['--stereo', '--ros-args']
    for eye, topic in zip(EYES, (left, right), strict=True):
        info = beside(full_name(topic), 'camera_info')
        options += ['-r', f'{eye}/spikes:={full_name(topic)}', '-r', f'{eye}/camera_info:={info}']
    return options


def _topics(bag: Path) -> list[str]:
    """Return the topics of a recorded bag."""
    path = bag / 'metadata.yaml'
    try:
        if not path.is_file():
            raise ValueError('it is no plain file')
        topics = read_yaml(path)['rosbag2_bagfile_information']['topics_with_message_count']
        return [str(one['topic_metadata']['name']) for one in topics]
    except (LookupError, OSError, TypeError, ValueError, YAMLError) as error:
        raise TrainingError(
            f'{path} is damaged ({one_line(error)}): remove {bag} to record anew'
        ) from error


def _ended(bag: Path) -> str:
    return (
        f'{bag} has what was recorded before a recording was ended: adapt to it by --recordings '
        f'and another --out if it has {MIN_DURATION_S:g} s or more, or remove it'
    )


def swap(node: str, checkpoint: Path) -> None:
    """Set the parameter ``checkpoint`` of a running depth node, and wait for its answer.

    Args:
        node: Name of the node.
        checkpoint: The new file.

    Raises:
        TrainingError: The node is missing or refuses the file; the message has its reason.
    """
    path = str(checkpoint.resolve())
    try:
        _run('spike_inspect', 'set', node, 'checkpoint', path)
    except TrainingError as error:
        raise TrainingError(f'{checkpoint} is written, but not in use: {error}') from error
    print(f'{node}: checkpoint is {path}')


def _run(command: str, *arguments: str) -> str:
    """Run a console script of the package; return its output."""
    with subprocess.Popen(
        [sys.executable, '-c', _START, str(os.getpid()), command, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            output, errors = process.communicate()
        except KeyboardInterrupt:
            _end(process)
            raise
    lines = errors.strip().splitlines()
    if process.returncode:
        reason = lines[-1] if lines else f'{command} ended with status {process.returncode}'
        raise TrainingError(reason)
    return '\n'.join([*lines, output.strip()])


def _end(process: subprocess.Popen[str]) -> None:
    """Let a process write the end of its bag; a terminal has interrupted it, too."""
    try:
        process.communicate(timeout=_GRACE_S)
    except subprocess.TimeoutExpired:
        process.terminate()
