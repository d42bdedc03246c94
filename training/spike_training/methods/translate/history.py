# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""History of translated pictures, so that a discriminator does not forget earlier ones."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class History(nn.Module):
    """Pictures that a translator has made; they are part of the stage's state (Zhu et al., 4).

    Args:
        number: Pictures that are kept.
        height: Their rows.
        width: Their columns.
    """

    pictures: Tensor
    kept: Tensor

    def __init__(self, number: int, height: int, width: int) -> None:
        super().__init__()
        self.register_buffer('pictures', torch.zeros(number, 3, height, width))
        self.register_buffer('kept', torch.zeros((), dtype=torch.int64))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        # That of the stage that is resumed may have begun anew with pictures of another size.
        stored = state_dict.get(f'{prefix}pictures')
        if isinstance(stored, Tensor) and stored.ndim == 4 and len(stored) == len(self.pictures):
            self.pictures = self.pictures.new_zeros(stored.shape)
        super()._load_from_state_dict(state_dict, prefix, *rest)

    @torch.no_grad()
    def exchange(self, fresh: Tensor) -> Tensor:
        """Return pictures to show to a discriminator, and keep some of the fresh ones.

        Until the history is full each fresh picture is kept and returned. Then half of them, drawn
        by torch's generator, are replaced by one of the history, which keeps them in its place.
        Pictures of another size begin a new history.

        Args:
            fresh: Translated pictures, ``[B, 3, H, W]``.

        Returns:
            As many pictures, without a gradient.
        """
        shown = fresh.detach().float().clone()
        if shown.shape[1:] != self.pictures.shape[1:]:
            self.pictures = shown.new_zeros(len(self.pictures), *shown.shape[1:])
            self.kept.zero_()
        for row in range(len(shown)):
            filled = int(self.kept)
            if filled < len(self.pictures):
                self.pictures[filled] = shown[row]
                self.kept += 1
            elif torch.rand(()) < 0.5:
                place = int(torch.randint(len(self.pictures), ()))
                older = self.pictures[place].clone()
                self.pictures[place] = shown[row]
                shown[row] = older
        return shown
