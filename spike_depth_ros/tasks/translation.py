# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Task ``translation``: a picture in another look, which training alone uses."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from spike_depth_ros.base.values import Count, Text, one_of
from spike_depth_ros.tasks.base import OPTIONAL, CheckpointInfo, task


@task('translation', architectures=('translator',), images=('picture',))
@dataclasses.dataclass(frozen=True, kw_only=True)
class TranslationInfo(CheckpointInfo):
    """Metadata of a checkpoint of the task ``translation``: a picture in another look.

    Raises:
        CheckpointError: The value of a field is invalid; the message names it.
    """

    task: Text = 'translation'
    inputs: Annotated[tuple[Text, ...], one_of(('rgb',))] = ('rgb',)
    outputs: Annotated[tuple[Text, ...], one_of(('picture',))] = ('picture',)
    takes: Text = dataclasses.field(default='spikes', metadata={OPTIONAL: True})
    """What the pictures that it changes are of, such as ``nir``; ``spikes`` are firing rates."""
    gives: Text = dataclasses.field(default='colour', metadata={OPTIONAL: True})
    """What the changed pictures look like."""
    size: tuple[Count, Count] | None = dataclasses.field(default=None, metadata={OPTIONAL: True})
    """Rows and columns of the pictures in training, pixels; None: of a file that came before this
    field."""
