# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Benchmarks of the product: ``python -m benchmarks.NAME``."""

import sys
from types import TracebackType

GET_PACKAGES = (
    "pip install -e '.[train]' in the root of the repository (ROS 2: docs/start/install.md)"
)


def _print_missing(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Print a missing package in one line, all other errors as usual."""
    package = (getattr(error, 'name', None) or '').partition('.')[0]
    if isinstance(error, ModuleNotFoundError) and package not in ('', 'benchmarks'):
        print(f'benchmarks: needs the Python module {package}: {GET_PACKAGES}', file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


if sys.argv[0] == '-m':  # a benchmark is started, not imported
    sys.excepthook = _print_missing
