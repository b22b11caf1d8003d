#!/usr/bin/env bash
# Sets this Debian 12 machine up, builds vitc, compiles the small Vision Transformer that the repository ships, and classifies the
# 10,000 test images of Fashion-MNIST with it. Run again, it skips what is done.
set -euo pipefail
cd "$(dirname "$0")"

say() { printf '\n== %s\n' "$*"; }

say "Setting up"
scripts/setup.sh

say "Building vitc and vit-run into build/"
scripts/configure.sh release build
cmake --build build --target vitc vit-opt vit-run

model=models/fashion_mnist_vit.json
weights=models/fashion_mnist_vit.safetensors
artifact=build/fashion_mnist.vitx
if [[ ! -e $artifact || build/bin/vitc -nt $artifact || $model -nt $artifact || $weights -nt $artifact ]]; then
  say "Compiling $model"
  build/bin/vitc "$model" --weights="$weights" -o "$artifact"
fi

say "Classifying the 10,000 test images of Fashion-MNIST"
build/bin/vit-run eval "$artifact" --data=fashion-mnist --page=build/demo.png
echo "A page of predictions: build/demo.png"
