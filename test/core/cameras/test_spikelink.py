# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Spike Link Input against a library of ours with the same functions."""

import ctypes
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from kit import spikelink
from spike_depth_ros.cameras import spikelink_api as api
from spike_depth_ros.cameras.backends import spikelink as backend
from spike_depth_ros.cameras.base import CameraError, CameraSettings

pytestmark = pytest.mark.skipif(not spikelink.compiler(), reason='needs a C compiler (gcc)')

WIDTH, HEIGHT, RATE = 64, 48, 20_000.0


@pytest.fixture(scope='module')
def library(tmp_path_factory):
    return spikelink.build(tmp_path_factory.mktemp('spikelink'))


@pytest.fixture
def faults(monkeypatch):
    """Ask the library for faults; else for frames as fast as they come back."""

    def ask(*words, **numbers):
        monkeypatch.setenv('FAKE_SPIKELINK', ' '.join(words))
        for name, value in numbers.items():
            monkeypatch.setenv(f'FAKE_{name.upper()}', str(value))

    ask()
    return ask


@pytest.fixture
def camera(library, faults):
    """Make cameras, which are closed in the end."""
    made = []

    def make(**changed):
        given = {
            'library': str(library), 'device': str(library), 'sensor_width': WIDTH,
            'sensor_height': HEIGHT, 'rate_hz': RATE, 'ring_mb': 1, 'frames': 16,
        }  # fmt: skip
        made.append(backend.SpikeLinkCamera(CameraSettings(**given | changed)))
        return made[-1]

    yield make
    for one in made:
        one.close()


def blocks(camera, planes):
    """Blocks of a started camera, until there are so many planes."""
    found, end = [], time.monotonic() + 30
    while sum(len(block.planes) for block in found) < planes:
        assert time.monotonic() < end
        block = camera.read(40, 0.1)
        if block is not None:
            found.append(block._replace(planes=block.planes.copy()))
    return found


def assert_numbered(found):
    """All planes have their numbers, and those between them are counted as lost."""
    due = 0
    for block in found:
        due += block.missing + block.overrun
        assert block.first == due
        due += len(block.planes)
        np.testing.assert_array_equal(spikelink.numbers(block.planes), np.arange(block.first, due))


def text_of(call):
    with pytest.raises(CameraError) as refused:
        call()
    text = str(refused.value)
    assert '\n' not in text
    return text


def test_the_declarations_have_the_sizes_of_the_compiler(library):
    of_compiler = ctypes.CDLL(str(library))
    for name, kind in {
        'init': api.InitParams, 'pci': api.PciParams, 'dummy': api.DummyParams,
        'frame': api.VideoFrame,
    }.items():  # fmt: skip
        assert getattr(of_compiler, f'size_of_{name}')() == ctypes.sizeof(kind), name


def test_each_function_has_its_types(library):
    loaded = api.load(str(library))
    # Without them a handle of 64 bits is cut to 32.
    assert loaded.CreateSpikeLinkInputPython.restype is ctypes.c_void_p
    for name in ('Init', 'Open', 'ReleaseFrame', 'Fini'):
        assert getattr(loaded, name).argtypes[0] is ctypes.c_void_p, name


@pytest.mark.parametrize('frame_planes', [1, 7])
def test_planes_come_in_order_and_frames_go_back(library, camera, frame_planes):
    one = camera(frame_planes=frame_planes)
    sensor = one.open()
    assert (sensor.geometry.width, sensor.geometry.height) == (WIDTH, HEIGHT)
    given = spikelink.given(library)
    assert (given.type, given.mode, given.cusum) == (api.PCI, api.UNKNOWN_MODE, frame_planes)
    assert (given.picture.width, given.picture.fps.num / given.picture.fps.den) == (WIDTH, RATE)
    one.start()
    found = blocks(one, 3000)
    one.stop()
    assert not any(block.missing for block in found)
    assert_numbered(found)
    assert spikelink.asked(library).fake_out() == 0


def test_planes_that_find_the_ring_full_are_counted(library, camera, faults):
    faults(rate=5000)
    one = camera()
    one.open()
    one.start()
    capacity = 1_000_000 // (WIDTH * HEIGHT // 8)
    asked = spikelink.asked(library)
    while asked.fake_delivered() < capacity + 500:
        time.sleep(0.01)
    found = blocks(one, capacity + 200)
    assert_numbered(found)
    assert sum(block.overrun for block in found) >= 500
    assert asked.fake_lost() == 0  # the library never waited for the ring


def test_numbers_that_are_missing_are_counted(camera, faults):
    faults('gaps')
    one = camera(frame_planes=3)
    one.open()
    one.start()
    found = blocks(one, 300)
    assert_numbered(found)
    assert sum(block.missing for block in found) >= 27


def test_every_nth_plane_alone_is_copied_also_where_it_is_missing(camera, faults):
    faults('gaps')  # of the numbers 9, 19, ...: every third one of those that are kept
    one = camera(every_nth=3)
    one.open()
    one.start()
    found = blocks(one, 300)
    numbers = np.concatenate([spikelink.numbers(block.planes) for block in found])
    wanted = np.arange(0, numbers[-1] + 1, 3)
    lost = sum(block.overrun for block in found)
    assert len(numbers) == (wanted % 10 != 9).sum() - lost
    for block in found:
        np.testing.assert_array_equal(
            spikelink.numbers(block.planes), block.first + 3 * np.arange(len(block.planes))
        )
    assert sum(block.missing for block in found) >= (numbers[-1] + 1) // 10 - 1


def test_frames_of_another_size_are_refused_and_go_back(library, camera, faults):
    faults('other_size')
    one = camera()
    one.open()
    one.start()
    end = time.monotonic() + 30
    while not (block := one.read(40, 0.1)):
        assert time.monotonic() < end
    assert block.refused
    assert not len(block.planes)
    (text,) = one.warnings
    assert f'{WIDTH}x{HEIGHT // 2} and 192 bytes are refused: expected {WIDTH}x{HEIGHT}' in text
    one.stop()
    assert spikelink.asked(library).fake_out() == 0


def test_a_camera_that_is_unplugged_fails_in_one_line(camera, faults):
    faults('unplugged', frames=5)
    one = camera()
    one.open()
    one.start()
    assert len(blocks(one, 5)[0].planes) == 5
    assert 'the camera has stopped: plug it in' in text_of(lambda: one.read(40, 0.1))


def test_frames_after_stop_are_not_read_and_end_nothing(camera, faults):
    faults('late')
    one = camera()
    one.open()
    one.start()
    blocks(one, 40)
    one.stop()
    waiting = one._ring.waiting
    time.sleep(0.05)
    assert one._ring.waiting == waiting
    one.close()


def test_a_slow_release_delays_frames_and_loses_none(library, camera, faults):
    faults('slow')
    one = camera(frames=4)
    one.open()
    one.start()
    found = blocks(one, 60)
    one.stop()
    assert not any(block.missing or block.overrun for block in found)
    assert spikelink.asked(library).fake_out() == 0


def test_m1k40_rows_lose_their_marker_bits():
    bits = np.random.default_rng(0).integers(0, 2, (3, 7, 1000), dtype=np.uint8)
    stored = np.ones((3, 7, 1024), np.uint8)
    stored[..., :500], stored[..., 512:1012] = bits[..., :500], bits[..., 500:]
    planes = backend.joined(np.packbits(stored, axis=-1, bitorder='little'))
    np.testing.assert_array_equal(np.unpackbits(planes, axis=-1, bitorder='little'), bits)


def test_a_sensor_of_1000_columns_is_asked_for_1024(library, camera):
    one = camera(sensor_width=1000, sensor_height=1000, ring_mb=20, row_order='bottom_up')
    one.open()
    given = spikelink.given(library)
    assert (given.picture.width, given.mode) == (1024, 0x2000)
    one.start()
    block = blocks(one, 1)[0]
    assert block.planes.shape[1:] == (1000, 125)
    first = spikelink.numbers(block.planes[:, ::-1])
    np.testing.assert_array_equal(first, np.arange(len(first)))


def test_what_cannot_be_opened_is_refused_in_one_line(library, camera, faults, tmp_path, refusals):
    without = spikelink.build(tmp_path, 'WITHOUT_RELEASE')
    other = tmp_path / 'libother.so'
    other.write_text('no library')
    raw = tmp_path / 'absent.dat'

    def opened(*words, **changed):
        def call():
            faults(*words)
            camera(**changed).open()

        return call

    rows = {
        'no size': ('sensor_width', opened(sensor_width=0, sensor_height=0)),
        'no whole bytes': ('sensor_width', opened(sensor_width=401)),
        'bit order': ('bit_order', opened(bit_order='big')),
        'small ring': ('ring_mb', opened(frame_planes=10_000)),
        'no library': ('libabsent.so', opened(library='libabsent.so')),
        'no function': ('ReleaseFrame', opened(library=str(without))),
        'no driver': ('libother.so', opened(device=str(other))),
        'no raw file': ('absent.dat', opened(device=str(raw))),
        'long name': ('256', opened(device='a' * 300)),
        'no device': ('switch it on', opened('no_device')),
    }
    refusals('spikelink', rows, CameraError, {str(library.parent): '<library>'})
    faults()
    camera().open()  # none of them holds anything


def test_a_second_camera_of_a_process_is_refused(camera):
    first = camera()
    first.open()
    assert 'this process has a camera open' in text_of(camera().open)
    first.close()
    camera().open()


def test_a_second_process_is_refused(library, camera):
    camera().open()
    code = f"""
        from spike_depth_ros.cameras.backends.spikelink import BACKEND
        from spike_depth_ros.cameras.base import CameraSettings
        BACKEND(CameraSettings(library={str(library)!r}, device={str(library)!r},
            sensor_width=64, sensor_height=48, rate_hz=20000.0)).open()
    """
    ended = subprocess.run(
        [sys.executable, '-c', textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    line = ended.stderr.strip().splitlines()[-1]
    assert line.endswith(f'{library}: another process uses it: end the other one, or name another '
                         'device')  # fmt: skip


def test_other_settings_are_another_input_and_the_same_ones_are_not(library, camera):
    first = camera()
    first.open()
    handle = first._input.handle
    first.close()
    again = camera()
    again.open()
    assert again._input.handle == handle  # the real one hangs where it is released
    again.start()
    assert_numbered(blocks(again, 40))
    again.close()
    other = camera(frames=17)
    other.open()
    assert spikelink.given(library).buff_size == 17


def test_a_library_that_hangs_is_told_where_settings_change(library, faults):
    """In a process of its own: the library never comes back."""
    code = f"""
        from spike_depth_ros.cameras.backends import spikelink as backend
        from spike_depth_ros.cameras.base import CameraSettings
        backend.FINI_S = 0.1
        def camera(frames):
            return backend.BACKEND(CameraSettings(library={str(library)!r}, frames=frames,
                device={str(library)!r}, sensor_width=64, sensor_height=48, rate_hz=20000.0))
        one = camera(16)
        for _ in range(2):
            one.open(); one.start(); one.read(40, 1.0); one.close()
        for _ in range(2):
            try:
                camera(17).open()
            except ValueError as error:
                print(error)
    """
    faults('hang')
    ended = subprocess.run(
        [sys.executable, '-c', textwrap.dedent(code)],
        capture_output=True, text=True, check=False, timeout=60, env=os.environ,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    first, second = ended.stdout.splitlines()
    assert 'Fini did not return in 0.1 s): start the node again' in first
    assert 'has not released the camera before: start the node again' in second


def held():
    """Threads, open files and resident memory, MB."""
    lines = Path('/proc/self/status').read_text().splitlines()
    (resident,) = (int(line.split()[1]) for line in lines if line.startswith('VmRSS'))
    files = len(os.listdir('/proc/self/fd'))
    return len(os.listdir('/proc/self/task')), files, resident / 1000


@pytest.mark.parametrize('cycles', [40, pytest.param(1000, marks=pytest.mark.long)])
def test_cycles_hold_no_more_threads_files_or_memory(camera, cycles):
    one = camera()
    seen = []
    for number in range(cycles + 20):
        one.open()
        one.start()
        blocks(one, 10)
        one.stop()
        one.close()
        if number in (19, cycles + 19):
            time.sleep(0.05)  # the kernel removes an ended thread a little later
            seen.append(held())
    (threads, files, resident), (threads_then, files_then, resident_then) = seen
    assert (threads_then, files_then) == (threads, files)
    assert resident_then - resident < 5
