# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Samples of two eyes: their places differ by the disparity, and by nothing else."""

import dataclasses

import numpy as np
import pytest
import torch

from kit.clips import CAMERA, HEIGHT, SCENE, STEP, WIDTH, Sliding
from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.chunk import Geometry
from spike_training.datasets.clip import RightFrames, RightSpikes, SpikeClip
from spike_training.datasets.readers.files import parallel_rig
from spike_training.errors import DataSetError
from spike_training.sampling.clip_source import ClipSource
from spike_training.sampling.shifted import Optics, ShiftedSource
from spike_training.sampling.spike_source import SpikeSource
from spike_training.sensor.parameters import SENSORS

BASELINE_M = 0.2


class SlidingPair(Sliding):
    """Frames of two eyes; all that they show has one disparity.

    Args:
        disparity: Of the frames as they are stored, pixels.
        offset: Disparity of what is infinitely far.
        pairs: Frames with a right eye.
    """

    def __init__(self, disparity=6, offset=0.0, pairs=(1, 2, 3, 4), **changes):
        super().__init__(**changes)
        right = CAMERA.copy()
        right[0, 2] -= offset
        rig = parallel_rig(CAMERA, right, BASELINE_M, (HEIGHT, WIDTH))

        def image(index):
            first = index * STEP + disparity
            return np.ascontiguousarray(SCENE[:, first : first + WIDTH])

        self.right = RightFrames(pairs, image, lambda index: None, rig)


def frames(clip, **changes):
    settings = {'height': HEIGHT, 'width': WIDTH, 'with_rgb': True, 'bins': 8, 'planes': (64,)}
    return ClipSource([clip], **settings | changes, with_right=True)


def rates(batch):
    planes = batch.planes_per_bin.sum()
    return [eye.counts.sum(1, dtype=torch.float32) / planes for eye in (batch, batch.right)]


class TestFrames:
    @pytest.mark.parametrize(('stored', 'offset'), [(6, 0.0), (10, 4.0), (2, -4.0)])
    def test_disparity_is_counted_from_what_is_infinitely_far(self, stored, offset):
        batch = frames(SlidingPair(stored, offset)).samples([0])
        left, right = batch.rgb, batch.right.rgb
        torch.testing.assert_close(left[..., 16:80], right[..., 10:74])
        assert batch.baseline_m.tolist() == pytest.approx([BASELINE_M])

    def test_a_part_of_a_pixel_is_interpolated(self):
        batch = frames(SlidingPair(7, 0.5)).samples([0])
        left, right = batch.rgb[..., 16:80], batch.right.rgb
        between = (right[..., 9:73] + right[..., 10:74]) / 2  # at 6.5 pixels
        assert (left - between).abs().mean() < 0.3 * (left - right[..., 10:74]).abs().mean()

    def test_spikes_show_what_each_eye_sees(self):
        left, right = rates(frames(SlidingPair()).samples([1]))
        inner = left[..., 16:80]
        errors = [float((inner - right[..., k : k + 64]).abs().mean()) for k in range(6, 14)]
        assert int(np.argmin(errors)) == 4  # of a disparity of 6
        assert errors[4] < 0.01
        # In motion, too: the window of the right eye is that of its own frames.
        slow = frames(SlidingPair(), rate_hz=320.0).samples([1])
        moving = rates(slow)
        assert (moving[0][..., 16:80] - moving[1][..., 10:74]).abs().mean() < 0.01
        assert (moving[0] - left).abs().mean() > 0.005

    def test_equal_pictures_have_other_noise(self):
        batch = frames(SlidingPair(0)).samples([0])
        assert torch.equal(batch.rgb, batch.right.rgb)
        assert not torch.equal(batch.counts, batch.right.counts)
        both = rates(batch)
        assert (both[0] - both[1]).abs().max() <= 1.01 / 64

    def test_the_exposure_is_that_of_the_left_eye(self):
        clip = SlidingPair(0)
        image = clip.right.image
        dark = dataclasses.replace(clip.right, image=lambda k: (0.5 * image(k)).astype(np.uint8))
        clip.right = dark
        left, right = rates(frames(clip).samples([0]))
        assert right.mean() < 0.5 * left.mean()

    def test_pairs_need_no_depth(self):
        source = frames(SlidingPair(labelled=(2,), pairs=(1, 2, 5)))
        assert [source.frame(k) for k in range(len(source))] == [1, 2, 5]
        batch = source.samples([0, 1, 2])
        assert batch.depth.isfinite().any(dim=(1, 2, 3)).tolist() == [False, True, False]
        assert batch.right.depth.isnan().all()

    def test_both_eyes_are_cut_and_mirrored_alike(self):
        source = frames(SlidingPair(), height=32, width=32, flip=True, random_crop=True)
        scale = 32 / HEIGHT
        for step in range(3):
            batch = source.batch(step, 4)
            # Mirrored or not, the left eye shows places farther to the right.
            for shift, better in ((round(6 * scale), True), (-round(6 * scale), False)):
                left, right = batch.rgb, torch.roll(batch.right.rgb, shift, dims=-1)
                error = (left - right)[..., 8:24].abs().mean(dim=(1, 2, 3))
                assert ((error < 0.06) == better).all(), (step, shift, error)

    def test_one_eye_is_refused(self):
        with pytest.raises(DataSetError, match='made/sliding: no recording has a calibrated'):
            frames(Sliding())
        clip = SlidingPair()
        clip.right = dataclasses.replace(clip.right, rig=None)
        with pytest.raises(DataSetError, match='expected pairs'):
            frames(clip)

    def test_the_left_eye_is_that_of_samples_of_one_eye(self):
        clip = SlidingPair()
        alone = ClipSource([clip], HEIGHT, WIDTH, (64,), bins=8, with_rgb=True)
        pair = frames(clip)
        number = [alone.frame(k) for k in range(len(alone))].index(pair.frame(0))
        one, both = alone.samples([number]), pair.samples([0])
        torch.testing.assert_close(one.depth, both.depth, equal_nan=True, rtol=0, atol=0)
        assert torch.equal(one.rgb, both.rgb)
        # The charge at the start is drawn by the number of the sample.
        charged = rates(both)[0] - one.counts.sum(1, dtype=torch.float32) / 64
        assert charged.abs().max() <= 1.01 / 64


def spikes(disparity=6, rig=None, planes=128, height=40, width=64):
    """A recording of a textured wall by two eyes."""
    rng = np.random.default_rng(0)
    light = rng.uniform(0.1, 0.7, (height, width + disparity))
    views = light[:, :width], light[:, disparity:]
    packed = [
        packing.pack((rng.random((planes, height, width)) < view).astype(np.uint8))
        for view in views
    ]
    rig = rig or StereoRig.from_baseline(BASELINE_M, 60.0, width, height)
    lens = rig.rectifications[0]
    camera = np.array(rig.left.p).reshape(3, 4)[:, :3]
    return SpikeClip(
        'made/wall', Geometry(height, width), planes, 20_000.0, camera,
        lambda a, b: packed[0][a:b], (64,), (lambda: np.full((height, width), 2.0, np.float32),),
        rectification=lens, right=RightSpikes(lambda a, b: packed[1][a:b], rig),
    )  # fmt: skip


class TestSpikes:
    def source(self, clip, **changes):
        settings = {'planes': 128, 'bins': 4, 'multiple': 8} | changes
        return SpikeSource([clip], **settings, with_right=True)

    def best(self, batch, most=16):
        """Return the disparity at which the eyes are most alike."""
        left, right = (one[0].numpy() for one in rates(batch))
        last = left.shape[1] - 4
        likeness = [
            np.corrcoef(left[:, most:last].ravel(), right[:, most - k : last - k].ravel())[0, 1]
            for k in range(-4, most)
        ]
        return int(np.argmax(likeness)) - 4, max(likeness)

    def test_both_eyes_have_the_planes_of_one_time(self):
        batch = self.source(spikes()).samples([0])
        found, likeness = self.best(batch)
        assert found == 6
        assert likeness > 0.9
        assert batch.baseline_m.tolist() == pytest.approx([BASELINE_M])
        assert batch.unlabelled().right is batch.right.counts

    @pytest.mark.parametrize('offset', [3.0, -2.0])
    def test_disparity_is_counted_from_what_is_infinitely_far(self, offset):
        size = 64, 40
        centred = StereoRig.from_baseline(BASELINE_M, 60.0, *size)
        moved = [*centred.right.p]
        moved[2] -= offset
        k = [*centred.right.k]
        k[2] -= offset
        right = dataclasses.replace(centred.right, k=tuple(k), p=tuple(moved))
        batch = self.source(spikes(6, StereoRig(centred.left, right))).samples([0])
        assert self.best(batch)[0] == 6 - offset

    def test_a_part_of_a_pixel_is_interpolated(self):
        centred = StereoRig.from_baseline(BASELINE_M, 60.0, 64, 40)
        changed = {
            name: tuple(
                value - 0.5 * (n == 2) for n, value in enumerate(getattr(centred.right, name))
            )
            for name in ('k', 'p')
        }
        rig = StereoRig(centred.left, dataclasses.replace(centred.right, **changed))
        clip = spikes(6, rig)
        found = rates(self.source(clip).samples([0]))[1][0].numpy()
        plain = rates(self.source(spikes(6)).samples([0]))[1][0].numpy()
        between = (plain[:, 10:50] + plain[:, 9:49]) / 2
        assert np.abs(found[:, 10:50] - between).mean() < 0.02
        assert np.abs(found[:, 10:50] - plain[:, 10:50]).mean() > 0.05

    def test_summed_pixels_halve_disparity(self):
        batch = self.source(spikes(8), size=(20, 32), multiple=4).samples([0])
        assert self.best(batch, most=8)[0] == 4
        assert batch.right.counts.shape == batch.counts.shape == (1, 4, 20, 32)
        assert batch.fx.tolist() == pytest.approx([30.0])

    def test_random_crops_are_of_one_place(self):
        source = self.source(spikes(), size=(16, 40), random_crop=True, raw_pixels=True)
        assert {self.best(source.batch(step, 1))[0] for step in range(5)} == {6}

    def test_one_eye_is_refused(self):
        with pytest.raises(DataSetError, match='made/wall: no recording has a calibrated right'):
            self.source(dataclasses.replace(spikes(), right=None))


def test_the_sensors_of_both_eyes_differ():
    """Equal pixels of both would match at a disparity of 0."""
    optics = Optics(sensor=dataclasses.replace(SENSORS['noise_maps'], response_mismatch=0.3))
    source = ShiftedSource(
        optics, seed=1, height=32, width=48, planes=(256,), bins=4, with_right=True
    )

    def pattern(rate):
        """Return what a pixel has more than the one beside it, in all scenes."""
        return (rate[..., 1:] / (rate[..., :-1] + 0.01)).log1p().mean(dim=0).flatten().numpy()

    first, second = (
        [pattern(rate) for rate in rates(source.batch(step, 12))] for step in range(2)
    )
    for eye in range(2):
        assert np.corrcoef(first[eye], second[eye])[0, 1] > 0.6
    assert abs(np.corrcoef(*first)[0, 1]) < 0.2
