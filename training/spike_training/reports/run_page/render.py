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

from spike_depth_ros.checkpoint import (
    CheckpointError,
    CheckpointInfo,
    DepthInfo,
    hash_file,
    load_info,
    onnx_path,
)
from spike_depth_ros.evaluation.controls import NETWORK, control_name
from spike_depth_ros.evaluation.report.page import (
    FIGURES,
    STRUCTURE,
    UNCERTAINTY,
    number,
    percent,
    render_page,
)
from spike_training.engine.record import SCALARS
from spike_training.evaluation.report import ALIGNMENTS, BASELINE, domain_sets
from spike_training.reports.run_page.curves import curves
from spike_training.reports.run_page.folder import RunFolder, StageFolder
from spike_training.reports.run_page.health_checks import health_warnings, state
from spike_training.reports.run_page.settings import differences
from spike_training.runs.sessions import CONFIG, MODEL, REPORT

TEMPLATE = Path(__file__).with_name('run_page.html.j2')

PICTURES_BYTES = 6_000_000
"""Largest size of embedded pictures, bytes; the page links to further ones."""

PICTURE_WIDTH = 2400
"""Largest width of embedded pictures, pixels; wider ones are downsampled."""

SCALES = {
    'raw': 'In metres, as they are',
    'recording_scaled': 'Each recording scaled by one factor: borrows from the truth',
    'median_scaled': 'Each image scaled by its median: borrows from the truth',
}

DOMAINS = {
    'source': 'Source: the labelled domain',
    'target': 'Target: the domain without labels',
}

LARGE = 1 << 31
"""Size from which a file is not hashed, bytes."""


def render(run: RunFolder) -> str:
    """Render the page of a run as self-contained HTML."""
    album = _Album(run.out)
    return render_page(
        TEMPLATE.read_text(encoding='utf-8'),
        title=f'Training run {run.out.resolve().name}',
        subtitle=_subtitle(run),
        tiles=_tiles(run),
        warnings=health_warnings(run),
        result=_result(run),
        selection=_selection(run),
        stages=[_stage(run, stage, album) for stage in run.stages],
        settings=differences(run.config, run.method),
        facts=_facts(run),
        sessions=_sessions(run),
        files=_files(run),
        legend=_legend() if any(map(_shows_depth, run.stages)) else '',
    )


def _shows_depth(stage: StageFolder) -> bool:
    return bool(stage.pictures) and stage.config.task == 'depth'


def _subtitle(run: RunFolder) -> str:
    sees = {'rgb': ' (RGB)'}
    names = ' → '.join(
        f'{stage.name}{sees.get(stage.settings.get("input", ""), "")}' for stage in run.stages
    )
    what = 'Pictures' if run.stages[0].config.task == 'image' else 'Depth'
    return f'{what} from spikes, stage by stage: {names}; seed {run.config.get("seed", 0)}.'


def _tiles(run: RunFolder) -> list[tuple[str, str]]:
    done, steps = (sum(getattr(stage, name) for stage in run.stages) for name in ('done', 'steps'))
    tiles = [('state', state(run)), ('steps', f'{done} of {steps}')]
    if run.sessions:
        seconds = sum(session['seconds'] for session in run.sessions)
        tiles.append(('time, all in all', duration(seconds)))
    if run.report is not None and run.report.get('task') == 'image':
        for scores in run.report['sets'].values():
            own = scores['rows'][NETWORK]['psnr']
            tiles.append((f'PSNR, dB, {scores["title"]}', f'{own:.2f}'))
    elif run.report is not None:
        # A target whose recordings have no depth is not evaluated.
        domain = 'target' if domain_sets(run.report, 'target') else 'source'
        for part, scores in domain_sets(run.report, domain).items():
            own, baseline = (
                number(scores['predictors'][name]['abs_rel']) for name in (NETWORK, BASELINE)
            )
            tiles.append((f'Abs Rel, {domain}, {part}; {control_name(BASELINE)} {baseline}', own))
    return tiles


def _result(run: RunFolder) -> list[dict[str, Any]]:
    """Return the tables of each domain."""
    if run.report is None:
        return []
    if run.report.get('task') == 'image':
        return [{'title': 'Pictures', 'tables': [*_picture_tables(run.report)]}]
    parts: list[dict[str, Any]] = []
    for domain, title in DOMAINS.items():
        sets = domain_sets(run.report, domain)
        if not sets:
            if run.config.get(domain):
                parts.append({'title': f'{title}: no depth to compare with', 'tables': []})
            continue
        tables = [
            {'title': SCALES[kind],
             'head': ['', *FIGURES.values(), *STRUCTURE.values(), 'coverage'],
             'rows': [*_depth_rows(sets, kind)]}
            for kind in ALIGNMENTS.values()
        ]  # fmt: skip
        tables.append(
            {
                'title': 'Uncertainty of the network, and sky',
                'head': ['', *UNCERTAINTY.values(), 'sky recall', 'sky precision'],
                'rows': [_uncertainty_row(part, scores) for part, scores in sets.items()],
            }
        )
        parts.append({'title': title, 'tables': tables})
    return parts


def _picture_tables(report: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for scores in report['sets'].values():
        rows = [
            [name, f'{row["psnr"]:.2f}', f'{row["ssim"]:.3f}']
            for name, row in scores['rows'].items()
        ]
        yield {'title': scores['title'], 'head': ['', 'PSNR, dB', 'SSIM'], 'rows': rows}


def _depth_rows(sets: Mapping[str, Any], kind: str) -> Iterator[list[str]]:
    for part, scores in sets.items():
        for predictor, tables in scores['tables'].items():
            table, structure = tables[kind], tables['structure']
            metrics = table['mean_over_pixels']
            # Incomplete predictions are always marked.
            covered = percent(table['coverage'])
            mark = covered if table['complete'] else f'{covered} INCOMPLETE'
            cells = [number(metrics[key]) for key in FIGURES]
            cells += [number(structure[key]) for key in STRUCTURE]
            yield [f'{part}, {control_name(predictor)}', *cells, mark]


def _uncertainty_row(part: str, scores: Mapping[str, Any]) -> list[str]:
    found, sky = scores['uncertainty'], scores['tables'][NETWORK]['raw']['sky']
    cells = [
        percent(found[name]) if name == 'interval_coverage' else number(found[name])
        for name in UNCERTAINTY
    ]
    return [part, *cells, percent(sky['recall']), percent(sky['precision'])]


def _selection(run: RunFolder) -> str:
    """Describe the selected result and its criteria."""
    last = run.stages[-1]
    text = last.config.result(last.selection)
    other = last.settings.get('average_with')
    return f'{text} Its weights are averaged with those of {other}.' if other else text


def _stage(run: RunFolder, stage: StageFolder, album: _Album) -> dict[str, Any]:
    settings = stage.settings
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
        'charts': curves(stage, run.method),
        'pictures': [album.entry(step, path) for step, path in _chosen(stage.pictures)],
        'all_pictures': len(stage.pictures),
    }


def _chosen(pictures: list[tuple[int, Path]]) -> list[tuple[int, Path]]:
    """Return the first, the middle and the last picture."""
    places = sorted({0, len(pictures) // 2, len(pictures) - 1}) if pictures else []
    return [pictures[place] for place in places]


def _legend() -> str:
    from spike_depth_ros.pictures import LEGEND

    return LEGEND


class _Album:
    """Pictures of the page, embedded up to a limit of bytes and linked beyond it.

    Args:
        out: Folder of the run and of the page.
    """

    def __init__(self, out: Path) -> None:
        self._out = out
        self._left = PICTURES_BYTES

    def entry(self, step: int, path: Path) -> dict[str, str]:
        """Return caption, source and file of a picture."""
        source = file = path.relative_to(self._out).as_posix()
        try:
            encoded = _picture(path)
        except OSError:  # a process that was killed may have left half a picture
            encoded = ''
        if 0 < len(encoded) <= self._left:
            self._left -= len(encoded)
            source = f'data:image/webp;base64,{encoded}'
        return {'title': f'after {step} steps', 'source': source, 'file': file}


def _picture(path: Path) -> str:
    """Encode a picture as WebP in base64, in half the bytes of its file."""
    from PIL import Image  # not needed for runs without pictures

    with Image.open(path) as opened:
        image = opened.convert('RGB')
    if image.width > PICTURE_WIDTH:
        height = round(image.height * PICTURE_WIDTH / image.width)
        image = image.resize((PICTURE_WIDTH, height), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, 'WEBP', quality=85, method=2)
    return base64.b64encode(file.getvalue()).decode()


def _facts(run: RunFolder) -> list[list[str]]:
    config = run.config
    data = config['data']
    looked_at = {
        name: ', '.join(part.get('recordings') or part['styles'] or data['styles'])
        for name, part in (('source', data), ('target', config.get('target')))
        if part is not None
    }
    rows = [
        ['seed', str(config.get('seed', 0))],
        *([name, found] for name, found in looked_at.items()),
        ['network', str(config['model']['architecture'])],
        [
            'images',
            f'{data["width"]} x {data["height"]} pixels, windows of '
            f'{", ".join(map(str, data["planes"]))} planes at {data["rate_hz"]:g} Hz',
        ],
        ['precision', str(config['train']['precision'])],
    ]
    if (run.out / MODEL).exists():
        rows += _checkpoint_facts(run.out / MODEL)
    return rows


def _checkpoint_facts(path: Path) -> Iterator[list[str]]:
    try:
        info = load_info(path, CheckpointInfo)
    except CheckpointError as error:
        yield ['checkpoint', f'cannot be read: {error}']
        return
    yield ['weights', info.weights_sha256]
    if isinstance(info, DepthInfo):
        yield from _depth_facts(info)
    yield ['data', ', '.join(f'{name} ({kind})' for name, kind in info.datasets.items())]


def _depth_facts(info: DepthInfo) -> Iterator[list[str]]:
    low, high = info.fx_range
    yield [
        'depth',
        f'{info.min_depth:g} to {info.max_depth:g} m at the canonical focal length of '
        f'{info.canonical_fx:g} pixels; trained for {low:g} to {high:g} pixels; '
        f'scale {info.scale}',
    ]
    fitted = 'fitted' if info.uncertainty_calibrated else 'NOT fitted'
    yield ['factor of the uncertainty', f'{info.uncertainty_factor:.4g}, {fitted}']


def _sessions(run: RunFolder) -> list[list[str]]:
    rows = []
    for session in run.sessions:
        began = datetime.fromisoformat(session['began'])
        commit = session.get('commit')
        changed = ', with changes' if session.get('changed') else ''
        rows.append(
            [
                f'{began:%Y-%m-%d %H:%M} UTC',
                duration(session['seconds']),
                str(session.get('outcome') or 'no end recorded'),
                f'{session["device"]}; {_many(session["processes"], "process")}, '
                f'{_many(session["threads"], "CPU thread")} each',
                f'{session["package"]}, commit {commit[:12] if commit else "unknown"}{changed}; '
                f'torch {session["torch"]}, Python {session["python"]}',
            ]
        )
    return rows


def _many(count: int, what: str) -> str:
    plural = 'es' if what.endswith('s') else 's'
    return f'{count} {what}{"" if count == 1 else plural}'


def _files(run: RunFolder) -> list[dict[str, str]]:
    """Return name, description, size and hash of the run's files."""
    found = [
        (run.out / name, what)
        for name, what in (
            (MODEL, 'the result: what the library and the node load'),
            (onnx_path(Path(MODEL)).name, 'the same, for ONNX Runtime'),
            (REPORT, 'all metrics'),
            (CONFIG, 'all settings; a config itself'),
        )
    ]
    for stage in run.stages:
        folder = run.out / stage.name
        if stage.checkpoint is not None:
            found.append((stage.checkpoint, f'what {stage.name} hands on'))
        found.append((folder / SCALARS, f'the curves of {stage.name}'))
        found += [
            (path, 'the batch that made a loss or gradient infinite or NaN')
            for path in sorted(folder.glob('non_finite_rank*.pt'))
        ]
    return [_file(run.out, path, what) for path, what in found if path.is_file()]


def _file(out: Path, path: Path, what: str) -> dict[str, str]:
    size = path.stat().st_size
    return {
        'name': path.relative_to(out).as_posix(),
        'what': what,
        'size': f'{size / 1e6:.2f} MB' if size >= 1e5 else f'{size / 1e3:.1f} kB',
        'sha256': hash_file(path) if size < LARGE else 'not hashed',
    }


def duration(seconds: float) -> str:
    """Format a duration: 39 s, 12 min 5 s, 3 h 20 min."""
    whole = round(seconds)
    if whole < 60:
        return f'{whole} s'
    if whole < 3600:
        return f'{whole // 60} min {whole % 60} s'
    return f'{whole // 3600} h {whole % 3600 // 60} min'
