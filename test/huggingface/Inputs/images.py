#!/usr/bin/env python3
"""images.py HEIGHT WIDTH OUT.npy: one of the random images of docs/random-weights.md; Python's standard library only."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../full"))
import arrays  # noqa: E402

height, width, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
arrays.write_npy(path, (1, 3, height, width), arrays.random_images((1, 3, height, width)))
