#!/usr/bin/env bash
# Checks and measures a kit (scripts/make_kit.sh) on a machine with an NVIDIA GPU: first each kernel family, and training steps, against the
# CPU's results, then speed, beside PyTorch if that is there. Needs the GPU's driver, bash and awk.
#   run.sh [--device=cuda:N] [--models=PATTERN] [--batches=1,64,256] [--train-batches=64] [--seconds=S] [--no-torch] [--output=FOLDER]
# Writes FOLDER/checks.jsonl, steps.jsonl, speed.jsonl, training.jsonl, torch.jsonl and report.txt (default: results-DATE beside this script). Exit
# code 1 if results differ by more than the tolerance, 2 after a bad usage.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)

device=cuda:0 pattern='*' batches=1,64,256 train_batches=64 seconds=3 torch=yes output=
for argument in "$@"; do
  case $argument in
  --device=*) device=${argument#*=} ;;
  --models=*) pattern=${argument#*=} ;;
  --batches=*) batches=${argument#*=} ;;
  --train-batches=*) train_batches=${argument#*=} ;;
  --seconds=*) seconds=${argument#*=} ;;
  --no-torch) torch=no ;;
  --output=*) output=${argument#*=} ;;
  -h | --help)
    sed -n '2,7s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
  *)
    echo "run.sh: error: '$argument' is no option; --help lists them" >&2
    exit 2
    ;;
  esac
done
output=${output:-$here/results-$(date +%Y-%m-%d-%H%M%S)}
# A kernel that waits for ever must not keep the others from being looked at.
run=(timeout --kill-after=10 600 "$here/vit-run")
shopt -s nullglob
models=("$here"/models/$pattern.vitx)
trained=("$here"/training/$pattern.vitx)
# A pattern without a star is taken as it is, whether there is such a file or not.
if ((${#models[@]} == 0)) || [[ ! -e ${models[0]} ]]; then
  echo "run.sh: error: no model in $here/models is called '$pattern.vitx'" >&2
  exit 2
fi
((${#trained[@]} == 0)) || [[ -e ${trained[0]} ]] || trained=()
mkdir -p "$output" || exit 1
: >"$output/checks.jsonl"
: >"$output/steps.jsonl"
: >"$output/speed.jsonl"
: >"$output/training.jsonl"
: >"$output/torch.jsonl"
failed=0

# Adds fields in front of those of each line of JSON.
label() { sed "s|^{|{\"model\":\"$1\",\"precision\":\"$2\",\"target\":\"$3\",|"; }

for path in "${models[@]}"; do
  file=$(basename "$path" .vitx)
  model=${file%-*} precision=${file##*-}
  # The CPU's code of bf16 is for any x86-64-v3: bf16 weights, and rows that stay f32. A GPU's rows are rounded, a part in 2^8 of each number.
  tolerance=1e-4 reference=$path
  [[ $precision == f32 ]] || tolerance=3e-2
  # No CPU multiplies these: the results beside theirs are those of f32.
  [[ $precision != f16 && $precision != tf32 ]] || tolerance=1e-2 reference=$here/models/$model-f32.vitx
  for target in cuda:sm_80 cuda:sm_90a; do
    # Larger groups have other kernels (from 3 and from 23 on), and persistent blocks several tiles.
    for images in 2 5 24; do
      echo "checking $file on $target, $images images" >&2
      if ! "${run[@]}" compare "$path" "$reference" --device="$device" --target-a="$target" --target-b=cpu --random-weights=0 --batch=$images --group=$images \
        --tolerance=$tolerance --json >"$output/lines" 2>"$output/complaint"; then
        # Code for another architecture than the GPU's is no failure.
        if grep -q 'which needs compute capability' "$output/complaint"; then
          continue 2
        fi
        failed=1
        grep 'error:' "$output/complaint" >&2
        [[ -s $output/lines ]] ||
          printf '{"error":"%s"}\n' "$(grep -m1 'error:' "$output/complaint" | tr -d '\\"')" >"$output/lines"
      fi
      label "$model" "$precision" "$target" <"$output/lines" >>"$output/checks.jsonl"
    done
  done
done

# Losses and gradients' norms of some steps, in groups of two images and one. Each step's weights are the last one's results.
for path in "${trained[@]}"; do
  file=$(basename "$path" .vitx)
  model=${file%-*} precision=${file##*-}
  [[ -e $here/training/$model.npz ]] || continue
  tolerance=1e-4
  [[ $precision == f32 ]] || tolerance=5e-2
  # A large epsilon, so that no step is made of a gradient's rounding error.
  steps=(train "$path" --data=tensors:"$here/training/$model.npz" --batch=3 --steps=3 --group=2 --random-weights=0 --eps=1e-3 --json)
  if ! "${run[@]}" "${steps[@]}" >"$output/expected" 2>"$output/complaint"; then
    failed=1
    grep 'error:' "$output/complaint" >&2
    continue
  fi
  for target in cuda:sm_80 cuda:sm_90a; do
    echo "checking training of $file on $target" >&2
    if "${run[@]}" "${steps[@]}" --device="$device" --target="$target" >"$output/lines" 2>"$output/complaint"; then
      awk -v tolerance=$tolerance -f "$here/steps.awk" "$output/expected" "$output/lines" >"$output/compared" || failed=1
    elif grep -q 'which needs compute capability' "$output/complaint"; then
      continue
    else
      failed=1
      grep 'error:' "$output/complaint" >&2
      printf '{"error":"%s"}\n' "$(grep -m1 'error:' "$output/complaint" | tr -d '\\"')" >"$output/compared"
    fi
    label "$model" "$precision" "$target" <"$output/compared" >>"$output/steps.jsonl"
  done
done

for path in "${models[@]}"; do
  file=$(basename "$path" .vitx)
  for batch in ${batches//,/ }; do
    # In a graph of launches one after the other, and of launches that may begin before the one before them is over.
    for launches in graph dependent; do
      echo "measuring $file, batch $batch, $launches" >&2
      options=()
      [[ $launches == graph ]] || options=(--dependent-launch)
      if "${run[@]}" bench "$path" --device="$device" --random-weights=0 --batch="$batch" --seconds="$seconds" --json "${options[@]}" \
        >"$output/lines" 2>"$output/complaint"; then
        label "${file%-*}" "${file##*-}" "$launches" <"$output/lines" >>"$output/speed.jsonl"
      else
        failed=1
        grep 'error:' "$output/complaint" >&2
      fi
    done
    # Launches that begin early must find what those before them wrote.
    if "${run[@]}" bench "$path" --device="$device" --random-weights=0 --batch="$batch" --iters=3 --output="$output/graph.npy" >/dev/null 2>&1 &&
      "${run[@]}" bench "$path" --device="$device" --random-weights=0 --batch="$batch" --iters=3 --dependent-launch \
        --output="$output/dependent.npy" >/dev/null 2>&1 && ! cmp -s "$output/graph.npy" "$output/dependent.npy"; then
      failed=1
      echo "run.sh: error: $file, batch $batch: launches that begin early have other results" | tee -a "$output/complaint" >&2
    fi
    rm -f "$output/graph.npy" "$output/dependent.npy"
  done
done

for path in "${trained[@]}"; do
  file=$(basename "$path" .vitx)
  for batch in ${train_batches//,/ }; do
    echo "measuring training of $file, batch $batch" >&2
    if "${run[@]}" bench "$path" --train --device="$device" --random-weights=0 --batch="$batch" --seconds="$seconds" --json >"$output/lines" \
      2>"$output/complaint"; then
      label "${file%-*}" "${file##*-}" graph <"$output/lines" >>"$output/training.jsonl"
    else
      failed=1
      grep 'error:' "$output/complaint" >&2
    fi
  done
done

if [[ $torch == yes ]] && python3 -c 'import torch, timm, sys; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
  names=$(for path in "${models[@]}"; do basename "$path" .vitx | sed 's/-[^-]*$//'; done | sort -u | grep '^vit_' | paste -sd,)
  trained_names=$(for path in "${trained[@]}"; do basename "$path" .vitx | sed 's/-[^-]*$//'; done | sort -u | grep '^vit_' | paste -sd,)
  python3 "$here/torch_rival.py" --device="${device}" --models="$names" --batches="$batches" --train="$trained_names" \
    --train-batches="$train_batches" --seconds="$seconds" >"$output/torch.jsonl" ||
    echo "run.sh: warning: PyTorch's part failed; the table is without it" >&2
else
  echo "run.sh: note: there is no PyTorch with a GPU here; the table has no rival" >&2
fi

rm -f "$output/lines" "$output/complaint" "$output/expected" "$output/compared"
{
  date -u +'%Y-%m-%d %H:%M UTC'
  nvidia-smi --query-gpu=name,driver_version,clocks.max.sm,power.limit --format=csv,noheader 2>/dev/null
  awk -f "$here/report.awk" "$output/checks.jsonl" "$output/steps.jsonl" "$output/torch.jsonl" "$output/speed.jsonl" "$output/training.jsonl"
} | tee "$output/report.txt"
exit $failed
