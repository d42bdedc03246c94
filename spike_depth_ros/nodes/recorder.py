# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command ``spike_record``: records one or two spike topics and their camera_info as a bag."""

from __future__ import annotations

import dataclasses
import functools
import math
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import rclpy
from rclpy.executors import ExternalShutdownException
from std_srvs.srv import Trigger

from spike_depth_ros.base import cli
from spike_depth_ros.base.cli import POSITIONAL
from spike_depth_ros.base.errors import one_line
from spike_depth_ros.base.results import (
    EARLIER_SUFFIX,
    UNFINISHED,
    abandoned,
    lock_unfinished,
    move_to_new,
    place_result,
)
from spike_depth_ros.base.schema import Problems, across
from spike_depth_ros.base.values import Check
from spike_depth_ros.io.bags.bag import BagError
from spike_depth_ros.io.bags.recorder import BagRecorder
from spike_depth_ros.io.bags.writing import check_replaceable
from spike_depth_ros.io.topics import IMAGE, CameraTopics, beside, frame_infos
from spike_depth_ros.nodes.parts import process
from spike_depth_ros.nodes.parts.executor_reader import problem
from spike_depth_ros.nodes.parts.graph import Graph
from spike_depth_ros.nodes.parts.process import UserError
from spike_depth_ros.nodes.parts.stream_recorder import StreamRecorder
from spike_depth_ros.stereo import EYES
from spike_depth_ros.tools.arguments import Amount

MIN_SPLIT_S, MIN_SPLIT_GB = 1.0, 0.001
"""Shortest and smallest file: each one takes time to begin, in which packets wait."""

UNFINISHED_RECORDING = f'{UNFINISHED}recording_'
"""Beginning of the names of temporary folders of recordings, which no other command removes."""


Limit = Annotated[float, Check(lambda value: value > 0, 'above 0', infinite=True)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordOptions:
    """Record a topic of spikes and its camera_info as a bag (MCAP), and report lost planes.

    Or those of two cameras. In a namespace: spike_record --stereo --out BAG --ros-args -r
    __ns:=/rig
    """

    topic: Annotated[str | None, POSITIONAL] = None
    """Topic of spikes, such as /spikes."""
    stereo: bool = False
    """Record left/spikes, right/spikes and the camera_info of each instead of TOPIC."""
    out: Annotated[Path, Check(lambda path: bool(path.name), 'a name for the bag')]
    """Folder of the bag to make."""
    overwrite: bool = False
    """Replace an existing bag by a complete one."""
    services: bool = False
    """Record between calls of ~/start and ~/stop (std_srvs/srv/Trigger) of the node spike_record,
    each time a new bag OUT_000, OUT_001 and so on, until interrupted."""
    seconds: Limit | None = None
    """Longest duration, s. Default: 10; with --services no limit."""
    max_gb: Amount = 4.0
    """Largest size, GB."""
    split_seconds: Limit = math.inf
    """Begin the next file of the bag after this time, s, as ros2 bag record -d."""
    split_gb: Limit = math.inf
    """Begin the next file of the bag before this size is exceeded, GB, as -b."""
    camera_info: str | None = None
    """Topic of the calibration. Default: camera_info beside TOPIC."""
    image: str | None = None
    """Topic: also record frames of a camera beside the spikes and their camera_info, below the
    topic or beside it."""
    timeout: Amount = 5.0
    """Longest wait, s."""

    @property
    def longest_s(self) -> float:
        """Longest duration, seconds."""
        return (math.inf if self.services else 10.0) if self.seconds is None else self.seconds

    @across()
    def _topics(self) -> Problems:
        if self.stereo and (given := self.topic or self.camera_info):
            yield (
                f'stereo is given beside {given}, and its topics are left/spikes and so on: leave '
                'it out, or remap them (--ros-args -r left/spikes:=/your/topic)'
            )
        if self.stereo and self.image:
            yield (f'image is {self.image}: expected none with --stereo, frames are of one camera')
        if not (self.stereo or self.topic):
            yield 'topic is missing: expected a topic of spikes, such as /spikes, or --stereo'
        if self.services and self.overwrite:
            yield 'overwrite is given: with --services each bag has a new name, none is replaced'

    @across('split_seconds', 'split_gb', 'seconds', 'max_gb')
    def _splits(self) -> Problems:
        for name, given, least, limit, most in (
            ('split_seconds', self.split_seconds, MIN_SPLIT_S, '--seconds', self.longest_s),
            ('split_gb', self.split_gb, MIN_SPLIT_GB, '--max-gb', self.max_gb),
        ):
            if math.isfinite(given) and not least <= given < most:
                yield (
                    f'{name} is {given:g}: expected {least:g} or more, and less than {limit} '
                    f'({most:g})'
                )


class Recording:
    """Recording of one camera, or two, into a new bag.

    Args:
        graph: Node of the subscriptions.
        options: Those of the command.

    Attributes:
        out: Name of the bag.
        topics: Names of the topics of spikes.
        kept: Where its messages are in the end.
        stream: What writes the messages.
        report: What was recorded and what was lost, one line; empty before the end, and where
            nothing was recorded.

    Raises:
        UserError: There is nothing to record, or the bag cannot be made.
    """

    def __init__(self, graph: Graph, options: RecordOptions) -> None:
        self._names = [_find_topics(graph, *given, options.timeout) for given in _asked(options)]
        _check_distinct(self._names)
        frames = _find_frames(graph, options, self._names[0])
        self.topics = ' and '.join(spikes for spikes, _ in self._names)
        self._graph, self._options, self.report = graph, options, ''
        try:
            self.out = self.kept = _next_bag(options.out) if options.services else options.out
            _keep_abandoned(self.out.parent)
            self._place, self._lock = _place(self.out, options.overwrite)
        except OSError as error:
            raise UserError(one_line(error)) from None
        try:
            self._bag = BagRecorder(
                self._place,
                1e9 * options.max_gb,
                self.out,
                file_bytes=1e9 * options.split_gb,
                file_ns=1e9 * options.split_seconds,
            )
        except OSError as error:
            if self._place != self.out:
                self._place.parent.rmdir()
            raise UserError(one_line(error)) from None
        try:
            self.stream = StreamRecorder(graph, self._names, self._bag, frames)
        except BaseException:
            self._bag.close()
            _put(self._place, self.out, recorded=False, disk_failed=False)
            raise

    def begin(self) -> None:
        """Wait for the first packet of each camera, and for camera_info if a node publishes it.

        Raises:
            UserError: No packet arrived or fitted, or the process was asked to end.
        """
        stream, timeout_s = self.stream, self._options.timeout
        self._graph.wait_until(
            lambda: (
                not (stream.silent or any(map(self._graph.publishers, stream.without_camera)))
                or self.is_over()
            ),
            timeout_s,
        )
        if not (silent := stream.silent):
            return
        if self._bag.ended:
            raise UserError(self._nothing())
        raise UserError(f'no message on {silent} within {timeout_s:g} s')

    def is_over(self) -> bool:
        """Return whether a limit is reached or the disk is full; print new problems."""
        self.stream.look()
        first_s = self.stream.first_s
        timed_out = first_s is not None and time.monotonic() - first_s >= self._options.longest_s
        return timed_out or bool(self._bag.ended)

    def finish(self) -> str:
        """Complete the bag, put it in its place and print the report.

        A bag without packets of each camera is removed, unless the disk has cut it short: then
        one without packets is. An earlier bag stays beside one that the disk has cut short.

        Returns:
            What is wrong with the recording, one line; empty where nothing is.
        """
        stream, bag = self.stream, self._bag
        stream.stop()
        bag.close()

        def lacks_packets() -> bool:
            return stream.empty if bag.disk_failed else bool(stream.silent)

        text = '' if lacks_packets() else stream.describe()
        recorded = not lacks_packets()  # again: the disk may hold less than what came
        wrong = ''
        try:
            self.kept = _put(self._place, self.out, recorded, bag.disk_failed)
        except OSError as error:
            self.kept = self._place
            wrong = f'the new bag stays at {self._place}: {one_line(error)}'
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        if text:
            reason = f'; {bag.ended}' if bag.ended and not bag.disk_failed else ''
            self.report = f'{self.kept}: {text}{reason}'
            print(self.report, flush=True)
        if not recorded:
            return self._nothing()
        if bag.disk_failed and not wrong:
            stays = '' if self.kept == self.out else f', {self.out} is as it was'
            wrong = f'{bag.ended}; {self.kept} has what was recorded before{stays}'
        return wrong

    def _nothing(self) -> str:
        return f'{self.stream.silent}: no packet fits: {self._bag.ended}'


def _asked(options: RecordOptions) -> list[tuple[str, str]]:
    """Return the topics of spikes and of camera_info of each camera; empty: beside the spikes."""
    if options.stereo:
        return [(f'{eye}/spikes', f'{eye}/camera_info') for eye in EYES]
    return [(str(options.topic), options.camera_info or '')]


def _find_topics(graph: Graph, name: str, camera_name: str, timeout_s: float) -> tuple[str, str]:
    """Wait for a topic of spikes; return its full name and that of its camera_info."""
    topic, _ = graph.find_topic(name, timeout_s, IMAGE)
    return topic, graph.full_name(camera_name or beside(topic, 'camera_info'))


def _find_frames(
    graph: Graph, options: RecordOptions, spikes: tuple[str, str]
) -> tuple[str, str] | None:
    """Wait for a topic of frames; return its full name and that of its camera_info; None: none."""
    if options.image is None:
        return None
    topic, _ = graph.find_topic(options.image, options.timeout, IMAGE)
    found = graph.published().frames([CameraTopics(*spikes)], topic)
    if found is not None and found.camera_info is not None:
        return topic, found.camera_info
    below, other = frame_infos(topic)
    is_below = topic.endswith('/image') or other == spikes[1]
    return topic, below if is_below else other


def _check_distinct(names: Sequence[tuple[str, str]]) -> None:
    """Refuse two cameras with one topic."""
    for topics in zip(*names, strict=True):
        if len(set(topics)) < len(topics):
            raise UserError(
                f'left and right camera are both {topics[0]}; expected two topics: remap one '
                '(--ros-args -r right/spikes:=/your/topic -r right/camera_info:=/your/camera_info)'
            )


def _next_bag(out: Path) -> Path:
    """Return the name of the next of several bags: OUT_000, or one above the largest number."""
    out.parent.mkdir(parents=True, exist_ok=True)
    pattern = re.compile(rf'{re.escape(out.name)}_([0-9]+)')
    numbered = (pattern.fullmatch(one.name) for one in out.parent.iterdir())
    number = max((int(found[1]) for found in numbered if found), default=-1) + 1
    return out.with_name(f'{out.name}_{number:03}')


def _place(out: Path, overwrite: bool) -> tuple[Path, int | None]:
    """Return where to record: beside an earlier bag, which stays until the new one is complete.

    With it comes the lock of that temporary folder, held until the process ends.
    """
    if not overwrite or not out.exists():
        return out, None
    try:
        check_replaceable(out)
    except BagError as error:
        raise UserError(str(error)) from None
    folder = Path(tempfile.mkdtemp(prefix=UNFINISHED_RECORDING, dir=out.parent))
    return folder / out.name, lock_unfinished(folder)


def _keep_abandoned(parent: Path) -> None:
    """Give what killed recorders have recorded over earlier bags a name, and tell it."""
    for folder in abandoned(parent, UNFINISHED_RECORDING):
        for made in folder.iterdir():
            place = parent / made.name.removesuffix(EARLIER_SUFFIX)
            if made.suffix != EARLIER_SUFFIX:
                place = place.with_name(f'{made.name}_incomplete')
            kept = move_to_new(made, place)
            print(f'{kept}: is what a killed run had recorded or was to replace', file=sys.stderr)
        folder.rmdir()


def _put(place: Path, out: Path, recorded: bool, disk_failed: bool) -> Path:
    """Put a recording in its place, and return that; remove one without packets."""
    kept = out
    if not recorded:
        shutil.rmtree(place)
    elif place != out and disk_failed:
        kept = move_to_new(place, out.with_name(f'{out.name}_incomplete'))
    elif place != out:
        place_result(place, out, overwrite=True)
    if place != out:
        place.parent.rmdir()
    return kept


def record(graph: Graph, options: RecordOptions) -> int:
    """Record for some seconds; return the exit status, 1 if the process was asked to end before.

    Raises:
        UserError: There is nothing to record, or the disk is full; what is recorded stays.
    """
    recording = Recording(graph, options)
    interrupted, wrong = False, ''
    try:
        recording.begin()
        graph.wait_until(recording.is_over, math.inf)
    except (UserError, ExternalShutdownException, RuntimeError):
        interrupted = not rclpy.ok()
        if not interrupted:
            raise
    finally:
        wrong = recording.finish()
    if interrupted:
        _print_interrupted(recording, options)
        return 1
    if wrong:
        raise UserError(wrong)
    return 0


class RecorderNode(Graph):
    """Node whose services ``~/start`` and ``~/stop`` begin and end recordings.

    Args:
        options: Those of the command.

    Raises:
        UserError: This rclpy cannot do so.
    """

    def __init__(self, options: RecordOptions) -> None:
        super().__init__('spike_record')
        if lacking := problem(self):
            raise UserError(f'--services: {lacking}')
        self._options = options
        self._recording: Recording | None = None
        self._ended = ''  # why there is no recording, if nobody has stopped it
        self._name = self.get_fully_qualified_name()
        for name, act in (('start', self._start), ('stop', self._stop)):
            self.create_service(Trigger, f'~/{name}', functools.partial(self._answer, act))

    def serve(self) -> int:
        """Record between calls until the process is asked to end; return the exit status."""
        print(f'{self._name}/start begins a recording, {self._name}/stop ends it', flush=True)
        try:
            while True:
                self.wait_until(self._is_over, math.inf)
                _, text = self._finish()
                self._ended = f'; the last recording ended by itself: {text}'
        except (UserError, ExternalShutdownException, RuntimeError):
            if rclpy.ok():
                raise
        finally:
            if self._recording is not None:
                self._finish()
        return 0

    def _is_over(self) -> bool:
        return self._recording is not None and self._recording.is_over()

    def _start(self) -> tuple[bool, str]:
        if self._recording is not None:
            return False, f'{self._recording.out} is being recorded: call {self._name}/stop first'
        self._ended = ''
        recording = Recording(self, self._options)
        try:
            recording.begin()
        except Exception:
            recording.finish()
            raise
        self._recording = recording
        stereo, lacking = self._options.stereo, recording.stream.without_camera
        text = f'{recording.out}: {recording.topics} {"are" if stereo else "is"} being recorded'
        if lacking:
            text += ', but no camera_info has arrived'
        if lacking and stereo:
            text += f' on {" and ".join(lacking)}'
        print(text, flush=True)
        return True, text

    def _stop(self) -> tuple[bool, str]:
        if self._recording is None:
            return False, f'nothing is being recorded{self._ended}; call {self._name}/start first'
        return self._finish()

    def _finish(self) -> tuple[bool, str]:
        """End the recording; return whether it is complete, and a line of text."""
        recording, self._recording = self._recording, None
        assert recording is not None
        if not (wrong := recording.finish()):
            return True, recording.report
        _print_error(wrong)
        return False, '; '.join(filter(None, (wrong, recording.report)))

    def _answer(self, act: Callable[[], tuple[bool, str]], _: Any, response: Any) -> Any:
        """Answer a call; within it the executor cannot spin."""
        self._pause = time.sleep
        try:
            response.success, response.message = act()
        except UserError as error:
            response.message = str(error) or 'this recorder was asked to end'
        finally:
            self._pause = self._spinner.spin_once
        return response


def _print_interrupted(recording: Recording | None, options: RecordOptions) -> None:
    """Print after how long the recording ended; who reads the bag must know that it is short."""
    if recording is None or recording.stream.first_s is None:
        _print_error('asked to end before anything was recorded')
        return
    seconds = time.monotonic() - recording.stream.first_s
    _print_error(
        f'asked to end after {seconds:.1f} s, expected {options.longest_s:g} s; {recording.kept} '
        'has what was recorded before'
    )


def _print_error(text: str) -> None:
    print(f'{Path(sys.argv[0]).name}: error: {text}', file=sys.stderr, flush=True)


def main(args: list[str] | None = None) -> int:
    """Run the console script ``spike_record``; return the exit status."""
    given = sys.argv if args is None else args
    options = cli.options(RecordOptions, 'spike_record', process.own_arguments(given))
    if options.services:
        return process.run(
            lambda: RecorderNode(options), given, RecorderNode.serve, interruptible=False
        )
    statuses: list[int] = []

    def work(graph: Graph) -> int:
        statuses.append(record(graph, options))
        return statuses[0]

    status = process.run(Graph, given, work, interruptible=False)
    if status == 0 and not statuses:  # asked to end while it waited for the topic
        _print_interrupted(None, options)
        return 1
    return status


if __name__ == '__main__':
    sys.exit(main())
