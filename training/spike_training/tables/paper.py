# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Results that the paper reports on its own data and network, for comparison.

Liu et al., Unsupervised Spike Depth Estimation via Cross-modality Cross-domain Knowledge Transfer
(BiCross), Tables I to VII. Table VI repeats rows of Table V, and Table VII of both. In Table V
the check mark of the filter is missing for Ex2; according to Table VI and section IV-C, Ex2 has
the filter.
"""

from __future__ import annotations

from typing import NamedTuple


class Published(NamedTuple):
    """Published metrics of one row.

    Attributes:
        abs_rel: Mean relative error.
        delta1: Share of pixels within a factor of 1.25, 0 to 1 (printed as "delta > 1.25").
    """

    abs_rel: float
    delta1: float


class PublishedTable(NamedTuple):
    """Table of the paper.

    Attributes:
        scenario: Source and target data.
        rows: Metrics by the paper's name of the row; in Tables V to VII the number of the
            experiment, and RGB, which is the network before any phase.
    """

    scenario: str
    rows: dict[str, Published]


_ABLATION = 'Virtual KITTI RGB to KITTI spike'
_EX2 = Published(0.217, 0.704)
_EX8 = Published(0.128, 0.817)

PAPER = {
    'I': PublishedTable(
        'Virtual KITTI RGB to KITTI spike',
        {
            'AdaDepth': Published(0.303, 0.506),
            'T2Net': Published(0.252, 0.689),
            'SFA': Published(0.298, 0.541),
            'Pre_src': Published(0.285, 0.663),
            'MonoCross': Published(0.217, 0.704),
            'BiCross': Published(0.128, 0.817),
            'Supervised': Published(0.120, 0.857),
        },
    ),
    'II': PublishedTable(
        'Driving Stereo clear RGB to foggy spike',
        {
            'AdaDepth': Published(0.377, 0.354),
            'T2Net': Published(0.147, 0.725),
            'SFA': Published(0.351, 0.402),
            'Pre_src': Published(0.194, 0.633),
            'MonoCross': Published(0.129, 0.783),
            'BiCross': Published(0.106, 0.851),
            'Supervised': Published(0.120, 0.864),
        },
    ),
    'III': PublishedTable(
        'KITTI RGB to Driving Stereo spike',
        {
            'Pre_src': Published(0.322, 0.160),
            'MonoCross': Published(0.293, 0.183),
            'BiCross': Published(0.251, 0.309),
        },
    ),
    'IV': PublishedTable(
        'NYUv2 RGB to Respike indoor spike',
        {
            'Pre_src': Published(0.372, 0.450),
            'MonoCross': Published(0.329, 0.457),
            'BiCross': Published(0.223, 0.715),
        },
    ),
    'V': PublishedTable(
        _ABLATION,
        {
            'RGB': Published(0.294, 0.658),
            'Ex1': Published(0.243, 0.702),
            'Ex2': _EX2,
            'Ex3': Published(0.261, 0.685),
            'Ex4': Published(0.205, 0.740),
            'Ex5': Published(0.216, 0.736),
            'Ex6': Published(0.197, 0.741),
            'Ex7': Published(0.129, 0.810),
            'Ex8': _EX8,
        },
    ),
    'VI': PublishedTable(
        _ABLATION,
        {'Ex9': Published(0.239, 0.686), 'Ex10': Published(0.246, 0.683), 'Ex2': _EX2},
    ),
    'VII': PublishedTable(
        _ABLATION,
        {
            'Ex2': _EX2,
            'Ex11': Published(0.170, 0.757),
            'Ex12': Published(0.159, 0.796),
            'Ex8': _EX8,
        },
    ),
}
"""Tables by their number. Table VI also has the row RGB of Table V."""


def published(tables: list[str], name: str) -> tuple[str, Published] | None:
    """Find the first of some tables with a row of that name; None if no table has one.

    Returns:
        Number of the table, and the row.
    """
    for number in tables:
        found = PAPER[number].rows.get(name)
        if found is not None:
            return number, found
    return None
