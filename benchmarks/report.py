#!/usr/bin/env python3
"""The table and the roofline picture of what compare.py measured.

    report.py FILE.json... [--svg=FILE.svg] [--docs=FILE.md]

Prints the table. --docs puts it between the two marks in FILE.md instead, and the picture into images/roofline.svg beside it.
"""
import argparse
import json
import math
import os

BEGIN, END = "<!-- compare.py: the table begins -->", "<!-- compare.py: the table ends -->"
BYTES = {"f32": 4, "bf16": 2, "int8": 1}


def busy_ms(table, row):
    """On one thread a neighbour spoils the clock, but not the CPU time."""
    return min(row["median_ms"], row["cpu_ms"]) if table["threads"] == 1 else row["median_ms"]


def rate(table, row):
    """Nominal GFLOP/s."""
    return table["gflop"] / busy_ms(table, row) * 1e3


def percent(table, row):
    peak = table["peaks"].get(row["precision"])
    return 100 * rate(table, row) / peak if peak else float("nan")


def markdown(tables):
    lines = ["| model | batch | threads | program | ms | images/s | % of peak | first, s | compile, s | compile, MB | MB | error | busy |",
             "|---|---|---|---|---|---|---|---|---|---|---|---|---|"]
    for table in tables:
        case = [table["model"], str(table["batch"]), str(table["threads"])]
        counted = [r for r in table["rows"].values() if r["counts"]]
        fastest = {p: min((busy_ms(table, r) for r in counted if r["precision"] == p), default=None) for p in BYTES}
        for name, row in sorted(table["rows"].items(), key=lambda item: (list(BYTES).index(item[1]["precision"]), busy_ms(table, item[1]))):
            ms = busy_ms(table, row)
            cells = [name, f"{ms:.2f}", f"{1e3 * table['batch'] / ms:.1f}", f"{percent(table, row):.0f}"]
            if not row["counts"]:
                cells = [f"~~{cell}~~" for cell in cells]
            elif ms == fastest[row["precision"]]:
                cells = [f"**{cell}**" for cell in cells]
            compiled = [f"{row['compile_s']:.1f}", f"{row['compile_mb']:.0f}"] if "compile_s" in row else ["", ""]
            cells += [f"{row['first_s']:.2f}", *compiled, f"{row['peak_kb'] / 1024:.0f}", f"{row['error']:.1e}", f"{row['busy']:.0f}"]
            lines.append("| " + " | ".join(case + cells) + " |")
            case = ["", "", ""]
        peaks = table["peaks"]
        lines.append(f"| | | | *peaks: f32 {peaks['f32']:.0f}, bf16 {peaks['bf16']:.0f} GFLOP/s, int8 {peaks['int8']:.0f} Gop/s, "
                     f"memory {peaks['read']:.0f} GB/s* | | | | | | | | | |")
    return "\n".join(lines)


COLORS = ["#d62728", "#1f77b4", "#2ca02c", "#9467bd", "#8c564b", "#7f7f7f"]
SHAPES = {"f32": lambda x, y: f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>',
          "bf16": lambda x, y: f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8"/>',
          "int8": lambda x, y: f'<path d="M{x:.1f} {y - 5.5:.1f}l5.5 9.5h-11z"/>'}


class Axis:
    """A logarithmic axis from `low` to `high` over the pixels `begin` to `end`."""

    def __init__(self, low, high, begin, end):
        self.low, self.high, self.begin, self.end = low, high, begin, end

    def __call__(self, value):
        part = math.log(value / self.low) / math.log(self.high / self.low)
        return self.begin + part * (self.end - self.begin)

    def ticks(self):
        first = math.floor(math.log2(self.low))
        return [2.0**e for e in range(first, 40) if self.low <= 2.0**e <= self.high]


def roofline(tables):
    """SVG: nominal rate over nominal operations for each byte of weights, under the roofs of one core's peaks and of the memory."""
    tables = [t for t in tables if t["threads"] == 1] or tables
    points = [(t, name, row, 1e9 * t["gflop"] / (t["weights"] * BYTES[row["precision"]]), rate(t, row))
              for t in tables for name, row in t["rows"].items() if row["counts"]]
    families = sorted({name.rsplit(" ", 1)[0] if not name.startswith("vitc") else "vitc" for _, name, *_ in points},
                      key=lambda family: (family != "vitc", family))
    roofs = {kind: max(t["peaks"][kind] for t in tables) for kind in BYTES}
    memory = max(t["peaks"]["read"] for t in tables)
    highest, lowest = max(roofs.values()), min([p[4] for p in points] + [roofs["f32"]])
    x, y = Axis(2, max([p[3] for p in points] + [512]) * 1.5, 60, 640), Axis(lowest / 1.6, highest * 1.3, 360, 20)
    svg = ['<svg xmlns="http://www.w3.org/2000/svg" width="820" height="410" font-family="sans-serif" font-size="11">',
           '<rect width="820" height="410" fill="white"/>']
    line = lambda x0, y0, x1, y1, style: svg.append(f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" {style}/>')
    text = lambda px, py, string, style="": svg.append(f'<text x="{px:.1f}" y="{py:.1f}" {style}>{string}</text>')
    for tick in x.ticks():
        line(x(tick), y.begin, x(tick), y.end, 'stroke="#eee"')
        text(x(tick), y.begin + 14, f"{tick:g}", 'text-anchor="middle"')
    for tick in y.ticks():
        line(x.begin, y(tick), x.end, y(tick), 'stroke="#eee"')
        text(x.begin - 6, y(tick) + 4, f"{tick:g}", 'text-anchor="end"')
    text((x.begin + x.end) / 2, 398, "operations for each byte of weights", 'text-anchor="middle"')
    text(16, (y.begin + y.end) / 2, "GFLOP/s, nominal", f'text-anchor="middle" transform="rotate(-90 16 {(y.begin + y.end) / 2:.0f})"')
    for kind, roof in roofs.items():
        if roof:
            start = max(x.low, roof / memory)
            line(x(start), y(roof), x.end, y(roof), 'stroke="#333" stroke-width="1.5"')
            text(x(start) + 6, y(roof) - 5, f"{kind} peak {roof:.0f}")
    slope_from, slope_to = max(x.low, y.low / memory), min(x.high, highest / memory)
    line(x(slope_from), y(slope_from * memory), x(slope_to), y(slope_to * memory), 'stroke="#333" stroke-width="1.5"')
    text(x(slope_from) + 8, y(slope_from * memory) - 8, f"memory {memory:.0f} GB/s")
    for table, name, row, intensity, speed in points:
        family = "vitc" if name.startswith("vitc") else name.rsplit(" ", 1)[0]
        color = COLORS[families.index(family) % len(COLORS)]
        title = f"{table['model']}, batch {table['batch']}: {name}, {speed:.0f} GFLOP/s"
        svg.append(f'<g fill="{color}" fill-opacity="0.8"><title>{title}</title>{SHAPES[row["precision"]](x(intensity), y(speed))}</g>')
    for i, family in enumerate(families):
        svg.append(f'<g fill="{COLORS[i % len(COLORS)]}">{SHAPES["f32"](665, 40 + 20 * i)}</g>')
        text(678, 44 + 20 * i, family)
    for i, kind in enumerate(BYTES):
        svg.append(f'<g fill="#333">{SHAPES[kind](665, 60 + 20 * (len(families) + i))}</g>')
        text(678, 64 + 20 * (len(families) + i), kind)
    return "\n".join(svg + ["</svg>"]) + "\n"


def update(path, tables):
    """Replaces what stands between the marks in `path` and writes images/roofline.svg beside it."""
    with open(path) as f:
        page = f.read()
    if BEGIN not in page or END not in page:
        raise SystemExit(f"compare.py: error: {path} has no place for a table, expected the lines '{BEGIN}' and '{END}'")
    head, rest = page.split(BEGIN, 1)
    with open(path, "w") as f:
        f.write(head + BEGIN + "\n" + markdown(tables) + "\n" + END + rest.split(END, 1)[1])
    images = os.path.join(os.path.dirname(path), "images")
    os.makedirs(images, exist_ok=True)
    with open(os.path.join(images, "roofline.svg"), "w") as f:
        f.write(roofline(tables))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", metavar="FILE.json")
    parser.add_argument("--svg")
    parser.add_argument("--docs")
    args = parser.parse_args()
    tables = []
    for path in args.files:
        with open(path) as f:
            tables += json.load(f)
    if args.docs:
        update(args.docs, tables)
    else:
        print(markdown(tables))
    if args.svg:
        with open(args.svg, "w") as f:
            f.write(roofline(tables))


if __name__ == "__main__":
    main()
