# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Health checks of a run: warnings about its state and results, for its page."""

from __future__ import annotations

import re
from collections.abc import Iterator

from spike_training.reports.run_page.folder import RunFolder, StageFolder
from spike_training.tasks.base import task_of_report

FEWEST_STEPS = 500
"""Steps of all stages below which a network has hardly learnt anything."""


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
    if run.report is None or (shown := task_of_report(run.report).shown) is None:
        return
    texts = [text for one in run.report['sets'].values() for text in shown.weaknesses(one)]
    steps = sum(stage.steps for stage in run.stages)
    if texts and steps < FEWEST_STEPS:
        yield (
            f'{steps} steps hardly teach a network anything: what follows on its results is '
            'expected, as they only show that all works.'
        )
    yield from texts


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
