# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages of topics: hostile fields of sensor_msgs/Image and CameraInfo, as the ingest has them.

The fields have the types that arrive over DDS; what a subscription can never deliver is not made.
"""

import array
from pathlib import Path
from random import Random
from typing import Any

import mutations
from judging import ContractError, Target, check_text
from sensor_msgs.msg import CameraInfo, Image

from spike_depth_ros.stream.decode import PacketError, depth_from_msg, truth_from_msg
from spike_depth_ros.stream.ingest import Ingest, StreamSettings

T0 = 10**18
COUNTERS = (
    'expected', 'received', 'lost_in_transport', 'lost_in_queue', 'windowed', 'skipped_by_policy',
    'overwritten', 'gaps', 'restarts',
)  # fmt: skip
SIZES = ((1, 1), (8, 2), (13, 5), (16, 8), (64, 48))


def make_stream(random: Random) -> dict[str, Any]:
    """The parameters of a stream, and its messages in the order of arrival."""
    width, height = random.choice(SIZES)
    known = random.random() < 0.3
    window = random.choice((1, 2, 8, 8, 8, 128))
    settings = StreamSettings(
        window=window,
        hop=random.choice((0, 0, 1, window, 3 * window, 1_000_000)),
        policy=random.choice(('latest', 'every')),
        reference=random.choice(('first', 'middle', 'last')),
        ring_planes=random.choice((0, 0, 1, 64, 10_000_000)),
        spike_rate_hz=random.choice((0.0, 0.0, 20_000.0, 1e-9, 1.0, 1e6)),
        stamp_tolerance_planes=random.choice((0.0, 0.5, 0.5, 10_000.0)),
        sensor_width=width if known else 0,
        sensor_height=height if known else 0,
    )
    events: list[dict[str, Any]] = []
    plane = 0
    for number in range(random.randint(1, 24)):
        if number == 0 or random.random() < 0.1:
            event = _camera(width, height)
        else:
            planes = random.choice((1, 4, 4, 4, 40))
            event = _packet(random, plane, planes, width, height)
            plane += planes + random.choice((0, 0, 0, 0, 0, 1, 400))
        if random.random() < 0.25:
            event = _hostile(random, event)
        events.append(event)
        if random.random() < 0.1:
            events.append(random.choice(events))  # late, repeated, or a second publisher
        if random.random() < 0.3:
            events.append({'kind': random.choice(('take', 'take', 'settle', 'discard'))})
    return {'settings': settings, 'events': events}


def _packet(random: Random, plane: int, planes: int, width: int, height: int) -> dict[str, Any]:
    row_bytes = (width + 7) // 8
    sec, nanosec = divmod(T0 + plane * 50_000, 10**9)
    return {
        'kind': 'image',
        'sec': sec,
        'nanosec': nanosec,
        'frame_id': 'frame',
        'height': height * planes,
        'width': row_bytes,
        'step': row_bytes,
        'encoding': '8UC1',
        'is_bigendian': int(random.random() < 0.05),
        'data': random.randbytes(height * planes * row_bytes),
    }


def _camera(width: int, height: int) -> dict[str, Any]:
    k = [40.0, 0.0, width / 2, 0.0, 40.0, height / 2, 0.0, 0.0, 1.0]
    return {'kind': 'camera', 'height': height, 'width': width, 'k': k}


def _hostile(random: Random, event: dict[str, Any]) -> dict[str, Any]:
    """A message with one to three other fields, each within its type."""
    event = dict(event)
    for name in random.sample(sorted(event.keys() - {'kind'}), random.choice((1, 1, 2, 3))):
        old = event[name]
        if name == 'data':
            event[name] = mutations.corrupt(random, old)
        elif name == 'k':
            values = list(old)
            for _ in range(random.choice((1, 3, 9))):
                values[random.randrange(9)] = random.choice(mutations.FLOATS)
            event[name] = values
        elif isinstance(old, str):
            # A string of a message is UTF-8.
            event[name] = mutations.text(random, old).encode(errors='replace').decode()
        else:
            event[name] = _integer(random, name, old)
    return event


def _integer(random: Random, name: str, old: int) -> int:
    bits = {'is_bigendian': 8}.get(name, 32)
    value = random.choice((*mutations.INTEGERS[:-2], old + 1, old - 1, old * 2, old * 7))
    value %= 1 << bits
    return value - (1 << 32) if name == 'sec' and value >> 31 else value


def message_of(event: dict[str, Any]) -> Any:
    """The message as rclpy decodes it."""
    if event['kind'] == 'camera':
        return CameraInfo(height=event['height'], width=event['width'], k=event['k'])
    message = Image(
        height=event['height'],
        width=event['width'],
        step=event['step'],
        encoding=event['encoding'],
        is_bigendian=event['is_bigendian'],
        data=array.array('B', event['data']),
    )
    message.header.frame_id = event['frame_id']
    message.header.stamp.sec, message.header.stamp.nanosec = event['sec'], event['nanosec']
    return message


def use_stream(case: dict[str, Any], folder: Path) -> None:
    """Ingest the messages; the accounting is exact after each, and no counter decreases."""
    ingest = Ingest(case['settings'], lambda kind, text: (check_text(kind), check_text(text)))
    before, geometry = dict.fromkeys(COUNTERS, 0), None
    for event in case['events']:
        if event['kind'] == 'camera':
            ingest.on_camera_info(message_of(event))
        elif event['kind'] == 'image':
            ingest.on_spikes(message_of(event), 'queue' if event['step'] % 2 else 'transport')
        elif ingest.ring is not None:
            _act(ingest, event['kind'], case['settings'].window)
        if ingest.geometry != geometry:  # planes are counted anew for another sensor size
            before, geometry = dict.fromkeys(COUNTERS, 0), ingest.geometry
        accounting = ingest.accounting()
        now = {name: getattr(accounting, name) for name in COUNTERS}
        if accounting.check() != (0, 0) or accounting.pending < 0:
            raise ContractError(f'the accounting is wrong by {accounting.check()}: {accounting}')
        if fallen := [name for name in COUNTERS if now[name] < before[name]]:
            raise ContractError(f'{fallen} decreased: {before}, then {now}')
        before = now


def _act(ingest: Ingest, kind: str, window: int) -> None:
    ring = ingest.ring
    assert ring is not None
    if kind == 'settle':
        ring.settle()
    elif kind == 'discard':
        ring.discard()
    else:
        for _ in range(200):
            taken = ring.take()
            if taken is None:
                return
            height, row_bytes = taken.geometry.height, taken.geometry.row_bytes
            if taken.data.shape != (window, height, row_bytes):
                raise ContractError(f'a window of {taken.data.shape}')


def make_depth(random: Random) -> dict[str, Any]:
    """A depth image, as a depth camera or a bag has it."""
    width, height = random.choice(SIZES)
    kind, size = random.choice((('32FC1', 4), ('16UC1', 2)))
    event = {
        **_packet(random, 0, 1, width, height),
        'height': height,
        'width': width,
        'step': width * size,
        'encoding': kind,
        'data': random.randbytes(width * height * size),
    }
    return _hostile(random, event)


def use_depth(case: dict[str, Any], folder: Path) -> None:
    """Convert the image; it has the size that the message names."""
    depth, truth = (read(message_of(case)) for read in (depth_from_msg, truth_from_msg))
    for image in (depth, truth):
        if image.shape != (case['height'], case['width']):
            raise ContractError(f'depth of {image.shape}')
    if (truth <= 0).any():
        raise ContractError(f'true depth of {float(min(truth[truth <= 0])):g} m')


STREAM = Target(make_stream, use_stream, ())
DEPTH = Target(make_depth, use_depth, (PacketError,))
