# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What five papers print, what was run here in its place, and what of it holds.

    PYTHONPATH=training python -m benchmarks.papers --write
    PYTHONPATH=training python -m benchmarks.papers --run --only ssml.mutual_tfi --jobs 2

from the repository's root. ``--write`` makes papers.md and papers.csv in docs/evidence from
training/spike_training/tables/papers, benchmarks/papers.yaml and benchmarks/paper_results alone.
``--run`` trains what results lack by ``run.py table``, seed by seed, and marks results of other
settings as stale; it needs torch. Both may be given.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from benchmarks.papers_page import csv_text, page
from benchmarks.papers_verdicts import Reader, read_file, read_results
from spike_depth_ros.base.results import write_atomically
from spike_training.errors import ConfigError, DataSetError, TrainingError, one_line
from spike_training.tables.paper import FOLDER, Paper, papers, read_paper

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / 'benchmarks' / 'paper_results'
CONFIGS = ROOT / 'training' / 'configs' / 'tables'


def read_all(plan: Mapping[str, Any]) -> dict[str, Paper]:
    """Read the files of all papers.

    Raises:
        ConfigError: One is wrong, or has a table of which the plan says nothing.
    """
    read = {}
    for name in papers():
        problems: list[str] = []
        read[name] = read_paper(FOLDER / f'{name}.yaml', problems)
        planned = plan['papers'].get(name, {})
        for number in {*read[name].numbers} ^ {*planned}:
            near = difflib.get_close_matches(number, read[name].numbers, 1)
            hint = f'; did you mean {near[0]}?' if near else ''
            problems.append(f'benchmarks/papers.yaml: table {number} of {name}{hint}')
        if problems:
            raise ConfigError('; '.join(problems))
    return read


def run(plan: Mapping[str, Any], only: str, options: argparse.Namespace) -> None:
    """Train what results lack, and mark those of other settings as stale.

    A table that fails does not stop the others.

    Raises:
        ConfigError: ``only`` names nothing.
        TrainingError: A table has failed; the message names each.
    """
    wanted, _, row = only.partition('.')
    if wanted and wanted not in plan['tables']:
        near = difflib.get_close_matches(wanted, plan['tables'], 1)
        raise ConfigError(
            f'--only {only}: expected one of {", ".join(plan["tables"])}, or one of '
            f'its rows after a dot' + (f'; did you mean {near[0]}?' if near else '')
        )
    failed = []
    for name, facts in plan['tables'].items():
        if wanted in ('', name):
            try:
                _run_table(name, facts, row, options)
            except (TrainingError, DataSetError) as error:
                print(f'{name}: {error}', file=sys.stderr)
                failed.append(name)
    if failed:
        raise TrainingError(f'{", ".join(failed)}: see above; the same command tries again')


def _run_table(
    name: str, facts: Mapping[str, Any], only: str, options: argparse.Namespace
) -> None:
    from spike_training.commands.table import table as train
    from spike_training.tables.plan import load_table
    from spike_training.tables.units import units_of

    config = CONFIGS / facts['config']
    table = load_table(config)
    rows = {one.settings.name: one for one in table.rows}
    if only and only not in rows:
        raise ConfigError(f'--only {name}.{only}: expected a row of {name}: {", ".join(rows)}')
    maps = options.maps if table.rows[0].tabled.maps else None
    if table.rows[0].tabled.maps and maps is None:
        print(f'{name} is left out: it needs --maps')
        return
    if maps is not None:
        rows = {one.settings.name: one for one in load_table(config, maps).rows}
    chosen = {own: one for own, one in rows.items() if only in ('', own)}
    if missing := {
        own: lacks for own, one in chosen.items() if (lacks := missing_data(one.config))
    }:
        paths = ', '.join(sorted(set(missing.values())))
        print(f'{name}: {", ".join(missing)} are left out: {paths} is missing')
    reference = rows[table.settings.reference]
    path, out = RESULTS / f'{name}.json', options.out / name
    for seed in facts['seeds']:
        units = {
            own: units_of(one if one.config.stages else reference, seed, out)
            for own, one in chosen.items()
            if own not in missing
        }
        hashes = {own: unit.settings_hash for own, unit in units.items()}
        stored = read_file(path)['rows'] if path.exists() else {}
        if estimates := [own for own in stored if own not in rows]:  # made with the reference
            hashes |= dict.fromkeys(estimates, units_of(reference, seed, out).settings_hash)
        left = [own for own in open_rows(path, hashes, str(seed)) if own in rows]
        if not left:
            continue
        hours = facts['hours'] * len(left) / len(rows) / len(facts['seeds'])
        print(f'{name}, seed {seed}: {", ".join(left)}; about {hours:.1f} core-hours left')
        made = out / 'results.json'
        made.unlink(missing_ok=True)  # of an earlier run, perhaps of other settings
        cache = options.cache or options.out / 'stages'  # tables share stages
        where = (options.jobs, options.scheduler, cache)
        try:
            train(config, out, ','.join(left), str(seed), *where, maps=maps)
        finally:  # what is done is kept, also after an interruption
            add_results(path, made)


def missing_data(config: Any) -> str:
    """Return the first path of a run's recordings that is missing; empty: none is."""
    from spike_training.datasets.readers import missing_paths

    domains = (config.data, config.target) if config.target is not None else (config.data,)
    given = (
        (name, where)
        for one in domains
        for sets in (one.recordings, one.test_recordings)
        for name, where in sets.items()
    )
    return next((str(path) for k, v in given for path in missing_paths(k, v)), '')


def add_results(path: Path, made: Path) -> None:
    """Add the results that a table has by now to the committed ones.

    Args:
        path: Committed results of the table; may be missing.
        made: Results that ``run.py table`` wrote; may be missing.

    Raises:
        ConfigError: A file is damaged or too large.
    """
    from spike_training.tables.results import encode

    if not made.exists():
        return
    found = read_file(made)
    # Read again: another process may have added rows since.
    known = read_file(path)['rows'] if path.exists() else {}
    for row, by_seed in found['rows'].items():
        known.setdefault(row, {}).update(by_seed)
    if known:
        write_atomically(path, encode({**found, 'rows': known}))


def open_rows(path: Path, hashes: Mapping[str, str], seed: str) -> list[str]:
    """Return the rows that results lack, or have of other settings.

    The latter are marked as stale in the file, and the others are not.

    Args:
        path: Results of a table; may be missing.
        hashes: Hash of the settings of each row.
        seed: Seed of the results.

    Raises:
        ConfigError: The file is damaged or too large.
    """
    from spike_training.tables.results import encode

    if not path.exists():
        return [*hashes]
    known = read_file(path)
    before, left = encode(known), []
    for row, own in hashes.items():
        found = known['rows'].get(row, {}).get(seed)
        stale = found is not None and found['settings'] != own
        if found is None or stale:
            left.append(row)
        if stale:
            found['stale'] = True
        elif found is not None:
            found.pop('stale', None)
    if (content := encode(known)) != before:
        write_atomically(path, content)
    return left


def argument_parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    parser = argparse.ArgumentParser(prog='python -m benchmarks.papers', description=__doc__)
    add = parser.add_argument
    add('--run', action='store_true', help='train what results lack')
    add('--only', default='', metavar='TABLE[.ROW]', help='of --run')
    add('--write', action='store_true', help='make papers.md and papers.csv in docs/evidence')
    add('--docs', type=Path, default=ROOT / 'docs' / 'evidence', help='folder of these')
    add('--out', type=Path, default=Path('runs/papers'), help='folder of --run')
    add('--jobs', type=int, default=1, help='as of run.py table')
    add('--scheduler', default='', help='as of run.py table')
    add('--cache', type=Path, help='as of run.py table')
    add('--maps', type=Path, help='as of run.py table, for dsr')
    return parser


def main(args: list[str] | None = None) -> int:
    parser = argument_parser()
    options = parser.parse_args(args)
    if not options.run and not options.write:
        parser.error('expected --run, --write or both')
    plan = yaml.safe_load((ROOT / 'benchmarks' / 'papers.yaml').read_text(encoding='utf-8'))
    try:
        read = read_all(plan)
        if options.run:
            run(plan, options.only, options)
        if options.write:
            reader = Reader(plan, read_results(RESULTS))
            items = [item for name, paper in read.items() for item in reader.items(name, paper)]
            texts = {
                'papers.md': page(reader, read, items, plan['page']),
                'papers.csv': csv_text(items),
            }
            for name, text in texts.items():
                write_atomically(options.docs / name, text.encode())
    except (ConfigError, DataSetError, TrainingError, OSError) as error:
        parser.exit(2, f'{parser.prog}: {one_line(error)}\n')
    except KeyboardInterrupt:
        parser.exit(130, 'interrupted; the same command goes on\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
