# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metrics of depth that the tables of papers have."""

METRICS = {
    'abs_rel': 'AbsRel',
    'sq_rel': 'SqRel, m',
    'rmse': 'RMSE, m',
    'rmse_log': 'RMSElog',
    'delta1': 'delta1',
    'delta2': 'delta2',
    'delta3': 'delta3',
}
"""Metrics of the papers' tables, with their column titles."""

SHARES = ('delta1', 'delta2', 'delta3')
"""Metrics from 0 to 1, none of which is above the next one."""
