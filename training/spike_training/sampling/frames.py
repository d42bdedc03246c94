# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of a camera beside the spikes, and what goes wrong with either of them.

The kinds of damage are those of Sun et al., "FUSE: Label-Free Image-Event Joint Monocular Depth
Estimation via Frequency-Decoupled Alignment and Degradation-Robust Fusion" (boxes), and those of a
rig: motion, exposure, latency, calibration, lost packets.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from spike_training.sampling.blur import gaussian_blur

DAMAGES = (
    'blurred', 'over_exposed', 'dark', 'boxes', 'old', 'shifted', 'spikes_dark', 'spikes_lost',
)  # fmt: skip
"""What goes wrong with frames or spikes."""

MISSING = ('frame_missing', 'spikes_missing')
"""Conditions without one of the two."""

CONDITIONS = ('clean', *DAMAGES, *MISSING, 'other_scene')
"""Conditions of samples that are scored; ``other_scene``: the frame of another sample."""

CLEAN = 0.3
"""Share of the other samples of training without damage."""

MAX_AGE_S = 0.1
"""Largest age of a frame, seconds before the reference plane."""

EXPOSURES_S = (0.01, 0.04)
"""Exposure of a blurred frame, shortest and longest, seconds."""

OVER, UNDER = (3.0, 8.0), (0.02, 0.15)
"""Factors on the light of over-exposed and dark frames."""

READ_NOISE = 0.004
"""Standard deviation of a frame's noise, of the brightest light."""

BOX_AREA = 0.2
"""Share of a frame that each of its three boxes covers: blurred, black and white."""

BOX_BLUR_PX = 2.0
"""Standard deviation of the blur in such a box, pixels."""

MAX_SHIFT_PX = 4
"""Shift of a frame in each direction, at most."""

DARK_SPIKES = (0.02, 0.2)
"""Factors on the light of dark spikes."""

LOST_PLANES = (0.2, 0.6)
"""Share of the planes of a window that are lost, in whole bins."""

INSTANTS = 9
"""Renderings over which a blurred frame is a mean, an odd number."""

_SHOTS = 0x5407  # entropy


@dataclasses.dataclass(frozen=True)
class Shot:
    """How a sample's frame was taken, and what became of it and of the spikes.

    Attributes:
        age_s: Time from the frame's middle to the reference plane, seconds.
        exposure_s: Duration of the exposure, seconds; 0: none that could blur.
        gain: Factor on the light.
        boxes: Top, left, height and width of the blurred, the black and the white box, each from 0
            to 1; empty: none.
        shift: Rows and columns by which the frame is off.
        light: Factor on the light of the spikes.
        lost: Share of the bins of the window that are lost.
        has_frame: Whether there is a frame.
        has_spikes: Whether there are spikes.
        other_scene: Whether the frame is that of another sample.
        noise: Seed of the frame's noise, and of the bins that are lost.
    """

    age_s: float = 0.0
    exposure_s: float = 0.0
    gain: float = 1.0
    boxes: tuple[tuple[float, float, float, float], ...] = ()
    shift: tuple[int, int] = (0, 0)
    light: float = 1.0
    lost: float = 0.0
    has_frame: bool = True
    has_spikes: bool = True
    other_scene: bool = False
    noise: int = 0


def draw_shot(
    seed: int,
    index: int,
    condition: str | None = None,
    dropped: float = 0.0,
    other_scene: float = 0.0,
) -> Shot:
    """Draw the shot of a sample, a function of the arguments.

    Args:
        seed: Of the source.
        index: Number of the sample.
        condition: One of :data:`CONDITIONS`; None: one is drawn, as for training.
        dropped: Share of the drawn samples without a frame, and of those without spikes.
        other_scene: Share of those with the frame of another sample.
    """
    rng = np.random.default_rng([seed, _SHOTS, index])
    drawn, clean, damage = rng.random(), rng.random(), DAMAGES[int(rng.integers(len(DAMAGES)))]
    if condition is None:
        if drawn < 2 * dropped:
            condition = MISSING[drawn < dropped]
        elif drawn < 2 * dropped + other_scene:
            condition = 'other_scene'
        else:
            condition = 'clean' if clean < CLEAN else damage
    shot = Shot(noise=int(rng.integers(1 << 62)))

    def between(ends: tuple[float, float]) -> float:
        return float(np.exp(rng.uniform(*np.log(ends))))

    changes: dict[str, object] = {
        'clean': {},
        'other_scene': {'other_scene': True},
        'blurred': {'exposure_s': between(EXPOSURES_S)},
        'over_exposed': {'gain': between(OVER)},
        'dark': {'gain': between(UNDER)},
        'boxes': {'boxes': tuple(_box(rng) for _ in range(3))},
        'old': {'age_s': float(rng.uniform(0, MAX_AGE_S))},
        'shifted': {'shift': tuple(rng.integers(-MAX_SHIFT_PX, MAX_SHIFT_PX + 1, 2).tolist())},
        'spikes_dark': {'light': between(DARK_SPIKES)},
        'spikes_lost': {'lost': float(rng.uniform(*LOST_PLANES))},
        'frame_missing': {'has_frame': False},
        'spikes_missing': {'has_spikes': False},
    }[condition]  # type: ignore[assignment]
    return dataclasses.replace(shot, **changes)  # type: ignore[arg-type]


def _box(rng: np.random.Generator) -> tuple[float, float, float, float]:
    """Draw a box of :data:`BOX_AREA` whose sides are at most twice as long as each other."""
    aspect = float(np.exp(rng.uniform(-0.5, 0.5) * np.log(2)))
    height, width = (float(np.sqrt(BOX_AREA)) * aspect, float(np.sqrt(BOX_AREA)) / aspect)
    top, left = (float(rng.uniform(0, 1 - size)) for size in (height, width))
    return top, left, height, width


def expose_frames(light: Tensor, shots: Sequence[Shot]) -> Tensor:
    """Turn light into frames: gain, noise, saturation and gamma; then boxes and shifts.

    Args:
        light: Linear light of colours, 1: the brightest of a well exposed frame, ``[B, 3, H, W]``.
        shots: Of each sample.

    Returns:
        Same shape, 0 to 1, gamma encoded; NaN where there is no frame.
    """
    frames = []
    for one, shot in zip(light, shots, strict=True):
        if not shot.has_frame:
            frames.append(torch.full_like(one, torch.nan))
            continue
        generator = torch.Generator(one.device).manual_seed(shot.noise)
        noise = torch.randn(one.shape, generator=generator, device=one.device)
        frame = (one * shot.gain + READ_NOISE * noise).clamp(0, 1).sqrt()
        frames.append(_shifted(_boxed(frame, shot), shot.shift))
    return torch.stack(frames)


def lose_bins(counts: Tensor, shots: Sequence[Shot]) -> Tensor:
    """Remove the spikes of lost bins, and all of them where there are none.

    Args:
        counts: ``[B, C, H, W]``.
        shots: Of each sample.
    """
    kept = torch.ones(counts.shape[:2], dtype=counts.dtype)
    for row, shot in zip(kept, shots, strict=True):
        lost = round(shot.lost * len(row))
        chosen = np.random.default_rng(shot.noise).permutation(len(row))[:lost]
        row[torch.from_numpy(chosen)] = 0
        row *= shot.has_spikes
    return counts * kept.to(counts.device)[:, :, None, None]


def _boxed(frame: Tensor, shot: Shot) -> Tensor:
    height, width = frame.shape[1:]
    for kind, (top, left, rows, columns) in enumerate(shot.boxes):
        first, start = round(top * height), round(left * width)
        area = (
            slice(None),
            slice(first, first + round(rows * height)),
            slice(start, start + round(columns * width)),
        )
        blurred = gaussian_blur(frame, BOX_BLUR_PX)
        instead = (blurred, torch.zeros_like(frame), torch.ones_like(frame))[kind]
        frame = frame.clone()
        frame[area] = instead[area]
    return frame


def _shifted(frame: Tensor, shift: tuple[int, int]) -> Tensor:
    """Shift down and right; the edge is repeated."""
    down, right = shift
    most = MAX_SHIFT_PX
    padded = F.pad(frame[None], (most,) * 4, mode='replicate')[0]
    height, width = frame.shape[1:]
    return padded[:, most - down : most - down + height, most - right : most - right + width]
