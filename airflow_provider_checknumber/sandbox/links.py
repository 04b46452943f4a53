"""Result links: signed, expiring, different every time, good without an API key.

They look like the pre-signed S3 links of the real service and mean the same: whoever holds one may read
the file until it expires. The signature is not S3's, and dates carry microseconds, so that a link that
lives for half a second can be tried out.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

_ALGORITHM = "AWS4-HMAC-SHA256"
_DATE_FORMAT = "%Y%m%dT%H%M%S.%fZ"


class LinkRefusedError(Exception):
    """A link that opens nothing; ``code`` and the message are worded as S3 words them."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class LinkSigner:
    """Signs and checks the query string of result links.

    :param ttl: Seconds until a link expires.
    """

    def __init__(self, *, ttl: float) -> None:
        self._ttl = ttl
        self._secret = secrets.token_bytes(32)

    def sign(self, path: str) -> str:
        """Return ``path`` with a query string that opens it until it expires, never the same twice."""
        now = datetime.now(UTC)
        query = {
            "X-Amz-Algorithm": _ALGORITHM,
            "X-Amz-Credential": f"SANDBOX{secrets.token_hex(6)}/{now:%Y%m%d}/ap-southeast-1/s3/aws4_request",
            "X-Amz-Date": now.strftime(_DATE_FORMAT),
            "X-Amz-Expires": str(int(self._ttl) if self._ttl == int(self._ttl) else self._ttl),
            "X-Amz-SignedHeaders": "host",
        }
        query["X-Amz-Signature"] = self._signature(path, query)
        return f"{path}?{urlencode(query)}"

    def check(self, path: str, query: Mapping[str, str]) -> None:
        """Accept a link or say why not.

        :raises LinkRefusedError: if the signature is missing or wrong, or the link has expired.
        """
        given = query.get("X-Amz-Signature")
        if given is None:
            raise LinkRefusedError("AccessDenied", "Access Denied")
        if not hmac.compare_digest(given.encode(errors="replace"), self._signature(path, query).encode()):
            raise LinkRefusedError(
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided.",
            )
        # The signature vouches for the form of these two.
        signed_at = datetime.strptime(query["X-Amz-Date"], _DATE_FORMAT).replace(tzinfo=UTC)
        if datetime.now(UTC) >= signed_at + timedelta(seconds=float(query["X-Amz-Expires"])):
            raise LinkRefusedError("AccessDenied", "Request has expired")

    def _signature(self, path: str, query: Mapping[str, str]) -> str:
        signed = [query.get(f"X-Amz-{name}", "") for name in ("Algorithm", "Credential", "Date", "Expires")]
        return hmac.new(self._secret, "\n".join([path, *signed]).encode(), hashlib.sha256).hexdigest()
