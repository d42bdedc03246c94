# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tables of networks that learn nothing, for tests."""

from pathlib import Path

import yaml

CONFIGS = Path(__file__).resolve().parents[2] / 'training' / 'configs'


def small(folder, table='smoke.yaml', save_every=2, **settings):
    """A shipped table, at the sizes of smoke, with some settings that are others; its file."""
    smoke = yaml.safe_load((CONFIGS / 'tables' / 'smoke.yaml').read_text())
    found = yaml.safe_load((CONFIGS / 'tables' / table).read_text())
    steps = {name: {'steps': 2} for name in ('teacher', 'mono_cross', 'bicross')}
    steps['bicross']['adapt'] = {'adabn_batches': 1}
    found |= {
        'base': str(CONFIGS / 'smoke.yaml'),
        'override': smoke['override'] | {'device': 'cpu'},
        'stages': {**found['stages'], **steps},
        'seeds': [0],
        **settings,
    }
    found['override']['train'] |= {'save_every': save_every}
    found['override']['data']['styles'] = ['indoor']  # half the time
    found['override']['target']['styles'] = ['indoor', 'road']
    path = folder / 'table.yaml'
    path.write_text(yaml.safe_dump(found))
    return path
