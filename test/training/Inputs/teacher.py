"""Writes what a teacher is given: teacher.py DATA.npz FOLDER.

images.npy: the data's images; plain.npy: the same of another normalisation, x / 2 + 1 / 2; labels.npy: the labels, few.npy: 3 of them.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../full"))
import arrays

data, folder = arrays.read_npz(sys.argv[1]), sys.argv[2]
(shape, images), (count, labels) = data["images"], data["labels"]
arrays.write_npy(f"{folder}/images.npy", shape, images)
arrays.write_npy(f"{folder}/plain.npy", shape, [0.5 * value + 0.5 for value in images])
arrays.write_npy(f"{folder}/labels.npy", count, labels)
arrays.write_npy(f"{folder}/few.npy", (3,), labels[:3])
