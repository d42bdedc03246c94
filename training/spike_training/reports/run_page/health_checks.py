# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Health checks of a run: warnings about its state and results, for its page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from spike_depth_ros.evaluation.controls import NETWORK, comparison_sentence
from spike_training.reports.run_page.folder import RunFolder, StageFolder

HELD = (0.58, 0.78)
"""Accepted range of the share of true depth within the 68 % interval."""


def health_warnings(run: RunFolder) -> list[str]:
    """Return the warnings as sentences, the most important first."""
    stages = [text for stage in run.stages for text in _warnings(stage)]
    return [*_state(run), *_metrics(run), *stages, *_sources(run)]


def state(run: RunFolder) -> str:
    """Return the state of the run in a word or two."""
    if run.finished:
        return 'finished'
    last = run.sessions[-1] if run.sessions else {}
    return str(last.get('outcome') or 'not finished').partition(':')[0]


def _state(run: RunFolder) -> Iterator[str]:
    if run.finished:
        return
    outcome = run.sessions[-1].get('outcome') if run.sessions else None
    if outcome:
        how = outcome if outcome.startswith('failed') else f'was {outcome}'
        yield f'The run {how}. It goes on from its newest checkpoint with --resume true.'
    else:
        yield (
            'The run had not come to its end when this page was written: it goes on, or its '
            'process was killed.'
        )


def _metrics(run: RunFolder) -> Iterator[str]:
    if run.report is None:
        return
    if run.report.get('task') == 'image':
        for scores in run.report['sets'].values():
            yield from _better_rows(scores)
        return
    if run.report.get('task') == 'stereo':
        for scores in run.report['sets'].values():
            yield from _better_matching(scores)
        return
    if run.report.get('task') == 'upsample':
        for scores in run.report['sets'].values():
            yield from _better_enlarging(scores)
        return
    for scores in run.report['sets'].values():
        yield from _scores(f'{scores["domain"]}, {scores["part"]}', scores)


def _better_rows(scores: Mapping[str, Any]) -> Iterator[str]:
    own = scores['rows'][NETWORK]['psnr']
    for name, row in scores['rows'].items():
        if name != NETWORK and row['psnr'] >= own:
            other = row['psnr']
            yield f'{scores["title"]}: {name} has a PSNR of {other:.2f}, the network {own:.2f}.'


def _better_matching(scores: Mapping[str, Any]) -> Iterator[str]:
    own, *others = scores['rows']
    for row in others:
        if row['bad2'] <= own['bad2']:
            yield (
                f'{scores["title"]}: {row["method"]} has a bad-2 of {row["bad2"]:.3f}, the '
                f'network {own["bad2"]:.3f}.'
            )


def _better_enlarging(scores: Mapping[str, Any]) -> Iterator[str]:
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


def _scores(where: str, scores: Mapping[str, Any]) -> Iterator[str]:
    raw = scores['tables'][NETWORK]['raw']
    if not raw['complete']:
        share = raw['coverage']
        yield f'{where}: INCOMPLETE, {100 * (share or 0):.2f} % of the pixels have a prediction.'
    if scores['not_beaten']:
        yield f'{comparison_sentence(f"{where}: the network", scores)}.'
    held = scores['uncertainty']['interval_coverage']
    if held is not None and not HELD[0] <= held <= HELD[1]:
        yield f'{where}: the 68 % interval holds {100 * held:.0f} % of the truth.'


def _warnings(stage: StageFolder) -> Iterator[str]:
    """Yield the warnings of a stage; of those that differ only in numbers, the last one."""
    alike: dict[str, list[tuple[int, str]]] = {}
    for step, text in stage.warnings:
        alike.setdefault(re.sub(r'[\d.,]+', '#', text), []).append((step, text))
    for found in alike.values():
        step, text = found[-1]
        times = f', the last of {len(found)} alike' if len(found) > 1 else ''
        yield f'{stage.name}, step {step}{times}: {text}.'


def _sources(run: RunFolder) -> Iterator[str]:
    if any(session.get('changed') for session in run.sessions):
        yield 'The source tree had changes that its commit does not hold.'
    commits = {session.get('commit') for session in run.sessions}
    if len(commits) > 1:
        yield f'The run was continued with other sources: {len(commits)} commits are listed below.'
