# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of a bag beside the windows of its spikes, by stamps alone."""

from __future__ import annotations

import dataclasses

from spike_depth_ros.bags.bag import CAMERA_INFO, IMAGE, Bag, BagError, BagMessage, decode
from spike_depth_ros.fusion.frame import Frame
from spike_depth_ros.fusion.frames import Frames, FrameSettings
from spike_depth_ros.stream.window import Window


@dataclasses.dataclass(frozen=True)
class FrameTopics:
    """Topics of the frames of a bag.

    Attributes:
        image: Topic of the frames.
        camera_info: Topic of their calibration; None: not in the bag.
        settings: Settings of the frames, as the node's parameters ``image.*``.
    """

    image: str
    camera_info: str | None
    settings: FrameSettings


def choose_frames(
    bag: Bag, spikes: str, image: str | None, settings: FrameSettings
) -> FrameTopics | None:
    """Choose the topics of frames: the named one, else ``image`` beside the spikes.

    Their calibration is ``camera_info`` below the topic, or beside it.

    Args:
        bag: The bag.
        spikes: Topic of the spikes.
        image: Topic of the frames; empty: no topic is read; None: the one beside the spikes.
        settings: Settings of the frames.

    Returns:
        The topics; None: there are none.

    Raises:
        BagError: The bag has no such topic, or it is of another type.
    """
    if image == '':
        return None
    name = '/' + (image or f'{spikes.rsplit("/", 1)[0]}/image').lstrip('/')
    topic = bag.topics.get(name)
    if topic is None and image is None:
        return None
    if topic is None or topic.kind != IMAGE:
        kind = 'no topic' if topic is None else f'topic of {topic.kind}'
        raise BagError(
            f'{bag.path}: {kind} {name}; expected frames, {IMAGE}: name them with --image, it has '
            f'{bag.describe_topics()}'
        )
    infos = f'{name}/camera_info', f'{name.rsplit("/", 1)[0]}/camera_info'
    of_spikes = f'{spikes.rsplit("/", 1)[0]}/camera_info'
    found = (
        one for one in infos
        if one != of_spikes and one in bag.topics and bag.topics[one].kind == CAMERA_INFO
    )  # fmt: skip
    return FrameTopics(name, next(found, None), settings)


class FrameTopic:
    """Reader of frames, in step with the windows.

    Args:
        bag: The bag.
        topics: Topics of the frames.
        max_age_s: Largest age of frames in the network's training, seconds.

    Attributes:
        frames: The frames.
        warnings: Problems of the frames: kind -> (number, first text).
    """

    def __init__(self, bag: Bag, topics: FrameTopics, max_age_s: float) -> None:
        self.warnings: dict[str, tuple[int, str]] = {}
        self.frames = Frames(topics.settings, max_age_s, self._warn)
        self._topics = topics
        names = [topics.image, *([] if topics.camera_info is None else [topics.camera_info])]
        if topics.camera_info is not None:
            # The first one before the first frame; a live node waits for it, too.
            self._handle(next(iter(bag.messages([topics.camera_info])), None))
        self._messages = bag.messages(names)

    def take(self, window: Window) -> Frame | None:
        """Return the frame of the next window; None: it has none."""
        while not self.frames.store.is_decided(window.reference_ns):
            message = next(self._messages, None)
            if message is None:
                break
            self._handle(message)
        return self.frames.observe(window)

    def describe(self) -> list[str]:
        """Return how many windows had frames, and what was refused, one line each."""
        store, texts = self.frames.store, []
        without = store.missing + store.stale + self.frames.refused.total()
        if without:
            texts.append(
                f'{without} of {store.used + store.missing + store.stale} windows have no frame '
                f'of {self.frames.max_age_s:g} s or less that can be used'
            )
        texts += [
            f'{text} ({count} times)' if count > 1 else text
            for count, text in self.warnings.values()
        ]
        return texts

    def _handle(self, message: BagMessage | None) -> None:
        if message is None:
            return
        kind = IMAGE if message.topic == self._topics.image else CAMERA_INFO
        try:
            found = decode(message.data, kind)
        except BagError as error:
            self._warn(kind, f'{message.topic}: {error}')
            return
        handle = self.frames.on_image if kind == IMAGE else self.frames.on_camera_info
        handle(found)

    def _warn(self, kind: str, text: str) -> None:
        count, first = self.warnings.get(kind, (0, text))
        self.warnings[kind] = (count + 1, first)
