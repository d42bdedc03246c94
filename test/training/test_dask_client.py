# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Local dask workers, as tables start them."""

import os

from spike_training.dask_client import connect


def test_workers_of_this_machine_keep_the_memory_that_they_free(capfd, monkeypatch):
    # A nanny of another test may have set it in this process, whose environment workers inherit.
    monkeypatch.delenv('MALLOC_TRIM_THRESHOLD_', raising=False)
    with connect('', workers=1) as client:
        remote = client.run(lambda: dict(os.environ))
        dashboard = client.dashboard_link
    (worker,) = remote.values()
    assert 'MALLOC_TRIM_THRESHOLD_' not in worker
    assert worker['OMP_NUM_THREADS'] == '1'
    assert '127.0.0.1' in dashboard
    assert 'already in use' not in capfd.readouterr().err
