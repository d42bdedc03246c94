# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from spike_depth_ros.io.bags.bag import CAMERA_INFO, IMAGE, Bag, typestore
from spike_depth_ros.io.bags.mcap_writer import LargeMessageWriter
from spike_depth_ros.io.bags.writing import VERSION

MAGIC, CHUNK = b'\x89MCAP0\r\n', 0x06


def written(folder, kind, messages, compression=CompressionMode.NONE):
    """Bytes of the file of a bag that a writer makes, and its metadata."""
    writer = kind(folder, version=VERSION, storage_plugin=StoragePlugin.MCAP)
    if compression != CompressionMode.NONE:
        writer.set_compression(compression, CompressionFormat.ZSTD)
    with writer:
        connections = {}
        for topic, time_ns, size in messages:
            if topic not in connections:
                kind_of = IMAGE if topic == '/spikes' else CAMERA_INFO
                connections[topic] = writer.add_connection(topic, kind_of, typestore=typestore())
            data = np.random.default_rng(size).bytes(size)
            writer.write(connections[topic], time_ns, data)
    return (folder / f'{folder.name}.mcap').read_bytes(), (folder / 'metadata.yaml').read_text()


MESSAGES = st.lists(
    st.tuples(
        st.sampled_from(['/spikes', '/camera_info']),
        st.integers(0, 2**62),
        st.one_of(st.integers(0, 300), st.integers(0, 1_200_000)),
    ),
    max_size=8,
)


def without_checksums(file):
    """The bytes of an MCAP file, whose chunks have none; and the number of those that had one."""
    content, place, found = bytearray(file), len(MAGIC), 0
    while place < len(content) - len(MAGIC):
        operation, size = struct.unpack_from('<BQ', content, place)
        if operation == CHUNK:
            checksum = slice(place + 9 + 24, place + 9 + 28)  # after two times and a size
            found += any(content[checksum])
            content[checksum] = bytes(4)
        place += 9 + size
    return bytes(content), found


@settings(max_examples=25)
@given(messages=MESSAGES)
def test_the_file_is_that_of_rosbags_byte_for_byte_but_for_checksums(tmp_path_factory, messages):
    folder = tmp_path_factory.mktemp('bags')
    (ours, metadata), theirs = (
        written(folder / str(index) / 'bag', kind, messages)
        for index, kind in enumerate((LargeMessageWriter, Writer))
    )
    plain, checksums = without_checksums(ours)
    assert (plain, metadata) == theirs
    assert checksums > 0 or not messages


def test_overwritten_bytes_are_found(tmp_path):
    folder = tmp_path / 'bag'
    messages = [('/spikes', time, 700_000) for time in range(1, 7)]
    content, _ = written(folder, LargeMessageWriter, messages)
    (file,) = folder.glob('*.mcap')
    damaged = bytearray(content)
    damaged[len(content) // 2] ^= 1
    file.write_bytes(damaged)
    bag = Bag(folder)
    read = [message.time_ns for message in bag.messages(['/spikes'])]
    assert read == [1, 2]  # of the chunk before
    assert bag.damage


@pytest.mark.parametrize('compression', [CompressionMode.STORAGE, CompressionMode.MESSAGE])
def test_compressed_files_too(tmp_path, compression):
    messages = [('/spikes', 5, 700_000), ('/camera_info', 4, 90), ('/spikes', 9, 700_000)]
    (ours, metadata), theirs = (
        written(tmp_path / str(index) / 'bag', kind, messages, compression)
        for index, kind in enumerate((LargeMessageWriter, Writer))
    )
    assert (without_checksums(ours)[0], metadata) == theirs
