# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Windows of a labelled source as the camera of a target would have recorded them.

The light of a window is its firing rate. It goes through haze, by the depth of the source, through
the curve of the tones, blur and darker corners of the target's camera, and is exposed and counted
anew. What moves within the window is kept in its bins.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from spike_training.sampling.lens import clearness, falloff

HIGHLIGHT = 0.9
"""Quantile of a window's rates that the light of haze is a factor on."""

DARK_SPREAD = 0.43
"""Spread of the dark current between pixels, that of all fitted sensors."""

GENERIC_EXPONENT, GENERIC_HAZE_M = 3.0, (5.0, 100.0)
"""Largest exponent of any camera, the inverse of the least, and depths of its haze, metres."""

GENERIC_SENSOR = 0.01, 0.1, 0.003
"""Most dark spikes per plane, mismatch and share of hot pixels of any camera."""

LEAST_BLUR_PX = 0.15
"""Blur that is none, pixels."""

_COUNTED = 1 / 6  # variance of a count whose fraction is lost, mean over all fractions
_MOST_TONES = 1e3  # rate over its mean; so is its inverse the least
_LEAST_LIT = 0.05  # share of the rate that is not dark current
_TAIL = 2.5  # deviations of the kernel of blur


@dataclasses.dataclass(frozen=True)
class CameraView:
    """Air, lens, light and sensor of a target; the defaults change nothing.

    Attributes:
        exponent: Exponent on the light: above 1 shadows are deeper.
        vignette: Share of the light that the corners lose.
        haze_m: Depth at which haze scatters half of the light, metres; infinite: none.
        air: Light of the haze over that of the brightest tenth of the window.
        blur: Standard deviation of the lens's blur, pixels.
        light: Factor on the mean rate.
        dark: Dark spikes per plane.
        mismatch: Standard deviation of the response of the pixels.
        hot: Share of hot pixels.
    """

    exponent: float = 1.0
    vignette: float = 0.0
    haze_m: float = math.inf
    air: float = 1.0
    blur: float = 0.0
    light: float = 1.0
    dark: float = 0.0
    mismatch: float = 0.0
    hot: float = 0.0

    def describe(self) -> str:
        """Describe the view in one line."""
        haze = f'haze {self.haze_m:.3g} m' if math.isfinite(self.haze_m) else 'no haze'
        return (
            f'{haze}, exponent {self.exponent:.2f}, vignette {self.vignette:.2f}, blur '
            f'{self.blur:.2f} px, light {self.light:.2f}, dark spikes {self.dark:.4f} a plane, '
            f'mismatch {self.mismatch:.2f}, hot pixels {self.hot:.2%}'
        )


class Spread(NamedTuple):
    """Deviations of the draws for each window around a view.

    Attributes:
        exponent: Of its logarithm.
        vignette: Of its value.
        haze_m: Of its logarithm.
        air: Of its value.
        blur: Of its logarithm.
        light: Of its logarithm.
    """

    exponent: float = 0.15
    vignette: float = 0.1
    haze_m: float = 0.35
    air: float = 0.15
    blur: float = 0.2
    light: float = 0.1


SPREAD = Spread()
"""Deviations of draws unless others are given."""


class Lens(NamedTuple):
    """Air and lens of each window, ``[B, 1, 1]``; fields as in :class:`CameraView`."""

    exponent: Tensor
    vignette: Tensor
    haze_m: Tensor
    air: Tensor
    blur: Tensor
    light: Tensor


def lens_of(view: CameraView, batch: int, device: torch.device | str) -> Lens:
    """Return the same air and lens for each window."""
    values = (getattr(view, name) for name in Lens._fields)
    return Lens(*(torch.full((batch, 1, 1), value, device=device) for value in values))


def draw_lens(
    view: CameraView, batch: int, device: torch.device | str, spread: Spread = SPREAD
) -> Lens:
    """Draw air and lens of each window around a view, from torch's global generator."""

    def normal(name: str) -> Tensor:
        deviation: float = getattr(spread, name)
        return deviation * torch.randn(batch, 1, 1, device=device)

    return Lens(
        exponent=view.exponent * normal('exponent').exp(),
        vignette=(view.vignette + normal('vignette')).clamp(0, 1),
        haze_m=view.haze_m * normal('haze_m').exp(),
        air=(view.air + normal('air')).clamp_min(0.2),
        blur=view.blur * normal('blur').exp(),
        light=view.light * normal('light').exp(),
    )


def draw_generic(batch: int, device: torch.device | str) -> Lens:
    """Draw air and lens of each window, of any camera; half of them without haze."""

    def even(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(batch, 1, 1, device=device)

    tones = math.log(GENERIC_EXPONENT)
    haze = even(*map(math.log, GENERIC_HAZE_M)).exp()
    return Lens(
        exponent=even(-tones, tones).exp(),
        vignette=even(0, 0.8),
        haze_m=torch.where(even(0, 1) < 0.5, haze, math.inf),
        air=even(0.5, 1.4),
        blur=even(0, 1),
        light=even(-0.5, 0.5).exp(),
    )


def matched_view(
    counts: Tensor,
    planes_per_bin: Tensor,
    depth: Tensor | None,
    view: CameraView,
    spread: Spread = SPREAD,
) -> Tensor:
    """Make the view of a batch of windows, each with its own draw around a camera's.

    Args:
        counts: ``[B, C, H, W]`` uint8, or float where corrected.
        planes_per_bin: ``[C]`` int32.
        depth: Metres, ``[B, 1, H, W]``, +Inf in the sky, NaN where unknown; None: haze is left
            out.
        view: Air, lens, light and sensor.
        spread: Deviations of the draws.

    Returns:
        ``[B, C, H, W]`` uint8, at most ``planes_per_bin``.
    """
    lens = draw_lens(view, len(counts), counts.device, spread)
    return _record(counts, planes_per_bin, depth, lens, view)


def generic_view(counts: Tensor, planes_per_bin: Tensor, depth: Tensor | None) -> Tensor:
    """Make views of a batch of windows by any camera: the control that knows no target.

    Args:
        counts: As for :func:`matched_view`.
        planes_per_bin: As there.
        depth: As there.

    Returns:
        As there.
    """
    lens = draw_generic(len(counts), counts.device)
    dark, mismatch, hot = (most * float(torch.rand(())) for most in GENERIC_SENSOR)
    sensor = CameraView(dark=dark, mismatch=mismatch, hot=hot)
    return _record(counts, planes_per_bin, depth, lens, sensor)


def _record(
    counts: Tensor, planes_per_bin: Tensor, depth: Tensor | None, lens: Lens, view: CameraView
) -> Tensor:
    """Count the spikes of windows through air and lens, by the sensor of a view."""
    planes = planes_per_bin.float()[:, None, None]
    seen = counts.float()
    total = seen.sum(dim=1)
    number = planes.sum()
    rate = smoothed(total) / number
    far = None if depth is None else depth[:, 0]
    lit, slope = through_air(rate, far, lens, highlight_of(rate))
    moving = _changes(seen, total / number, planes) * slope[:, None]
    lit, moving = through_glass(lit, lens), through_glass(moving, lens)
    gain = exposure(lit, rate, lens, view.dark)
    response, added = draw_pixels(rate.shape, rate.device).of(view)
    light = (lit * gain * response).clamp_max_(1)[:, None] + added[:, None]
    expected = light * planes + moving * (gain * response)[:, None]
    # A pixel fires whenever its charge is whole. Charge is not lost: what falls, waits.
    charge = expected.cumsum(dim=1).cummax(dim=1).values
    spikes = (charge + torch.rand_like(charge[:, :1])).floor_()
    found = torch.diff(spikes, dim=1, prepend=torch.zeros_like(spikes[:, :1]))
    return torch.minimum(found, planes).to(torch.uint8)


def highlight_of(rate: Tensor) -> Tensor:
    """Return the rate of each window that the light of haze is a factor on, ``[B, 1, 1]``."""
    return rate.flatten(1).quantile(HIGHLIGHT, dim=1)[:, None, None]


def through_air(
    rate: Tensor, depth: Tensor | None, lens: Lens, highlight: Tensor
) -> tuple[Tensor, Tensor]:
    """Return light behind haze and the curve of the tones, and its slope over the rate.

    Args:
        rate: Spikes per plane, ``[B, H, W]``.
        depth: Metres, same shape; None: there is no haze.
        lens: Air and lens.
        highlight: See :func:`highlight_of`.

    Returns:
        Both ``[B, H, W]``, the light in arbitrary units, 0 or more.
    """
    near: Tensor | float = 1.0
    if depth is not None and bool(lens.haze_m.isfinite().any()):
        near = clearness(_known(depth), lens.haze_m)
        rate = rate * near + lens.air * highlight * (1 - near)
    mean = rate.mean(dim=(1, 2), keepdim=True).clamp_min(1e-6)
    tones = (rate / mean).clamp(1 / _MOST_TONES, _MOST_TONES)
    lit = tones.pow(lens.exponent)
    return lit, near * lens.exponent * lit / (tones * mean)


def through_glass(images: Tensor, lens: Lens) -> Tensor:
    """Blur images ``[B, ..., H, W]`` and darken their corners."""
    extra = (1,) * (images.ndim - 3)
    deviation, vignette = (one.reshape(-1, *extra, 1, 1) for one in (lens.blur, lens.vignette))
    rows, columns = images.shape[-2:]
    dark = falloff(rows, columns, images.device)
    return blurred(images, deviation) * (1 - vignette * dark)


def exposure(lit: Tensor, rate: Tensor, lens: Lens, dark: float) -> Tensor:
    """Return the factor on light that exposes each window as its own rate, ``[B, 1, 1]``."""
    level = rate.mean(dim=(1, 2), keepdim=True) * lens.light
    level = torch.maximum(level - dark, _LEAST_LIT * level)
    return level / lit.mean(dim=(1, 2), keepdim=True).clamp_min(1e-6)


def smoothed(total: Tensor, pixels: int = 1) -> Tensor:
    """Take the noise of counting out of counts, ``[B, H, W]`` (after Lee, 1980).

    Each pixel moves to the mean of its 3x3 pixels by the share of their variance that counting
    explains; counts may be sums of as many ``pixels``.
    """
    padded = F.pad(total[:, None], (1, 1, 1, 1), mode='replicate')
    mean = F.avg_pool2d(padded, 3, 1)[:, 0]
    variance = F.avg_pool2d(padded.square(), 3, 1)[:, 0] - mean.square()
    signal = (1 - pixels * _COUNTED / variance.clamp_min(1e-6)).clamp_min(0)
    return mean + signal * (total - mean)


def _changes(seen: Tensor, rate: Tensor, planes: Tensor) -> Tensor:
    """Return what the counts of bins differ by from an even rate, without the noise of counting.

    A pixel of constant rate has counts that differ by one at most.
    """
    even = rate[:, None] * planes
    change = seen - even
    part = even - even.floor()
    counted = (part * (1 - part)).mean(dim=1, keepdim=True)
    variance = change.square().mean(dim=1, keepdim=True)
    return change * (1 - counted / variance.clamp_min(1e-6)).clamp_min_(0)


class Pixels(NamedTuple):
    """Draws for the pixels of sensors, all of one shape.

    Attributes:
        response: Normal, for the response.
        dark: Normal, for the dark current.
        place: 0 to 1, which pixels are hot.
        heat: 0 to 1, spikes per plane of these.
    """

    response: Tensor
    dark: Tensor
    place: Tensor
    heat: Tensor

    def of(self, view: CameraView) -> tuple[Tensor, Tensor]:
        """Return the response of the pixels, and the spikes per plane that they add."""
        response = (1 + view.mismatch * self.response).clamp_min(0)
        # The logarithm of a dark current is normal; its mean is that of the view.
        added = view.dark * (DARK_SPREAD * self.dark - DARK_SPREAD**2 / 2).exp()
        return response, added + torch.where(self.place < view.hot, self.heat, 0.0)


def draw_pixels(
    shape: Sequence[int], device: torch.device | str, generator: torch.Generator | None = None
) -> Pixels:
    """Draw the pixels of sensors, from torch's global generator unless another is given."""
    normal = functools.partial(torch.randn, tuple(shape), generator=generator, device=device)
    even = functools.partial(torch.rand, tuple(shape), generator=generator, device=device)
    return Pixels(normal(), normal(), even(), even())


def _known(depth: Tensor) -> Tensor:
    """Return depth with the median of its image where it is unknown."""
    unknown = depth.isnan()
    if not bool(unknown.any()):
        return depth
    middle = depth.flatten(1).nanmedian(dim=1).values[:, None, None]
    # An image without any depth has no haze.
    return torch.where(unknown, middle.nan_to_num(nan=math.inf), depth)


def blurred(images: Tensor, deviation_px: Tensor) -> Tensor:
    """Blur each image with a Gaussian of its own; edges are repeated.

    Args:
        images: ``[..., H, W]``.
        deviation_px: Standard deviations, pixels, 0 or more, of a shape that broadcasts.
    """
    most = float(deviation_px.max())
    if most < LEAST_BLUR_PX:
        return images
    radius = math.ceil(_TAIL * most)
    place = torch.arange(-radius, radius + 1, device=images.device)
    squared = 2 * deviation_px.clamp_min(1e-3).square()
    weights = torch.exp(-place.square().reshape(-1, *(1,) * squared.ndim) / squared)
    weights = weights / weights.sum(dim=0)
    # Sums of shifted images: a convolution by torch takes five times as long on a CPU.
    for dim in (-1, -2):
        size = images.shape[dim]
        ahead, behind = images.narrow(dim, 0, 1), images.narrow(dim, size - 1, 1)
        repeats = [1] * images.ndim
        repeats[dim] = radius
        padded = torch.cat([ahead.repeat(repeats), images, behind.repeat(repeats)], dim)
        images = weights[0] * padded.narrow(dim, 0, size)
        for k in range(1, 2 * radius + 1):
            images = images.addcmul_(weights[k].expand_as(images), padded.narrow(dim, k, size))
    return images
