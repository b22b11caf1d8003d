#!/usr/bin/env bash
# Makes a kit: what benchmarks/gpu/run.sh needs on a machine with an NVIDIA driver and nothing else of this project.
#   scripts/make_kit.sh [OUTPUT.tar.gz]     (default: build/gpu-kit.tar.gz)
# vitc is taken from build/bin; vit-run is built into build-kit, with every library but libc and libgcc inside. The artifacts hold code for the CPU
# (x86-64-v3), for sm_80 and for sm_90a, and no weights: these are made from a seed where the kit is opened.
set -euo pipefail
cd "$(dirname "$0")/.."

output=$(realpath -m "${1:-build/gpu-kit.tar.gz}")
vitc=${VITC:-build/bin/vitc}
models=${KIT_MODELS:-vit_tiny_patch16_224 vit_base_patch16_224 vit_large_patch16_224}
trained=${KIT_TRAINED:-vit_tiny_patch16_224 vit_base_patch16_224}
most_bytes=$((60 << 20))
# Ubuntu 22.04 has 2.35, RHEL 9 has 2.34.
newest_glibc=2.34

fail() {
  echo "make_kit.sh: error: $*" >&2
  exit 1
}
[[ -x $vitc ]] || fail "'$vitc' is not there; build vitc first, or name it in VITC"

if [[ -z ${VIT_RUN:-} ]]; then
  cmake -S . -B build-kit -G Ninja -DCMAKE_BUILD_TYPE=Release -DVITC_PORTABLE=ON -DVITC_ENABLE_COMPILER=OFF -DVITC_ENABLE_TESTS=OFF \
    -DCMAKE_C_COMPILER=clang-22 -DCMAKE_CXX_COMPILER=clang++-22 -DCMAKE_EXE_LINKER_FLAGS=-fuse-ld=lld >/dev/null
  cmake --build build-kit --target vit-run
  VIT_RUN=build-kit/bin/vit-run
  needs=$(objdump -p "$VIT_RUN" | awk '$1 == "NEEDED" && $2 !~ /^(libc|libm|libdl|libpthread|libgcc_s|ld-linux-x86-64)\.so/ { print $2 }')
  [[ -z $needs ]] || fail "vit-run wants libraries that the other machine may lack: $needs"
  glibc=$(objdump -T "$VIT_RUN" | grep -o 'GLIBC_2\.[0-9]*' | sort -uV | tail -1)
  [[ $(printf '%s\n' "${glibc#GLIBC_}" $newest_glibc | sort -V | tail -1) == "$newest_glibc" ]] ||
    fail "vit-run wants ${glibc/_/ }, newer than $newest_glibc, which older systems lack"
fi

kit=$(mktemp -d)
trap 'rm -rf "$kit"' EXIT
folder=$kit/gpu-kit
mkdir -p "$folder/models" "$folder/training"
cp "$VIT_RUN" "$folder/vit-run"
strip "$folder/vit-run"
cp benchmarks/gpu/run.sh benchmarks/gpu/report.awk benchmarks/gpu/steps.awk benchmarks/gpu/torch_rival.py benchmarks/gpu/README.md "$folder/"

# Sizes that no tile fits, for the kernels' check: heads of 13 and of 72, one class, a mean instead of a class token.
cat >"$kit/odd.json" <<'JSON'
{"name": "odd", "image_size": 40, "patch_size": 4, "embed_dim": 65, "depth": 1, "num_heads": 5, "mlp_dim": 83, "num_classes": 1, "activation": "silu"}
JSON
cat >"$kit/wide.json" <<'JSON'
{"name": "wide", "image_size": [32, 48], "patch_size": 8, "embed_dim": 144, "depth": 2, "num_heads": 2, "num_classes": 7, "class_token": false, "pool": "avg", "layer_scale": 0.1}
JSON
compile() { # MODEL PRECISION TARGETS
  local name
  name=$(basename "$1" .json)
  echo "compiling $name, $2"
  "$vitc" "$1" --external-weights --target="$3" --target-cpu=x86-64-v3 --precision="$2" -o "$folder/models/$name-$2.vitx"
}
for model in "$kit"/*.json $models; do
  for precision in f32 bf16; do
    compile "$model" $precision cpu,cuda
  done
done
# A GPU alone multiplies these; run.sh compares with the f32 of the CPU.
for model in "$kit"/*.json ${KIT_SHORT_MODELS:-vit_base_patch16_224}; do
  for precision in f16 tf32; do
    compile "$model" $precision cuda
  done
done

# Training, and the images of its check: five, a group of two and one and another step that begins anew.
for model in "$kit"/*.json $trained; do
  name=$(basename "$model" .json)
  for precision in f32 bf16; do
    echo "compiling $name to train, $precision"
    options=()
    # A single class has no loss.
    [[ $name != odd ]] || options=(--set num_classes=3)
    "$vitc" "$model" "${options[@]}" --external-weights --train --target=cpu,cuda --target-cpu=x86-64-v3 --precision=$precision \
      -o "$folder/training/$name-$precision.vitx"
  done
done
batches=test/training/Inputs/batches.py
python3 $batches "$folder/training/odd.npz" 5 3 40 40 3
python3 $batches "$folder/training/wide.npz" 5 3 32 48 7
python3 $batches "$folder/training/vit_tiny_patch16_224.npz" 4 3 224 224 1000

mkdir -p "$(dirname "$output")"
tar -C "$kit" -czf "$output" gpu-kit
bytes=$(stat -c %s "$output")
((bytes <= most_bytes)) || fail "'$output' has $bytes bytes, more than the $most_bytes that a kit may have"
echo "$output: $((bytes >> 10)) KB; on the other machine: tar xzf $(basename "$output") && gpu-kit/run.sh"
