# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Check what a run of the demo measured.

Usage: ``python scripts/check_demo.py OUT/summary.json``. Exits with 0 if depth came out and no
plane was dropped, with 3 if planes were dropped and all of them are accounted for or the run is
not valid, and with 1 if anything else is wrong. Prints one line, and the losses of both parties
where there are any.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

DROPPED = 3
"""Exit status: worth another try at a lower rate."""

WANTED = (
    'planes_in planes_per_s windows_out windows_per_s latency_ms_p50 latency_ms_p99 '
    'planes_dropped abs_rel not_valid'
)


def check(summary: dict[str, Any]) -> tuple[int, str]:
    """Return the exit status and a line that gives the reason."""
    absent = [key for key in WANTED.split() if key not in summary]
    if absent:
        return 1, f'keys are absent: {absent}'
    if any(summary['accounting_difference']):
        return 1, f'the accounting does not add up: {summary["accounting"]}'
    if summary['windows_out'] <= 0:
        return 1, 'no depth came out'
    if summary['planes_dropped']:
        return DROPPED, f'{summary["planes_dropped"]} planes dropped'
    if summary['not_valid']:
        return DROPPED, f'not valid: {" and ".join(summary["not_valid"])}'
    return 0, '{windows_out} depth images of {planes_in} planes, none dropped'.format(**summary)


def main(path: str) -> int:
    """Print what is to be said of a summary; the exit status."""
    summary = json.loads(Path(path).read_text(encoding='utf-8'))
    status, reason = check(summary)
    print(f'demo at speed {summary.get("speed")}: {reason}')
    if status:
        print(
            'player: {planes_sent} planes sent at {planes_per_s:.0f}/s, at most '
            '{player_behind_s_max:.2f} s late'.format(**summary)
        )
        print(f'node: {json.dumps(summary["accounting"])}')
        for loss in summary['losses']:
            print(f'lost: {loss["planes"]} planes {loss["where"]}; remedy: {loss["remedy"]}')
    return status


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
