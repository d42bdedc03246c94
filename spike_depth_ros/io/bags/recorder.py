# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recorder of messages as they arrive: a bag bounded in size and by free disk space."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from pathlib import Path

import yaml
from rosbags.interfaces import Connection
from rosbags.rosbag2 import Writer

from spike_depth_ros.base.errors import OneLineError, check_link, one_line
from spike_depth_ros.base.results import PART_SUFFIX, write_atomically
from spike_depth_ros.base.safe_yaml import read_yaml
from spike_depth_ros.io.bags.bag import CAMERA_INFO, Bag, BagMessage, typestore
from spike_depth_ros.io.bags.mcap_writer import MAX_MESSAGE_BYTES
from spike_depth_ros.io.bags.writing import Metadata, bag_writer, merge_metadata

SPARE_BYTES = 500_000_000
"""Free space that a recording leaves on its disk, bytes."""

CHECK_BYTES = 32_000_000
"""Bytes between two checks of the free space."""

MAX_FILES = 1000
"""Most files of a bag: readers hold the metadata of all."""


class BagRecorder:
    """New MCAP bag, whose messages can be read up to the last one even if its disk fills up.

    It may have several files, NAME_0.mcap and so on, as rosbag2 splits a bag. Each one is complete
    once the next one begins, and begins with the newest camera_info of each camera, to be of use
    without the others.

    Args:
        path: Folder of the bag; must not exist.
        max_bytes: Largest size of all messages, bytes.
        shown: Name of the bag in messages; None: its path.
        file_bytes: Size of a file's messages from which the next one begins, bytes.
        file_ns: Duration of a file from which the next one begins, nanoseconds.

    Attributes:
        nbytes: Size of the messages so far, bytes.
        files: Number of files so far.
        ended: Reason why no more messages are written; empty while they are.
        disk_failed: True if that reason is the disk.

    Raises:
        OSError: The folder exists or cannot be made, or its disk has too little free space.
    """

    def __init__(
        self,
        path: Path,
        max_bytes: float,
        shown: Path | None = None,
        file_bytes: float = math.inf,
        file_ns: float = math.inf,
    ) -> None:
        try:
            check_link(path)
        except OneLineError as error:
            raise FileExistsError(str(error)) from None
        if path.exists():
            raise FileExistsError(f'{path} exists: choose another folder, or add --overwrite')
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._max_bytes, self._shown = path, max_bytes, shown or path
        self._file_bytes, self._file_ns = file_bytes, file_ns
        self.nbytes, self.files, self.ended, self.disk_failed = 0, 0, '', False
        self._checked = 0
        self._check_room()
        if self.ended:
            raise OSError(self.ended)
        path.mkdir()  # one process alone can
        self._cameras: dict[str, bytes] = {}  # newest camera_info by topic
        self._closed: list[Metadata] = []  # of the files before the open one
        self._writer: Writer | None = None
        self._split_bytes = self._split_ns = 0  # of the open file: size, time of the first message
        try:
            self._open_file()
        except OSError:
            path.rmdir()
            raise

    def write(self, topic: str, kind: str, time_ns: int, data: bytes) -> bool:
        """Write a message, unless the recording has ended.

        Args:
            topic: Full name of its topic.
            kind: Message type, such as ``sensor_msgs/msg/Image``.
            time_ns: Time of its arrival, nanoseconds.
            data: CDR bytes.

        Returns:
            True if it was written.
        """
        if not self.ended and self.nbytes + len(data) > self._max_bytes:
            self.ended = f'{self._max_bytes / 1e9:g} GB are recorded, the limit'
        if not self.ended and len(data) > MAX_MESSAGE_BYTES:
            self.ended = (
                f'{topic}: a message of {len(data)} bytes, expected at most {MAX_MESSAGE_BYTES}: '
                'send fewer planes in a packet'
            )
        if not self.ended and self.nbytes - self._checked >= CHECK_BYTES:
            self._check_room()
        split = kind != CAMERA_INFO and self._is_full(time_ns, len(data))
        if not self.ended and split and self.files == MAX_FILES:
            self.ended = f'{MAX_FILES} files are recorded, the limit: split less often'
        if self.ended:
            return False
        try:
            if split:
                self._close_file()
                self._open_file()
                for name, camera in self._cameras.items():
                    self._put(name, CAMERA_INFO, time_ns, camera)
            self._put(topic, kind, time_ns, data)
        except OSError as error:
            self._fail(f'{self._shown}: {error.strerror or one_line(error)}: free space there')
            return False
        self.nbytes += len(data)
        if kind == CAMERA_INFO:
            self._cameras[topic] = data
        else:
            self._split_ns = self._split_ns if self._split_bytes else time_ns
            self._split_bytes += len(data)
        return True

    def close(self) -> None:
        """Complete the bag; on a full disk it stays without an index, which readers accept."""
        try:
            self._close_file()
            if self.nbytes:
                text = yaml.safe_dump(merge_metadata(self._closed), sort_keys=False)
                write_atomically(self._path / 'metadata.yaml', text.encode(), sync=False)
        except OSError as error:
            if not self.disk_failed:
                self._fail(f'{self._shown}: {error.strerror or one_line(error)}: free space there')

    def held(self) -> Iterator[BagMessage]:
        """Yield the messages that a completed bag holds: on a full disk, less than was written.

        Raises:
            BagError: Nothing can be read from it.
        """
        bag = Bag(self._path)
        yield from bag.messages(bag.topics.keys())

    def _is_full(self, time_ns: int, nbytes: int) -> bool:
        """Whether a message of spikes begins another file; each has at least one."""
        return self._split_bytes > 0 and (
            self._split_bytes + nbytes > self._file_bytes
            or time_ns - self._split_ns >= self._file_ns
        )

    def _open_file(self) -> None:
        """Begin the next file, by a writer of bags of one file."""
        folder = self._path / f'{self._path.name}_{self.files}'
        writer = bag_writer(folder, 'mcap', live=True)
        try:
            writer.open()
            (folder / f'{folder.name}.mcap').rename(self._path / f'{folder.name}.mcap')
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        # Not metadata.yaml, from which others would take this file for the whole bag.
        writer.metapath = self._path / f'.metadata{PART_SUFFIX}'
        self._writer, self._connections = writer, dict[str, Connection]()
        self._split_bytes = self._split_ns = 0
        self.files += 1

    def _close_file(self) -> None:
        """Complete the open file; the bag has no metadata until its end, as that of rosbag2."""
        if self._writer is None:  # the next one could not be opened
            return
        metadata = self._writer.metapath
        try:
            self._writer.close()
            self._closed.append(read_yaml(metadata))
        finally:
            metadata.unlink(missing_ok=True)  # as on a full disk: a bag holds nothing else
        self._writer = None

    def _put(self, topic: str, kind: str, time_ns: int, data: bytes) -> None:
        assert self._writer is not None
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(
                topic, kind, typestore=typestore()
            )
        self._writer.write(self._connections[topic], time_ns, data)

    def _check_room(self) -> None:
        self._checked = self.nbytes
        free = shutil.disk_usage(self._path.parent).free
        if free < SPARE_BYTES + CHECK_BYTES:
            self._fail(
                f'{self._shown.parent} has {free / 1e6:.0f} MB free, expected '
                f'{(SPARE_BYTES + CHECK_BYTES) / 1e6:.0f} MB or more: free space there'
            )

    def _fail(self, reason: str) -> None:
        self.ended, self.disk_failed = reason, True
