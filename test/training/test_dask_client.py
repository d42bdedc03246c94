# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Local dask workers, as tables start them."""

import os

from spike_training.dask_client import connect


def test_workers_of_this_machine_have_one_thread_and_a_dashboard_on_loopback(capfd):
    with connect('', workers=1) as client:
        remote = client.run(lambda: dict(os.environ))
        dashboard = client.dashboard_link
    (worker,) = remote.values()
    assert worker['OMP_NUM_THREADS'] == '1'
    assert '127.0.0.1' in dashboard
    assert 'already in use' not in capfd.readouterr().err
