"""A receiver in a process of its own, to be killed: notes each message in a file before it answers.

`python receiver.py PORT FILE LOSE_EVERY`: port 0 takes a free one, which is printed; each LOSE_EVERY-th
message (0: none) is noted, and then the line is cut without an answer.
"""

import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def serve(port: int, file: Path, lose_every: int) -> None:
    """Serve until killed."""
    notes = file.open("a", buffering=1)

    class Handler(BaseHTTPRequestHandler):
        n_seen = 0

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            Handler.n_seen += 1
            is_lost = lose_every and Handler.n_seen % lose_every == 0
            key, repeat = self.headers["Idempotency-Key"], self.headers.get("X-LQO-Repeat", "no")
            notes.write(f"{key} {repeat} {'lost' if is_lost else 'answered'}\n")
            if is_lost:
                self.close_connection = True
                return
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


@dataclass(slots=True)
class Receiver:
    """The process, and what it has noted; `stop` kills it, `start` brings it back on the same port."""

    file: Path
    lose_every: int = 0
    port: int = 0
    process: "subprocess.Popen[str] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def start(self) -> None:
        arguments = [sys.executable, __file__, str(self.port), str(self.file), str(self.lose_every)]
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None

    def notes(self) -> list[list[str]]:
        """Key, `possible` or `no`, `lost` or `answered`; a line that is being written is left out."""
        text = self.file.read_text() if self.file.exists() else ""
        return [line.split() for line in text.split("\n")[:-1]]

    def unmarked_repeats(self) -> list[str]:
        """Keys that came again without saying that they may be repeats."""
        seen: set[str] = set()
        bad: list[str] = []
        for key, repeat, _ in self.notes():
            bad += [key] if key in seen and repeat != "possible" else []
            seen.add(key)
        return bad

    def n_repeats(self) -> int:
        """Messages beyond the first of each key."""
        return sum(n - 1 for n in Counter(key for key, _, _ in self.notes()).values())


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
