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

from spike_depth_ros.base.results import hash_file
from spike_depth_ros.checkpoint import CheckpointError, load_info, onnx_path
from spike_depth_ros.evaluation.controls import NETWORK, control_name
from spike_depth_ros.evaluation.report.headings import (
    FIGURES,
    STRUCTURE,
    UNCERTAINTY,
    uncertainty_cells,
)
from spike_depth_ros.io.arrays import open_picture
from spike_depth_ros.pages.blocks import (
    Block,
    Cell,
    Figure,
    Figures,
    Link,
    Page,
    Section,
    Table,
    Text,
    numbers,
    percent,
)
from spike_depth_ros.pages.html import render_page
from spike_depth_ros.tasks.base import CheckpointInfo
from spike_training.engine.record import SCALARS, WARNINGS
from spike_training.evaluation.report import ALIGNMENTS, domain_sets
from spike_training.reports.run_page import Kept
from spike_training.reports.run_page.folder import RunFolder, StageFolder
from spike_training.reports.run_page.health_checks import health_warnings, state
from spike_training.reports.run_page.settings import differences
from spike_training.runs.sessions import CONFIG, MODEL, REPORT
from spike_training.tasks.base import Shown, task_of, task_of_report

PICTURES_BYTES = 6_000_000
"""Largest size of embedded pictures, bytes; the page links to further ones."""

PICTURE_WIDTH = 2400
"""Largest width of embedded pictures, pixels; wider ones are downsampled."""

DOMAINS = {
    'source': 'Source: the labelled domain',
    'target': 'Target: the domain without labels',
}

SCALES = {
    'raw': 'In metres, as they are',
    'recording_scaled': 'Each recording scaled by one factor: borrows from the truth',
    'median_scaled': 'Each image scaled by its median: borrows from the truth',
}
"""What tables of depth are, by their key in a report."""

LARGE = 1 << 31
"""Size from which a file is not hashed, bytes."""


def render(run: RunFolder, kept: Kept) -> str:
    """Render the page of a run as self-contained HTML.

    Args:
        run: Content of its folder.
        kept: Parts of earlier pages of the run.
    """
    return render_page(page_of(run, kept))


def page_of(run: RunFolder, kept: Kept) -> Page:
    """Return the page as blocks; the arguments are those of :func:`render`."""
    sources = _embed(run, kept)
    domains = _domains(run)
    return Page(
        title=f'Training run {run.out.resolve().name}',
        subtitle=_subtitle(run),
        sections=[
            _results(run, domains),
            Section('What is exported', [Text(_selection(run))]),
            *(_stage(run, k, stage, sources, kept) for k, stage in enumerate(run.stages, start=1)),
            *_borrowed(domains),
            _what_was_run(run),
            _files_section(run, kept),
        ],
        tiles=_tiles(run),
        warnings=health_warnings(run),
    )


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


def _results(run: RunFolder, domains: Mapping[str, Mapping[str, Any]]) -> Section:
    """Return the metrics of the report: sets by domain, or the table of the task."""
    shown, blocks = _shown(run), list[Block | str]()
    if domains:
        blocks.append(
            Text(
                'On test scenes that training never saw, means over pixels, at the canonical '
                'focal length. The median-depth baseline is each pixel’s median depth over '
                'training scenes of the source; the mean prediction is each pixel’s mean '
                'predicted depth over the set; shuffled input is the depth predicted from '
                'another scene’s spikes. A network that does not beat all three does not use its '
                'input. Generated scenes of one style count as one recording.',
                'quiet',
            )
        )
        for title, sets in domains.items():
            blocks += [title, *_depth(sets, 'raw')]
    elif run.report is not None and shown is not None and shown.results is not None:
        blocks.append(shown.results(run.report))
    else:
        text = 'Nothing yet: the metrics come at the end of the run.'
        blocks.append(Text(text, 'quiet'))
    return Section('Results', blocks)


def _depth(sets: Mapping[str, Any], kind: str) -> Iterator[Block]:
    """Yield the table of the sets of a domain; none without sets."""
    if not sets:
        return
    yield Text(SCALES[kind], 'quiet')
    rows = [
        [
            f'{part}, {control_name(predictor)}',
            *numbers(found[kind]['mean_over_pixels'], FIGURES),
            *numbers(found['structure'], STRUCTURE),
            percent(found[kind]['coverage']) + ('' if found[kind]['complete'] else ' INCOMPLETE'),
        ]
        for part, scores in sets.items()
        for predictor, found in scores['tables'].items()
    ]
    yield Table(['', *FIGURES.values(), *STRUCTURE.values(), 'coverage'], rows)


def _borrowed(domains: Mapping[str, Mapping[str, Any]]) -> Iterator[Section]:
    """Yield what is scored with a scale of the truth, and the uncertainty."""
    blocks: list[Block | str] = []
    for title, sets in domains.items():
        if not sets:
            continue
        blocks.append(title)
        for kind in [*ALIGNMENTS.values()][1:]:
            blocks += _depth(sets, kind)
        rows = []
        for part, scores in sets.items():
            sky = scores['tables'][NETWORK]['raw']['sky']
            own = uncertainty_cells(scores['uncertainty'])
            rows.append([part, *own, percent(sky['recall']), percent(sky['precision'])])
        header = ['', *UNCERTAINTY.values(), 'sky recall', 'sky precision']
        blocks += [Text('Uncertainty of the network, and sky', 'quiet'), Table(header, rows)]
    if blocks:
        yield Section('Results with borrowed scale, and uncertainty', blocks)


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
    text = last.method.exported(last.config, last.selection)
    other = last.settings.get('average_with')
    return f'{text} Its weights are averaged with those of {other}.' if other else text


def _stage(
    run: RunFolder, number: int, stage: StageFolder, sources: Mapping[Path, str], kept: Kept
) -> Section:
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
    blocks: list[Block | str] = [Text(f'{facts[0][0].upper()}{"; ".join(facts)[1:]}.', 'quiet')]
    if not (stage.scalars or stage.pictures or stage.checkpoint):
        blocks.append(Text('It has not begun.'))
    blocks.append(Figures(kept.get(_charts, (folder / SCALARS, folder / WARNINGS), stage)))
    if stage.pictures:
        shown = [
            Figure(
                f'after {step} steps',
                source=sources[path],
                href=path.relative_to(run.out).as_posix(),
            )
            for step, path in _chosen(stage.pictures)
        ]
        about = (
            f'Always the same scenes, which are not trained on.{_legend(stage)} Shown are '
            f'{len(shown)} of {len(stage.pictures)}: all are in'
        )
        blocks += ['Pictures', Text(about, 'quiet', f'{stage.name}/pictures/')]
        blocks.append(Figures(shown, 'wide'))
    return Section(f'{number}. {stage.name}', blocks, small=True)


def _charts(stage: StageFolder) -> list[Figure]:
    if not stage.scalars:
        return []
    from spike_training.reports.run_page.curves import curves  # matplotlib, only where needed

    return curves(stage)


def _chosen(pictures: list[tuple[int, Path]]) -> list[tuple[int, Path]]:
    """Return the first, the middle and the last picture."""
    places = sorted({0, len(pictures) // 2, len(pictures) - 1}) if pictures else []
    return [pictures[place] for place in places]


def _legend(stage: StageFolder) -> str:
    """Return what the colours of depth mean, where the pictures of a stage show it."""
    shown = task_of(stage.config.task).shown
    if shown is None or not shown.depth_pictures:
        return ''
    from spike_depth_ros.pages.pictures import LEGEND

    return f' {LEGEND}'


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


def _files_section(run: RunFolder, kept: Kept) -> Section:
    rows: list[list[Cell]] = []
    for path, what in _files(run):
        if path.is_file():
            size = path.stat().st_size
            told = f'{size / 1e6:.2f} MB' if size >= 1e5 else f'{size / 1e3:.1f} kB'
            digest = kept.get(hash_file, (path,), path) if size < LARGE else 'not hashed'
            name = path.relative_to(run.out).as_posix()
            rows.append([Link(name, name, digest), what, told])
    about = Text('Beside this page, with their SHA-256.', 'quiet')
    return Section('Files', [about, Table(['file', 'what', 'size'], rows, names=True)])


def _what_was_run(run: RunFolder) -> Section:
    config, data = run.config, run.config['data']
    rows = [['seed', str(config.get('seed', 0))]]
    for name, part in (('source', data), ('target', config.get('target'))):
        if part:
            parts = part.get('recordings') or part.get('styles') or data['styles']
            rows.append([name, ', '.join(parts)])
    planes = ', '.join(map(str, data['planes']))
    rows += [
        ['network', config['model']['architecture']],
        [
            'images',
            f'{data["width"]} x {data["height"]} pixels, windows of {planes} planes at '
            f'{data["rate_hz"]:g} Hz',
        ],
        ['precision', config['train']['precision']],
        *_checkpoint_rows(run.out / MODEL),
    ]
    blocks: list[Block | str] = [Table(['', ''], rows, names=True)]
    if run.sessions:
        header = ['began', 'took', 'ended', 'on', 'with']
        starts = [_session(session) for session in run.sessions]
        blocks.append(Table(header, starts, 'Each start', names=True))
    changed = [[*map(str, row)] for row in differences(config)]
    blocks.append('Settings that differ from the defaults')
    blocks.append(
        Table(['setting', 'here', 'by default'], changed, names=True)
        if changed
        else Text('None.', 'quiet')
    )
    return Section('What was run', blocks)


def _checkpoint_rows(path: Path) -> Iterator[list[str]]:
    """Yield what the metadata of a checkpoint tell; nothing without a file."""
    info = _checkpoint(path)
    if isinstance(info, str):
        yield ['checkpoint', f'cannot be read: {info}']
    elif info is not None:
        yield ['weights', info.weights_sha256]
        yield from info.facts()
        used = ', '.join(f'{name} ({licence})' for name, licence in info.datasets.items())
        yield ['data', used]


def _session(session: Mapping[str, Any]) -> list[str]:
    changed = ', with changes' if session.get('changed') else ''
    return [
        f'{datetime.fromisoformat(session["began"]):%Y-%m-%d %H:%M UTC}',
        duration(session['seconds']),
        session.get('outcome') or 'no end recorded',
        f'{session["device"]}; {_many(session["processes"], "process")}, '
        f'{_many(session["threads"], "CPU thread")} each',
        f'{session["package"]}, commit {(session.get("commit") or "unknown")[:12]}{changed}; '
        f'torch {session["torch"]}, Python {session["python"]}',
    ]


def _many(count: int, what: str) -> str:
    """Return a number with its noun."""
    return f'{count} {what}{"" if count == 1 else "es" if what.endswith("s") else "s"}'


def duration(seconds: float) -> str:
    """Format a duration: 39 s, 12 min 5 s, 3 h 20 min."""
    whole = round(seconds)
    if whole < 60:
        return f'{whole} s'
    if whole < 3600:
        return f'{whole // 60} min {whole % 60} s'
    return f'{whole // 3600} h {whole % 3600 // 60} min'
