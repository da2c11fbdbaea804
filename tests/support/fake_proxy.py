"""A proxy on 127.0.0.1 that tunnels (CONNECT) or refuses to, and notes what it was asked for."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class FakeProxy:
    """Where it is and what it was asked for."""

    answer: bytes  # the status line, without its end
    url: str = ""
    asked: list[str] = field(default_factory=list)


@contextmanager
def running_proxy(answer: bytes = b"HTTP/1.1 200 Connection established") -> Iterator[FakeProxy]:
    """Serve until the block is left."""
    proxy = FakeProxy(answer)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            line = self.rfile.readline().decode("ascii")
            while self.rfile.readline().strip():
                pass
            method, target, _ = line.split()
            proxy.asked.append(f"{method} {target}")
            self.wfile.write(proxy.answer + b"\r\nContent-Length: 0\r\n\r\n")
            if b" 200 " in proxy.answer:
                host, _, port = target.rpartition(":")
                with socket.create_connection((host, int(port))) as peer:
                    back = threading.Thread(target=_pump, args=(peer, self.connection), daemon=True)
                    back.start()
                    _pump(self.connection, peer)
                    back.join()

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return
