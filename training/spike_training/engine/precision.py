# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Precisions of Lightning Fabric that leave batches as they are."""

from __future__ import annotations

from typing import Any

from lightning_fabric.plugins.precision import MixedPrecision, Precision


class Float32(Precision):
    """Precision without conversion of batches.

    Fabric's own copies batches and cannot convert frozen dataclasses.
    """

    def convert_input(self, data: Any) -> Any:
        """Return a batch as it is."""
        return data


class Bfloat16(MixedPrecision):
    """Autocast without conversion of batches.

    Fabric's own rounds depth labels and focal lengths to bfloat16.
    """

    def convert_input(self, data: Any) -> Any:
        """Return a batch as it is."""
        return data
