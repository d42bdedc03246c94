# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Detection of NaN and infinite values in losses and gradients."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from spike_training.errors import NonFiniteError

NEVER = torch.iinfo(torch.int64).max


class FiniteGuard:
    """Detector of non-finite losses and gradients without a synchronisation at each step.

    The first non-finite step is recorded on the device; only :meth:`check` waits for it. The
    batch of that step can be made again, as it is a function of the step.
    """

    def __init__(self, device: torch.device) -> None:
        self._first = torch.full((), NEVER, dtype=torch.int64, device=device)

    def note(self, step: int, values: Sequence[Tensor]) -> None:
        """Record on the device whether all scalars of a step are finite."""
        finite = torch.stack([value.detach().float() for value in values]).isfinite().all()
        self._first.clamp_(max=torch.where(finite, NEVER, step))

    def check(self) -> None:
        """Check all steps recorded so far; waits for the device.

        Raises:
            NonFiniteError: A recorded value was NaN or infinite.
        """
        first = int(self._first)
        if first != NEVER:
            raise NonFiniteError(first)
