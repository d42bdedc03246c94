# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Modules that moved: a path that pages named before imports the module where it is now.

It does so with a DeprecationWarning, until the next release but one.
"""

from __future__ import annotations

import importlib
import importlib.abc
import sys
import warnings
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

PACKAGE = 'spike_depth_ros'

MOVED = {
    'architectures': 'tasks.architectures',
    'backends': 'runtime.backend',
    'bags': 'io.bags',
    'blocks': 'pages.blocks',
    'calibration': 'geometry.calibration',
    'depth_colours': 'pages.depth_colours',
    'depth_values': 'geometry.depth_values',
    'errors': 'base.errors',
    'floor': 'geometry.floor',
    'flying_pixels': 'filters.flying_pixels',
    'fusion.frame': 'observation',
    'fusion.registration': 'geometry.registration',
    'image_metrics': 'evaluation.image_metrics',
    'metrics': 'evaluation.metrics',
    'model': 'networks',
    'pictures': 'pages.pictures',
    'preview': 'stream.preview',
    'ray_depth': 'geometry.ray_depth',
    'recorded_windows': 'tools.recorded_windows',
    'rectification': 'geometry.rectification',
    'result_files': 'base.results',
    'safe_yaml': 'base.safe_yaml',
    'scale_from_height': 'filters.scale_from_height',
    'stereo.rig': 'geometry.rig',
    'stream.recording': 'io.recording',
    'temporal_filter': 'filters.temporal_filter',
    'upsampling': 'filters.upsampling',
    'video': 'io.video',
}
"""Old path of a module or folder -> the new one, both below the package."""


def new_name(name: str) -> str | None:
    """Return the name that a module has now; None: it has not moved.

    Args:
        name: Its full name.
    """
    package, _, old = name.partition('.')
    if package != PACKAGE:
        return None
    rest = ''
    while old:
        if old in MOVED:
            return f'{PACKAGE}.{MOVED[old]}{rest}'
        old, _, last = old.rpartition('.')
        rest = f'.{last}{rest}'
    return None


class _Moved(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finder and loader of old paths."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(name, self) if new_name(name) is not None else None

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to the import system, whose module is replaced."""

    def exec_module(self, module: ModuleType) -> None:
        old, new = module.__name__, new_name(module.__name__)
        assert new is not None
        found = importlib.import_module(new)
        warnings.warn(f'{old} is now {new}', DeprecationWarning, stacklevel=2)
        sys.modules[old] = found


def follow_old_paths() -> None:
    """Let old paths be imported, from now on."""
    # First, as the finder of files would load what is in a moved folder a second time.
    if not any(isinstance(finder, _Moved) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Moved())
