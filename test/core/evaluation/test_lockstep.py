# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The lockstep replay of a bag: which windows come out, and where every plane and truth went."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from kit import bags
from spike_depth_ros.evaluation.lockstep import Replay, TruthTopic
from spike_depth_ros.io.bags.bag import Bag, BagError
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.window import Camera


@pytest.fixture
def opened(tmp_path):
    """Write messages as a bag and open it."""

    def write(messages, **options) -> Bag:
        return Bag(bags.write(tmp_path / 'bag', messages, **options))

    return write


def replay(bag, window=128, **options):
    stream = Replay(bag, bag.known.camera(), window, **options)
    return stream, list(stream.windows())


def planes_of(taken):
    """Number of the first plane of each window."""
    return [(one.window.t0_ns - bags.START) / bags.PERIOD for one in taken]


def test_every_window_comes_out_with_its_planes_and_camera(opened):
    stream, taken = replay(opened(bags.stream(1000)))
    spikes = bags.moving_bars(1000)
    assert planes_of(taken) == [128.0 * k for k in range(7)]
    for k, one in enumerate(taken):
        expected = packing.pack(spikes[128 * k : 128 * (k + 1)])
        np.testing.assert_array_equal(one.window.data, expected)
        assert one.window.reference_ns == bags.START + (128 * k + 64) * bags.PERIOD
        assert one.window.camera == Camera('spike_camera_optical_frame', bags.FX)
        assert one.window.camera.info.k[0] == bags.FX
    accounting = stream.accounting
    assert accounting.check() == (0, 0)
    assert (accounting.received, accounting.windowed, accounting.pending) == (1000, 896, 104)
    assert accounting.dropped == 0


@pytest.mark.parametrize(('hop', 'windows'), [(8, 110), (128, 7), (400, 3)])
def test_the_hop_may_be_any(opened, hop, windows):
    stream, taken = replay(opened(bags.stream(1000)), hop=hop)
    assert len(taken) == windows
    assert planes_of(taken) == [float(hop * k) for k in range(windows)]
    assert stream.accounting.check() == (0, 0)
    assert stream.accounting.dropped == 0


@pytest.mark.parametrize('per_packet', [1, 7, 500, 4000])
def test_packets_of_any_size_lose_nothing(opened, per_packet):
    stream, taken = replay(opened(bags.stream(4000, per_packet)), rate_hz=20_000.0)
    assert len(taken) == 4000 // 128
    assert (stream.accounting.received, stream.accounting.dropped) == (4000, 0)


def test_single_unpacked_planes_are_read_too(opened):
    spikes = bags.moving_bars(200)
    messages = [('/camera_info', bags.START, bags.camera())]
    for number, plane in enumerate(spikes):
        stamp = bags.START + number * bags.PERIOD
        messages.append(('/spikes', stamp, bags.image(stamp, 255 * plane, 'mono8')))
    stream, taken = replay(opened(messages), window=64)
    assert len(taken) == 3
    np.testing.assert_array_equal(taken[0].window.data, packing.pack(spikes[:64]))
    assert stream.accounting.dropped == 0


def test_no_window_lies_across_a_gap(opened):
    stream, taken = replay(opened(bags.stream(1000, leave_out=[10])))
    # 400 planes, then 40 missing: 16 are left over before them.
    assert planes_of(taken) == [0, 128, 256, 440, 568, 696, 824]
    accounting = stream.accounting
    assert accounting.check() == (0, 0)
    assert (accounting.lost_in_transport, accounting.refused, accounting.dropped) == (
        40,
        {'gap': 16},
        56,
    )
    assert [(gap.at_ns, gap.planes) for gap in stream.gaps] == [
        (bags.START + 440 * bags.PERIOD, 40)
    ]


def test_a_gap_at_the_end_is_counted_and_listed(opened):
    stream, _ = replay(opened(bags.stream(1000, leave_out=[10, 23])))
    at = [(round((gap.at_ns - bags.START) / bags.PERIOD), gap.planes) for gap in stream.gaps]
    assert at == [(440, 40), (960, 40)]
    accounting = stream.accounting
    assert (accounting.expected, accounting.lost_in_transport, accounting.gaps) == (1000, 80, 2)


def test_packets_that_wait_for_the_size_do_not_overwrite(opened):
    messages = bags.stream(4000, 500)
    stream, taken = replay(opened(messages), rate_hz=20_000.0, window=64)
    assert len(taken) == 4000 // 64
    assert stream.accounting.overwritten == 0


def test_a_camera_that_comes_late_is_known_from_the_start(opened):
    messages = bags.stream(400)
    late = [('/camera_info', messages[-1][1] + 1, bags.camera())]
    _, taken = replay(opened([*messages[1:], *late]))
    assert [one.window.camera.fx_px for one in taken] == [bags.FX] * 3


def test_windows_keep_the_camera_of_their_own_planes(opened):
    messages = bags.stream(400)
    at_ns = bags.START + 5 * 40 * bags.PERIOD + 1  # behind the packet of planes 160 to 199
    changed = [*messages, ('/camera_info', at_ns, bags.camera(fx=99.0))]
    _, taken = replay(opened(sorted(changed, key=lambda message: message[1])))
    # Reference planes 64, 192 and 320; the packet that completes the second has the other camera.
    assert [one.window.camera.fx_px for one in taken] == [bags.FX, bags.FX, 99.0]


def test_without_camera_info_the_size_may_be_given(opened):
    bag = opened(bags.stream(400)[1:])
    _, taken = replay(bag, size=(bags.WIDTH, bags.HEIGHT))
    assert [one.window.camera.fx_px for one in taken] == [None] * 3


def with_topic(topic, message):
    return [*bags.stream(400), (topic, bags.START, message)]


def test_a_camera_topic_of_another_type_is_not_taken(opened):
    bag = opened([('/camera_info', *bags.stream(1, truths=[0])[-1][1:]), *bags.stream(400)[1:]])
    assert bag.known.camera().camera_info is None
    assert len(replay(bag, size=(bags.WIDTH, bags.HEIGHT))[1]) == 3


def broken(**fields):
    """A stream whose packets all have other fields."""
    messages = bags.stream(400)
    for topic, _, message in messages:
        if topic == '/spikes':
            for field, value in fields.items():
                setattr(message, field, value)
    return messages


def with_lens(messages, distortion):
    """The messages with the distortion of a camera."""
    for topic, _, message in messages:
        if topic == '/camera_info':
            message.d = np.array(distortion)
    return messages


def truths_set_back(back_s):
    """Two streams of 2000 planes with truths, the second one by a clock that was set back."""
    first, second = (bags.stream(2000, truths=range(64, 2000, 128)) for _ in range(2))
    shift_ns = round(back_s * 1e9)
    for _, _, message in second:
        at = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec - shift_ns
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(at, 10**9)
    gap_ns = first[-1][1] - first[0][1] + 10**7
    return [*first, *((topic, at + gap_ns, message) for topic, at, message in second)]


def test_truths_after_a_clock_that_was_set_back_are_found(opened):
    bag = opened(truths_set_back(30.0))
    topics = bag.known.camera()
    stream = Replay(bag, topics, 128)
    truths = TruthTopic(bag, topics.truth, 64 * bags.PERIOD)
    found = [truths.take(one.window.reference_ns) for one in stream.windows()]
    truths.finish()
    assert len(found) == 30
    # The first clock's last windows cannot know that no truth of theirs will come.
    assert sum(one is not None for one in found) >= 29
    assert truths.buffer.accounting.received == 32


def test_a_truth_with_a_wrong_stamp_hides_no_other(opened):
    messages = bags.stream(2000, truths=range(64, 2000, 128))
    wrong = next(message for topic, _, message in messages if topic == '/depth/truth')
    wrong.header.stamp.sec += 10**6
    bag = opened(messages)
    topics = bag.known.camera()
    truths = TruthTopic(bag, topics.truth, 64 * bags.PERIOD)
    found = [truths.take(one.window.reference_ns) for one in Replay(bag, topics, 128).windows()]
    assert [one is None for one in found] == [True] + 14 * [False]


def test_what_cannot_be_replayed_is_told(tmp_path, refusals):
    rows = {}

    def row(name, named, messages, rate_hz=None, frames=None, **topics):
        path = bags.write(tmp_path / str(len(rows)) / 'bag', messages)

        def call():
            bag = Bag(path)
            chosen = bag.known.camera(**topics)
            if frames is not None:
                bag.known.frames([chosen], frames)
            list(Replay(bag, chosen, 128, rate_hz=rate_hz).windows())
            TruthTopic(bag, chosen.truth, 10).take(bags.START)

        rows[name] = named, call

    stream = bags.stream(400)
    row('no size', 'size', stream[1:])
    camera = ('/camera_info', *bags.stream(1, truths=[0])[-1][1:])
    row('an image as camera', '/camera_info (sensor_msgs/msg/Image', [camera, *stream[1:]])
    row('no topic', '/eye/spikes', stream, spikes='eye/spikes')
    row('a camera as truth', '/camera_info', stream, truth='/camera_info')
    row('spikes as camera', '/spikes', stream, camera_info='/spikes')
    row('truth of another type', '/depth/truth', with_topic('/depth/truth', bags.camera()))
    colours = bags.image(bags.START, np.zeros((32, 48, 3), np.uint8), 'rgb8')
    row('truth of colours', '/depth/truth', with_topic('/depth/truth', colours))
    row('another rate', '--rate', bags.stream(2000), rate_hz=8000)
    other = bags.packet(0, np.ones((1, 2, 8)))
    row('two streams', 'spikes', with_topic('/left/spikes', other))
    row('spikes as frames', '/spikes', stream, frames='/spikes')
    row('no frames', '/nothing', stream, frames='nothing')
    row('a camera as frames', '/camera_info', stream, frames='/camera_info')
    row('few planes', '100 planes', bags.stream(100))
    row('colours', "'rgb8'", broken(encoding='rgb8'))
    lens = with_lens(broken(encoding='rgb8'), [-9.0, 0, 0, 0, 0])
    row('colours through a lens that folds', "'rgb8'", lens)
    row('a height that does not fit', 'height 33', broken(height=33))
    row('one packet', '40 planes', bags.stream(80)[:2])
    refusals('replayed_bag', rows, BagError)


def test_a_packet_of_other_bytes_is_refused_and_leaves_a_gap(opened, monkeypatch):
    bag = opened(bags.stream(1000))
    (file,) = Path(bag.path).glob('*.mcap')
    content = file.read_bytes()
    encoding = b'8UC1\x00'
    place = -1
    for _ in range(5):
        place = content.index(encoding, place + 1)
    file.write_bytes(content[: place - 4] + b'\xff\xff\xff\x7f' + content[place:])
    stream, taken = replay(Bag(bag.path))
    assert stream.packets_refused == {'damaged': 1}
    assert planes_of(taken) == [0, 200, 328, 456, 584, 712, 840]
    assert stream.accounting.lost_in_transport == 40
    assert stream.accounting.check() == (0, 0)


@pytest.mark.parametrize('late', [0, 20])
def test_truths_are_found_wherever_they_lie_in_the_bag(opened, late):
    bag = opened(bags.stream(1000, truths=[64, 150, 257, 400, 890], gap=late))
    stream, taken = replay(bag)
    truth = TruthTopic(bag, '/depth/truth', stream.hop_ns // 2)
    found = [truth.take(one.window.reference_ns) for one in taken]
    truth.finish()
    at = [f and round((f.stamp_ns - bags.START) / bags.PERIOD, 1) for f in found]
    assert at == [64, 150, 257, 400, None, None, 890]
    assert truth.buffer.accounting.received == 5
    assert truth.buffer.accounting.used == 5


def long_stream(packets):
    """The same packet of 7.7 kB again and again, and a truth of 6 kB beside each second one."""
    block = bags.moving_bars(40)
    yield '/camera_info', bags.START, bags.camera()
    for number in range(packets):
        stamp = bags.START + 40 * number * bags.PERIOD
        yield '/spikes', stamp, bags.packet(stamp, block)
        if number % 2:
            yield '/depth/truth', stamp, bags.image(stamp, bags.slope(), '32FC1')


@pytest.mark.parametrize('storage', ['sqlite3', 'mcap'])
def test_memory_does_not_grow_with_the_bag(tmp_path, storage):
    peaks = []
    for packets in (400, 1000):
        bag = Bag(bags.write(tmp_path / f'{packets}', long_stream(packets), storage))
        tracemalloc.start()
        stream = Replay(bag, bag.known.camera(), 128)
        truths, found = TruthTopic(bag, '/depth/truth', 64 * bags.PERIOD), 0
        for one in stream.windows():
            found += truths.take(one.window.reference_ns) is not None
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert found > 100
    assert peaks[1] < peaks[0] + 1e6  # the bag grew by 6.4 MB


@pytest.mark.parametrize('order', ['little', 'big'])
def test_a_wrong_bit_order_is_told(opened, order):
    packed = packing.pack(bags.moving_bars(200, 64, 96), order)
    packet = bags.image(bags.START, packed.reshape(-1, packed.shape[2]), '8UC1')
    messages = [
        ('/spikes', bags.START, packet),
        ('/camera_info', bags.START, bags.camera(width=96, height=64)),
    ]
    stream, _ = replay(opened(messages), rate_hz=bags.RATE)
    assert list(stream.warnings) == ([] if order == 'little' else ['layout'])
    if order == 'big':
        assert '8-pixel stripes' in stream.warnings['layout'][1]
