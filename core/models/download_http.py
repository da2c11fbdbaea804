"""The connections of the download child: certificates, proxies, which addresses are refused, and what a failure means.

Only download_fetch.py may import this module; it is the only one of Tern that can reach the network (an import
contract and tests/unit/test_architecture.py hold it). Knows httpx2 and the hub's library; must not know files.
"""

import logging
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.request import getproxies, proxy_bypass

import httpx2
from huggingface_hub import get_hf_file_metadata, get_session, hf_hub_url, set_client_factory
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.hf_api import HfApi

from core.errors import AppError, ErrorCode
from core.events import WaitReason
from core.models.download_messages import Request, is_loopback, is_safe_address, without_password

_MAX_REDIRECTS: Final = 8
_BUSY: Final = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
# X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED (openssl/x509_vfy.h)
_OUT_OF_TIME: Final = frozenset({9, 10})


class TryAgain(Exception):  # noqa: N818 - no error: the download waits and goes on
    """This connection is over; another one may do better."""

    def __init__(self, reason: WaitReason, detail: str, asked_s: float = 0.0) -> None:
        super().__init__(reason.value, detail)
        self.reason = reason
        self.detail = detail
        self.asked_s = asked_s  # how long the server wants to be left alone


class RangeRefused(Exception):  # noqa: N818
    """The server does not continue where the part ends."""


class Connections:
    """All requests of one download, over one client of which the hub's library makes use as well."""

    def __init__(self, request: Request) -> None:
        """Set the client up.

        Raises:
            AppError: CA_UNREADABLE.
        """
        logging.getLogger("huggingface_hub").setLevel(logging.CRITICAL)  # nobody reads what the child prints
        self._request = request
        self._timing = request.timing
        self._proxies = _proxies(request.proxy)
        self._has_answered = False
        self._context = _tls_context(request.ca_file)
        set_client_factory(self._new_client)
        self._api = HfApi(endpoint=request.endpoint, token=False, library_name="tern")

    def close(self) -> None:
        """End all connections."""
        get_session().close()

    def repository(self, revision: str | None) -> tuple[str, tuple[str, ...]]:
        """Return the commit of `revision` (None: what "main" is now) and the names of its files.

        Raises:
            AppError: DOWNLOAD_NOT_FOUND and what failures() raises.
            TryAgain: later.
        """
        with self.failures(self._request.endpoint):
            found = self._api.model_info(
                self._request.repository, revision=revision or "main", timeout=self._timing.connect_s
            )
            return found.sha or "", tuple(sibling.rfilename for sibling in found.siblings or ())

    def describe(self, name: str, revision: str) -> tuple[str | None, int | None, str | None]:
        """Return the commit, the size and the entity tag (SHA-256 or git's SHA-1) of a file as the hub tells them.

        Raises:
            AppError: DOWNLOAD_NOT_FOUND and what failures() raises.
            TryAgain: later.
        """
        url = self.url(name, revision)
        with self.failures(url):
            found = get_hf_file_metadata(
                url, token=False, timeout=self._timing.connect_s, endpoint=self._request.endpoint
            )
            _refuse_unsafe(httpx2.URL(found.location))
            return found.commit_hash, found.size, found.etag

    def url(self, name: str, revision: str) -> str:
        """Return the address of a file."""
        return hf_hub_url(self._request.repository, name, revision=revision, endpoint=self._request.endpoint)

    @contextmanager
    def receive(self, url: str, start: int, n_bytes: int) -> Iterator[Iterator[bytes]]:
        """Open the file of `n_bytes` at `url` from byte `start` on, for one connection; the block gets its pieces.

        Raises:
            AppError: it will not get better.
            TryAgain: it may.
            RangeRefused: only from the first byte on.
        """
        headers = {"Accept-Encoding": "identity", "User-Agent": "tern"}
        if start:
            headers["Range"] = f"bytes={start}-"
        with self.failures(url), get_session().stream("GET", url, headers=headers) as response:
            self._check_status(response)
            _check_range(response, start, n_bytes)
            yield response.iter_raw()

    @contextmanager
    def failures(self, url: str) -> Iterator[None]:
        """Turn what goes wrong within the block into AppError (it will not get better) or TryAgain."""
        host = httpx2.URL(url).host
        try:
            yield
        except HfHubHTTPError as exc:
            self._check_status(exc.response)
            raise TryAgain(WaitReason.BAD_ANSWER, type(exc).__name__) from exc
        except httpx2.ProxyError as exc:
            raise AppError(ErrorCode.PROXY_REFUSED, proxy=self._proxy_name(), reason=_reason(exc)) from exc
        except (httpx2.TooManyRedirects, httpx2.RemoteProtocolError) as exc:
            raise TryAgain(WaitReason.CUT, _reason(exc)) from exc
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as exc:
            raise self._unconnected(host, exc) from exc
        except httpx2.TimeoutException as exc:
            raise TryAgain(WaitReason.STALLED, type(exc).__name__) from exc
        except (httpx2.HTTPError, httpx2.StreamError, OSError) as exc:
            if isinstance(exc, OSError) and not isinstance(exc, ssl.SSLError | ConnectionError | TimeoutError):
                raise  # of a file, not of a connection
            raise TryAgain(WaitReason.CUT, _reason(exc)) from exc

    def _new_client(self) -> httpx2.Client:
        timing = self._timing
        return httpx2.Client(
            transport=_Routed(self._context, self._proxies, is_manual=self._request.proxy is not None),
            event_hooks={"request": [lambda request: _refuse_unsafe(request.url)]},
            follow_redirects=True,
            max_redirects=_MAX_REDIRECTS,
            timeout=httpx2.Timeout(timing.stall_s, connect=timing.connect_s),
            trust_env=False,
        )

    def _check_status(self, response: httpx2.Response) -> None:
        status, host = response.status_code, response.url.host
        if status == 407:
            raise AppError(ErrorCode.PROXY_REFUSED, proxy=self._proxy_name(), reason="it wants a user name (407)")
        if status in _BUSY:
            raise TryAgain(WaitReason.BUSY, f"HTTP {status}", _asked_s(response))
        if status == 416:
            raise RangeRefused
        if 400 <= status < 500:
            name = f"{self._request.repository}: {response.url.path.rpartition('/')[2]}"
            why = response.headers.get("X-Error-Code") or f"HTTP {status}"
            raise AppError(ErrorCode.DOWNLOAD_NOT_FOUND, name=name, host=host, reason=why[:80])
        if status not in (200, 206):
            raise TryAgain(WaitReason.BAD_ANSWER, f"HTTP {status}")
        self._has_answered = True

    def _unconnected(self, host: str, exc: httpx2.TransportError) -> AppError | TryAgain:
        """Tell a certificate that will not get better from a network that may."""
        failed = _caused_by(exc, ssl.SSLCertVerificationError)
        if isinstance(failed, ssl.SSLCertVerificationError):
            reason = getattr(failed, "verify_message", "") or _reason(failed)
            if failed.verify_code in _OUT_OF_TIME or "expired" in reason or "not yet valid" in reason:
                today = datetime.now(UTC).date().isoformat()
                return AppError(ErrorCode.CLOCK_WRONG, host=host, today=today, reason=reason)
            return AppError(ErrorCode.CERTIFICATE_UNTRUSTED, host=host, reason=reason)
        if self._proxies and not self._has_answered and not (self._request.proxy is None and is_loopback(host)):
            return AppError(ErrorCode.PROXY_REFUSED, proxy=self._proxy_name(), reason=_reason(exc))
        return TryAgain(WaitReason.UNREACHABLE, _reason(exc))

    def _proxy_name(self) -> str:
        return without_password(next(iter(self._proxies.values()), "of this network"))


class _Routed(httpx2.BaseTransport):
    """Sends each request directly or through a proxy, as the person or the system says."""

    def __init__(self, context: ssl.SSLContext, proxies: dict[str, str], *, is_manual: bool) -> None:
        self._direct = httpx2.HTTPTransport(verify=context, trust_env=False)
        self._proxied = {
            scheme: httpx2.HTTPTransport(verify=context, trust_env=False, proxy=httpx2.Proxy(address))
            for scheme, address in proxies.items()
        }
        self._is_manual = is_manual

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        host = request.url.host
        is_direct = not self._is_manual and (is_loopback(host) or bool(proxy_bypass(host)))
        transport = self._direct if is_direct else self._proxied.get(request.url.scheme, self._direct)
        return transport.handle_request(request)

    def close(self) -> None:
        for transport in (self._direct, *self._proxied.values()):
            transport.close()


def _proxies(chosen: str | None) -> dict[str, str]:
    """Return scheme -> proxy: the chosen one for all, none for "", the system's for None."""
    if chosen is not None:
        return {"http": chosen, "https": chosen} if chosen else {}
    found = getproxies()
    named = {scheme: found.get(scheme) or found.get("all") for scheme in ("http", "https")}
    return {
        scheme: address if "://" in address else f"http://{address}"
        for scheme, address in named.items()
        if address and (address.startswith(("http://", "https://")) or "://" not in address)
    }


def _tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return the system's trusted certificates and, beside them, the chosen one.

    Raises:
        AppError: CA_UNREADABLE.
    """
    context = httpx2.create_ssl_context()
    if ca_file is None:
        return context
    try:
        context.load_verify_locations(cafile=str(ca_file))
    except (OSError, ValueError) as exc:  # an ssl.SSLError is an OSError
        is_read = isinstance(exc, ssl.SSLError)
        reason = "it holds no certificate" if is_read else getattr(exc, "strerror", None) or type(exc).__name__
        raise AppError(ErrorCode.CA_UNREADABLE, path=ca_file, reason=reason) from exc
    return context


def _refuse_unsafe(url: httpx2.URL) -> None:
    """Stop a request, above all one that a redirect asks for, that would go unencrypted.

    Raises:
        AppError: DOWNLOAD_INSECURE.
    """
    if not is_safe_address(url.scheme, url.host):
        raise AppError(ErrorCode.DOWNLOAD_INSECURE, host=url.host or str(url)[:80])


def _check_range(response: httpx2.Response, start: int, n_bytes: int) -> None:
    """Make sure that the answer holds the bytes from `start` to the end of a file of `n_bytes`."""
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise TryAgain(WaitReason.BAD_ANSWER, "it is compressed")
    if start and response.status_code == 200:
        raise RangeRefused
    if response.status_code == 206:
        expected = f"bytes {start}-{n_bytes - 1}/{n_bytes}"
        found = response.headers.get("Content-Range", "")
        if found.strip().lower() != expected:
            raise TryAgain(WaitReason.BAD_ANSWER, f"{found[:60]!r} instead of {expected!r}")
    length = response.headers.get("Content-Length")
    if length is not None and length != str(n_bytes - start):
        raise TryAgain(WaitReason.BAD_ANSWER, f"{length[:20]} bytes instead of {n_bytes - start}")


def _asked_s(response: httpx2.Response) -> float:
    try:
        return max(0.0, float(response.headers.get("Retry-After", "0")))
    except ValueError:  # a date: the usual back-off will do
        return 0.0


def _caused_by(exc: BaseException | None, kind: type[BaseException]) -> BaseException | None:
    seen = 0
    while exc is not None and not isinstance(exc, kind) and seen < 10:
        exc, seen = exc.__cause__ or exc.__context__, seen + 1
    return exc if isinstance(exc, kind) else None


def _reason(exc: BaseException) -> str:
    return (str(exc) or type(exc).__name__)[:200]
