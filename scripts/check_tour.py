#!/usr/bin/env python3
"""Keeps the output shown in a Markdown file true: scripts/check_tour.py --bin=build/bin [--update] docs/tour.md...

A fenced block below a comment

    <!-- $ vitc models/x.json --emit=vit   show: /first/ .. /last/, /only/   width: 120 -->

holds what the command prints (bash, in the root of the source tree, with --bin in front of PATH; stdout). `show:` takes parts of it: from the first
line after the part before that matches a regular expression, to the next line that matches the second (that one line if there is none);
what is left out in between is shown as `...`. Lines longer than `width` end in `...`. Without --update the program compares and exits with 1 on
a difference; with it the blocks are rewritten.
"""
import argparse
import difflib
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BLOCK = re.compile(r"(?P<head><!-- \$ (?P<directive>[^\n]*?) -->\n```[^\n]*\n)(?P<body>.*?)(?P<foot>```\n)", re.S)
DIRECTIVE = re.compile(r"(?P<command>.*?)(?:\s{2,}show: (?P<show>.*?))?(?:\s{2,}width: (?P<width>\d+))?$")
PART = re.compile(r"/((?:[^/\\]|\\.)+)/(?:\s*\.\.\s*/((?:[^/\\]|\\.)+)/)?(?:,\s*|$)")


class TourError(Exception):
    pass


def find(lines, pattern, start):
    for index in range(start, len(lines)):
        if re.search(pattern, lines[index]):
            return index
    raise TourError(f"no line after line {start} of the output matches /{pattern}/")


def select(lines, show):
    """The parts of `lines` that `show` names, with `...` for what is left out."""
    picked, position, matched = [], 0, 0
    while matched < len(show):
        part = PART.match(show, matched)
        if not part:
            raise TourError(f"expected /regex/ or /regex/ .. /regex/ at '{show[matched:]}'")
        first = find(lines, part[1], position)
        last = find(lines, part[2], first + 1) if part[2] else first
        if first > position:
            picked.append("...")
        picked += lines[first : last + 1]
        position, matched = last + 1, part.end()
    if position < len(lines):
        picked.append("...")
    return picked


def produce(directive, environment):
    match = DIRECTIVE.match(directive)
    result = subprocess.run(["bash", "-c", "set -o pipefail; " + match["command"]], cwd=ROOT, env=environment, capture_output=True, text=True)
    if result.returncode:
        raise TourError(f"exit code {result.returncode}: {result.stderr.strip()}")
    lines = [line.rstrip() for line in result.stdout.rstrip().split("\n")]
    if match["show"]:
        lines = select(lines, match["show"])
    width = int(match["width"] or 160)
    return "".join((line if len(line) <= width else line[: width - 4] + " ...") + "\n" for line in lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", required=True, help="folder of vitc, vit-opt, vit-run")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("files", nargs="+")
    arguments = parser.parse_args()
    environment = dict(os.environ, PATH=os.path.abspath(arguments.bin) + os.pathsep + os.environ["PATH"])

    wrong = blocks = 0
    for path in arguments.files:
        with open(path, encoding="utf-8") as file:
            text = file.read()

        def replace(match):
            nonlocal wrong, blocks
            blocks += 1
            directive = match["directive"]
            try:
                body = produce(directive, environment)
            except TourError as error:
                print(f"{path}: $ {directive}: {error}")
                wrong += 1
                return match[0]
            if body != match["body"] and not arguments.update:
                print(f"{path}: $ {directive}: prints something else today (scripts/check_tour.py --update mends it)")
                sys.stdout.writelines(difflib.unified_diff(match["body"].splitlines(True), body.splitlines(True), "shown", "printed"))
                wrong += 1
            return match["head"] + body + match["foot"]

        updated = BLOCK.sub(replace, text)
        if arguments.update and updated != text:
            with open(path, "w", encoding="utf-8") as file:
                file.write(updated)
    print(f"{blocks} blocks, {wrong} wrong")
    return 1 if wrong or not blocks else 0


if __name__ == "__main__":
    sys.exit(main())
