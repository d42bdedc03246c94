# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import pytest


@pytest.fixture(scope='module')
def source():
    from kit import views

    return views.labelled()


@pytest.fixture(scope='module')
def flat():
    from kit import views

    return views.seen_flat()
