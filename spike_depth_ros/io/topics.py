# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Topics of cameras: which of a bag, or of the live graph, are spikes, calibration, depth, frames.

Where nobody names a topic, the one that is called ``spikes`` is the stream, and what lies beside
it, in its namespace, belongs to it. What could be one topic or another is refused.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

from spike_depth_ros.base.errors import OneLineError, printable

IMAGE = 'sensor_msgs/msg/Image'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
ODOMETRY = 'nav_msgs/msg/Odometry'

TOPICS = {'spikes': IMAGE, 'camera_info': CAMERA_INFO, 'depth/truth': IMAGE}
"""Topics of a camera in its namespace, and their types; ``depth/image`` is what a node
predicts."""

FRAME_TOPICS = {'image': IMAGE, 'image/camera_info': CAMERA_INFO}
"""Topics of frames beside the spikes, and their types."""

ODOMETRY_TOPICS = {'odom': ODOMETRY}
"""Topic of the camera's poses, and its type."""

NONE = 'none'
"""In place of the name of a topic: none is read."""

_LEFT, _RIGHT = '/left/spikes', '/right/spikes'


def full_name(topic: str) -> str:
    """Return a name of a topic with its leading slash."""
    return f'/{topic.lstrip("/")}'


def is_called(topic: str, name: str) -> bool:
    """Return True if a name is that of a topic, or the end of it."""
    return full_name(topic).endswith(full_name(name))


def namespace(topic: str) -> str:
    """Return the namespace of a topic, without a slash at its end; empty: it has none."""
    return topic.rpartition('/')[0]


def beside(topic: str, name: str) -> str:
    """Return the topic of a name in the namespace of another topic."""
    return f'{namespace(topic)}/{name}'


def frame_infos(image: str) -> tuple[str, str]:
    """Return where the calibration of frames may be: below their topic, and beside it."""
    return f'{image}/camera_info', beside(image, 'camera_info')


@dataclasses.dataclass(frozen=True)
class CameraTopics:
    """Topics of a camera.

    Attributes:
        spikes: Topic of the packed stream.
        camera_info: Topic of its camera; None: there is none.
        truth: Topic of true depth; None: there is none.
    """

    spikes: str
    camera_info: str | None
    truth: str | None = None


@dataclasses.dataclass(frozen=True)
class FrameTopics:
    """Topics of frames beside the spikes.

    Attributes:
        image: Topic of the frames.
        camera_info: Topic of their calibration; None: there is none.
    """

    image: str
    camera_info: str | None


@dataclasses.dataclass(frozen=True)
class KnownTopics:
    """Topics to choose from, of a bag or of the live graph.

    Full names may lack their leading slash. What cannot be chosen is one line, an error of the
    class :attr:`error`.

    Attributes:
        kinds: Type of each topic by its name, such as ``sensor_msgs/msg/Image``.
        counts: Messages of each; empty: not known.
        place: What has them, in errors, such as the path of a bag; empty: the graph.
        error: Class of the errors that its methods raise.
    """

    kinds: Mapping[str, str]
    counts: Mapping[str, int] = dataclasses.field(default_factory=dict)
    place: str = ''
    error: type[Exception] = OneLineError

    def describe(self) -> str:
        """Describe the topics, with types and numbers of messages, for an error message."""
        texts = []
        for name, kind in self.kinds.items():
            count = f', {self.counts[name]}' if name in self.counts else ''
            texts.append(f'{name} ({kind}{count})')
        return printable(', '.join(sorted(texts))) or 'none'

    def find(self, name: str, kind: str) -> str | None:
        """Return the topic of a full name; None: there is none of that type."""
        found = self._named(name)
        return found if found is not None and self.kinds[found] == kind else None

    def require(self, name: str, kind: str) -> str:
        """Return the topic of a full name; refuse one of another type."""
        found = self._named(name)
        if found is None:
            raise self._refusal(f'no topic {full_name(name)}; it has {self.describe()}')
        if self.kinds[found] != kind:
            raise self._refusal(
                f'topic {found} is {self.kinds[found]}; expected {kind}: name another, it has '
                f'{self.describe()}'
            )
        return found

    def ending(self, name: str, kind: str) -> list[str]:
        """Return the topics of a type whose full name is a name, or ends with it."""
        return [one for one, its in self.kinds.items() if its == kind and is_called(one, name)]

    def only(self, name: str, kind: str, remedy: str) -> str:
        """Return the one topic that ends with a name, or that of several whose full name it is.

        Args:
            name: The name; a full one of several has its leading slash.
            kind: Type of the topic.
            remedy: How to choose one, for the error.
        """
        found = self.ending(name, kind)
        if len(found) == 1:
            return found[0]
        if name in found and name.startswith('/'):
            return name
        several = f'{len(found)} topics called {name}'
        none = f'no topic called {name} of {kind}'
        raise self._refusal(f'{several if found else none}: {remedy}; it has {self.describe()}')

    def nearest(self, name: str, kind: str, streams: Sequence[str]) -> str | None:
        """Return the topic that ends with a name and belongs to a stream; None: there is none.

        Of several, it is that whose name begins most like the stream's, then the shortest. One
        that begins more like another stream is not taken, unless the name is its full one.

        Args:
            name: The name.
            kind: Type of the topic.
            streams: Full name of the stream, then those of all cameras.
        """
        likeness = {
            topic: [_likeness(topic, stream) for stream in streams]
            for topic in self.ending(name, kind)
        }
        own = (
            topic
            for topic, shared in likeness.items()
            if topic == full_name(name) or shared[0] == max(shared)
        )
        return min(own, key=lambda topic: (-likeness[topic][0], len(topic), topic), default=None)

    def camera(
        self, spikes: str | None = None, camera_info: str | None = None, truth: str | None = None
    ) -> CameraTopics:
        """Choose the topics of a camera: the named ones, else ``spikes`` and those beside it.

        Args:
            spikes: Topic of the stream; None: the only one called ``spikes``.
            camera_info: Its camera; None: ``camera_info`` beside it, if there is one.
            truth: True depth; None: ``depth/truth`` beside it, if there is one; :data:`NONE`: no
                topic.
        """
        if spikes is None:
            spikes = self.only(
                'spikes',
                IMAGE,
                'name the stream (--topic; evaluate_bag: --spikes, or --stereo for two cameras)',
            )
        spikes = self.require(spikes, IMAGE)
        if camera_info is None:
            # The sensor size may be given instead; if it is not, the error names all topics.
            camera_info = self.find(beside(spikes, 'camera_info'), CAMERA_INFO)
        else:
            camera_info = self.require(camera_info, CAMERA_INFO)
        if truth is None:
            truth = self._named(beside(spikes, 'depth/truth')) or NONE
        truth = None if truth == NONE else self.require(truth, IMAGE)
        return CameraTopics(spikes, camera_info, truth)

    def only_pair(self, least: int) -> str | None:
        """Return the left stream of the only two eyes, if they lie in one namespace.

        Args:
            least: Messages of a stream; others do not count.
        """
        lefts, rights = (
            [full_name(one) for one in self.ending(name, IMAGE) if self.counts[one] >= least]
            for name in (_LEFT, _RIGHT)
        )
        return lefts[0] if len(lefts) == 1 and rights == [_right_of(lefts[0])] else None

    def pair(
        self, spikes: str | None = None, truth: str | None = None, calibrated: bool = True
    ) -> tuple[CameraTopics, CameraTopics]:
        """Choose the topics of a left and a right camera.

        Args:
            spikes: Topic of the left stream, called ``left/spikes`` in some namespace; None: the
                only one. Right is ``right/spikes`` beside it.
            truth: True depth of the left camera, as for :meth:`camera`.
            calibrated: Both need a camera_info.
        """
        if spikes is None:
            remedy = 'name the left one of a pair with --spikes, or leave out --stereo'
            spikes = self.only(_LEFT.lstrip('/'), IMAGE, remedy)
        spikes = full_name(spikes)
        if not spikes.endswith(_LEFT):
            raise self.error(
                f'--spikes {spikes}: expected the left one of a pair, such as {_LEFT}'
            )
        left = self.camera(spikes, truth=truth)
        right = self.camera(_right_of(spikes), truth=NONE)
        for one in (left, right):
            if calibrated and one.camera_info is None:
                raise self._refusal(
                    f'no {CAMERA_INFO} beside {one.spikes}, so that the rig is unknown: record it '
                    f'with camera_info; it has {self.describe()}'
                )
        return left, right

    def frames(self, cameras: Sequence[CameraTopics], image: str | None) -> FrameTopics | None:
        """Choose the topics of frames: the named one, else ``image`` beside the spikes.

        Their calibration is ``camera_info`` below the topic, or beside it.

        Args:
            cameras: Topics of the spikes that they lie beside; two cameras have no frames.
            image: Topic of the frames; empty or :data:`NONE`: no topic; None: the one beside the
                spikes, if there is one.
        """
        if image in ('', NONE) or (image is None and len(cameras) > 1):
            return None
        if len(cameras) > 1:
            raise self._refusal(
                f'--image {image} with two cameras: frames lie beside one, choose it with --topic '
                '(evaluate_bag: leave out --stereo), or leave --image out'
            )
        (camera,) = cameras
        others = {camera.spikes: 'the spikes', camera.truth: 'true depth'}
        if image is None:
            found = self.find(beside(camera.spikes, 'image'), IMAGE)
            if found is None or found in others:
                return None  # nobody has asked for it
        else:
            found = self.require(image, IMAGE)
        if found in others:
            raise self._refusal(f'{found} has {others[found]}; expected frames as --image')
        infos = (self.find(name, CAMERA_INFO) for name in frame_infos(found))
        own = (info for info in infos if info not in (None, camera.camera_info))
        return FrameTopics(found, next(own, None))

    def _named(self, name: str) -> str | None:
        """Return the topic of a full name, whatever its type."""
        names = full_name(name), name.lstrip('/')
        return next((one for one in names if one in self.kinds), None)

    def _refusal(self, text: str) -> Exception:
        return self.error(f'{self.place}: {text}' if self.place else text)


def _right_of(left: str) -> str:
    """Return the right stream beside a left one."""
    return f'{left.removesuffix(_LEFT)}{_RIGHT}'


def _likeness(topic: str, other: str) -> int:
    """Return the number of leading parts that two names of topics share."""
    pairs = zip(topic.split('/'), other.split('/'), strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
