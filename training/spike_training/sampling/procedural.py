# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training samples without data sets: procedural scenes recorded by a simulated spike camera."""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from spike_depth_ros.stream.chunk import PackedPlanes
from spike_depth_ros.stream.window import reference_index
from spike_training.events.camera import record_grid
from spike_training.events.settings import EventWindow
from spike_training.sampling.frames import (
    INSTANTS,
    Shot,
    draw_shot,
    expose_frames,
    lose_bins,
)
from spike_training.sampling.sample import Batch, View, collate
from spike_training.sensor.camera import SpikeCamera
from spike_training.sensor.exposure import count_spikes, initial_charge
from spike_worlds.building.sampler import cos_sin
from spike_worlds.generator import SceneGenerator
from spike_worlds.pool import ScenePool, generate
from spike_worlds.render import Rendering, render
from spike_worlds.scene import Array, Scenes
from spike_worlds.second_band import other_band
from spike_worlds.second_eye import (
    BASELINE_M,
    BASELINES_M,
    second_eye,
    without_illumination,
)

SEGMENTS = 4
"""Segments of a window; light is linear within each."""

FAST_WIDTHS_PER_S = 6.0
"""95th percentile of the motion of pixels in the fastest style, image widths per second."""

KNOT_MOTION_PX = 0.5
"""Motion of such pixels between two knots of light, at most, where batches have true images."""

Band = Literal['none', 'right', 'all']
"""Eyes whose spike camera sees another band of light."""

_METER_STEP = 4  # pixels between those that the exposure is metered at
_PREFETCHED = 256  # scenes generated at once, at least
_PIXELS = 1 << 23  # rendered at once, at most
_LENGTHS = 7  # entropy of the window lengths
_BASELINES = 11  # of the factors on the distance of the eyes
_RGB_LEVEL = 0.25  # mean of linear colour images


class ProceduralSource:
    """Endless source of batches; every sample is a function of seed, split and index alone.

    Sample ``index`` has style ``styles[index % len(styles)]``. The number of processes, the size
    of batches and where training resumes change nothing.

    Args:
        styles: Styles of scenes, see ``generator.STYLES``.
        seed: Seed of the scenes.
        height: Rows.
        width: Columns.
        planes: Window lengths; every batch has one of them.
        rate_hz: Planes per second.
        with_rgb: Whether batches have colour images.
        with_spikes: Whether spikes are simulated; else batches have one bin without a spike, as
            for networks of colour images or of depth.
        with_image: Whether batches have the true firing rate at the reference plane. The light
            then has more knots, without double edges where things move fast.
        with_right: Whether batches have a right eye, at the distance of each style
            (``second_eye.BASELINES_M``); its exposure is that of the left one.
        with_frame: Whether batches have the frame of a camera beside the spikes.
        dropped: Share of samples without a frame, and of those without spikes, where there is no
            condition.
        other_scene: Share of samples with the frame of another scene, where there is no condition.
        condition: What goes wrong with frame or spikes, one of ``frames.CONDITIONS``; None: it is
            drawn for each sample.
        band: Eyes whose spike camera sees another band of light, see :func:`.other_band`: none,
            right or all. Its exposure is then its own. Colours are never of it.
        events: What batches have in place of spikes: voxel grids of the events of an event camera
            before the reference plane; None: spikes.
        baseline_factors: Least and largest factor on this distance, drawn for each sample with a
            uniform logarithm.
        rates_hz: Plane rates of batches, one drawn for each; empty: ``rate_hz``.
        device: Where to render and simulate.
        split: ``train``, ``calibration`` or ``test``, which have no scene in common.
        bins: Bins of the counts.
        workers: Processes that generate the scenes of coming batches; 0: scenes are generated in
            this process when needed.

    Raises:
        ValueError: No styles or window lengths, sizes or rates that are not positive, or true
            images without spikes.
    """

    def __init__(
        self,
        styles: tuple[str, ...] = ('indoor', 'road'),
        seed: int = 0,
        height: int = 128,
        width: int = 192,
        planes: tuple[int, ...] = (128,),
        rate_hz: float = 20_000.0,
        with_rgb: bool = False,
        device: torch.device | str = 'cpu',
        split: str = 'train',
        bins: int = 32,
        workers: int = 0,
        with_image: bool = False,
        rates_hz: tuple[float, ...] = (),
        with_right: bool = False,
        baseline_factors: tuple[float, float] = (1.0, 1.0),
        with_spikes: bool = True,
        with_frame: bool = False,
        dropped: float = 0.0,
        other_scene: float = 0.0,
        condition: str | None = None,
        band: Band = 'none',
        events: EventWindow | None = None,
    ) -> None:
        if with_image and not with_spikes:
            raise ValueError('true images without spikes: expected both, or spikes alone')
        if not styles or not planes:
            raise ValueError('no styles or no window lengths: expected at least one of each')
        if min(height, width, bins, *planes) < 1 or not min(rate_hz, *rates_hz, math.inf) > 0:
            raise ValueError(
                f'image {height} x {width}, windows of {list(planes)} planes at {rate_hz:g} Hz in '
                f'{bins} bins: expected positive numbers'
            )
        self.seed = seed
        self.generators = [SceneGenerator(seed, style, split) for style in styles]
        self.height, self.width, self.bins = height, width, bins
        self.planes, self.rate_hz = planes, rate_hz
        self.rates_hz = rates_hz or (rate_hz,)
        self.with_rgb, self.with_image, self.with_right = with_rgb, with_image, with_right
        self.with_spikes = with_spikes
        self.with_frame, self.condition, self.band = with_frame, condition, band
        self.events = events
        self.dropped, self.other_scene = dropped, other_scene
        if not 0 < baseline_factors[0] <= baseline_factors[1]:
            raise ValueError(
                f'baseline_factors is {list(baseline_factors)}: expected two above 0, the larger '
                'one last'
            )
        self.baseline_factors = baseline_factors
        self.baselines_m = [BASELINES_M.get(style, BASELINE_M) for style in styles]
        self.device = torch.device(device)
        self._pool = ScenePool(self.generators, workers) if workers else None
        self._prefetched: dict[tuple[int, int, int, int], tuple[list[int], Scenes]] = {}

    def batch(
        self,
        step: int,
        batch_size: int,
        rank: int = 0,
        world_size: int = 1,
        positions: Sequence[int] | None = None,
    ) -> Batch:
        """Return the batch of a step on one of several processes.

        Args:
            step: Number of the step, 0 or more.
            batch_size: Samples on each process.
            rank: This process.
            world_size: Number of processes.
            positions: Positions in the batch of the samples to return, at least one; None: all.
        """
        indices, scenes, planes, rate_hz = self._step(step, batch_size, rank, world_size)
        if positions is not None:
            indices = [indices[k] for k in positions]
            scenes = scenes.take(np.array(positions))
        return self._samples(indices, scenes, planes, rate_hz)

    def window_of(self, step: int) -> tuple[int, float]:
        """Return window length and plane rate of a step's batch."""
        # The same on every process: all samples of a step have equal weights.
        rng = np.random.default_rng([self.seed, _LENGTHS, step])
        planes = self.planes[int(rng.integers(len(self.planes)))]
        return planes, self.rates_hz[int(rng.integers(len(self.rates_hz)))]

    def windows(self, step: int, batch_size: int) -> Iterator[PackedPlanes]:
        """Yield the windows of a step's batch as packed planes.

        Their counts are those of :meth:`batch`, bit for bit.

        Args:
            step: Number of the step, 0 or more.
            batch_size: Samples.

        Yields:
            ``[planes, H, ceil(W / 8)]`` uint8, ``little``.
        """
        _, scenes, planes, rate_hz = self._step(step, batch_size)
        scenes = self._weather(scenes)
        # As many scenes at once as for a batch: floating-point sums depend on their number, and a
        # last bit may move a spike.
        for part in self._parts(batch_size):
            some = self._recorded(scenes.take(part))
            rendering = render(some, self.height, self.width, self.device)
            yield from self._windows(some, rendering, planes, rate_hz)

    def pairs(
        self, indices: Sequence[int], planes: int | None = None
    ) -> Iterator[tuple[PackedPlanes, PackedPlanes]]:
        """Yield the windows of both eyes of chosen samples as packed planes.

        Args:
            indices: Their numbers, 0 or more.
            planes: Window length; the first of the source's by default.

        Yields:
            Left and right planes, each as :meth:`windows` yields them.
        """
        scenes = without_illumination(self._weather(generate(self.generators, indices)))
        baseline_m = self._baselines_m(indices)
        length = planes or self.planes[0]
        for part in self._parts(len(indices)):
            left = self._recorded(scenes.take(part))
            right = self._recorded(second_eye(scenes.take(part), baseline_m[part]), right=True)
            by_left, by_right = (
                render(eye, self.height, self.width, self.device) for eye in (left, right)
            )
            metered = (by_left if self.band == 'none' else by_right).luminance
            yield from zip(
                self._windows(left, by_left, length, self.rate_hz),
                self._windows(right, by_right, length, self.rate_hz, metered),
                strict=True,
            )

    def _windows(
        self,
        scenes: Scenes,
        rendering: Rendering,
        planes: int,
        rate_hz: float,
        metered: Tensor | None = None,
    ) -> Iterator[PackedPlanes]:
        """Yield the windows of rendered scenes; their exposure is that of :meth:`_light`."""
        light, knots = self._light(rendering, scenes, planes, rate_hz, metered)
        for number, seed in enumerate(torch.from_numpy(scenes.seed).to(self.device)):
            camera = self._camera(seed[None], right=metered is not None)
            yield camera.expose(light[number : number + 1], knots)[0].cpu().numpy()

    def _baselines_m(self, indices: Sequence[int]) -> Array:
        """Return the distance of the eyes of each sample, metres."""
        number = len(self.baselines_m)
        low, high = map(math.log, self.baseline_factors)
        shares = [np.random.default_rng([self.seed, _BASELINES, k]).random() for k in indices]
        factors = [math.exp(low + share * (high - low)) for share in shares]
        found = [
            self.baselines_m[k % number] * one for k, one in zip(indices, factors, strict=True)
        ]
        return np.array(found, np.float32)

    def samples(self, indices: Sequence[int], planes: int | None = None) -> Batch:
        """Return chosen samples.

        Args:
            indices: Their numbers, 0 or more.
            planes: Window length; the first of the source's by default.
        """
        return self._samples(
            list(indices),
            generate(self.generators, indices),
            planes or self.planes[0],
            self.rate_hz,
        )

    def _step(
        self, step: int, batch_size: int, rank: int = 0, world_size: int = 1
    ) -> tuple[list[int], Scenes, int, float]:
        """Return numbers, scenes, window length and plane rate of a step."""
        planes, rate_hz = self.window_of(step)
        job = (batch_size, rank, world_size)
        key = (step, *job)
        prefetched = self._prefetched.get(key)
        if prefetched is None:
            self._prefetch(step, *job)
            prefetched = self._prefetched[key]
        indices, scenes = prefetched
        return indices, scenes, planes, rate_hz

    def _prefetch(self, step: int, batch_size: int, rank: int, world_size: int) -> None:
        """Generate the scenes of several steps at once, which is several times faster."""
        number = -(-_PREFETCHED // batch_size)

        def indices_from(first: int) -> list[int]:
            return [
                (later * world_size + rank) * batch_size + i
                for later in range(first, first + number)
                for i in range(batch_size)
            ]

        indices = indices_from(step)
        if self._pool is None:
            scenes = generate(self.generators, indices)
        else:
            scenes = self._pool.generate(
                indices, map(indices_from, itertools.count(step + number, number))
            )
        self._prefetched = {}
        for k in range(number):
            part = slice(k * batch_size, (k + 1) * batch_size)
            self._prefetched[step + k, batch_size, rank, world_size] = (
                indices[part],
                scenes.take(part),
            )

    def _weather(self, scenes: Scenes) -> Scenes:
        """Return scenes in the weather of the source's world."""
        return scenes

    def _recorded(self, scenes: Scenes, right: bool = False) -> Scenes:
        """Return scenes in the band of light that the spike camera of an eye sees."""
        other = self.band == 'all' or (right and self.band == 'right')
        return other_band(scenes) if other else scenes

    def _samples(self, indices: list[int], scenes: Scenes, planes: int, rate_hz: float) -> Batch:
        """Render and simulate, in parts where the batch is too large for the memory."""
        scenes = self._weather(scenes)
        parts = self._parts(len(indices))
        return collate([self._part(indices[p], scenes.take(p), planes, rate_hz) for p in parts])

    def _part(self, indices: list[int], scenes: Scenes, planes: int, rate_hz: float) -> Batch:
        if self.with_right:
            scenes = without_illumination(scenes)
        shots = [
            draw_shot(self.seed, k, self.condition, self.dropped, self.other_scene)
            for k in indices
            if self.with_frame
        ]
        if shots:
            light = np.array([shot.light for shot in shots], np.float32)
            scenes = dataclasses.replace(scenes, rate=scenes.rate * light)
        colours = self.with_rgb or self.with_frame
        rendering = render(scenes, self.height, self.width, self.device, colours)
        left = self._eye(indices, scenes, rendering, planes, rate_hz)
        if shots:
            left = dataclasses.replace(
                left,
                counts=lose_bins(left.counts, shots),
                rgb=left.rgb if self.with_rgb else None,
                frame=self._frames_of(indices, scenes, rendering, shots),
                has_spikes=torch.tensor([one.has_spikes for one in shots], device=self.device),
            )
        if not self.with_right:
            return left
        baseline_m = self._baselines_m(indices)
        other = second_eye(scenes, baseline_m)
        seen = render(other, self.height, self.width, self.device, self.with_rgb)
        right = self._eye(indices, other, seen, planes, rate_hz, rendering.luminance)
        return dataclasses.replace(
            left,
            right=View(right.counts, right.rgb, right.depth, right.image),
            baseline_m=torch.from_numpy(baseline_m).to(self.device),
        )

    def _eye(
        self,
        indices: list[int],
        scenes: Scenes,
        rendering: Rendering,
        planes: int,
        rate_hz: float,
        metered: Tensor | None = None,
    ) -> Batch:
        """Return the batch of one eye; its exposure is that of :meth:`_light`."""
        if self.events is not None:
            counts = self._events(self.events, scenes, rendering, metered)
            ones = torch.ones(self.events.bins, dtype=torch.int32, device=self.device)
            return self._batch(indices, scenes, rendering, counts, ones, metered)
        if not self.with_spikes:
            shape = (len(indices), 1, self.height, self.width)
            none = torch.zeros(shape, dtype=torch.uint8, device=self.device)
            one = torch.ones(1, dtype=torch.int32, device=self.device)
            return self._batch(indices, scenes, rendering, none, one, metered)
        right, seen, by = metered is not None, rendering, metered
        recorded = self._recorded(scenes, right)
        if recorded is not scenes:
            seen = render(recorded, self.height, self.width, self.device)
            by = seen.luminance if right else None
        light, knots = self._light(seen, scenes, planes, rate_hz, by)
        seeds = torch.from_numpy(scenes.seed).to(self.device)
        counts, lengths = self._counts(light, knots, seeds, right=right)
        batch = self._batch(indices, scenes, rendering, counts, lengths, metered)
        if not self.with_image:
            return batch
        image = light_at(light, knots, reference_index('middle', planes))
        return dataclasses.replace(batch, image=image[:, None])

    def _events(
        self, window: EventWindow, scenes: Scenes, rendering: Rendering, metered: Tensor | None
    ) -> Tensor:
        """Return what networks see of events, ``[B, bins, H, W]``; lamps do not flicker."""
        exposed = expose(rendering.luminance, scenes.rate, metered)
        steps = math.ceil(FAST_WIDTHS_PER_S * self.width * window.window_s / KNOT_MOTION_PX)
        steps = max(steps, window.bins)
        seconds = [(k / steps - 1) * window.window_s for k in range(steps)]
        light = torch.stack([*moved(exposed, rendering.flow, seconds), exposed], 1)
        return record_grid(light, torch.from_numpy(scenes.seed).to(self.device), window)

    def _batch(
        self,
        indices: Sequence[int],
        scenes: Scenes,
        rendering: Rendering,
        counts: Tensor,
        lengths: Tensor,
        metered: Tensor | None = None,
    ) -> Batch:
        """Return counts and the planes of their bins with depth and colour of rendered scenes."""
        rgb = None
        if rendering.rgb is not None:
            level = np.full_like(scenes.rate, _RGB_LEVEL)
            gain = exposure_gain(rendering.luminance if metered is None else metered, level)
            rgb = (rendering.rgb * gain[:, None]).clamp_(0, 1).sqrt_()
        focal = torch.from_numpy(scenes.focal).to(self.device)
        return Batch(
            counts=counts,
            planes_per_bin=lengths,
            rgb=rgb,
            depth=rendering.depth[:, None],
            fx=focal * self.width,
            index=torch.as_tensor(list(indices), dtype=torch.int64, device=self.device),
        )

    def _frames_of(
        self, indices: Sequence[int], scenes: Scenes, rendering: Rendering, shots: Sequence[Shot]
    ) -> Tensor:
        """Return the frames of samples; the exposure of each is metered on itself."""
        before = np.array([shot.age_s for shot in shots], np.float32)
        lasting = np.array([shot.exposure_s for shot in shots], np.float32)
        assert rendering.rgb is not None
        total = rendering.rgb.clone()

        def places(chosen: Array) -> Tensor:
            return torch.from_numpy(chosen).to(self.device)

        if len(others := np.flatnonzero([shot.other_scene for shot in shots])):
            seen = self._weather(generate(self.generators, [indices[k] + 1 for k in others]))
            total[places(others)] = self._seen_at(seen, -before[others])
        if len(old := np.flatnonzero(before)):
            total[places(old)] = self._seen_at(scenes.take(old), -before[old])
        if len(blurred := np.flatnonzero(lasting)):
            some = scenes.take(blurred)
            # Middles of equal parts of the exposure; that of the middle part is there already.
            for k in range(-(INSTANTS // 2), INSTANTS // 2 + 1):
                if k:
                    later = (k / INSTANTS * lasting - before)[blurred]
                    total[places(blurred)] += self._seen_at(some, later)
            total[places(blurred)] /= INSTANTS
        level = np.full(len(shots), _RGB_LEVEL, np.float32)
        gain = exposure_gain(total.mean(dim=1), level)
        return expose_frames(total * gain[:, None], shots)

    def _seen_at(self, scenes: Scenes, seconds: Array) -> Tensor:
        """Render linear colours of scenes at times, ``[B]`` seconds after the reference plane."""
        seen = render(scenes.later(seconds), self.height, self.width, self.device, True).rgb
        assert seen is not None
        return seen

    def _parts(self, number: int) -> list[slice]:
        """Divide a batch into parts that the memory holds."""
        most = max(_PIXELS // (self.height * self.width), 1)
        return [slice(k, min(k + most, number)) for k in range(0, number, most)]

    def _light(
        self,
        rendering: Rendering,
        scenes: Scenes,
        planes: int,
        rate_hz: float,
        metered: Tensor | None = None,
    ) -> tuple[Tensor, list[int]]:
        """Return the light on the sensor at the knots of a window.

        Its exposure is metered on a luminance; None: its own.
        """
        exposed = expose(rendering.luminance, scenes.rate, metered)
        segments = self.segments(planes, rate_hz)
        light, knots = light_at_knots(exposed, rendering.flow, planes, rate_hz, segments)
        return apply_flicker(light, knots, scenes.flicker, rate_hz), knots

    def segments(self, planes: int, rate_hz: float) -> int:
        """Return the number of segments of light in a window; the same for all scenes."""
        if not self.with_image:
            return SEGMENTS
        motion_px = FAST_WIDTHS_PER_S * self.width * planes / rate_hz
        # An even number, so that a knot lies at the reference plane, where the light is exact.
        return max(SEGMENTS, 2 * math.ceil(motion_px / KNOT_MOTION_PX / 2))

    def _counts(
        self, light: Tensor, knots: list[int], seeds: Tensor, right: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Count the spikes in the bins of a window; return them and the planes of each bin."""
        charge = initial_charge(seeds, self.height, self.width)
        return count_spikes(light, knots, charge, self.bins)

    def _camera(self, seeds: Tensor, right: bool = False) -> SpikeCamera:
        """Return the camera of some scenes, seeds ``[B]``."""
        return SpikeCamera(self.height, self.width, seeds)


def exposure_gain(luminance: Tensor, level: Array) -> Tensor:
    """Return factors ``[B, 1, 1]`` that scale images ``[B, H, W]`` to mean levels ``[B]``."""
    # Whole numbers add up to the same in any order, hence in any batch and on any device.
    metered = (luminance[:, ::_METER_STEP, ::_METER_STEP].clamp(0, 16) * 65536).to(torch.int64)
    total = metered.flatten(1).sum(1).double() / (65536 * metered[0].numel())
    gain = torch.from_numpy(level).to(luminance.device) / total.clamp(min=1e-4).float()
    return gain[:, None, None]


def expose(luminance: Tensor, rate: Array, metered: Tensor | None = None) -> Tensor:
    """Scale images to target firing rates, as a camera's exposure control does.

    Args:
        luminance: ``[B, H, W]`` linear light.
        rate: Mean rate of each image, ``[B]``; what saturates lowers it.
        metered: Light whose scaled mean is that rate, as ``luminance``; None: ``luminance``.

    Returns:
        Thresholds per plane from 0 to 1.
    """
    gain = exposure_gain(luminance if metered is None else metered, rate)
    return (luminance * gain).clamp_(0, 1)


def light_at_knots(
    luminance: Tensor, flow: Tensor, planes: int, rate_hz: float, segments: int = SEGMENTS
) -> tuple[Tensor, list[int]]:
    """Return luminance at a few instants of a window, from one image and its motion.

    The image is warped backwards along the motion of its pixels. At the window's reference plane
    it is exact.

    Args:
        luminance: At the reference plane, ``[B, H, W]``.
        flow: Pixels per second, ``[B, 2, H, W]``.
        planes: Window length.
        rate_hz: Planes per second.
        segments: Of equal length between the knots, at most; no shorter than a plane.

    Returns:
        ``[B, K, H, W]`` and the planes of these knots, from 0 to ``planes``.
    """
    reference = reference_index('middle', planes)
    knots = sorted({round(k * planes / segments) for k in range(segments + 1)} | {0, planes})
    seconds = [(knot - reference) / rate_hz for knot in knots]
    return torch.stack(moved(luminance, flow, seconds), 1), knots


def moved(luminance: Tensor, flow: Tensor, seconds: Sequence[float]) -> list[Tensor]:
    """Warp images along the motion of their pixels.

    Args:
        luminance: ``[B, H, W]``, 0 to 1.
        flow: Pixels per second, ``[B, 2, H, W]``.
        seconds: Times after that of the images; at 0 they are exact.

    Returns:
        Images at these times, ``[B, H, W]`` each.
    """
    _, height, width = luminance.shape
    # In the units of grid_sample the image reaches from -1 to 1.
    x = (torch.arange(width, device=flow.device) + 0.5) * (2 / width) - 1
    y = (torch.arange(height, device=flow.device) + 0.5) * (2 / height) - 1
    place = torch.stack(torch.meshgrid(x, y, indexing='xy'), -1)
    speed = torch.stack([flow[:, 0] * (2 / width), flow[:, 1] * (2 / height)], -1)
    images = []
    for after in seconds:
        if after == 0:
            images.append(luminance)
            continue
        grid = place - speed * after
        found = F.grid_sample(luminance[:, None], grid, 'bilinear', 'border', align_corners=False)
        images.append(found[:, 0].clamp_(0, 1))
    return images


def light_at(light: Tensor, knots: Sequence[int], plane: float) -> Tensor:
    """Interpolate the light of a window at one instant, as :func:`count_spikes` does.

    Args:
        light: ``[B, K, H, W]``.
        knots: Their planes, increasing.
        plane: The instant, from the first to the last knot.

    Returns:
        ``[B, H, W]``.
    """
    after = min(bisect.bisect_right(knots, plane), len(knots) - 1)
    low, high = knots[after - 1], knots[after]
    return torch.lerp(light[:, after - 1], light[:, after], (plane - low) / (high - low))


def apply_flicker(light: Tensor, knots: Sequence[int], flicker: Array, rate_hz: float) -> Tensor:
    """Modulate the light at the knots of a window by the flicker of lamps on mains.

    Light is linear between knots. Flicker is averaged between knots that are too far apart to
    follow it: in long windows it fades.

    Args:
        light: ``[B, K, H, W]``, 0 to 1.
        knots: Their planes, evenly apart.
        flicker: As in ``Scenes``, ``[B, 3]``.
        rate_hz: Planes per second.

    Returns:
        Same shape, 0 to 1; ``light`` itself where nothing flickers.
    """
    if not flicker[:, 0].any():
        return light
    share, frequency, phase = np.split(flicker.astype(np.float64), 3, 1)
    periods = np.maximum(frequency * (knots[-1] / (len(knots) - 1) / rate_hz), 1e-6)
    # The spectrum of a triangle that reaches to the knots beside.
    fade = cos_sin(np.pi * (periods % 2))[1] / (np.pi * periods)
    wave, _ = cos_sin(2 * np.pi * ((phase + frequency * np.asarray(knots) / rate_hz) % 1))
    factor = (1 + share * fade * fade * wave).astype(np.float32)
    return (light * torch.from_numpy(factor).to(light.device)[:, :, None, None]).clamp_(0, 1)
