"""ZMTP by hand on a TCP socket, to say what no ZeroMQ library would send (cluster tests of abuse)."""
import socket
import struct
from urllib.parse import urlparse

GREETING = b"\xff" + b"\x00" * 8 + b"\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\x00") + b"\x00" + b"\x00" * 31
MORE, LONG, COMMAND = 1, 2, 4


def frame(body, flags=0):
    if len(body) < 256 and not flags & LONG:
        return struct.pack("BB", flags, len(body)) + body
    return struct.pack(">BQ", flags | LONG, len(body)) + body


class Peer:
    """A DEALER that has shaken hands."""

    def __init__(self, endpoint, handshake=True):
        url = urlparse(endpoint)
        self.socket = socket.create_connection((url.hostname, url.port), timeout=120)
        if handshake:
            self.socket.sendall(GREETING)
            self.exactly(64)
            ready = b"\x05READY" + b"\x0bSocket-Type" + struct.pack(">I", 6) + b"DEALER" + b"\x08Identity" + struct.pack(">I", 0)
            self.socket.sendall(frame(ready, COMMAND))
            flags, size = self.exactly(2)
            self.exactly(size)

    def exactly(self, n):
        data = b""
        while len(data) < n:
            part = self.socket.recv(n - len(data))
            if not part:
                raise ConnectionResetError("closed by the peer")
            data += part
        return data

    def send(self, data):
        """False once the peer has cut the connection."""
        try:
            self.socket.sendall(data)
            return True
        except OSError:
            return False

    def cut(self, timeout=120):
        """The peer has closed, or closes within the time."""
        self.socket.settimeout(timeout)
        try:
            while self.socket.recv(65536):
                pass
            return True
        except TimeoutError:
            return False
        except OSError:
            return True

    def close(self):
        self.socket.close()
