# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Page of an adaptation: verdict, example windows, evidence and match as one HTML file."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from spike_depth_ros.base.results import write_atomically
from spike_training.errors import one_line
from spike_training.sampling.sample import Batch, Unlabelled

PAGE = 'adapt.html'


class Shown(NamedTuple):
    """Inputs of the page that the report does not hold.

    Attributes:
        old: Checkpoint that was adapted.
        candidate: Checkpoint of the best or last candidate; None if there is none.
        name: Name of the candidate.
        out: File that an improvement is written to.
        windows: Held-back windows, at least two.
        seen: The same windows as the candidate sees them, corrected for the sensor or not.
        scenes: Generated scenes through the matched camera.
        fx: Focal length of the recordings, pixels; NaN if unknown.
        matched: The held-back windows with the depth that both eyes match; none of one eye.
    """

    old: Path
    candidate: Path | None
    name: str
    out: Path
    windows: Sequence[Unlabelled]
    seen: Sequence[Unlabelled]
    scenes: Unlabelled
    fx: float
    matched: Sequence[Batch] = ()


def write_page(folder: Path, report: str, shown: Shown) -> None:
    """Write the page beside the report of an adaptation; print a warning where that fails.

    Args:
        folder: Folder of the adaptation; the page is FOLDER/adapt.html.
        report: Name of the report in it.
        shown: Checkpoints and windows to show.
    """
    try:
        # Imported here, as training does not need jinja2.
        from spike_training.adaptation.page.render import render

        text = render(json.loads((folder / report).read_text()), shown)
        write_atomically(folder / PAGE, text.encode())
    except Exception as error:  # the verdict holds without a page
        reason = one_line(error)
        if isinstance(error, ImportError):
            reason = f"it needs {error.name}: pip install 'spike_depth_ros[evaluate]'"
        print(f'warning: no page of the adaptation: {reason}', file=sys.stderr)
