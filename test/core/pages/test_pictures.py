# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Panels and sheets: geometry, the colours of special values, bars, files."""

import functools
import itertools
import math
from pathlib import Path

import numpy as np
import numpy.testing as npt
import pytest
from PIL import Image

from spike_depth_ros.pages import pictures

INF, NAN = math.inf, math.nan
H, W = 250, 400


def at(panel: pictures.Rgb, row: int, column: int) -> tuple[int, ...]:
    """Colour of a pixel."""
    return tuple(int(value) for value in panel[row, column])


def brightness(colour: tuple[int, ...]) -> float:
    """Luma of a colour, 0 to 255."""
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


def test_a_panel_shows_the_image_pixel_by_pixel_beside_its_bar() -> None:
    panel = pictures.depth_panel(np.full((H, W), 3.0), 1, 80)
    assert panel.shape == (H, W + pictures.BAR_WIDTH, 3)
    assert panel.dtype == np.uint8
    assert len(np.unique(panel[:, :W].reshape(-1, 3), axis=0)) == 1


def test_depth_is_logarithmic_and_brighter_the_nearer() -> None:
    depth = np.tile([1.0, 2.0, 8.0, 32.0, 64.0], (H, W // 5))
    panel = pictures.depth_panel(depth, 1, 64)
    shades = [brightness(at(panel, 0, column)) for column in range(5)]
    assert shades == sorted(shades, reverse=True)
    assert len(set(shades)) == 5
    # sqrt(1 * 64) = 8 m lies in the middle of the bar's colours.
    bar = panel[22:242, W + 10]
    middle = np.abs(bar.astype(int) - panel[0, 2]).sum(axis=1).argmin()
    assert abs(int(middle) - 110) <= 2


def test_values_out_of_range_take_the_end_colours() -> None:
    panel = pictures.depth_panel(np.tile([0.2, 1.0, 50.0, 90.0], (H, 60)), 1, 50)
    assert at(panel, 0, 0) == at(panel, 0, 1)
    assert at(panel, 0, 2) == at(panel, 0, 3)


@pytest.mark.parametrize(
    'draw',
    [
        lambda values: pictures.depth_panel(values, 1, 80),
        lambda values: pictures.uncertainty_panel(values, 80),
        lambda values: pictures.error_panel(values, 80),
    ],
)
def test_special_values_have_colours_that_no_value_takes(draw) -> None:
    values = np.tile([-INF, INF, NAN], (H, 100))
    panel = draw(values)
    assert at(panel, 0, 0) == pictures.TOO_NEAR
    assert at(panel, 0, 1) == pictures.BEYOND
    assert at(panel, 0, 2) == pictures.MISSING

    plain = draw(np.tile(np.geomspace(1, 80, 1000), (H, 1)))[0, :1000]
    for colour in (pictures.TOO_NEAR, pictures.BEYOND, pictures.MISSING):
        distance = np.abs(plain.astype(int) - colour).sum(axis=1).min()
        assert distance > 60, f'{colour} looks like a value'


@pytest.mark.parametrize('depth', [0.0, -3.0])
def test_a_depth_that_is_not_positive_is_no_value(depth: float) -> None:
    assert at(pictures.depth_panel(np.full((H, W), depth), 1, 80), 0, 0) == pictures.MISSING


def test_uncertainty_and_error_are_linear_and_brighter_the_larger() -> None:
    metres = pictures.uncertainty_panel(np.tile([0.0, 1.0, 2.0, 4.0, 9.0], (H, 60)), 4)
    share = pictures.error_panel(np.tile([0.0, 0.1, 0.2, 0.5, 3.0], (H, 60)))
    for panel in (metres, share):
        shades = [brightness(at(panel, 0, column)) for column in range(5)]
        assert shades == sorted(shades)
        assert len(set(shades)) == 4
        assert shades[3] == shades[4]


@pytest.mark.parametrize(
    ('vmin', 'vmax', 'expected'),
    [
        (1, 80, [1, 2, 5, 10, 20, 50]),
        (0.4, 6, [0.5, 1, 2, 5]),
        (2, 4.5, [2, 3, 4]),
        (3.1, 3.4, [3.1, 3.2, 3.3, 3.4]),
    ],
)
def test_ticks_are_round_depths(vmin: float, vmax: float, expected: list[float]) -> None:
    npt.assert_allclose(pictures.depth_ticks(vmin, vmax), expected)


def test_ticks_increase_within_any_range() -> None:
    for low in np.geomspace(0.01, 50, 23):
        for ratio in (1.01, 1.5, 3, 10, 1000):
            ticks = pictures.depth_ticks(low, low * ratio)
            assert len(ticks) >= 3
            assert all(a < b for a, b in itertools.pairwise(ticks))
            assert low <= ticks[0]
            assert ticks[-1] <= low * ratio * (1 + 1e-12)


def test_the_bar_labels_its_ticks() -> None:
    # What the bar draws beside its colours: same height, other range, other labels.
    one = pictures.depth_panel(np.full((H, W), 3.0), 1, 80)[:, W:]
    other = pictures.depth_panel(np.full((H, W), 3.0), 2, 160)[:, W:]
    labels = slice(7 + 14 + 6, None)
    assert (one[:, labels] != other[:, labels]).any()
    marks = (one[:, 7 + 14 + 2] == pictures.FAINT_TEXT).all(axis=1).nonzero()[0]
    assert len(marks) == 6
    # Equal ratios are equally far apart: 1 to 2, 5 to 10 and 10 to 20.
    gaps = -np.diff(marks[::-1])
    assert abs(gaps[0] - gaps[2]) <= 1
    assert abs(gaps[0] - gaps[3]) <= 1


def test_grey_values_stay_as_they_are() -> None:
    grey = np.arange(H * W, dtype=np.uint32).reshape(H, W).astype(np.uint8)
    panel = pictures.spike_panel(grey)
    for channel in range(3):
        npt.assert_array_equal(panel[:, :, channel], grey)


def test_tiny_images_are_enlarged_by_whole_pixels() -> None:
    panel = pictures.spike_panel(np.array([[10, 200]], np.uint8))
    assert panel.shape == (pictures.MIN_HEIGHT, pictures.MIN_WIDTH, 3)
    assert at(panel, 0, 0) == at(panel, 119, 119) == (10, 10, 10)
    assert at(panel, 0, 120) == (200, 200, 200)
    assert at(panel, 120, 0) == pictures.BACKGROUND
    assert pictures.depth_panel(np.ones((1, 1)), 1, 2).shape[1] == 240 + pictures.BAR_WIDTH


def test_an_image_of_nothing_but_nan_is_a_picture_too() -> None:
    panel = pictures.uncertainty_panel(np.full((H, W), NAN), 1)
    assert (panel[:, :W] == pictures.MISSING).all()


def sheet(error: pictures.Rgb | None, caption: str = 'one line') -> pictures.Rgb:
    """A sheet as the demo makes it."""
    return pictures.strip(
        [
            (pictures.spike_panel(np.full((H, W), 90, np.uint8)), 'Spikes'),
            (pictures.depth_panel(np.full((H, W), 3.0), 1, 80), 'Depth'),
            (pictures.uncertainty_panel(np.full((H, W), 0.3), 5), 'Uncertainty'),
            (error, 'Relative error'),
        ],
        caption,
    )


def test_a_sheet_holds_every_panel_unchanged() -> None:
    error = pictures.error_panel(np.random.default_rng(1).random((H, W)))
    whole = sheet(error)
    assert whole.shape[1] <= 1000
    found = np.lib.stride_tricks.sliding_window_view(whole[:, :, 0], (1, W))
    rows = (found == error[0, :W, 0]).all(axis=(2, 3)).nonzero()
    assert len(rows[0]) == 1
    y, x = int(rows[0][0]), int(rows[1][0])
    npt.assert_array_equal(whole[y : y + H, x : x + error.shape[1]], error)


def test_a_sheet_without_truth_has_the_same_layout() -> None:
    with_truth = sheet(pictures.error_panel(np.full((H, W), 0.1)))
    without = sheet(None)
    assert with_truth.shape == without.shape
    half = with_truth.shape[0] // 2 - 10
    npt.assert_array_equal(with_truth[:half], without[:half])
    assert (with_truth != without).any()


def test_a_sheet_is_deterministic() -> None:
    npt.assert_array_equal(sheet(None), sheet(None))


def test_captions_wrap_within_the_sheet() -> None:
    short, long = sheet(None, 'word'), sheet(None, 'word ' * 60)
    assert long.shape[1] == short.shape[1]
    assert long.shape[0] > short.shape[0]
    assert (long[:, -10:] == pictures.BACKGROUND).all()
    two = sheet(None, 'word\nword')
    assert short.shape[0] < two.shape[0] < long.shape[0]
    assert sheet(None, '').shape[0] < short.shape[0]


def test_columns_arrange_the_cells() -> None:
    panels = [(pictures.spike_panel(np.zeros((H, W), np.uint8)), 'x')] * 4
    row, square = pictures.strip(panels, columns=4), pictures.strip(panels)
    assert row.shape[1] > 1.9 * square.shape[1]
    assert square.shape[0] > 1.9 * row.shape[0]


def test_png_decodes_to_the_same_pixels(tmp_path: Path) -> None:
    image = sheet(None)
    pictures.save_png(image, tmp_path / 'sheet.png')
    with Image.open(tmp_path / 'sheet.png') as read:
        npt.assert_array_equal(np.asarray(read), image)


def test_gif_decodes_to_the_frames(tmp_path: Path) -> None:
    depths = np.geomspace(1.2, 60, 5)
    frames = [pictures.depth_panel(np.full((H, W), depth), 1, 80) for depth in depths]
    pictures.save_gif(frames, tmp_path / 'a.gif', fps=10)
    with Image.open(tmp_path / 'a.gif') as read:
        assert (read.n_frames, read.info['duration'], read.info['loop']) == (5, 100, 0)
        for index, frame in enumerate(frames):
            read.seek(index)
            got = np.asarray(read.convert('RGB')).astype(int)
            # A palette of 256 colours serves five frames: near, not equal.
            assert np.abs(got - frame).mean() < 6, index


def test_a_gif_keeps_the_colours_that_mean_something(tmp_path: Path) -> None:
    rows = np.geomspace(1, 80, H)[:, None] * np.ones((1, W))
    rows[:10], rows[10:20], rows[20:30] = INF, -INF, NAN
    frame = pictures.strip([(pictures.depth_panel(rows, 1, 80), 'Depth')])
    pictures.save_gif([frame, frame], tmp_path / 'a.gif', fps=10)
    with Image.open(tmp_path / 'a.gif') as read:
        got = np.asarray(read.convert('RGB'))
    for colour in (pictures.BEYOND, pictures.TOO_NEAR, pictures.MISSING, pictures.BACKGROUND):
        there = (frame == colour).all(axis=2)
        assert there.sum() >= 10 * W
        assert (got[there] == colour).all()


def test_gif_frames_are_at_least_two_hundredths_of_a_second_apart(
    tmp_path: Path,
) -> None:
    frames = [pictures.spike_panel(np.full((9, 9), grey, np.uint8)) for grey in (0, 250)]
    pictures.save_gif(frames, tmp_path / 'a.gif', fps=500)
    with Image.open(tmp_path / 'a.gif') as read:
        assert read.info['duration'] == 20


def test_input_without_sense_is_refused(refusals) -> None:
    ones = np.ones((3, 3))
    table = {
        'no panels': ('0 panels', pictures.strip, []),
        'a range from 0': ('vmin', pictures.depth_panel, ones, 0, 5),
        'an empty range': ('vmin', pictures.depth_panel, ones, 5, 5),
        'an endless range': ('vmin', pictures.depth_panel, ones, 1, INF),
        'two images': ('[height, width]', pictures.depth_panel, np.ones((2, 3, 3)), 1, 5),
        'no rows': ('[height, width]', pictures.depth_panel, np.ones((0, 3)), 1, 5),
        'uncertainty up to 0': ('positive', pictures.uncertainty_panel, ones, 0),
        'errors up to nan': ('positive', pictures.error_panel, ones, NAN),
        'spikes of floats': ('uint8', pictures.spike_panel, ones),
        'no frames': ('one size', pictures.save_gif, [], Path('x.gif'), 10),
        'a gif that stands': (
            'above 0', pictures.save_gif, [np.zeros((2, 2, 3), np.uint8)], Path('x'), 0,
        ),
    }  # fmt: skip
    rows = {
        name: (named, functools.partial(call, *given))
        for name, (named, call, *given) in table.items()
    }
    refusals('pictures', rows, ValueError)
