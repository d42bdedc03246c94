# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Old paths of modules import the modules where they are now."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from spike_depth_ros.base.moved import MOVED, PACKAGE, new_name

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize('old', MOVED)
def test_an_old_path_is_the_module_where_it_is_now(old):
    if old == 'model':
        pytest.importorskip('torch')
    place = ROOT / PACKAGE / old.replace('.', '/')
    assert not place.with_suffix('.py').exists()
    assert not (place / '__init__.py').exists()
    sys.modules.pop(f'{PACKAGE}.{old}', None)
    with pytest.warns(DeprecationWarning, match=rf'{old} is now {PACKAGE}\.{MOVED[old]}'):
        found = importlib.import_module(f'{PACKAGE}.{old}')
    assert found is importlib.import_module(f'{PACKAGE}.{MOVED[old]}')


def test_a_file_of_a_moved_folder_is_loaded_once():
    code = (
        'import spike_depth_ros.video.spiking as old; from spike_depth_ros import floor\n'
        'from spike_depth_ros.io.video import spiking; print(old is spiking, floor.__name__)'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == f'True {PACKAGE}.geometry.floor\n', done.stderr


def test_other_names_are_left_alone():
    assert new_name('spike_depth_ros.stream.ring') is None
    assert new_name('spike_depth_rosx.metrics') is None
    assert new_name('spike_depth_ros.model.reconstruction.unet') == (
        'spike_depth_ros.networks.reconstruction.unet'
    )
    with pytest.raises(ModuleNotFoundError, match='nothing_here'):
        importlib.import_module('spike_depth_ros.nothing_here')
