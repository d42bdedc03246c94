# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write config/spike_depth.yaml and config/spike_stereo.yaml from the parameters of the nodes.

python scripts/parameter_files.py
"""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path
from typing import Any

from spike_depth_ros.base.values import describe
from spike_depth_ros.nodes.depth_parameters import DepthParameters
from spike_depth_ros.nodes.parameters import Parameter, parameters_of
from spike_depth_ros.nodes.stereo_parameters import StereoParameters

CONFIG = Path(__file__).resolve().parents[1] / 'config'

NODES = {'spike_depth': DepthParameters, 'spike_stereo': StereoParameters}

OF_LAUNCH = ('checkpoint', 'device', 'spikes.reliability')
"""Parameters that launch files decide, unless a file gives them: they stand in a comment."""

LEFT_OUT = ('autostart',)
"""Parameters that launch files set."""

COLUMNS = 99

HEAD = """\
# Parameters of the node {node} with their defaults; live ones may change while it runs. Launch
# arguments that are given override them. Written by scripts/parameter_files.py.
/**:
  ros__parameters:
"""


def text(node: str) -> str:
    """Return the text of a node's parameter file, with the defaults."""
    rows = [row for row in parameters_of(NODES[node]) if row.name not in LEFT_OUT]
    return HEAD.format(node=node) + '\n'.join(map(_entry, rows))


def _entry(row: Parameter) -> str:
    lines = [f'# {line}' for line in textwrap.wrap(row.meaning, COLUMNS - 6)]
    comment = '# ' if row.name in OF_LAUNCH else ''
    live = ', live' if row.live else ''
    lines.append(f'{comment}{row.name}: {_value(row.default)}  # {describe(row.hint)}{live}')
    return ''.join(f'    {line}\n' for line in lines)


def _value(default: Any) -> str:
    if isinstance(default, str):
        return default if default.isidentifier() else f"'{default}'"
    return json.dumps(default)


def main() -> int:
    """Write the files; return the exit status."""
    for node in NODES:
        (CONFIG / f'{node}.yaml').write_text(text(node))
    return 0


if __name__ == '__main__':
    sys.exit(main())
