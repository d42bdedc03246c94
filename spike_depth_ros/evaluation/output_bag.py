# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Output bag: a copy of the evaluated bag with the predicted depth."""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rosbags.rosbag2 import WriterError

from spike_depth_ros.estimator import Prediction
from spike_depth_ros.evaluation.lockstep import WindowSample
from spike_depth_ros.geometry.calibration import Calibration
from spike_depth_ros.geometry.depth_values import FloatImage
from spike_depth_ros.io.bags.bag import CAMERA_INFO, IMAGE, Bag, BagError, BagMessage, typestore
from spike_depth_ros.io.bags.writing import (
    Storage,
    bag_writer,
    make_camera_info,
    make_header,
    make_image,
)
from spike_depth_ros.stream.decode import METRES


class OutputBag:
    """Context that writes a bag. After an error the file has no index.

    Args:
        path: Folder to make; must not exist.
        source: The bag whose topics are copied.
        namespace: Namespace of the new topics, without a slash at its end.
        storage: ``mcap`` or ``sqlite3``.

    Attributes:
        skipped: Topics that cannot be copied, as the source does not define their types.

    Raises:
        BagError: The folder exists, a topic of the bag has the name of a new one, or SQLite cannot
            write.
    """

    def __init__(self, path: Path, source: Bag, namespace: str, storage: Storage) -> None:
        self._source = source
        names = {
            'image': (f'{namespace}/depth/image', IMAGE),
            'uncertainty': (f'{namespace}/depth/uncertainty', IMAGE),
            'camera_info': (f'{namespace}/depth/camera_info', CAMERA_INFO),
        }
        for name, _ in names.values():
            if name in source.topics:
                raise BagError(
                    f'{source.path}: has a topic {name}; expected none of that name: remove it '
                    'from the bag, or leave out --write-bag'
                )
        types = typestore()
        known = {
            topic.name: topic
            for topic in source.topics.values()
            if topic.kind in types.fielddefs or (topic.definition and topic.digest)
        }
        self.skipped = sorted(set(source.topics) - set(known))
        with _writing():
            self._writer = bag_writer(path, storage)
            self._writer.open()
            self._copied = {
                topic.name: self._writer.add_connection(topic.name, topic.kind, typestore=types)
                if topic.kind in types.fielddefs
                else self._writer.add_connection(
                    topic.name, topic.kind, msgdef=topic.definition, rihs01=topic.digest
                )
                for topic in known.values()
            }
            self._new = {
                key: self._writer.add_connection(name, kind, typestore=types)
                for key, (name, kind) in names.items()
            }

    def __enter__(self) -> OutputBag:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            with _writing():
                self._writer.close()
        else:
            with contextlib.suppress(Exception):
                self._writer.abort()

    def copied(self) -> Iterator[BagMessage]:
        """Yield the messages of the source and copy each to the new bag."""
        for message in self._source.messages(list(self._copied)):
            with _writing():
                connection = self._copied[message.topic]
                self._writer.write(connection, message.time_ns, message.data)
            yield message

    def add(self, sample: WindowSample, prediction: Prediction, depth: FloatImage) -> None:
        """Write a window's depth, uncertainty and camera with one header.

        Args:
            sample: Window, and the recording time of the messages.
            prediction: Its prediction.
            depth: Published depth, metres, ``[H, W]``.
        """
        header = make_header(sample.window.reference_ns, sample.window.camera.frame_id)
        messages = {
            'image': make_image(depth, METRES, header),
            'uncertainty': make_image(prediction.uncertainty, METRES, header),
            'camera_info': _camera_info(sample, header, prediction),
        }
        for key, connection in self._new.items():
            data = typestore().serialize_cdr(messages[key], connection.msgtype)
            with _writing():
                self._writer.write(connection, sample.recorded_ns, data)


@contextlib.contextmanager
def _writing() -> Iterator[None]:
    """Turn errors of the writer, other than of files, into one line."""
    try:
        yield
    except (WriterError, sqlite3.Error) as error:
        raise BagError(
            f'the new bag cannot be written ({error}): free space or choose another folder'
        ) from error


def _camera_info(sample: WindowSample, header: Any, prediction: Prediction) -> Any:
    """Return the camera of the depth image; uncalibrated without a spike camera's."""
    height, width = prediction.depth.shape
    camera = (sample.window.camera.calibration or Calibration(width, height)).of_pictures
    k, p = prediction.camera_matrix(camera.k, 3), prediction.camera_matrix(camera.p, 4)
    sized = dataclasses.replace(camera, width=width, height=height, k=tuple(k), p=tuple(p))
    return make_camera_info(sized, header)
