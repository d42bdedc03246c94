# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write what comes from fields: config/spike_*.yaml of the nodes, tables of docs.

    python -m scripts.from_fields

A table of a page stands between two lines, of the dataclass and what the names begin with::

    <!-- fields of spike_depth_ros.nodes.parts.depth_parameters:DepthParameters image. -->
    <!-- end of fields -->
"""

from __future__ import annotations

import importlib
import json
import re
import sys
import textwrap
from pathlib import Path
from typing import Any

from spike_depth_ros.base.values import describe
from spike_depth_ros.nodes.parts.camera_parameters import CameraParameters
from spike_depth_ros.nodes.parts.depth_parameters import DepthParameters
from spike_depth_ros.nodes.parts.parameters import Parameter, parameters_of
from spike_depth_ros.nodes.parts.stereo_parameters import StereoParameters
from spike_depth_ros.pages.markdown import table_lines

ROOT = Path(__file__).resolve().parents[1]
CONFIG, DOCS = ROOT / 'config', ROOT / 'docs'

NODES = {
    'spike_depth': DepthParameters,
    'spike_stereo': StereoParameters,
    'spike_camera': CameraParameters,
}

OF_LAUNCH = ('checkpoint', 'device', 'spikes.reliability')
"""Parameters that launch files decide, unless a file gives them: they stand in a comment."""

LEFT_OUT = ('autostart',)
"""Parameters that launch files set."""

COLUMNS = 99

HEAD = """\
# Parameters of the node {node} with their defaults; live ones may change while it runs.
# Launch arguments that are given override them. Written by scripts/from_fields.py.
/**:
  ros__parameters:
"""

TABLE = re.compile(
    r'(<!-- fields of ([\w.]+):(\w+)([^\n]*) -->\n).*?(<!-- end of fields -->\n)', re.S
)


def parameter_file(node: str) -> str:
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


def page(text: str) -> str:
    """Return the text of a page with its tables of fields as they are now."""
    return TABLE.sub(lambda found: f'{found[1]}{_table(*found.groups()[1:4])}{found[5]}', text)


def _table(module: str, kind: str, names: str) -> str:
    of = tuple(names.split()) or ('',)
    rows = [
        [f'`{row.name}`', _shown(row.default), _cell(row)]
        for row in parameters_of(getattr(importlib.import_module(module), kind))
        if row.name.startswith(of)
    ]
    lines = table_lines([['name', 'default', 'meaning'], *rows], names=True)
    return ''.join(f'{line}\n' for line in lines)


def _shown(default: Any) -> str:
    if isinstance(default, tuple):
        return ', '.join(map(str, default))
    return f'`{default}`' if isinstance(default, str) and default else _value(default)


def _cell(row: Parameter) -> str:
    return row.meaning.replace('``', '`').replace('|', r'\|')


def main() -> int:
    """Write the files; return the exit status."""
    for node in NODES:
        (CONFIG / f'{node}.yaml').write_text(parameter_file(node), encoding='utf-8')
    for path in DOCS.rglob('*.md'):
        path.write_text(page(path.read_text(encoding='utf-8')), encoding='utf-8')
    return 0


if __name__ == '__main__':
    sys.exit(main())
