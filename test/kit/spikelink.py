# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stand-in for the library of Spike Link Input, compiled from spikelink.c beside this module."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np

from spike_depth_ros.cameras import spikelink_api as api

SOURCE = Path(__file__).with_suffix('.c')


def compiler():
    """The C compiler; empty: there is none."""
    return shutil.which('gcc') or shutil.which('cc') or ''


def build(folder, *defines):
    """Compile the library, which is the card's driver library, too; its path."""
    path = Path(folder) / f'libspikelinkapi{"".join(defines)}.so'
    options = ['-shared', '-fPIC', '-O2', '-Wall', '-Wextra', '-Werror', '-pthread']
    macros = [f'-D{name}' for name in defines]
    subprocess.run([compiler(), *options, *macros, '-o', str(path), str(SOURCE)], check=True)
    return path


def asked(path):
    """The library, for what it counted."""
    library = ctypes.CDLL(str(path))
    for name in ('fake_delivered', 'fake_lost', 'fake_out'):
        getattr(library, name).restype = ctypes.c_int64
    library.fake_given_address.restype = ctypes.c_void_p
    return library


def given(path):
    """Parameters of the newest Init."""
    return api.InitParams.from_address(asked(path).fake_given_address())


def numbers(planes):
    """The numbers of planes, with which they begin."""
    flat = planes.reshape(len(planes), -1)
    return np.ascontiguousarray(flat[:, :8]).view('<i8')[:, 0]
