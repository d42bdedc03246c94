# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Printed and stored scores of translated pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spike_depth_ros.evaluation.controls import NETWORK
from spike_training.evaluation.report import print_rows

COLUMNS = {'psnr': 'PSNR, dB', 'ssim': 'SSIM', 'edge_f1': 'F1 of edges', 'changed': 'change'}
"""Metrics that are printed and stored, with their column titles."""


def show_translation(report: Mapping[str, Any]) -> None:
    """Print the scores of a report, by style of the target."""
    if not report['sets']:
        print('nothing is scored: of recordings there is one look alone')
        return
    for scores in report['sets'].values():
        rows = [
            [name, *(f'{row[column]:.3f}' for column in COLUMNS)]
            for name, row in scores['rows'].items()
        ]
        title = f'{scores["title"]}: {scores["pictures"]} pictures of the target'
        print_rows(title, ['', *COLUMNS.values()], rows)
    print(
        'PSNR and SSIM: luminance against the same scenes in the look of the source. F1 of edges: '
        'against the picture before translation.'
    )


def translation_metrics(report: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics that are stored in a checkpoint, by style and name."""
    return {
        f'{part}_{name}': round(scores['rows'][NETWORK][name], 4)
        for part, scores in report['sets'].items()
        for name in COLUMNS
    }
