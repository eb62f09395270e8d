"""A command that says what it was given, and ends as it is told."""

import json
import os
import signal
import sys
from pathlib import Path

if __name__ == "__main__":
    name, ending = sys.argv[0], sys.argv[1]
    told = [name, *sys.argv[2:], os.environ.get("LQO_PROBE"), str(Path.cwd()), sys.stdin.read()]
    print(json.dumps(told), flush=True)
    if ending == "waits":
        signal.pause()
    if ending.startswith("SIG"):
        os.kill(os.getpid(), getattr(signal, ending))
    print("the end", file=sys.stderr)
    sys.exit(int(ending))
