"""`client.py SOCKET -m MODULE ARGUMENT…`: Python's `-m`, run by a warm server, as if it ran here."""

import marshal
import os
import signal
import socket
import sys


def main() -> int:
    path, *arguments = sys.argv[1:]
    request = {"arguments": arguments, "environment": dict(os.environ), "folder": os.getcwd()}  # noqa: PTH109
    data = marshal.dumps(request)
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(path)
        socket.send_fds(server, [len(data).to_bytes(4)], [0, 1, 2])
        server.sendall(data)
        answer = server.recv(64)
    if not answer:
        return 1
    code = marshal.loads(answer)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code != signal.SIGKILL else None
        os.kill(os.getpid(), -code)
    return code


if __name__ == "__main__":
    sys.exit(main())
