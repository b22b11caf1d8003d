# Compares what vit-run train --json said of two runs: awk -v tolerance=T -f steps.awk EXPECTED ACTUAL
# Prints a line of JSON with the greatest differences of losses and of gradients' norms, parts of what was expected. Exit code 1 if one is more than the
# tolerance, or steps are missing.

# The value of a field of the line, "" if it has none.
function field(name,    at, rest) {
  at = index($0, "\"" name "\": ")
  if (!at)
    return ""
  rest = substr($0, at + length(name) + 4)
  sub(/[,}].*/, "", rest)
  return rest
}

FNR == 1 { ++files }
field("step") == "" { next }
files == 1 {
  loss[field("step")] = field("loss")
  norm[field("step")] = field("grad_norm")
  ++expected
  next
}

# A part of the reference; of what is no number, more than any tolerance.
function difference(value, reference,    part) {
  if (value !~ /^-?[0-9]/ || reference !~ /^-?[0-9]/)
    return 1e9
  part = (value - reference) / reference
  return part < 0 ? -part : part
}

{
  ++actual
  part = difference(field("loss"), loss[field("step")])
  worst_loss = part > worst_loss ? part : worst_loss
  part = difference(field("grad_norm"), norm[field("step")])
  worst_norm = part > worst_norm ? part : worst_norm
}

END {
  differs = expected == 0 || actual != expected || worst_loss > tolerance || worst_norm > tolerance
  printf "{\"steps\":%d,\"loss\":%.3g,\"grad_norm\":%.3g,\"tolerance\":%s,\"differs\":%s}\n", actual, worst_loss, worst_norm, tolerance,
    differs ? "true" : "false"
  exit differs
}
