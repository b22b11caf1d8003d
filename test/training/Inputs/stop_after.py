"""Runs `vit-run train ... --json` and sends it a signal when it has printed the line of a step: stop_after.py SIGNAL STEP COMMAND...

Prints how the process ended: "exit CODE" or "signal NUMBER".
"""
import json
import signal
import subprocess
import sys

number, step, command = signal.Signals["SIG" + sys.argv[1]], int(sys.argv[2]), sys.argv[3:]
process = subprocess.Popen(command + ["--json"], stdout=subprocess.PIPE, text=True)
for line in process.stdout:
    if json.loads(line).get("step") == step:
        process.send_signal(number)
        break
process.stdout.read()
code = process.wait()
print(f"signal {-code}" if code < 0 else f"exit {code}")
