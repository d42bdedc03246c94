# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which topics of a bag, or of the live graph, are spikes, calibration, true depth and frames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spike_depth_ros.io.topics import (
    CAMERA_INFO,
    FRAME_TOPICS,
    IMAGE,
    NONE,
    TOPICS,
    CameraTopics,
    FrameTopics,
    KnownTopics,
    beside,
    is_called,
    namespace,
)

TEXT = 'std_msgs/msg/String'


class ChoiceError(ValueError):
    """A refusal."""


def known(*topics, space='/', **counts):
    """Topics by name; the type of others than cameras' is a part of the name: ``name: type``."""
    of_cameras = TOPICS | FRAME_TOPICS
    kinds = {}
    for topic in topics:
        name, _, kind = topic.partition(': ')
        ends = [end for end in sorted(of_cameras, key=len) if f'/{name}'.endswith(f'/{end}')]
        kinds[f'{space}{name}'] = kind or of_cameras[ends[-1]]
    return KnownTopics(kinds, counts or dict.fromkeys(kinds, 3), 'walk', ChoiceError)


def both(space='/', *, also=()):
    """Topics of two eyes."""
    names = [f'{eye}/{name}' for eye in ('left', 'right') for name in ('spikes', 'camera_info')]
    return known(*names, *also, space=space)


ALL = 'spikes', 'camera_info', 'depth/truth'

CAMERAS = {
    'alone': (known('spikes'), (), ('/spikes', None, None)),
    'with camera and truth': (known(*ALL), (), ('/spikes', '/camera_info', '/depth/truth')),
    'in a namespace': (
        known(*ALL, space='/a/b/'),
        (),
        ('/a/b/spikes', '/a/b/camera_info', '/a/b/depth/truth'),
    ),
    'stored without slashes': (
        known(*ALL, space=''), (), ('spikes', 'camera_info', 'depth/truth'),
    ),
    'named without a slash': (
        known(*ALL), ('spikes',), ('/spikes', '/camera_info', '/depth/truth'),
    ),
    'a camera of another namespace': (
        known('a/spikes', 'b/camera_info'), (), ('/a/spikes', None, None),
    ),
    'a camera of another type': (
        known('spikes', f'camera_info: {IMAGE}'), (), ('/spikes', None, None),
    ),
    'spikes of another type elsewhere': (
        known('spikes', f'shown/spikes: {TEXT}'), (), ('/spikes', None, None),
    ),
    'one of two': (both(), ('right/spikes',), ('/right/spikes', '/right/camera_info', None)),
    'a name of its own': (
        known(f'vidar: {IMAGE}', 'camera_info'), ('/vidar',), ('/vidar', '/camera_info', None),
    ),
    'a named camera and truth': (
        known(*ALL, f'c: {CAMERA_INFO}', f'd: {IMAGE}'), (None, 'c', 'd'), ('/spikes', '/c', '/d'),
    ),
    'no truth wanted': (known(*ALL), (None, None, NONE), ('/spikes', '/camera_info', None)),
    'no truth wanted of what holds none': (
        known('spikes', f'depth/truth: {TEXT}'), (None, None, NONE), ('/spikes', None, None),
    ),
}  # fmt: skip
"""Topics, what is named of them, and the chosen ones."""


@pytest.mark.parametrize('name', CAMERAS)
def test_topics_of_a_camera_are_chosen(name):
    topics, named, chosen = CAMERAS[name]
    assert topics.camera(*named) == CameraTopics(*chosen)


FRAMES = {
    'none': (known('spikes'), None, None),
    'beside the spikes': (
        known('spikes', 'image', 'image/camera_info', space='/a/'),
        None,
        ('/a/image', '/a/image/camera_info'),
    ),
    'not wanted': (known('spikes', 'image'), NONE, None),
    'an empty name': (known('spikes', 'image'), '', None),
    'another type that nobody named': (known('spikes', f'image: {TEXT}'), None, None),
    'a camera of the spikes alone': (
        known('spikes', 'camera_info', 'image'),
        None,
        ('/image', None),
    ),
    'a camera beside it': (
        known('spikes', 'camera_info', f'rgb/raw: {IMAGE}', 'rgb/camera_info'),
        'rgb/raw',
        ('/rgb/raw', '/rgb/camera_info'),
    ),
    'below before beside': (
        known('spikes', 'rgb/image', 'rgb/image/camera_info', 'rgb/camera_info'),
        '/rgb/image',
        ('/rgb/image', '/rgb/image/camera_info'),
    ),
    'of another type below': (
        known('spikes', 'rgb/image', f'rgb/image/camera_info: {TEXT}', 'rgb/camera_info'),
        '/rgb/image',
        ('/rgb/image', '/rgb/camera_info'),
    ),
}
"""Topics, what is named as frames, and the chosen ones."""


@pytest.mark.parametrize('name', FRAMES)
def test_topics_of_frames_are_chosen(name):
    topics, image, chosen = FRAMES[name]
    found = topics.frames([topics.camera()], image)
    assert found == (None if chosen is None else FrameTopics(*chosen))


def test_frames_that_nobody_named_are_neither_spikes_nor_true_depth():
    topics = known('image', 'spikes')
    assert topics.frames([topics.camera('image')], None) is None
    assert topics.frames([topics.camera('spikes', truth='image')], None) is None


def test_a_camera_beside_frames_is_theirs_where_the_spikes_have_another():
    topics = known('spikes', 'camera_info', 'image', f'lens: {CAMERA_INFO}')
    assert topics.frames([topics.camera(None, 'lens')], None).camera_info == '/camera_info'


@pytest.mark.parametrize(('space', 'named'), [('/', None), ('/rig/', 'rig/left/spikes')])
def test_topics_of_a_pair_are_chosen(space, named):
    left, right = both(space, also=['left/depth/truth', 'right/depth/truth']).pair(named)
    start = space.rstrip('/')
    assert left == CameraTopics(
        *(f'{start}/left/{name}' for name in ('spikes', 'camera_info', 'depth/truth'))
    )
    assert right == CameraTopics(f'{start}/right/spikes', f'{start}/right/camera_info')


def test_frames_of_two_cameras_are_none_that_nobody_named():
    topics = both(also=['left/image', 'image'])
    assert topics.frames(topics.pair(), None) is topics.frames(topics.pair(), NONE) is None


def test_a_pair_without_calibration_may_be_wanted():
    topics = known('left/spikes', 'right/spikes')
    assert topics.pair(calibrated=False)[1] == CameraTopics('/right/spikes', None)


PAIRS = {
    'one pair': (('left/spikes', 'right/spikes'), '/left/spikes'),
    'one pair and a stream': (('left/spikes', 'right/spikes', 'spikes'), '/left/spikes'),
    'one eye': (('left/spikes',), None),
    'eyes of two namespaces': (('a/left/spikes', 'b/right/spikes'), None),
    'two pairs': (('left/spikes', 'right/spikes', 'a/left/spikes', 'a/right/spikes'), None),
    'two right eyes': (('left/spikes', 'right/spikes', 'a/right/spikes'), None),
    'an eye of another type': (('left/spikes', f'right/spikes: {TEXT}'), None),
}


@pytest.mark.parametrize('name', PAIRS)
def test_the_only_pair_is_told_from_several(name):
    names, left = PAIRS[name]
    assert known(*names).only_pair(2) == left


def test_an_eye_with_few_messages_makes_no_pair():
    counts = {'/left/spikes': 2, '/right/spikes': 1}
    topics = KnownTopics(dict.fromkeys(counts, IMAGE), counts)
    assert topics.only_pair(1) == '/left/spikes'
    assert topics.only_pair(2) is None


def test_what_cannot_be_chosen_is_one_line(refusals):
    rows = {}

    def row(name, named, topics, choose):
        rows[name] = named, lambda: choose(topics)

    def camera(*names):
        return lambda topics: topics.camera(*names)

    def frames(image, truth=None):
        return lambda topics: topics.frames([topics.camera('spikes', truth=truth)], image)

    row('no stream', 'spikes', known(f'vidar: {IMAGE}'), camera())
    row('nothing', 'none', known(), camera())
    row('spikes of another type', 'spikes', known(f'spikes: {TEXT}'), camera())
    row('two streams', '2 topics called spikes', known('spikes', 'left/spikes'), camera())
    row('the end of a name', '/spikes', known('left/spikes'), camera('spikes'))
    row('a text', TEXT, known(f'vidar: {TEXT}'), camera('vidar'))
    row('no such camera', '/info', known('spikes'), camera(None, 'info'))
    row('spikes as camera', CAMERA_INFO, known('spikes'), camera(None, 'spikes'))
    row('no such truth', '/truth', known('spikes'), camera(None, None, 'truth'))
    row('truth of another type', TEXT, known('spikes', f'depth/truth: {TEXT}'), camera())
    row('no such frames', '/rgb', known('spikes'), frames('rgb'))
    row('frames of another type', TEXT, known('spikes', f'rgb: {TEXT}'), frames('rgb'))
    row('spikes as frames', '/spikes', known('spikes'), frames('spikes'))
    row('truth as frames', '/d', known('spikes', f'd: {IMAGE}'), frames('d', 'd'))
    row('frames of two cameras', '--image rgb', both(),
        lambda topics: topics.frames(topics.pair(), 'rgb'))  # fmt: skip
    row('no pair', 'left/spikes', known('spikes'), KnownTopics.pair)
    names = [f'{space}/{eye}/spikes' for space in 'ab' for eye in ('left', 'right')]
    row('two pairs', '2 topics called left/spikes', known(*names), KnownTopics.pair)
    row('no right eye', '/right/spikes', known('left/spikes'), KnownTopics.pair)
    row('the right eye as left', 'left', both(), lambda topics: topics.pair('right/spikes'))
    row('no calibration', '/left/spikes', known('left/spikes', 'right/spikes'), KnownTopics.pair)
    graph = KnownTopics({'/a/spikes': IMAGE, '/b/spikes': IMAGE}, error=ChoiceError)
    row('of a graph', '2 topics called spikes', graph, camera())
    refusals('topics', rows, ChoiceError)


def test_the_end_of_a_name_tells_one_stream_or_its_full_name_does():
    topics = known('spikes', 'left/spikes', 'left/camera_info', f'b/spikes: {TEXT}')
    assert topics.only('left/spikes', IMAGE, '') == '/left/spikes'
    assert topics.only('/spikes', IMAGE, '') == '/spikes'
    assert known('a/spikes').only('/spikes', IMAGE, '') == '/a/spikes'
    with pytest.raises(ChoiceError, match='2 topics called spikes: say which; it has'):
        topics.only('spikes', IMAGE, 'say which')


NEAREST = {
    'beside': ('a/camera_info', 'b/camera_info'),
    'of the only camera': ('a/camera_info',),
    'the shortest': ('a/camera_info', 'a/old/camera_info'),
}


@pytest.mark.parametrize('name', NEAREST)
def test_of_several_cameras_the_nearest_is_taken(name):
    topics = known(*NEAREST[name])
    assert topics.nearest('camera_info', CAMERA_INFO, ['/a/spikes']) == '/a/camera_info'


def test_the_camera_of_another_stream_is_taken_by_its_full_name_alone():
    topics = known('left/camera_info')
    streams = ['/right/camera/spikes', '/left/spikes']
    assert topics.nearest('camera_info', CAMERA_INFO, streams) is None
    assert topics.nearest('left/camera_info', CAMERA_INFO, streams) == '/left/camera_info'
    assert topics.nearest('camera_info', CAMERA_INFO, streams[1:]) == '/left/camera_info'
    assert topics.nearest('camera_info', IMAGE, streams[1:]) is None


def test_topics_are_described_with_their_types_and_numbers():
    topics = known('spikes', f'a: {TEXT}')
    assert topics.describe() == f'/a ({TEXT}, 3), /spikes ({IMAGE}, 3)'
    assert KnownTopics({'/spikes': IMAGE}).describe() == f'/spikes ({IMAGE})'
    assert KnownTopics({}).describe() == 'none'


PARTS = st.lists(st.sampled_from(['left', 'right', 'spikes', 'rig', 'camera_info']), min_size=1)
NAMES = PARTS.map(lambda parts: '/'.join(['', *parts]))


@given(st.dictionaries(NAMES, st.sampled_from([IMAGE, CAMERA_INFO, TEXT]), max_size=6))
def test_what_is_chosen_is_there_of_its_type_and_in_one_namespace(kinds):
    topics = KnownTopics(kinds, error=ChoiceError)
    streams = [name for name, kind in kinds.items() if kind == IMAGE and is_called(name, 'spikes')]
    if len(streams) != 1:
        with pytest.raises(ChoiceError):
            topics.camera()
        return
    chosen = topics.camera()
    assert [chosen.spikes] == streams
    if chosen.camera_info is None:
        assert kinds.get(beside(chosen.spikes, 'camera_info')) != CAMERA_INFO
    else:
        assert kinds[chosen.camera_info] == CAMERA_INFO
        assert namespace(chosen.camera_info) == namespace(chosen.spikes)
    # A stored name is the same topic without its slash.
    bare = KnownTopics({name.lstrip('/'): kind for name, kind in kinds.items()})
    assert bare.camera().spikes == chosen.spikes.lstrip('/')
