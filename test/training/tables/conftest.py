# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What tests of tables share."""

import pytest


@pytest.fixture(scope='session', autouse=True)
def known_statistics():
    """Build each network once to see whether it has statistics, not each time a table is read."""
    from spike_training.tables import plan

    known, reason = {}, plan._no_statistics

    def remember(config):
        stage = config.stages[-1]
        key = repr((stage.resolve(config).model, stage.input))
        if key not in known:
            known[key] = reason(config)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, '_no_statistics', remember)
        yield


@pytest.fixture(scope='module')
def few_adabn_batches():
    """Estimate statistics of AdaBN from few batches, in modules that compare no stored hash."""
    from spike_training.tables import units

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(units, 'ADABN_BATCHES', 4)
        yield
