# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Descriptions of lost planes, with the remedy that is not yet in force."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from spike_depth_ros.stream.accounting import PlaneAccounting

PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
"""Environment variables of Fast DDS with the path of a profile."""


class ActiveRemedies(NamedTuple):
    """Remedies that are already in force.

    Attributes:
        reliable: The subscriber requests reliable transport.
        profile: A DDS profile is set, of this package or of the user.
        slower: Advice to play the stream more slowly; empty for a camera.
    """

    reliable: bool
    profile: bool
    slower: str = ''

    @classmethod
    def here(cls, reliable: bool, slower: str = '') -> ActiveRemedies:
        """Make the remedies of this process, with the profile of its environment."""
        return cls(reliable, any(os.environ.get(name) for name in PROFILE_VARIABLES), slower)


class Loss(NamedTuple):
    """Planes that were lost in one place.

    Attributes:
        planes: Number of planes.
        where: Place of the loss, as part of a sentence.
        remedy: Remedy, as an imperative.
    """

    planes: int
    where: str
    remedy: str

    def __str__(self) -> str:
        return f'{self.planes} planes {self.where}: {self.remedy}'


def losses(
    accounting: PlaneAccounting, before: PlaneAccounting, active: ActiveRemedies
) -> list[Loss]:
    """List the losses between two snapshots of a stream's accounting.

    Args:
        accounting: Newer snapshot.
        before: Older snapshot; ``PlaneAccounting()`` for all since the beginning.
        active: Remedies in force, which are not advised.

    Returns:
        An entry for each place of a loss.
    """
    refused = _difference(accounting.refused, before.refused)
    found = [
        Loss(
            accounting.lost_in_transport - before.lost_in_transport,
            'lost before the queue of this node (driver, DDS or network)',
            _remedy_of_transport(active),
        ),
        Loss(
            accounting.lost_in_queue - before.lost_in_queue,
            'lost in the queue of this node, which was not read in time',
            _free_the_machine(active, 'raise spikes.queue_packets for short stalls'),
        ),
        Loss(
            accounting.missed_resubscribing - before.missed_resubscribing,
            'missed while this node subscribed again with the reliability of the publisher',
            'set spikes.reliability to what the publisher always offers',
        ),
        Loss(
            accounting.overwritten - before.overwritten,
            'overwritten in the ring before inference reached them (policy every)',
            'a larger hop, a GPU or policy latest'
            + (f', or {active.slower}' if active.slower else ''),
        ),
        Loss(
            sum(refused.values()),
            f'refused ({", ".join(sorted(refused))})',
            'see the log and the table of docs/reference/reliability.md',
        ),
    ]
    return [loss for loss in found if loss.planes > 0]


def _remedy_of_transport(active: ActiveRemedies) -> str:
    if not active.reliable:
        return 'ask for reliable transport at both ends (spikes.reliability)'
    if not active.profile:
        return 'set the DDS profile at both ends (docs/tasks/robot.md)'
    return _free_the_machine(active, 'check that the publisher keeps its rate')


def _free_the_machine(active: ActiveRemedies, otherwise: str) -> str:
    return active.slower or f'leave the machine more free CPU time, {otherwise}'


def _difference(now: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    changes = {reason: count - before.get(reason, 0) for reason, count in now.items()}
    return {reason: change for reason, change in changes.items() if change > 0}
