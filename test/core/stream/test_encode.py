# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np

from spike_depth_ros.estimator import Prediction
from spike_depth_ros.stream.encode import published_depth, scaled_matrix


def test_published_depth_says_too_near_beyond_and_masked():
    depth = np.array([[1.0, 1.02, 5.0, 9.8, 7.0]], np.float32)
    unsure = np.array([[0.1, 0.1, 0.1, 0.1, 7.0]], np.float32)
    prediction = Prediction(depth, unsure, (1.0, 10.0), 'metric', 1, ())
    np.testing.assert_array_equal(
        published_depth(prediction), np.float32([[-np.inf, -np.inf, 5, np.inf, 7]])
    )
    assert np.isnan(published_depth(prediction, max_relative=0.5)[0, 4])
    assert depth[0, 0] == 1.0  # the prediction itself is left alone


def test_a_camera_matrix_follows_binned_pixels():
    k = [400.0, 0, 199.5, 0, 400, 124.5, 0, 0, 1]
    assert scaled_matrix(k, 3, 2) == [200.0, 0, 99.5, 0, 200, 62, 0, 0, 1]
    assert scaled_matrix(k, 3, 1) == k
    assert scaled_matrix(np.zeros(9), 3, 2) == [0.0] * 9
