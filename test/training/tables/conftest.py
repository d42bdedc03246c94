# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What tests of tables share."""

import pytest

from spike_training.errors import ConfigError


@pytest.fixture(scope='session', autouse=True)
def known_statistics():
    """Build each network once to see whether it has statistics, not each time a table is read."""
    from spike_training.tables import plan

    known, reason = {}, plan._no_statistics

    def remember(config):
        stage = config.stages[-1]
        key = repr((config.resolve(stage).model, stage.input))
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


@pytest.fixture
def table_problems():
    """Return a function that returns all problems of a table's file, in one line."""
    from spike_training.tables.plan import load_table

    def told(path, maps=None):
        with pytest.raises(ConfigError) as caught:
            load_table(path, maps)
        head, *problems = str(caught.value).splitlines()
        wanted = 'a setting is' if len(problems) == 1 else f'{len(problems)} settings are'
        assert head.removeprefix(f'{path}: ') == f'{wanted} wrong:'
        return '; '.join(problem.strip() for problem in problems)

    return told
