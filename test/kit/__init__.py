# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What tests are built of: look here before you write a builder of your own.

==============  ==================================================================================
bags            ``bag``, ``stream``: recordings as ROS has them, and their messages
cameras         wide lenses, cameras that are cut out of a sensor
checkpoints     ``checkpoint``, ``exported``: a small network of each task, and its file
clips           ``Sliding``: frames and depth as a data set has them; the same as a folder
datasets        whole small data sets in the layout of the real ones
forks           commands of nodes, started quickly
large_files     files that are too large to be read
moving          a camera that moves through a corridor: pictures, depth, windows
nodes           ``Driver``, ``Listener``: what talks to a node in another process
pictures        images, depth maps, texts
programs        ``run_program``, ``run_training``, ``wait_until``, ``largest_file``
readable        ``SOUND``: a small sound data set of each reader; ``refusal`` of one that is not
refusals        tables of refusals, see the fixture ``refusals``; ``leaving``: nothing is written
rooms           rooms as the renderer leaves them
runs            ``tiny_run``, ``three_stages``, ``small_table``: trainings of seconds
stages          ``RampSource``, ``train``: one stage, trained in milliseconds
streams         packets without ROS, a naive sensor, files of other writers
seventh_task    a task that the package does not know, in one file
toy_method      a method that the package does not know; former_method, one of version 0.1.0
videos          mp4 files
views           a source of roads, and targets that see it through a known view
==============  ==================================================================================
"""
