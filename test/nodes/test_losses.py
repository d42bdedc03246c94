# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import pytest

from spike_depth_ros.nodes.parts.losses import ActiveRemedies, losses
from spike_depth_ros.stream.accounting import PlaneAccounting

BARE = ActiveRemedies(reliable=False, profile=False)
ALL = ActiveRemedies(reliable=True, profile=True)


def test_only_what_is_new_is_listed():
    before = PlaneAccounting(lost_in_transport=5, refused={'gap': 2, 'rate': 1})
    now = PlaneAccounting(lost_in_transport=5, lost_in_queue=3, refused={'gap': 6, 'rate': 1})
    found = losses(now, before, ALL)
    assert [loss.planes for loss in found] == [3, 4]
    assert 'in the queue of this node' in found[0].where
    assert found[1].where == 'refused (gap)'
    assert losses(now, now, ALL) == []


@pytest.mark.parametrize(
    ('active', 'remedy'),
    [
        (BARE, 'reliable transport'),
        (ActiveRemedies(reliable=True, profile=False), 'DDS profile'),
        (ALL, 'free CPU time'),
        (ActiveRemedies(reliable=True, profile=True, slower='play slower'), 'play slower'),
    ],
)
def test_a_remedy_that_is_active_is_not_advised(active, remedy):
    (loss,) = losses(PlaneAccounting(lost_in_transport=1), PlaneAccounting(), active)
    assert remedy in loss.remedy
    others = {'reliable transport', 'DDS profile', 'free CPU time', 'play slower'} - {remedy}
    assert not any(other in loss.remedy for other in others)


def test_planes_lost_in_the_queue_are_not_blamed_on_the_transport():
    (loss,) = losses(PlaneAccounting(lost_in_queue=1), PlaneAccounting(), BARE)
    assert 'reliable' not in loss.remedy
    assert 'profile' not in loss.remedy
    assert str(loss).startswith('1 planes lost in the queue of this node')


def test_every_kind_of_drop_is_listed():
    accounting = PlaneAccounting(
        lost_in_transport=1, lost_in_queue=2, overwritten=4, refused={'a': 8}
    )
    accounting.missed_resubscribing = 16
    assert (
        sum(loss.planes for loss in losses(accounting, PlaneAccounting(), ALL))
        == accounting.dropped
    )


def test_the_profile_is_seen_in_the_environment(monkeypatch):
    monkeypatch.delenv('FASTDDS_DEFAULT_PROFILES_FILE', raising=False)
    monkeypatch.delenv('FASTRTPS_DEFAULT_PROFILES_FILE', raising=False)
    assert not ActiveRemedies.here(reliable=True).profile
    monkeypatch.setenv('FASTRTPS_DEFAULT_PROFILES_FILE', 'mine.xml')
    assert ActiveRemedies.here(reliable=True).profile
