"""Requests of the SDK, by `urllib`. Blocking."""

from __future__ import annotations

import http.client
import ipaddress
import json
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import SplitResult, urlsplit

from pegboard.hub._errors import RequestFailed

# Seconds without a byte.
TIMEOUT: Final = 300
# Waits between tries while the hub is not there: a restart takes seconds.
WAITS: Final = (0.2, 0.5, 1, 2, 4, 8, 15)
PIECE: Final = 256 << 10


def is_loopback(host: str | None) -> bool:
    if host is None or host == "localhost":
        return host is not None
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def opener(url: str) -> urllib.request.OpenerDirector:
    """Proxies of the environment hold for other machines only."""
    if is_loopback(urlsplit(url).hostname):
        return urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return urllib.request.build_opener()


def fetch(method: str, url: str, headers: dict[str, str], body: bytes | None = None) -> bytes:
    """The answer's body. A hub that is not there is waited for; other errors raise `RequestFailed`."""
    request = urllib.request.Request(url, data=body, headers=headers, method=method)
    for wait in (*WAITS, None):
        try:
            with opener(url).open(request, timeout=TIMEOUT) as answer:
                data: bytes = answer.read()
                return data
        except urllib.error.HTTPError as error:
            text = message_of(error.read())
            if error.code == 503 and wait is not None:
                time.sleep(wait)
                continue
            raise RequestFailed(f"{method} {urlsplit(url).path}: {error.code} {text or error.reason}", error.code) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            # Nothing was sent when the connection was refused; a GET can be repeated anyway.
            if wait is None or not (isinstance(reason, ConnectionRefusedError) or method == "GET"):
                raise RequestFailed(f"{method} {urlsplit(url).path}: {reason}") from error
            time.sleep(wait)
    raise RequestFailed(f"{method} {urlsplit(url).path}: the hub does not answer")


def message_of(body: bytes) -> str:
    """The sentence in an error's body."""
    try:
        found = json.loads(body)
    except ValueError:
        return body[:300].decode("utf-8", "replace")
    message: Any = found.get("message") if isinstance(found, dict) else None
    return str(message if message is not None else found)


def download(url: str, into: IO[bytes]) -> None:
    """A file of any size."""
    try:
        with opener(url).open(url, timeout=TIMEOUT) as answer:
            while piece := answer.read(PIECE):
                into.write(piece)
    except urllib.error.HTTPError as error:
        raise RequestFailed(f"GET {urlsplit(url).path}: {error.code} {error.reason}", error.code) from None
    except (OSError, http.client.HTTPException) as error:
        raise RequestFailed(f"GET {urlsplit(url).path}: {error}") from error


def upload(url: str, file: IO[bytes] | bytes, size: int) -> None:
    """PUT of a file of any size: no key, no content type, as signed URLs want it."""
    parts = urlsplit(url)
    connection = _connection(parts)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.putrequest("PUT", target, skip_accept_encoding=True)
        connection.putheader("Content-Length", str(size))
        connection.endheaders()
        if isinstance(file, bytes):
            connection.send(file)
        else:
            while piece := file.read(PIECE):
                connection.send(piece)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status >= 400:
            raise RequestFailed(f"PUT {parts.path}: {answer.status} {message_of(body) or answer.reason}", answer.status)
    except (OSError, http.client.HTTPException) as error:
        raise RequestFailed(f"PUT {parts.path}: {error}") from error
    finally:
        connection.close()


def _connection(parts: SplitResult) -> http.client.HTTPConnection:
    host = parts.hostname or ""
    if parts.scheme == "https":
        return http.client.HTTPSConnection(host, parts.port, timeout=TIMEOUT)
    return http.client.HTTPConnection(host, parts.port, timeout=TIMEOUT)


def opened(file: IO[bytes] | bytes | str | Path) -> tuple[IO[bytes] | bytes, int]:
    """Something to upload and its size. A path is opened; the caller closes it."""
    if isinstance(file, bytes):
        return file, len(file)
    if isinstance(file, (str, Path)):
        path = Path(file)
        return path.open("rb"), path.stat().st_size
    getvalue = getattr(file, "getvalue", None)
    if callable(getvalue):
        # Whatever was written last, all of it goes.
        data: bytes = getvalue()
        return data, len(data)
    start = file.tell()
    size = file.seek(0, 2) - start
    file.seek(start)
    return file, size
