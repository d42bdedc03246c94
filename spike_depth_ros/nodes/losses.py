# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where a stream lost planes, in words, with the remedy that is not yet in force."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from spike_depth_ros.stream.accounting import PlaneAccount

PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
"""Environment variables that give Fast DDS a profile."""


class ActiveRemedies(NamedTuple):
    """Remedies that are in force already and need not be advised.

    Attributes:
        reliable: The subscriber asks for reliable transport.
        profile: A DDS profile is set, ours or the user's own.
        slower: How the stream can be played more slowly; empty where it comes from a camera.
    """

    reliable: bool
    profile: bool
    slower: str = ''

    @classmethod
    def here(cls, reliable: bool, slower: str = '') -> ActiveRemedies:
        """Take what the environment of this process says about the profile."""
        return cls(reliable, any(os.environ.get(name) for name in PROFILE_VARIABLES), slower)


class Loss(NamedTuple):
    """Planes that were lost in one place.

    Attributes:
        planes: How many.
        where: Where, as part of a sentence.
        remedy: What helps, as an imperative.
    """

    planes: int
    where: str
    remedy: str

    def __str__(self) -> str:
        return f'{self.planes} planes {self.where}: {self.remedy}'


def losses(account: PlaneAccount, before: PlaneAccount, active: ActiveRemedies) -> list[Loss]:
    """List what was lost between two snapshots of one stream's account.

    Args:
        account: The newer snapshot.
        before: The older one; ``PlaneAccount()`` for all since the beginning.
        active: Remedies not to be advised.

    Returns:
        An entry for each place that lost planes.
    """
    refused = _difference(account.refused, before.refused)
    found = [
        Loss(
            account.lost_in_transport - before.lost_in_transport,
            'lost before the queue of this node (driver, DDS or network)',
            _remedy_of_transport(active),
        ),
        Loss(
            account.lost_in_queue - before.lost_in_queue,
            'lost in the queue of this node, which could not take them in time',
            _free_the_machine(active, 'raise spikes.queue_packets for short stalls'),
        ),
        Loss(
            account.missed_resubscribing - before.missed_resubscribing,
            'missed while this node subscribed anew, as reliable as the publisher now is',
            'set spikes.reliability to what the publisher always offers',
        ),
        Loss(
            account.overwritten - before.overwritten,
            'overwritten in the ring before inference reached them (policy every)',
            'a larger hop, a GPU or policy latest'
            + (f', or {active.slower}' if active.slower else ''),
        ),
        Loss(
            sum(refused.values()),
            f'refused ({", ".join(sorted(refused))})',
            'see the log and the table of docs/reliability.md',
        ),
    ]
    return [loss for loss in found if loss.planes > 0]


def _remedy_of_transport(active: ActiveRemedies) -> str:
    if not active.reliable:
        return 'ask for reliable transport at both ends (spikes.reliability)'
    if not active.profile:
        return 'set the DDS profile at both ends (docs/reliability.md)'
    return _free_the_machine(active, 'see whether the publisher itself is behind')


def _free_the_machine(active: ActiveRemedies, otherwise: str) -> str:
    return active.slower or f'leave the machine more free CPU time, {otherwise}'


def _difference(now: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    changes = {reason: count - before.get(reason, 0) for reason, count in now.items()}
    return {reason: change for reason, change in changes.items() if change > 0}
