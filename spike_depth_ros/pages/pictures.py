# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures: panels of depth, uncertainty, error and spikes, and sheets made of them.

A panel is an RGB image ``[height, width, 3]`` uint8. Panels of values have a colour bar at their
right. Pictures are deterministic: the same input gives the same pixels.

Colours of depth and of special values are those of ``depth_colours``.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from spike_depth_ros.base import opencv as cv2
from spike_depth_ros.base.results import write_atomically
from spike_depth_ros.pages.depth_colours import (
    BEYOND,
    DEPTH_COLOURS,
    MISSING,
    TOO_NEAR,
    Colour,
    Rgb,
    colour_depth,
    colour_map,
    paint_infinite,
)

FloatArray: TypeAlias = 'npt.NDArray[np.floating[Any]]'  # numpy 1.21 cannot subscript it

BACKGROUND: Colour = (18, 21, 26)
TEXT: Colour = (232, 234, 237)
FAINT_TEXT: Colour = (154, 160, 170)

LEGEND = 'Depth: cyan is nearer than the range, blue beyond it. Grey: no value, or no truth.'
"""Caption with the colours of special values."""
BAR_WIDTH = 66
"""Width of a colour bar with its labels, pixels."""
MIN_WIDTH, MIN_HEIGHT = 240, 150
"""Smallest size of a panel, pixels; smaller images are enlarged by an integer factor."""

_STRIPE = 14
_TICK_SIZE, _CAPTION_SIZE, _TITLE_SIZE = 12, 14, 17
_MARGIN = 14


def depth_panel(depth: FloatArray, vmin: float, vmax: float, unit: str = 'm') -> Rgb:
    """Draw depth on a logarithmic scale, near bright and far dark, with ticks in metres.

    Args:
        depth: Depth in metres, ``[height, width]``; values out of range take the bar's end
            colours, -Inf, +Inf and NaN (and what is not positive: NaN) colours of their own.
        vmin: Depth of the brightest colour, metres, above 0.
        vmax: Depth of the darkest colour, metres.
        unit: Unit above the ticks; empty for depth that has none.

    Returns:
        Panel with a colour bar.

    Raises:
        ValueError: Not a two-dimensional image with pixels, or not ``0 < vmin < vmax < infinity``.
    """
    _check_image(depth)
    _check_range(vmin, vmax)
    image = _enlarge(colour_depth(depth, vmin, vmax))
    return np.concatenate([image, depth_bar(len(image), vmin, vmax, unit)], axis=1)


def depth_bar(height: int, vmin: float, vmax: float, unit: str = 'm') -> Rgb:
    """Draw the colours of depth with ticks in metres, near at the bottom.

    Args:
        height: Rows.
        vmin: Depth of the brightest colour, metres, above 0.
        vmax: Depth of the darkest colour, metres.
        unit: Unit above the ticks; empty for depth that has none.

    Returns:
        Colour bar, ``[height, BAR_WIDTH, 3]``.

    Raises:
        ValueError: Not ``0 < vmin < vmax < infinity``.
    """
    _check_range(vmin, vmax)
    marks = [
        (math.log(tick / vmin) / math.log(vmax / vmin), f'{tick:.3g}')
        for tick in depth_ticks(vmin, vmax)
    ]
    return _bar(height, marks, unit, DEPTH_COLOURS)


def uncertainty_panel(uncertainty: FloatArray, vmax: float, unit: str = 'm') -> Rgb:
    """Draw uncertainty on a linear scale from 0 (dark) to ``vmax`` and more (bright).

    Args:
        uncertainty: Half-width of the 68 % interval, ``[height, width]``, 0 or more; -Inf, +Inf
            and NaN take colours of their own.
        vmax: Value of the brightest colour, in the same unit, above 0.
        unit: Unit above the ticks: ``m`` or, for relative values in percent, ``%``.

    Returns:
        Panel with a colour bar.

    Raises:
        ValueError: Not a two-dimensional image with pixels, or ``vmax`` not positive and finite.
    """
    return _linear_panel(uncertainty, vmax, unit, colour_map(cv2.COLORMAP_VIRIDIS))


def error_panel(error: FloatArray, vmax: float = 0.5) -> Rgb:
    """Draw the relative depth error in percent, 0 (dark) to ``vmax`` and more (bright).

    Args:
        error: ``|prediction - truth| / truth``, ``[height, width]``, 0 or more; NaN where there is
            no truth or no prediction (see ``metrics.relative_error``).
        vmax: Relative error of the brightest colour, above 0; 0.5 is 50 %.

    Returns:
        Panel with a colour bar.

    Raises:
        ValueError: Not a two-dimensional image with pixels, or ``vmax`` not positive and finite.
    """
    return _linear_panel(
        np.multiply(error, 100.0), vmax * 100.0, '%', colour_map(cv2.COLORMAP_INFERNO)
    )


def spike_panel(mono8: npt.NDArray[np.uint8]) -> Rgb:
    """Draw a grey image of the stream, without a colour bar.

    Args:
        mono8: Grey values, ``[height, width]`` uint8.

    Returns:
        Panel, without a colour bar.

    Raises:
        ValueError: Not a two-dimensional uint8 image with pixels.
    """
    _check_image(mono8)
    if mono8.dtype != np.uint8:
        raise ValueError(f'grey image is {mono8.dtype}, expected uint8 from 0 to 255')
    return colour_panel(np.repeat(mono8[:, :, None], 3, axis=2))


def colour_panel(image: Rgb) -> Rgb:
    """Return a panel of an RGB image ``[height, width, 3]`` uint8, without a colour bar."""
    return _enlarge(image)


def depth_ticks(vmin: float, vmax: float) -> list[float]:
    """Choose three or more round, increasing depths within a range for a logarithmic bar.

    Args:
        vmin: Lower end, metres, above 0.
        vmax: Upper end, metres, above ``vmin``.

    Returns:
        1, 2, 5, 10, ... if at least three of them lie within the range, else evenly spread ones,
        metres.
    """
    decades = range(math.floor(math.log10(vmin)), math.ceil(math.log10(vmax)) + 1)
    for steps in ((1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0)):
        ticks = [float(f'{step}e{decade}') for decade in decades for step in steps]
        ticks = [tick for tick in ticks if vmin <= tick <= vmax]
        if len(ticks) >= 3:
            return ticks
    return [float(tick) for tick in np.linspace(vmin, vmax, 4)]


def strip(panels: Sequence[tuple[Rgb | None, str]], caption: str = '', columns: int = 2) -> Rgb:
    """Arrange panels with titles in a grid, row by row, above a caption.

    Args:
        panels: Panel and title of each cell. ``None``: an empty cell with the text 'not
            available', so that a sheet with and without truth has the same layout.
        caption: Lines of text under the grid; wrapped at words to its width.
        columns: Cells in a row.

    Returns:
        The sheet.

    Raises:
        ValueError: No panels, or fewer than one column.
    """
    if not panels or columns < 1:
        raise ValueError(
            f'{len(panels)} panels in {columns} columns: expected at least one of each'
        )
    columns = min(columns, len(panels))
    width, height = _cell_size([panel for panel, _ in panels])
    title_height = _TITLE_SIZE + 9
    rows = math.ceil(len(panels) / columns)
    sheet_width = columns * (width + _MARGIN) + _MARGIN
    grid_height = rows * (height + title_height + _MARGIN) + _MARGIN // 2
    lines = _wrap(caption, sheet_width - 2 * _MARGIN)
    line_height = _CAPTION_SIZE + 6
    caption_height = len(lines) * line_height + (_MARGIN if lines else 0)

    sheet = Image.new('RGB', (sheet_width, grid_height + caption_height), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for index, (panel, title) in enumerate(panels):
        x = _MARGIN + index % columns * (width + _MARGIN)
        y = _MARGIN // 2 + index // columns * (height + title_height + _MARGIN)
        draw.text((x, y), title, TEXT, _font(_TITLE_SIZE))
        if panel is None:
            _draw_absent(draw, x, y + title_height, width, height)
        else:
            sheet.paste(Image.fromarray(panel), (x, y + title_height))
    for number, line in enumerate(lines):
        y = grid_height + number * line_height
        draw.text((_MARGIN, y), line, FAINT_TEXT, _font(_CAPTION_SIZE))
    return np.asarray(sheet)


def save_png(image: Rgb, path: Path) -> None:
    """Write an RGB image ``[height, width, 3]`` uint8 as PNG.

    Raises:
        OSError: The file cannot be written.
    """
    Image.fromarray(image).save(content := io.BytesIO(), 'PNG', optimize=True)
    write_atomically(path, content.getvalue(), sync=False)


def save_gif(frames: Sequence[Rgb], path: Path, fps: float) -> None:
    """Write RGB images of one size as a looping GIF with a common palette.

    Args:
        frames: RGB images ``[height, width, 3]`` uint8 of the same size.
        path: File to write.
        fps: Frames per second, above 0. A GIF counts in hundredths of a second and viewers slow
            down below two of them, so the frame time is rounded and at least 20 ms.

    Raises:
        ValueError: No frames, frames of different sizes, or ``fps`` not positive.
        OSError: The file cannot be written.
    """
    sizes = sorted({frame.shape for frame in frames})
    if len(sizes) != 1 or not fps > 0:
        raise ValueError(
            f'GIF of sizes {sizes} at {fps:g} frames/s: expected frames of one size, rate above 0'
        )
    palette = _common_palette(frames)
    # One palette and no dithering: pixels that do not change are compressed well.
    images = [
        Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE)
        for frame in frames
    ]
    duration = max(20, round(100 / fps) * 10)
    images[0].save(path, 'GIF', save_all=True, append_images=images[1:], duration=duration, loop=0)


def _common_palette(frames: Sequence[Rgb]) -> Image.Image:
    pixels = np.concatenate([frame.reshape(-1, 3) for frame in (frames[0], frames[-1])])
    # Each colour once, or the many pixels of the background leave few entries for colour bars.
    colours = np.unique(pixels, axis=0)
    meanings = (BACKGROUND, TOO_NEAR, BEYOND, MISSING, TEXT, FAINT_TEXT)
    others = Image.fromarray(colours[None]).quantize(256 - len(meanings), Image.Quantize.MEDIANCUT)
    entries = [part for colour in meanings for part in colour] + (others.getpalette() or [])
    palette = Image.new('P', (1, 1))
    palette.putpalette(entries[: 3 * 256])
    return palette


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _check_image(image: npt.NDArray[Any]) -> None:
    if image.ndim != 2 or image.size == 0:
        raise ValueError(f'image of shape {list(image.shape)}: expected [height, width]')


def _check_range(vmin: float, vmax: float) -> None:
    if not 0 < vmin < vmax < math.inf:
        raise ValueError(f'depth range {vmin:g} to {vmax:g} m: expected 0 < vmin < vmax')


def _linear_panel(values: FloatArray, vmax: float, unit: str, colours: Rgb) -> Rgb:
    if not 0 < vmax < math.inf:
        raise ValueError(f'upper limit {vmax:g} {unit}: expected a positive number')
    _check_image(values)
    values = np.asarray(values, dtype=np.float64)
    where = np.clip(np.where(np.isfinite(values), values, 0) / vmax, 0, 1)
    image = colours[np.rint(where * 255).astype(np.intp)]
    image[np.isnan(values)] = MISSING
    paint_infinite(image, values)
    image = _enlarge(image)
    marks = [(share, f'{share * vmax:.3g}') for share in np.linspace(0, 1, 6).tolist()]
    marks[-1] = (1.0, f'{vmax:.3g}+')
    return np.concatenate([image, _bar(len(image), marks, unit, colours)], axis=1)


def _bar(height: int, marks: Sequence[tuple[float, str]], unit: str, colours: Rgb) -> Rgb:
    """Draw a colour bar of ``BAR_WIDTH``, the first colour at the bottom, the unit above."""
    top, bottom = _TICK_SIZE + 10, height - _TICK_SIZE // 2 - 2
    left = _MARGIN // 2
    bar = np.empty((height, BAR_WIDTH, 3), np.uint8)
    bar[:] = BACKGROUND
    length = bottom - top
    ramp = np.rint(np.linspace(255, 0, length)).astype(np.intp)
    bar[top:bottom, left : left + _STRIPE] = colours[ramp][:, None]
    image = Image.fromarray(bar)
    draw = ImageDraw.Draw(image)
    draw.text((left, 0), unit, FAINT_TEXT, _font(_TICK_SIZE))
    last = math.inf
    for share, label in marks:
        y = bottom - 1 - round(share * (length - 1))
        if last - y < _TICK_SIZE + 2:
            continue
        last = y
        draw.line((left + _STRIPE, y, left + _STRIPE + 4, y), FAINT_TEXT)
        draw.text((left + _STRIPE + 8, y), label, TEXT, _font(_TICK_SIZE), anchor='lm')
    return np.asarray(image)


def _enlarge(image: Rgb) -> Rgb:
    """Repeat the pixels of a small image and pad it to the smallest size of a panel."""
    height, width = image.shape[:2]
    times = max(1, min(MIN_WIDTH // width, MIN_HEIGHT // height))
    image = image.repeat(times, axis=0).repeat(times, axis=1)
    height, width = image.shape[:2]
    panel = np.empty((max(height, MIN_HEIGHT), max(width, MIN_WIDTH), 3), np.uint8)
    panel[:] = BACKGROUND
    panel[:height, :width] = image
    return panel


def _cell_size(panels: Sequence[Rgb | None]) -> tuple[int, int]:
    """Return the width and height that contain every panel."""
    sizes = [panel.shape for panel in panels if panel is not None]
    sizes = sizes or [(MIN_HEIGHT, MIN_WIDTH + BAR_WIDTH, 3)]
    return max(shape[1] for shape in sizes), max(shape[0] for shape in sizes)


def _draw_absent(draw: ImageDraw.ImageDraw, x: int, y: int, width: int, height: int) -> None:
    box = (x, y, x + width - BAR_WIDTH - 1, y + height - 1)
    draw.rectangle(box, fill=(28, 32, 38))
    middle = ((box[0] + box[2]) // 2, (box[1] + box[3]) // 2)
    draw.text(middle, 'not available', FAINT_TEXT, _font(_TITLE_SIZE), anchor='mm')


def _wrap(text: str, width: int) -> list[str]:
    """Wrap text at line ends and words to a width in pixels."""
    font = _font(_CAPTION_SIZE)
    lines: list[str] = []
    for paragraph in text.splitlines():
        line = ''
        for word in paragraph.split():
            longer = f'{line} {word}'.lstrip()
            if line and font.getlength(longer) > width:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return lines
