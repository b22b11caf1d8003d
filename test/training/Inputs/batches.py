"""Writes images and labels for `tensors:`: batches.py FILE.npz COUNT CHANNELS HEIGHT WIDTH CLASSES [value of the first pixel]."""
import array
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../full"))
import arrays

path, (count, *image, classes) = sys.argv[1], map(int, sys.argv[2:7])
images = arrays.random_images((count, *image))
images[0] = float(sys.argv[7]) if len(sys.argv) > 7 else images[0]
arrays.write_npz(path, {"images": ((count, *image), images), "labels": ((count,), array.array("q", (i % classes for i in range(count))))})
