# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The distribution that setup.py describes."""

import os

import pytest
from programs import ROOT


def declared_distribution():
    """Return what setup.py gives to setuptools; skip the test where there is no setuptools."""
    pytest.importorskip('setuptools')
    from distutils.core import run_setup  # setuptools brings it back where Python has dropped it

    here = os.getcwd()
    os.chdir(ROOT)
    try:
        return run_setup('setup.py', stop_after='init')
    finally:
        os.chdir(here)
