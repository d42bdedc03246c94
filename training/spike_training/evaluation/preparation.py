# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is done with a trained network before it is scored."""

from __future__ import annotations

from typing import NamedTuple

TRUE_LOOK = 'true_look'
"""Value of ``translate`` of the same scenes in the colours of the source."""


class Preparation(NamedTuple):
    """What is done with a trained network before it is scored, as rows of tables tell it."""

    adabn: bool = False
    matched_scale: bool = False
    post_process: bool = False
    mean_with: str | None = None
    translate: str | None = None

    def describe(self) -> list[str]:
        """Return what is done, in words."""
        mean, look = f'mean with {self.mean_with}', f'look by {self.translate}'
        words = ('AdaBN', 'factor by matching', 'post-processing', mean, look)
        return [name for name, is_done in zip(words, self, strict=True) if is_done]
