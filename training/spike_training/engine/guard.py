# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Numbers that are not finite end a training, loudly."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from spike_training.errors import NonFiniteError

NEVER = torch.iinfo(torch.int64).max


class FiniteGuard:
    """Watches losses and gradients without waiting for the device.

    What each step says is noted on the device; only :meth:`check` waits for it. The batch of a
    step that went wrong can be made again, being a function of the step.
    """

    def __init__(self, device: torch.device) -> None:
        self._first = torch.full((), NEVER, dtype=torch.int64, device=device)

    def note(self, step: int, values: Sequence[Tensor]) -> None:
        """Notes whether the scalars of a step are finite."""
        finite = torch.stack([value.detach().float() for value in values]).isfinite().all()
        self._first.clamp_(max=torch.where(finite, NEVER, step))

    def check(self) -> None:
        """Waits for the device.

        Raises:
            NonFiniteError: A value noted so far was NaN or infinite.
        """
        first = int(self._first)
        if first != NEVER:
            raise NonFiniteError(first)
