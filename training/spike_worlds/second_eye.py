# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Second eye of scenes: a camera beside the first one, on the same rig."""

from __future__ import annotations

import dataclasses

import numpy as np

from spike_worlds.scene import Array, Scenes

BASELINES_M = {'road': 0.50, 'outdoor': 0.12}
"""Distance of the eyes by style, metres; :data:`BASELINE_M` of all others."""

BASELINE_M = 0.10

_OTHER_SEED = 0x2545F491  # equal initial charges would match at a disparity of 0


def without_illumination(scenes: Scenes) -> Scenes:
    """Return the scenes without factors on the light over the image.

    They lie on the image and not on what it shows, so that two eyes would see different light.
    """
    return dataclasses.replace(scenes, illumination=np.zeros_like(scenes.illumination))


def second_eye(scenes: Scenes, baseline_m: Array) -> Scenes:
    """Return the scenes as a camera to the right of the given one sees them.

    Both are fixed to one rig: the second one moves with the first, and around it as it turns.

    Args:
        scenes: Scenes without illumination.
        baseline_m: Distance of the eyes, ``[B]``, metres.
    """
    right, up, forward = (scenes.axes[:, k] for k in range(3))
    _, yaw, roll = (scenes.angular_velocity[:, k, None] for k in range(3))
    turning = -yaw * forward - roll * up  # change of the direction to the right, as in ``later``
    distance = baseline_m[:, None].astype(np.float32)
    return dataclasses.replace(
        scenes,
        eye=(scenes.eye + distance * right).astype(np.float32),
        linear_velocity=(scenes.linear_velocity + distance * turning).astype(np.float32),
        seed=scenes.seed ^ _OTHER_SEED,
    )
