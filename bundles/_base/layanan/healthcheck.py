"""Container health check: exit 0 when GET 127.0.0.1:8000<path> answers 200.

Only `socket` is imported, because this runs every few seconds on small servers.
"""

import socket
import sys


def main(path: str) -> int:
    """0 when healthy, else 1."""
    try:
        with socket.create_connection(("127.0.0.1", 8000), timeout=4) as link:
            link.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
            answer = link.recv(64)
    except OSError as error:
        print(error)
        return 1
    print(answer.split(b"\r\n", 1)[0].decode("latin-1"))
    return 0 if answer.split(b" ")[1:2] == [b"200"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
