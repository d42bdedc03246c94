# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import errno
import os
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.programs import largest_file
from spike_depth_ros.io.bags import uncached_file
from spike_depth_ros.io.bags.uncached_file import BLOCK_BYTES, UncachedFile

DATA = os.urandom(3 * BLOCK_BYTES + 700)


@pytest.fixture
def begun(tmp_path):
    path = tmp_path / 'file'
    path.write_bytes(b'head')
    return path


def cached_bytes(path):
    """Bytes of a file that are in the page cache, of its first block."""
    with path.open('rb') as file:
        return sum(
            os.preadv(file.fileno(), [bytearray(4096)], offset, os.RWF_NOWAIT)
            for offset in range(0, BLOCK_BYTES, 4096)
        )


@settings(max_examples=50)
@given(
    begun=st.integers(0, 5000),
    sizes=st.lists(st.one_of(st.integers(0, 9000), st.integers(0, BLOCK_BYTES * 2)), max_size=8),
)
def test_the_file_has_all_bytes_in_their_order(tmp_path_factory, begun, sizes):
    path = tmp_path_factory.mktemp('uncached') / 'file'
    path.write_bytes(DATA[:begun])
    expected = DATA[:begun]
    with UncachedFile(path) as file:
        for size in sizes:
            assert file.write(DATA[:size]) == size
            expected += DATA[:size]
            assert file.tell() == len(expected)
    assert path.read_bytes() == expected


def test_blocks_are_not_in_the_page_cache(begun):
    with UncachedFile(begun) as file:
        if not file.direct:
            pytest.skip('this file system has no writes without the cache')
        file.write(DATA)
        with pytest.raises(BlockingIOError):
            cached_bytes(begun)


def test_a_file_system_that_cannot_do_without_the_cache(begun, monkeypatch):
    def refuse(descriptor, command, flags=0):
        if command == uncached_file.fcntl.F_SETFL and flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, 'Invalid argument')
        return 0

    monkeypatch.setattr(uncached_file.fcntl, 'fcntl', refuse)
    with UncachedFile(begun) as file:
        assert not file.direct
        file.write(DATA)
    assert begun.read_bytes() == b'head' + DATA


def test_one_that_refuses_the_first_write(begun, monkeypatch):
    real, refused = os.write, []

    def write(descriptor, data):
        if not refused:
            refused.append(len(data))
            raise OSError(errno.EINVAL, 'Invalid argument')
        return real(descriptor, data)

    with UncachedFile(begun) as file:
        file.direct = True
        monkeypatch.setattr(uncached_file.os, 'write', write)
        file.write(DATA)
        assert not file.direct
    assert refused == [BLOCK_BYTES]
    assert begun.read_bytes() == b'head' + DATA


def test_a_disk_that_holds_up_the_stream_is_left_to_the_cache_for_a_time(begun, monkeypatch):
    real = os.write
    monkeypatch.setattr(uncached_file, 'CACHED_S', 0.3)
    with UncachedFile(begun) as file:
        direct = file.direct

        def write(descriptor, data):
            time.sleep(0.04)
            return real(descriptor, data)

        monkeypatch.setattr(uncached_file.os, 'write', write)
        file.write(DATA[: 2 * BLOCK_BYTES])
        assert file.direct == direct
        for _ in range(8):
            file.write(DATA[:BLOCK_BYTES])
        assert not file.direct
        monkeypatch.setattr(uncached_file.os, 'write', real)
        time.sleep(0.3)
        file.write(DATA[:BLOCK_BYTES])
        assert file.direct == direct
    assert begun.read_bytes() == b'head' + DATA[: 2 * BLOCK_BYTES] + 9 * DATA[:BLOCK_BYTES]


def test_one_slow_write_is_no_reason(begun, monkeypatch):
    real, slow = os.write, [0.08]

    def write(descriptor, data):
        time.sleep(slow.pop() if slow else 0)
        return real(descriptor, data)

    with UncachedFile(begun) as file:
        direct = file.direct
        monkeypatch.setattr(uncached_file.os, 'write', write)
        for _ in range(8):
            file.write(DATA[:BLOCK_BYTES])
            time.sleep(0.01)
        assert file.direct == direct


def test_a_full_disk_keeps_what_was_written_and_goes_on_with_room(begun):
    file = UncachedFile(begun)
    with largest_file(BLOCK_BYTES + 8192):
        with pytest.raises(OSError, match='File too large'):
            file.write(DATA)
        assert begun.stat().st_size >= BLOCK_BYTES
    written = file.tell() - len(b'head')
    file.write(DATA[written:])
    file.close()
    assert begun.read_bytes() == b'head' + DATA


def test_closing_on_a_full_disk_closes_the_descriptor(begun):
    file = UncachedFile(begun)
    descriptor = file._fd
    file.write(DATA[:100_000])
    with largest_file(8192), pytest.raises(OSError, match='File too large'):
        file.close()
    assert file.closed
    with pytest.raises(OSError, match='Bad file descriptor'):
        os.fstat(descriptor)
    assert begun.read_bytes() == (b'head' + DATA)[: begun.stat().st_size]
