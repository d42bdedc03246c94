# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Samples of recordings: what is simulated is what the frames show, where the depth says it is."""

import numpy as np
import pytest
import torch

from kit.clips import CAMERA, FRAME_S, HEIGHT, SCENE, STEP, WIDTH, Sliding
from spike_depth_ros.io.video.light import luminance
from spike_depth_ros.io.video.placement import Placement
from spike_training.datasets import readers
from spike_training.errors import DataSetError, FrameError
from spike_training.sampling.clip_source import ClipSource
from spike_training.sensor.interpolation import LinearInterpolator

PLANES = 128


def source(clip=None, **changes):
    settings = {'height': HEIGHT, 'width': WIDTH} | changes
    return ClipSource([clip or Sliding()], **settings)


def rate(batch, row=0):
    return batch.counts[row].sum(0, dtype=torch.float32).numpy() / float(
        batch.planes_per_bin.sum()
    )


def likeness(first, second):
    return np.corrcoef(first.ravel(), second.ravel())[0, 1]


def light(index):
    return luminance(Sliding().image(index))


@pytest.mark.parametrize('index', [0, 3, 5])
def test_the_firing_rate_shows_the_labelled_frame(index):
    batch = source().samples([index])
    scores = [likeness(rate(batch), light(k)) for k in range(6)]
    assert int(np.argmax(scores)) == index
    assert scores[index] > 0.98
    expected = np.clip(light(index) * 0.2 / light(index).mean(), 0, 1)
    assert np.abs(rate(batch) - expected).mean() < 0.01


def test_what_moves_is_at_its_place_at_the_reference_plane():
    """A window as long as the time between frames: it begins half a step before, ends after."""
    batch = source(rate_hz=PLANES / FRAME_S).samples([3])
    bins = batch.counts[0].float().numpy()

    def at(shift):
        return luminance(np.ascontiguousarray(SCENE[:, shift : shift + WIDTH]))

    first, middle, last = (bins[k : k + 4].mean(0) for k in (0, 14, 28))
    inner = np.s_[:, 8:-8]
    steps = [3 * STEP - STEP // 2, 3 * STEP, 3 * STEP + STEP // 2]
    for found, where in zip((first, middle, last), range(3), strict=True):
        scores = [likeness(found[inner], at(step)[inner]) for step in steps]
        assert int(np.argmax(scores)) == where


def test_images_camera_and_depth_are_placed_together():
    batch = source(height=32, width=32, with_rgb=True).samples([2])
    placement = Placement.aspect((HEIGHT, WIDTH), 32, 32)
    camera = placement.camera(CAMERA)
    assert batch.fx.tolist() == pytest.approx([camera[0, 0]])
    wanted = placement.depth(Sliding().depth(2))
    np.testing.assert_array_equal(batch.depth[0, 0].numpy(), wanted)
    # The nearest pixel's depth, never a mean of two.
    assert {*batch.depth[batch.depth.isfinite()].tolist()} <= {*Sliding().depth(2).ravel()}
    colours = batch.rgb[0].permute(1, 2, 0).numpy() * 255
    np.testing.assert_allclose(colours, placement.image(Sliding().image(2)), atol=1e-3)


def test_a_sample_is_the_same_in_any_batch_and_on_any_number_of_processes():
    whole = source(planes=(32, 64)).batch(2, 4)
    again = source(planes=(32, 64))
    parts = [again.batch(2, 2, rank, 2) for rank in range(2)]
    assert torch.equal(whole.index, torch.cat([part.index for part in parts]))
    assert torch.equal(whole.counts, torch.cat([part.counts for part in parts]))
    # Every frame comes once before any comes again.
    seen = torch.cat([source().batch(step, 2).index for step in range(3)])
    assert sorted(seen.tolist()) == list(range(6))


def test_single_pictures_stand_still():
    clip = Sliding()
    clip.video = False
    batch = source(clip, rate_hz=PLANES / FRAME_S).samples([3])
    expected = np.clip(light(3) * 0.2 / light(3)[::4, ::4].mean(), 0, 1)
    # Nothing but the charge at the start is in between.
    assert np.abs(rate(batch) - expected).max() < 1.01 / PLANES


def test_the_interpolator_can_be_chosen():
    settings = {'rate_hz': PLANES / FRAME_S}
    flow = source(**settings).samples([3])
    blend = source(interpolator=LinearInterpolator(), **settings).samples([3])
    assert not torch.equal(flow.counts, blend.counts)


class TestDamage:
    def test_a_damaged_frame_is_refused_by_name(self):
        with pytest.raises(FrameError, match=r'2\.png: cannot be read'):
            source(Sliding(damaged=(2,))).samples([2])

    def test_it_gives_its_place_to_another_and_is_counted(self):
        few = source(Sliding(40, damaged=(7,)))
        seen = torch.cat([few.batch(step, 8).index for step in range(5)]).tolist()
        assert len(seen) == 40
        assert {*seen} == {*range(40)} - {7}
        # The frames beside it do without it.
        assert few.skipped == {'7.png: cannot be read: truncated': ['made/sliding, frame 7']}

    def test_too_many_are_an_error(self):
        broken = source(Sliding(40, damaged=tuple(range(0, 40, 4))))
        with pytest.raises(DataSetError, match='frames cannot be used, expected at most 5%'):
            broken.usable(range(40))
        with pytest.raises(DataSetError, match='of 6 frames cannot be used'):
            source(Sliding(damaged=tuple(range(6)))).batch(0, 1)

    def test_what_cannot_be_used_is_left_out(self):
        few = source(Sliding(40, labelled=(0, 10, 20), damaged=(10,)))
        assert few.usable([0, 1, 2]).index.tolist() == [0, 2]
        assert few.usable([1]) is None

    def test_frames_without_any_depth_are_refused(self):
        with pytest.raises(DataSetError, match='made/sliding: no frame has depth'):
            source(Sliding(labelled=()))


def test_samples_are_spread():
    assert source(Sliding(40)).spread(4) == [0, 10, 20, 30]
    assert source().spread(100) == list(range(6))


def test_wrong_settings_are_refused():
    for changes in ({'mean_rate': 0.0}, {'rate_hz': 0.0}, {'planes': (0,)}, {'height': 0}):
        with pytest.raises(ValueError, match='expected positive numbers'):
            source(**changes)


@pytest.mark.parametrize(
    ('name', 'where'),
    [('sevenscenes', 'rgbd/sevenscenes_kitchen'), ('kitti', 'rgbd/kitti_0926')],
)
def test_the_spikes_of_real_recordings_show_their_frames(real_data, name, where):
    clips = readers.read(name, str(real_data / where))
    real = ClipSource(clips, 128, 192)
    batch = real.samples([20, 40])
    for row, index in enumerate((20, 40)):
        image = clips[0].image(index)
        placed = Placement.aspect(image.shape[:2], 128, 192).image(luminance(image))
        exposed = np.clip(placed * 0.2 / placed.mean(), 0, 1)
        assert likeness(rate(batch, row), exposed) > 0.97


def test_a_sample_does_not_hang_on_what_was_looked_at_before():
    source = ClipSource([Sliding()], 30, 45, planes=(48,), rate_hz=600.0)
    first, second = (source.samples([2]).counts for _ in range(2))
    torch.testing.assert_close(second, first, rtol=0, atol=0)
