# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Lock of a folder between processes."""

import signal
import subprocess
import sys
import threading
import time

import pytest

from spike_depth_ros.base.locks import LOCK, FolderLockError, lock_folder

HOLD = """
import sys, time
from pathlib import Path
from spike_depth_ros.base.locks import lock_folder
with lock_folder(Path(sys.argv[1])):
    print('locked', flush=True)
    time.sleep(100)
"""


def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path):
    folder = tmp_path / 'mine'
    with subprocess.Popen(
        [sys.executable, '-c', HOLD, folder], stdout=subprocess.PIPE, text=True
    ) as other:
        try:
            assert other.stdout.readline() == 'locked\n'
            words = 'mine: another process works there'
            with pytest.raises(FolderLockError, match=words), lock_folder(folder):
                pass
        finally:
            other.send_signal(signal.SIGKILL)
    assert (folder / LOCK).exists()  # of the killed process; it locks nothing
    with lock_folder(folder):
        pass
    assert not [*folder.iterdir()]


def test_no_two_threads_hold_a_lock_that_is_removed_by_each(tmp_path):
    inside, most, waited = [], [], []

    def work():
        for _ in range(50):
            with lock_folder(tmp_path, wait=lambda: waited.append(1)):
                inside.append(1)
                most.append(len(inside))
                (tmp_path / 'made').touch()
                time.sleep(0.0005)  # so that the others wait
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 200
    assert waited
    assert [one.name for one in tmp_path.iterdir()] == ['made']


def test_a_folder_that_was_made_for_nothing_is_removed(tmp_path):
    with lock_folder(tmp_path / 'empty'):
        pass
    with lock_folder(tmp_path / 'used'):
        (tmp_path / 'used' / 'result').touch()
    assert [one.name for one in tmp_path.iterdir()] == ['used']


def test_a_folder_that_cannot_be_locked_is_one_line(tmp_path):
    (tmp_path / 'file').touch()
    (tmp_path / LOCK).symlink_to(tmp_path / 'elsewhere')
    for folder in (tmp_path / 'file', tmp_path):
        words = 'cannot be made and locked'
        with pytest.raises(FolderLockError, match=words), lock_folder(folder):
            pass
    assert not (tmp_path / 'elsewhere').exists()
