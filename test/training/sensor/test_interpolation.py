# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import json

import cv2
import numpy as np
import pytest

from benchmarks import interpolation as benchmark
from kit.clips import Sliding, write_folder
from spike_training.sensor.interpolation import (
    MOST_SUB_FRAMES,
    Blend,
    FlowInterpolator,
    LinearInterpolator,
    VideoLight,
    flow_motion,
    sub_frames,
)

HEIGHT, WIDTH = 80, 120


def texture(seed, height=HEIGHT, width=3 * WIDTH):
    """Light of 0.05 to 1 with details of a few pixels."""
    noise = np.random.default_rng(seed).random((height, width)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.5)
    return 0.05 + 0.95 * (smooth - smooth.min()) / np.ptp(smooth)


BACKGROUND = texture(1)
SQUARE = texture(2, 32, 32)


def sliding(pixels):
    """A scene that moved to the right by a whole number of pixels."""
    return BACKGROUND[:, WIDTH - pixels : 2 * WIDTH - pixels].copy()


def passing(pixels):
    """A textured square before a standing background."""
    scene = BACKGROUND[:, :WIDTH].copy()
    scene[24:56, 30 + pixels : 62 + pixels] = SQUARE
    return scene


def error(light, truth, where=...):
    return float(np.abs(light - truth)[where].mean())


@pytest.mark.parametrize('share', [0.25, 0.5, 0.75])
@pytest.mark.parametrize('scene', [sliding, passing])
def test_a_known_motion_is_followed_much_closer_than_by_a_blend(scene, share):
    before, truth, after = scene(0), scene(round(12 * share)), scene(12)
    flow = FlowInterpolator().between(before, after)
    blend = LinearInterpolator().between(before, after)
    assert error(flow.at(share), truth) < 0.35 * error(blend.at(share), truth)
    assert flow.pixels == pytest.approx(12, abs=1)


def test_what_comes_into_sight_and_what_is_hidden_does_not_smear():
    before, truth, after = passing(0), passing(8), passing(16)
    forward, backward = np.zeros((2, HEIGHT, WIDTH, 2), np.float32)
    forward[24:56, 30:62, 0], backward[24:56, 46:78, 0] = 16, -16
    # The background's true flow leads behind the square: it is seen in one frame only.
    light = flow_motion(before, after, forward, backward).at(0.5)
    np.testing.assert_allclose(light, truth, atol=1e-5)
    # Without knowledge of the flow it is nearly so.
    before, truth, after = passing(0), passing(5), passing(10)
    estimated = FlowInterpolator().between(before, after).at(0.5)
    blend = Blend(before, after).at(0.5)
    for where in (np.s_[24:56, 30:35], np.s_[24:56, 67:72]):
        assert error(estimated, truth, where) < 0.8 * error(blend, truth, where)


def test_the_frames_themselves_are_returned():
    before, after = sliding(0), sliding(5)
    for interpolator in (FlowInterpolator(), LinearInterpolator()):
        motion = interpolator.between(before, after)
        np.testing.assert_array_equal(motion.at(0), before)
        np.testing.assert_array_equal(motion.at(1), after)


def test_motion_in_the_dark_is_followed_beside_a_lamp():
    before, truth, after = (0.001 * sliding(pixels) for pixels in (0, 3, 6))
    for frame in (before, truth, after):
        frame[:4, :4] = 1  # takes all of the eight bits, but for gamma
    flow, blend = (i.between(before, after) for i in (FlowInterpolator(), LinearInterpolator()))
    dark = np.s_[10:, 10:]
    assert error(flow.at(0.5), truth, dark) < 0.3 * error(blend.at(0.5), truth, dark)


@pytest.mark.parametrize('interpolator', [FlowInterpolator(), LinearInterpolator()])
def test_still_frames_stay_as_they_are(interpolator):
    still = sliding(0)
    motion = interpolator.between(still, still.copy())
    assert sub_frames(motion) == 1
    for share in (0.1, 1 / 3, 0.9):
        np.testing.assert_array_equal(motion.at(share), still)


def test_a_blend_is_linear_in_light():
    dark, bright = np.full((20, 20), 0.2, np.float32), np.full((20, 20), 0.6, np.float32)
    np.testing.assert_allclose(Blend(dark, bright).at(0.25), 0.3)


def test_after_a_cut_frames_are_blended():
    before, after = sliding(0), texture(7)[:, :WIDTH]
    assert isinstance(FlowInterpolator().between(before, after), Blend)


def test_flow_that_explains_nothing_is_not_used():
    before, after = sliding(0), sliding(0) * np.float32(0.5)
    constant = np.full((HEIGHT, WIDTH, 2), 20, np.float32)
    assert isinstance(flow_motion(before, after, constant, -constant), Blend)


def test_light_between_frames_lies_between_theirs():
    light = FlowInterpolator().between(passing(0), passing(12)).at(0.4)
    assert light.dtype == np.float32
    assert light.min() >= 0
    assert light.max() <= 1.0001


def test_images_are_a_pixel_apart():
    flow = FlowInterpolator()
    assert 5 <= sub_frames(flow.between(sliding(0), sliding(6))) <= 8
    fast = flow_motion(
        sliding(0), sliding(50), *(np.tile(np.float32([s * 50, 0]), (80, 120, 1)) for s in (1, -1))
    )
    assert sub_frames(fast) == MOST_SUB_FRAMES


def test_instants_of_a_video():
    frames = [sliding(0), sliding(4), sliding(8)]
    times = [1.0, 1.1, 1.2]
    video = VideoLight(frames, times, FlowInterpolator())
    light = video.at([0.5, 1.0, 1.05, 1.1, 1.175, 1.2, 9.0])
    for k, frame in {0: 0, 1: 0, 3: 1, 5: 2, 6: 2}.items():
        np.testing.assert_array_equal(light[k], frames[frame])
    assert error(light[2], sliding(2)) < 0.2 * error(light[2], sliding(0))
    assert error(light[4], sliding(7)) < 0.2 * error(light[4], sliding(8))


def test_a_pair_of_frames_is_looked_at_once_and_only_if_needed():
    class Counting(LinearInterpolator):
        looks = 0

        def between(self, before, after):
            self.looks += 1
            return super().between(before, after)

    counting = Counting()
    video = VideoLight([sliding(k) for k in range(4)], [0, 1, 2, 3], counting)
    video.at([1.2, 1.5, 1.9])
    assert video.steps(1.1, 1.8, 16) == 12  # blended: 16 a gap
    assert counting.looks == 1


@pytest.mark.parametrize(('count', 'times'), [(0, []), (2, [0.0]), (2, [1.0, 1.0])])
def test_frames_without_times_are_refused(count, times):
    with pytest.raises(ValueError, match='a time for each, increasing'):
        VideoLight([sliding(0)] * count, times, LinearInterpolator())


def test_the_benchmark_compares_with_frames_that_were_kept_back(tmp_path, capsys):
    write_folder(tmp_path / 'made', Sliding(7))
    path = tmp_path / 'metrics.json'
    command = [f'folder={tmp_path / "made"}', '--frames', '2', '--gaps', '2', '--json', str(path)]
    assert benchmark.main(command) == 0
    result = json.loads(path.read_text())
    assert result.keys() == {'machine', 'settings', 'recordings'}
    (row,) = result['recordings']
    assert (row['gap'], row['frames'], row['blended']) == (2, 2, 0)
    assert 0 < row['flow'] < 0.5 * row['linear']
    # Eight pixels of a frame that is enlarged from 90 to 400 columns.
    assert row['motion_px'] == pytest.approx(8 * 400 / 90, rel=0.2)
    assert '| folder/made' in capsys.readouterr().out


def test_motion_goes_on_before_and_after_the_frames_if_wanted():
    smooth = cv2.GaussianBlur(
        np.random.default_rng(3).random((64, 96)).astype(np.float32), (0, 0), 2
    )
    first, second = smooth, np.roll(smooth, 4, 1)  # 4 pixels to the right
    times, at = [0.0, 0.01], [-0.005, 0.015]
    still = VideoLight([first, second], times, FlowInterpolator()).at(at)
    assert np.array_equal(still[0], first)
    assert np.array_equal(still[1], second)
    moved = VideoLight([first, second], times, FlowInterpolator(), goes_on=True).at(at)
    inner = np.s_[8:-8, 12:-12]
    for found, shift in zip(moved, (-2, 6), strict=True):
        error = np.abs(found - np.roll(smooth, shift, 1))[inner].mean()
        assert error < 0.2 * np.abs(found - first)[inner].mean()
    alone = VideoLight([first], [0.0], FlowInterpolator(), goes_on=True).at(at)
    assert np.array_equal(alone[0], first)


def test_a_window_has_as_many_steps_as_pixels_move_in_it():
    frames, times = [sliding(0), sliding(4), sliding(12)], [0.0, 0.01, 0.02]
    video = VideoLight(frames, times, FlowInterpolator())
    assert video.steps(0.001, 0.009, 16) == pytest.approx(3.2, abs=1.5)
    assert video.steps(0.012, 0.018, 16) == pytest.approx(4.8, abs=1.5)
    assert video.steps(0.012, 0.018, 3) == 2
    # Both pairs: the faster one decides. Before and after the frames all stands still,
    assert video.steps(0.005, 0.025, 16) == pytest.approx(16, abs=3)
    assert video.steps(-0.03, -0.01, 16) == video.steps(0.03, 0.05, 16) == 1
    # unless the motion goes on.
    moving = VideoLight(frames, times, FlowInterpolator(), goes_on=True)
    assert moving.steps(-0.03, -0.01, 16) == pytest.approx(8, abs=2)
    assert moving.steps(0.03, 0.05, 16) == pytest.approx(16, abs=3)
