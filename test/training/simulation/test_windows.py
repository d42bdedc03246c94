# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Windows are divided among tasks."""

from kit.clips import Sliding, write_folder
from spike_training.simulation import windows
from spike_training.simulation.settings import CameraSettings


def test_each_window_that_is_missing_is_in_one_task(tmp_path, monkeypatch):
    monkeypatch.setattr(windows, '_FRAMES_PER_TASK', 3)
    write_folder(tmp_path / 'walk', Sliding(8))
    data, out = {'folder': str(tmp_path / 'walk')}, tmp_path / 'out'
    for present in ((), (0, 4)):
        for index in present:
            (out / 'folder/walk').mkdir(parents=True, exist_ok=True)
            (out / f'folder/walk/{index:06d}.npz').touch()
        plan = windows.plan_windows(data, CameraSettings(60, 90), 24, out)
        frames = [frame for task in plan.tasks for frame in task.frames]
        assert frames == [frame for frame in range(8) if frame not in present]
        assert all(len(task.frames) <= 3 for task in plan.tasks)
        assert plan.present == len(present)
