# Tables of benchmarks/gpu/run.sh: awk -f report.awk checks.jsonl steps.jsonl torch.jsonl speed.jsonl training.jsonl
# Lines are flat JSON objects without commas or braces in their texts.

# The value of a field of the line, "" if it has none.
function field(name,    at, rest) {
  at = index($0, "\"" name "\":")
  if (!at)
    return ""
  rest = substr($0, at + length(name) + 3)
  if (substr(rest, 1, 1) == "\"") {
    rest = substr(rest, 2)
    return substr(rest, 1, index(rest, "\"") - 1)
  }
  sub(/[,}].*/, "", rest)
  return rest
}

FILENAME ~ /checks/ {
  if (field("error") != "") {
    text = field("model") " " field("precision") " on " field("target") ": " field("error")
    if (!said[text]++)
      errors[++errorCount] = text
    next
  }
  family = field("kernel")
  row = field("precision") SUBSEP field("target") SUBSEP family
  if (!(row in layers))
    rows[++rowCount] = row
  ++layers[row]
  bad[row] += field("differs") == "true"
  rms = field("relative_rms")
  # A NaN is null in JSON, and worse than any number.
  if (rms == "null")
    worst[row] = "nan"
  else if (worst[row] != "nan" && rms + 0 >= worst[row] + 0) {
    worst[row] = rms
    where[row] = field("model") " " field("layer")
  }
}

FILENAME ~ /torch/ && field("tool") == "gemm" { gemm = field("tflops") }
FILENAME ~ /torch/ && field("tool") == "torch-train" { trainer[field("model"), field("batch")] = field("ms") }
FILENAME ~ /torch/ && field("tool") == "torch" { rival[field("model"), field("batch")] = field("ms") }

FILENAME ~ /steps/ { steps[++stepCount] = $0 }
FILENAME ~ /speed/ { speed[++speedCount] = $0 }
FILENAME ~ /training/ { training[++trainingCount] = $0 }

function headline() {
  printf "%-24s %-9s %-9s %6s %10s %10s %10s %9s %7s %10s %7s\n", "model", "precision", "begin", "batch", "ms", "launches", "images/s", "TFLOP/s", "% gemm", \
    "torch ms", "faster"
}

# A line of measurements; `other` are the rival's milliseconds, "" if there are none.
function measurement(other,    launches, tflops, rate, part, faster) {
  launches = field("launches_ms")
  tflops = launches > 0 ? field("gflop") / launches : 0
  rate = launches > 0 ? 1e3 * field("batch") / launches : 0
  part = gemm ? sprintf("%.1f", 100 * tflops / gemm) : "-"
  faster = other != "" && launches > 0 ? sprintf("%.2fx", other / launches) : "-"
  printf "%-24s %-9s %-9s %6d %10.3f %10.3f %10.0f %9.1f %7s %10s %7s\n", field("model"), field("precision"), field("target"), field("batch"), \
    field("median_ms"), launches, rate, tflops, part, other == "" ? "-" : sprintf("%.3f", other), faster
}

END {
  printf "\nResults beside the CPU's: relative rms of the worst layer\n"
  printf "%-10s %-12s %-14s %7s %8s %10s  %s\n", "precision", "code", "kernel", "layers", "differ", "rel. rms", "where"
  for (i = 1; i <= rowCount; ++i) {
    split(rows[i], key, SUBSEP)
    printf "%-10s %-12s %-14s %7d %8d %10.2e  %s\n", key[1], key[2], key[3], layers[rows[i]], bad[rows[i]], worst[rows[i]], where[rows[i]]
  }
  for (i = 1; i <= errorCount; ++i)
    print errors[i]

  if (stepCount)
    printf "\nTraining beside the CPU's: the greatest differences, parts of the number\n%-24s %-9s %-12s %6s %10s %10s  %s\n", "model", \
      "precision", "code", "steps", "loss", "norm", "differs"
  for (i = 1; i <= stepCount; ++i) {
    $0 = steps[i]
    if (field("error") != "")
      print field("model") " " field("precision") " on " field("target") ": " field("error")
    else
      printf "%-24s %-9s %-12s %6d %10.2e %10.2e  %s\n", field("model"), field("precision"), field("target"), field("steps"), field("loss"), \
        field("grad_norm"), field("differs") == "true" ? "yes" : "no"
  }

  printf "\nSpeed: ms a batch with copies on the host's clock, of the launches alone on the GPU's; TFLOP/s are nominal, of the launches\n"
  if (gemm)
    printf "A library's bf16 product of 8192^3 in the same run: %.0f TFLOP/s\n", gemm
  headline()
  for (i = 1; i <= speedCount; ++i) {
    $0 = speed[i]
    # The rival computes in bf16.
    measurement(field("precision") == "bf16" ? rival[field("model"), field("batch")] : "")
  }

  if (trainingCount) {
    printf "\nTraining steps (forward, backward, AdamW): the same columns, launches from a step's first to its last with all that they wait for\n"
    headline()
  }
  for (i = 1; i <= trainingCount; ++i) {
    $0 = training[i]
    measurement(field("precision") == "bf16" ? trainer[field("model"), field("batch")] : "")
  }
}
