# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What tests of the core share."""

import functools

import pytest

SESSIONS = {}
MOST_SESSIONS = 4


def open_once(opens, content, options=None, **more):
    """Open a session, or return an open one of the same bytes and threads."""
    if not isinstance(content, bytes) or options is None:
        return opens(content, options, **more)
    key = content, options.intra_op_num_threads
    if key not in SESSIONS:
        opened = opens(content, options, **more)
        if len(SESSIONS) == MOST_SESSIONS:
            SESSIONS.pop(next(iter(SESSIONS)))
        SESSIONS[key] = opened
    return SESSIONS[key]


@pytest.fixture(scope='module', autouse=True)
def sessions_once():
    """Open an export once in a process: that takes longer than the windows of most tests.

    Sessions of ONNX Runtime keep nothing from run to run.
    """
    try:
        import onnxruntime
    except ImportError:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        once = functools.partial(open_once, onnxruntime.InferenceSession)
        patch.setattr(onnxruntime, 'InferenceSession', once)
        yield
