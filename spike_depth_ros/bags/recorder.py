# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recorder of messages as they arrive: a bag bounded in size and by free disk space."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from rosbags.interfaces import Connection

from spike_depth_ros.bags.bag import Bag, BagMessage, typestore
from spike_depth_ros.bags.writing import bag_writer
from spike_depth_ros.errors import one_line

SPARE_BYTES = 500_000_000
"""Free space that a recording leaves on its disk, bytes."""

CHECK_BYTES = 32_000_000
"""Bytes between two checks of the free space."""


class BagRecorder:
    """New MCAP bag, whose messages can be read up to the last one even if its disk fills up.

    Args:
        path: Folder of the bag; must not exist.
        max_bytes: Largest size of all messages, bytes.
        shown: Name of the bag in messages; None: its path.

    Attributes:
        nbytes: Size of the messages so far, bytes.
        ended: Reason why no more messages are written; empty while they are.
        disk_failed: True if that reason is the disk.

    Raises:
        OSError: The folder exists or cannot be made, or its disk has too little free space.
    """

    def __init__(self, path: Path, max_bytes: float, shown: Path | None = None) -> None:
        if path.exists():
            raise FileExistsError(f'{path} exists: choose another folder, or add --overwrite')
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._max_bytes, self._shown = path, max_bytes, shown or path
        self.nbytes, self.ended, self.disk_failed = 0, '', False
        self._checked = 0
        self._check_room()
        if self.ended:
            raise OSError(self.ended)
        self._writer = bag_writer(path, 'mcap')
        self._writer.open()
        self._connections: dict[str, Connection] = {}

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
        if not self.ended and self.nbytes - self._checked >= CHECK_BYTES:
            self._check_room()
        if self.ended:
            return False
        try:
            if topic not in self._connections:
                self._connections[topic] = self._writer.add_connection(
                    topic, kind, typestore=typestore()
                )
            self._writer.write(self._connections[topic], time_ns, data)
        except OSError as error:
            self._fail(f'{self._shown}: {error.strerror or one_line(error)}: free space there')
            return False
        self.nbytes += len(data)
        return True

    def close(self) -> None:
        """Complete the bag; on a full disk it stays without an index, which readers accept."""
        try:
            self._writer.close()
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
