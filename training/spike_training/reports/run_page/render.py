# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rendering of a run's folder as its page."""

from __future__ import annotations

import base64
import io
import statistics
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from spike_depth_ros.checkpoint import CheckpointError, load_info, onnx_path
from spike_depth_ros.evaluation.controls import control_name
from spike_depth_ros.evaluation.report.page import render_page
from spike_depth_ros.picture_files import open_picture
from spike_depth_ros.result_files import hash_file
from spike_depth_ros.tasks.base import CheckpointInfo
from spike_training.engine.record import SCALARS, WARNINGS
from spike_training.evaluation.report import ALIGNMENTS, domain_sets
from spike_training.reports.run_page import Kept
from spike_training.reports.run_page.folder import RunFolder, StageFolder
from spike_training.reports.run_page.health_checks import health_warnings, state
from spike_training.reports.run_page.settings import differences
from spike_training.runs.sessions import CONFIG, MODEL, REPORT
from spike_training.tasks.base import Results, Shown, task_of, task_of_report

TEMPLATE = Path(__file__).with_name('run_page.html.j2')

PICTURES_BYTES = 6_000_000
"""Largest size of embedded pictures, bytes; the page links to further ones."""

PICTURE_WIDTH = 2400
"""Largest width of embedded pictures, pixels; wider ones are downsampled."""

DOMAINS = {
    'source': 'Source: the labelled domain',
    'target': 'Target: the domain without labels',
}

LARGE = 1 << 31
"""Size from which a file is not hashed, bytes."""


def render(run: RunFolder, kept: Kept) -> str:
    """Render the page of a run as self-contained HTML.

    Args:
        run: Content of its folder.
        kept: Parts of earlier pages of the run.
    """
    sources = _embed(run, kept)
    return render_page(
        TEMPLATE,
        title=f'Training run {run.out.resolve().name}',
        subtitle=_subtitle(run),
        tiles=_tiles(run),
        warnings=health_warnings(run),
        run=run,
        domains=_domains(run),
        results=_results(run),
        alignments=[*ALIGNMENTS.values()],
        control_name=control_name,
        selection=_selection(run),
        stages=[_stage(run, stage, sources, kept) for stage in run.stages],
        settings=differences(run.config),
        checkpoint=_checkpoint(run.out / MODEL),
        date=datetime.fromisoformat,
        duration=duration,
        files=[_file(run.out, path, what, kept) for path, what in _files(run) if path.is_file()],
        legend=_legend() if any(map(_shows_depth, run.stages)) else '',
    )


def _shows_depth(stage: StageFolder) -> bool:
    shown = task_of(stage.config.task).shown
    return bool(stage.pictures) and shown is not None and shown.depth_pictures


def _subtitle(run: RunFolder) -> str:
    sees = {'rgb': ' (RGB)'}
    names = ' → '.join(
        f'{stage.name}{sees.get(stage.settings.get("input", ""), "")}' for stage in run.stages
    )
    what = task_of(run.stages[0].config.task).title
    return f'{what}, stage by stage: {names}; seed {run.config.get("seed", 0)}.'


def _tiles(run: RunFolder) -> list[tuple[str, str]]:
    done, steps = (sum(getattr(stage, name) for stage in run.stages) for name in ('done', 'steps'))
    tiles = [('state', state(run)), ('steps', f'{done} of {steps}')]
    if run.sessions:
        seconds = sum(session['seconds'] for session in run.sessions)
        tiles.append(('time, all in all', duration(seconds)))
    if run.report is not None and (shown := _shown(run)) is not None:
        tiles += shown.tiles(run.report)
    return tiles


def _results(run: RunFolder) -> Results | None:
    """Return the table of the results; None: there are none, or they are by domain."""
    shown = _shown(run)
    if run.report is None or shown is None or shown.results is None:
        return None
    return shown.results(run.report)


def _shown(run: RunFolder) -> Shown | None:
    """Return what is shown of the report; None: there is none, or nothing is."""
    return None if run.report is None else task_of_report(run.report).shown


def _domains(run: RunFolder) -> dict[str, Mapping[str, Any]]:
    """Return the scores of each set by the title of its domain, where they are shown so."""
    found: dict[str, Mapping[str, Any]] = {}
    shown = _shown(run)
    if run.report is not None and shown is not None and shown.results is None:
        for domain, title in DOMAINS.items():
            sets = domain_sets(run.report, domain)
            if sets or run.config.get(domain):
                found[title if sets else f'{title}: no depth to compare with'] = sets
    return found


def _selection(run: RunFolder) -> str:
    """Describe the selected result and its criteria."""
    last = run.stages[-1]
    text = last.config.result(last.selection)
    other = last.settings.get('average_with')
    return f'{text} Its weights are averaged with those of {other}.' if other else text


def _stage(
    run: RunFolder, stage: StageFolder, sources: Mapping[Path, str], kept: Kept
) -> dict[str, Any]:
    folder, settings = run.out / stage.name, stage.settings
    labels = ' of the target, which the baselines must not see'
    facts = [
        stage.config.summary + (labels if stage.config.batches.domain == 'target' else ''),
        f'sees {settings.get("input", "spikes")}',
        f'starts from {settings.get("init_from", "scratch")}',
        f'{stage.done} of {stage.steps} steps of {stage.batch_size} images',
    ]
    speeds = stage.scalars.get('train/images_per_s')
    if speeds is not None:
        facts.append(f'{statistics.median(speeds[1]):.3g} images/s')
    own = [
        part
        for session in run.sessions
        for part in session.get('stages', [])
        if part['name'] == stage.name and 'seconds' in part
    ]
    if own:
        facts.append(duration(sum(part['seconds'] for part in own)))
        facts.append(f'{max(part["peak_memory_mb"] for part in own) / 1000:.2g} GB at most')
    return {
        'name': stage.name,
        'facts': f'{facts[0][0].upper()}{"; ".join(facts)[1:]}.',
        'begun': bool(stage.scalars or stage.pictures or stage.checkpoint),
        'charts': kept.get(_charts, (folder / SCALARS, folder / WARNINGS), stage),
        'pictures': [
            {
                'title': f'after {step} steps',
                'source': sources[path],
                'file': path.relative_to(run.out).as_posix(),
            }
            for step, path in _chosen(stage.pictures)
        ],
        'all_pictures': len(stage.pictures),
    }


def _charts(stage: StageFolder) -> list[dict[str, str]]:
    if not stage.scalars:
        return []
    from spike_training.reports.run_page.curves import curves  # matplotlib, only where needed

    return curves(stage)


def _chosen(pictures: list[tuple[int, Path]]) -> list[tuple[int, Path]]:
    """Return the first, the middle and the last picture."""
    places = sorted({0, len(pictures) // 2, len(pictures) - 1}) if pictures else []
    return [pictures[place] for place in places]


def _legend() -> str:
    from spike_depth_ros.pictures import LEGEND

    return LEGEND


def _embed(run: RunFolder, kept: Kept) -> dict[Path, str]:
    """Return the sources of shown pictures: embedded up to a limit of bytes, and links beyond."""
    left, found = PICTURES_BYTES, {}
    for _, path in (shown for stage in run.stages for shown in _chosen(stage.pictures)):
        try:
            encoded = kept.get(_picture, (path,), path)
        except (OSError, ValueError):  # a killed process may have left half a picture
            encoded = ''
        fits = 0 < len(encoded) <= left
        left -= len(encoded) if fits else 0
        link = path.relative_to(run.out).as_posix()
        found[path] = f'data:image/webp;base64,{encoded}' if fits else link
    return found


def _picture(path: Path) -> str:
    """Encode a picture as WebP in base64, in half the bytes of its file."""
    from PIL import Image  # not needed for runs without pictures

    with open_picture(path) as opened:
        image = opened.convert('RGB')
    if image.width > PICTURE_WIDTH:
        height = round(image.height * PICTURE_WIDTH / image.width)
        image = image.resize((PICTURE_WIDTH, height), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, 'WEBP', quality=85, method=2)
    return base64.b64encode(file.getvalue()).decode()


def _checkpoint(path: Path) -> CheckpointInfo | str | None:
    """Return the metadata of a checkpoint, or why it cannot be read; None without a file."""
    try:
        return load_info(path, CheckpointInfo) if path.exists() else None
    except CheckpointError as error:
        return str(error)


def _files(run: RunFolder) -> Iterator[tuple[Path, str]]:
    """Yield the run's files, some of which may be missing, with their descriptions."""
    yield run.out / MODEL, 'the result: what the library and the node load'
    yield onnx_path(run.out / MODEL), 'the same, for ONNX Runtime'
    yield run.out / REPORT, 'all metrics'
    yield run.out / CONFIG, 'all settings; a config itself'
    for stage in run.stages:
        folder = run.out / stage.name
        if stage.checkpoint is not None:
            yield stage.checkpoint, f'what {stage.name} hands on'
        yield folder / SCALARS, f'the curves of {stage.name}'
        for path in sorted(folder.glob('non_finite_rank*.pt')):
            yield path, 'the batch that made a loss or gradient infinite or NaN'


def _file(out: Path, path: Path, what: str, kept: Kept) -> dict[str, str]:
    size = path.stat().st_size
    return {
        'name': path.relative_to(out).as_posix(),
        'what': what,
        'size': f'{size / 1e6:.2f} MB' if size >= 1e5 else f'{size / 1e3:.1f} kB',
        'sha256': kept.get(hash_file, (path,), path) if size < LARGE else 'not hashed',
    }


def duration(seconds: float) -> str:
    """Format a duration: 39 s, 12 min 5 s, 3 h 20 min."""
    whole = round(seconds)
    if whole < 60:
        return f'{whole} s'
    if whole < 3600:
        return f'{whole // 60} min {whole % 60} s'
    return f'{whole // 3600} h {whole % 3600 // 60} min'
