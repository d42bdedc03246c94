# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What killed processes leave in shared memory: reported, freed, and nothing else touched."""

import fcntl
import mmap
import os
import re
import signal
import threading
from pathlib import Path

import pytest

from kit.nodes import SENSOR, assert_balanced, moving_bars
from spike_depth_ros.nodes.parts import process, shared_memory
from spike_depth_ros.stream import packing

FREED = 'fastrtps_00000000000000aa'
LOCKED = 'fastrtps_00000000000000bb'
MAPPED = 'fastrtps_00000000000000cc'
NEW = 'fastrtps_00000000000000dd'
PORT, SHARED_PORT, LONE_PORT = 'fastrtps_port7411', 'fastrtps_port7412', 'fastrtps_port7413'
OTHERS = ('sem.mp-1', 'fastrtps_', 'fastrtps_port1_el_', 'my_fastrtps_port1')


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Files as Fast DDS leaves them, made an hour ago but for one segment."""
    monkeypatch.setattr(shared_memory, 'NEW_S', 60.0)  # on a slow machine, too
    names = [part for name in (FREED, LOCKED, MAPPED, NEW) for part in (name, f'{name}_el')]
    names += [PORT, f'{PORT}_el', f'sem.{PORT}_mutex', SHARED_PORT, f'{SHARED_PORT}_sl', LONE_PORT]
    for name in (*names, *OTHERS):
        path = tmp_path / name
        path.write_bytes(bytes(0 if name.endswith(('_el', '_sl')) else 5000))
        if NEW not in name:
            hour_ago = path.stat().st_mtime - 3600
            os.utime(path, (hour_ago, hour_ago))
    return tmp_path


@pytest.fixture
def in_use(folder):
    """A lock held on one segment and on one port, and another segment mapped."""
    with (
        (folder / f'{LOCKED}_el').open('rb') as exclusive,
        (folder / f'{SHARED_PORT}_sl').open('rb') as shared,
        (folder / MAPPED).open('r+b') as file,
        mmap.mmap(file.fileno(), 0),
    ):
        fcntl.flock(exclusive, fcntl.LOCK_EX)
        fcntl.flock(shared, fcntl.LOCK_SH)
        yield


@pytest.mark.usefixtures('in_use')
def test_only_what_nobody_locks_or_maps_is_freed(folder):
    assert set(shared_memory.stale_files(folder)) == {FREED}
    before = {path.name for path in folder.iterdir()}
    assert set(shared_memory.free(folder)) == {FREED}
    # Ports stay: a process that starts may just map one to reuse it.
    assert {path.name for path in folder.iterdir()} == before - {FREED, f'{FREED}_el'}
    assert shared_memory.stale_files(folder) == {}


def test_a_file_at_which_another_process_looks_is_freed(folder, monkeypatch):
    monkeypatch.setattr(shared_memory, 'OTHERS_LOOK_S', 60.0)
    with (folder / f'{FREED}_el').open('rb') as looked_at:
        fcntl.flock(looked_at, fcntl.LOCK_EX)
        assert FREED not in shared_memory.stale_files(folder)
        ends = threading.Timer(0.05, fcntl.flock, (looked_at, fcntl.LOCK_UN))
        ends.start()
        assert FREED in shared_memory.stale_files(folder, wait_s=60.0)
        ends.join()
        fcntl.flock(looked_at, fcntl.LOCK_EX)
        ends = threading.Timer(0.05, fcntl.flock, (looked_at, fcntl.LOCK_UN))
        ends.start()
        assert FREED in shared_memory.free(folder)
        ends.join()


def test_a_look_locks_nothing_while_it_reads_what_is_mapped(folder, monkeypatch):
    def mapped_names():
        with (folder / f'{FREED}_el').open('rb') as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return set()

    monkeypatch.setattr(shared_memory, '_mapped_names', mapped_names)
    assert FREED in shared_memory.stale_files(folder)


@pytest.mark.usefixtures('in_use')
def test_the_warning_tells_the_size_of_segments_and_the_command(folder, monkeypatch):
    monkeypatch.delenv('FASTRTPS_DEFAULT_PROFILES_FILE')
    _, warnings = process.dds_environment(Path('profile.xml'), 0, folder)
    expected = f'killed processes left 0.0 MB of shared memory in {folder}; to free it: '
    assert warnings == [expected + 'spike_inspect shared-memory --free']
    shared_memory.free(folder)
    assert process.dds_environment(Path('profile.xml'), 0, folder)[1] == []


@pytest.mark.skipif(os.geteuid() != 0, reason='needs root to make files of another user')
def test_files_of_another_user_are_left_to_them(folder, monkeypatch):
    os.chown(folder / FREED, 12345, 12345)
    monkeypatch.setattr(shared_memory.os, 'geteuid', lambda: 54321)
    assert shared_memory.stale_files(folder) == {}
    monkeypatch.setattr(shared_memory.os, 'geteuid', lambda: 12345)
    os.chown(folder / f'{FREED}_el', 12345, 12345)
    assert set(shared_memory.stale_files(folder)) == {FREED}


def test_a_machine_without_shared_memory_has_nothing_left_behind(tmp_path):
    assert shared_memory.stale_files(tmp_path / 'absent') == {}


def files_of(started):
    """The files in shared memory that a process maps."""
    maps = Path(f'/proc/{started.pid}/maps').read_text()
    return {Path(path) for path in re.findall(r'/dev/shm/fastrtps_\w+', maps)}


def own_segments(started):
    """The segments whose locks a process holds open."""
    names = {os.readlink(link) for link in Path(f'/proc/{started.pid}/fd').iterdir()}
    own = [re.fullmatch(r'(/dev/shm/fastrtps_[0-9a-f]+)_el', name) for name in names]
    return {Path(found[1]) for found in own if found}


def segments(files):
    return {path for path in files if 'port' not in path.name}


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / 'bars.dat'
    path.write_bytes(packing.pack(moving_bars(400)).tobytes())
    return [path, '--size', '64x48', '--rate', '20000', '--loop']


@pytest.mark.dds
@pytest.mark.usefixtures('shipped_profile')
def test_what_a_killed_node_left_is_reported_by_node_and_player_and_freed(
    processes, depth_parameters, depth_node, listener, spin, recording, empty_domain
):
    # Alone in its domain: Fast DDS frees the segments of dead processes that a living one knows.
    alone = os.environ | {'ROS_DOMAIN_ID': empty_domain}
    killed = processes.start('depth', name='killed', env=alone)
    spin(lambda: 'on cpu by onnx' in processes.log('killed'), what='the node to be killed')
    (segment,) = segments(files_of(killed))
    killed.kill()
    assert processes.finish('killed')[0] == -signal.SIGKILL
    assert segment.exists()

    depth_node(**SENSOR)
    player = processes.start('player', *recording, '--loop')
    spin(lambda: len(listener.depth) > 3, what='depth')
    for name in ('depth', 'player'):
        (line,) = [line for line in processes.log(name).splitlines() if 'processes left' in line]
        assert re.search(r'\[WARN\].* left \d+\.\d MB of shared memory in /dev/shm; to free', line)
        assert line.endswith(shared_memory.FREE_COMMAND)
    status, output = processes.run('inspection', 'shared-memory')
    assert status == 0
    assert re.search(rf'^{segment.name}: 2[678]\d\.\d MB$', output, re.MULTILINE)
    assert segment.exists()

    living = own_segments(player)  # others that it maps may be of processes that end
    assert living
    status, output = processes.run('inspection', 'shared-memory', '--free')
    assert (status, output.split()[0]) == (0, 'freed')
    assert float(output.split()[1]) > 260
    assert not segment.exists()
    assert not [path for path in living if not path.exists()]
    seen = len(listener.depth)
    spin(lambda: len(listener.depth) > seen + 3, what='more depth')
    assert_balanced(listener.accounting())
    assert listener.count('planes_lost_in_transport') == 0


@pytest.mark.dds
def test_the_files_of_a_killed_node_stay_while_a_player_uses_them(
    processes, depth_parameters, listener, spin, recording
):
    parameters = depth_parameters(spikes__reliability='reliable', **SENSOR)
    node = processes.start('depth', *parameters, name='killed')
    player = processes.start('player', *recording)
    spin(lambda: len(listener.depth) > 3, what='depth')
    shared = files_of(node) & files_of(player)
    assert segments(shared)
    assert shared - segments(shared)
    player.send_signal(signal.SIGSTOP)  # or its Fast DDS would soon tidy up by itself
    node.kill()
    assert processes.finish('killed')[0] == -signal.SIGKILL
    # In this process, at once: after a second in which the player does not answer, Fast DDS of
    # another process removes its port, and no later node can reach it.
    freed = {path for files in shared_memory.free().values() for path in files}
    assert not segments(shared) & freed
    player.send_signal(signal.SIGCONT)
    processes.start('depth', *parameters)
    seen = len(listener.depth)
    spin(lambda: len(listener.depth) > seen + 3, timeout=60, what='depth of the next node')
    spin(lambda: not [path for path in segments(files_of(player)) if not path.exists()])


@pytest.mark.dds
def test_a_node_goes_on_with_the_next_player_after_one_was_killed(
    processes, depth_node, listener, spin, recording
):
    depth_node(input_timeout_s=0.5, **SENSOR)
    player = processes.start('player', *recording, name='killed')
    spin(lambda: len(listener.depth) > 3, what='depth')
    player.kill()
    assert processes.finish('killed')[0] == -signal.SIGKILL
    spin(lambda: 'no spikes for' in listener.status['stream'].message, what='the report')
    seen = len(listener.depth)
    processes.start('player', *recording)
    spin(lambda: len(listener.depth) > seen + 3, what='depth of the next player')
    # The time between the two counts as lost, or as a restart if it is above 10 s.
    spin(
        lambda: listener.count('planes_lost_in_transport') + listener.count('restarts') > 0,
        what='the planes between the two',
    )
    assert_balanced(listener.accounting())


def as_if_old(path):
    hour_ago = path.lstat().st_mtime - 3600
    os.utime(path, (hour_ago, hour_ago), follow_symlinks=False)


def test_what_is_no_file_is_neither_opened_nor_removed(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp('elsewhere') / 'fastrtps_00000000000000ef_el'
    elsewhere.write_bytes(b'')
    as_if_old(elsewhere)
    names = [f'fastrtps_00000000000000e{k}' for k in range(4)]
    os.mkfifo(folder / f'{names[0]}_el')  # to open it waits for a writer
    (folder / names[1]).mkdir()
    (folder / f'{names[2]}_el').symlink_to(elsewhere)
    (folder / f'{names[3]}_el').symlink_to(folder / f'{names[0]}_el')
    for path in folder.iterdir():
        as_if_old(path)
    before = {path.name for path in folder.iterdir()}
    signal.alarm(20)
    try:
        assert not {*shared_memory.stale_files(folder)} & {*names}
        assert FREED in shared_memory.free(folder)
    finally:
        signal.alarm(0)
    assert {path.name for path in folder.iterdir()} >= before - {
        path for path in before if re.search('(aa|bb|cc|dd)(_el)?$', path)
    }
    assert elsewhere.exists()
