# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Another band of light: surfaces reflect as much of it as chance says, whatever their colour.

Near infrared is like that: leaves, cloth and paint of one brightness differ in it, and what
differs may look the same (Shen et al., "A Depth Estimation Framework Based on Unsupervised
Learning and Cross-Modal Translation", section 3.5).
"""

from __future__ import annotations

import dataclasses

import numpy as np

from spike_worlds.scene import Array, Column, Scenes

REFLECTANCES = (0.04, 0.9)
"""Least and largest share of the light that a surface reflects; uniform in the logarithm."""

_BAND = 0x0BA2D  # entropy


def other_band(scenes: Scenes) -> Scenes:
    """Return the scenes as a camera of another band of light sees them.

    Shapes, textures and light stay; each material's two reflectances are drawn anew, by the seed
    of the scene. Equal materials of a scene stay equal. Colours become grey.

    Args:
        scenes: Scenes of any style.
    """
    material, shell = (
        np.stack([_drawn(one, int(seed)) for one, seed in zip(rows, scenes.seed, strict=True)])
        for rows in (scenes.material, scenes.shell_material)
    )
    return dataclasses.replace(scenes, material=material, shell_material=shell)


def _drawn(materials: Array, seed: int) -> Array:
    """Return the materials of one scene, ``[N, len(MATERIAL)]``."""
    found = materials.copy()
    low, high = np.log(REFLECTANCES)
    for row in found:
        bits = np.ascontiguousarray(row[Column.REFLECTED]).view(np.uint32)
        rng = np.random.default_rng([_BAND, seed & (1 << 62) - 1, *bits.tolist()])
        dark, bright = np.exp(rng.uniform(low, high, 2))
        row[Column.DARK_LUMINANCE], row[Column.BRIGHT_LUMINANCE] = dark, bright
        row[Column.DARK], row[Column.BRIGHT] = dark, bright
    return found
