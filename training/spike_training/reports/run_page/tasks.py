# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the page of a run tells of its results, by the task of its networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from spike_depth_ros.evaluation.controls import (
    ALIGNED,
    NETWORK,
    comparison_sentence,
    control_name,
)
from spike_depth_ros.evaluation.report.page import number, percent
from spike_training.evaluation.fused import COLUMNS
from spike_training.evaluation.report import BASELINE, domain_sets
from spike_training.evaluation.translation import COLUMNS as TRANSLATION
from spike_training.sampling.frames import MISSING

HELD = (0.58, 0.78)
"""Accepted range of the share of true depth within the 68 % interval."""

Report = Mapping[str, Any]
"""Evaluation report of a run."""

Scores = Mapping[str, Any]
"""Scores of one set of a report."""


class Results(NamedTuple):
    """Table of results.

    Attributes:
        title: Title above it.
        columns: Titles of its columns.
        rows: Its cells.
        note: Explanation below it.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str


@dataclass(frozen=True)
class TaskPage:
    """Part of the page that depends on the task.

    Attributes:
        title: What networks make.
        tiles: Function that yields titles and values of the most important results of a report.
        weaknesses: Function that yields sentences on where the scores of a set are poor.
        results: Function that returns the table of a report; None: depth, which has tables of its
            own.
    """

    title: str
    tiles: Callable[[Report], Iterator[tuple[str, str]]]
    weaknesses: Callable[[Scores], Iterator[str]]
    results: Callable[[Report], Results] | None = None


def page_of(report: Report) -> TaskPage:
    """Return the part for a report."""
    return TASK_PAGES[report.get('task', 'depth')]


def _depth_tiles(report: Report) -> Iterator[tuple[str, str]]:
    # A target whose recordings have no depth is not evaluated.
    domain = 'target' if domain_sets(report, 'target') else 'source'
    for part, scores in domain_sets(report, domain).items():
        key, title = 'abs_rel', 'Abs Rel'
        if scores.get('relative'):
            key, title = ALIGNED, 'Abs Rel, aligned'
        own, baseline = (number(scores['predictors'][name][key]) for name in (NETWORK, BASELINE))
        yield f'{title}, {domain}, {part}; {control_name(BASELINE)} {baseline}', own


def _depth_weaknesses(scores: Scores) -> Iterator[str]:
    where = f'{scores["domain"]}, {scores["part"]}'
    raw = scores['tables'][NETWORK]['aligned' if scores.get('relative') else 'raw']
    if not raw['complete']:
        share = raw['coverage']
        yield f'{where}: INCOMPLETE, {100 * (share or 0):.2f} % of the pixels have a prediction.'
    if scores['not_beaten']:
        yield f'{comparison_sentence(f"{where}: the network", scores)}.'
    held = scores['uncertainty']['interval_coverage']
    if held is not None and not HELD[0] <= held <= HELD[1]:
        yield f'{where}: the 68 % interval holds {100 * held:.0f} % of the truth.'


def _fused_tiles(report: Report) -> Iterator[tuple[str, str]]:
    for part, scores in domain_sets(report, 'source').items():
        if part in ('clean', *MISSING):
            yield f'Abs Rel, {part.replace("_", " ")}', number(_own(scores)['abs_rel'])


def _fused_results(report: Report) -> Results:
    rows = [
        [
            scores['part'].replace('_', ' '),
            *(number(_own(scores)[name]) for name in COLUMNS),
            percent(scores['uncertainty']['interval_coverage']),
        ]
        for scores in report['sets'].values()
    ]
    columns = ['', *COLUMNS.values(), '68 % interval holds']
    note = 'Rows: what is wrong with spikes or frame. Scaled: by the median of each image.'
    return Results('Depth from spikes and a frame', columns, rows, note)


def _own(scores: Scores) -> Mapping[str, float | None]:
    found: Mapping[str, float | None] = scores['predictors'][NETWORK]
    return found


def _image_tiles(report: Report) -> Iterator[tuple[str, str]]:
    for scores in report['sets'].values():
        yield f'PSNR, dB, {scores["title"]}', f'{scores["rows"][NETWORK]["psnr"]:.2f}'


def _image_results(report: Report) -> Results:
    rows = [
        [f'{scores["title"]}, {name}', f'{row["psnr"]:.2f}', number(row['ssim'])]
        for scores in report['sets'].values()
        for name, row in scores['rows'].items()
    ]
    return Results('Pictures', ['', 'PSNR, dB', 'SSIM'], rows, 'Higher is better.')


def _image_weaknesses(scores: Scores) -> Iterator[str]:
    own = scores['rows'][NETWORK]['psnr']
    for name, row in scores['rows'].items():
        if name != NETWORK and row['psnr'] >= own:
            other = row['psnr']
            yield f'{scores["title"]}: {name} has a PSNR of {other:.2f}, the network {own:.2f}.'


def _translation_results(report: Report) -> Results:
    rows = [
        [f'{scores["title"]}, {name}', *(f'{row[column]:.3f}' for column in TRANSLATION)]
        for scores in report['sets'].values()
        for name, row in scores['rows'].items()
    ]
    note = (
        'Against the same scenes in the look of the source; edges against the picture before '
        'translation. moments, histogram: matched without learning.'
    )
    return Results('Translated pictures', ['', *TRANSLATION.values()], rows, note)


def _stereo_tiles(report: Report) -> Iterator[tuple[str, str]]:
    for scores in report['sets'].values():
        own, *others = scores['rows']
        title = ', '.join(f'{row["method"]} {row["bad2"]:.3f}' for row in others)
        yield f'bad-2, {scores["title"]}; {title}', f'{own["bad2"]:.3f}'


def _stereo_results(report: Report) -> Results:
    rows = [
        [f'{scores["title"]}, {row["method"]}', number(row['bad2']), percent(row['coverage'])]
        for scores in report['sets'].values()
        for row in scores['rows']
    ]
    note = 'bad-2: share of the pixels that are off by more than 2 pixels, or have no answer.'
    return Results('Disparity of pairs', ['', 'bad-2', 'coverage'], rows, note)


def _stereo_weaknesses(scores: Scores) -> Iterator[str]:
    own, *others = scores['rows']
    for row in others:
        if row['bad2'] <= own['bad2']:
            yield (
                f'{scores["title"]}: {row["method"]} has a bad-2 of {row["bad2"]:.3f}, the '
                f'network {own["bad2"]:.3f}.'
            )


def _upsample_tiles(report: Report) -> Iterator[tuple[str, str]]:
    for scores in report['sets'].values():
        rows = [row for row in scores['rows'] if row['method'] == NETWORK]
        told = ', '.join(f'{number(row["mad"])} x{row["factor"]}' for row in rows)
        yield f'MAD, {scores["title"]}', told


def _upsample_results(report: Report) -> Results:
    rows = [
        [
            f'{scores["title"]}, {row["condition"]}, x{row["factor"]}, {row["method"]}',
            number(row['mad']),
            number(row['abs_rel']),
            percent(row['flying_pixels']),
        ]
        for scores in report['sets'].values()
        for row in scores['rows']
    ]
    columns = ['', 'MAD', 'AbsRel', 'flying pixels']
    note = 'MAD: mean difference of inverse depth in 256 grey levels.'
    return Results('Enlarged maps of depth', columns, rows, note)


def _upsample_weaknesses(scores: Scores) -> Iterator[str]:
    own = {
        (row['condition'], row['factor']): row['mad']
        for row in scores['rows']
        if row['method'] == NETWORK
    }
    for row in scores['rows']:
        mine = own[row['condition'], row['factor']]
        if row['method'] != NETWORK and None not in (mine, row['mad']) and row['mad'] <= mine:
            yield (
                f'{scores["title"]}, {row["condition"]}, x{row["factor"]}: {row["method"]} has a '
                f'MAD of {row["mad"]:.3f}, the network {mine:.3f}.'
            )


TASK_PAGES = {
    'depth': TaskPage('Depth from spikes', _depth_tiles, _depth_weaknesses),
    'fused': TaskPage(
        'Depth from spikes and a frame', _fused_tiles, _depth_weaknesses, _fused_results
    ),
    'image': TaskPage('Pictures from spikes', _image_tiles, _image_weaknesses, _image_results),
    'stereo': TaskPage(
        'Disparity from spikes', _stereo_tiles, _stereo_weaknesses, _stereo_results
    ),
    'upsample': TaskPage(
        'Enlarged maps of depth', _upsample_tiles, _upsample_weaknesses, _upsample_results
    ),
    'translation': TaskPage(
        'Pictures in another look', _image_tiles, _image_weaknesses, _translation_results
    ),
}
"""These parts by task."""
