"""The least that one poll of one image can be: a signature, one request with aiohttp, one field of JSON."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import aiohttp

NO_BODY = hashlib.sha256(b"").hexdigest()


class RawPoll:
    """
    Polls images of one project; nothing is checked and nothing is tolerated.

    :param host: with its port.
    """

    def __init__(self, host: str, project_id: str, access_key: str, secret_key: str) -> None:
        self._host = host
        self._path = f"/v1/{project_id}/images/"
        self._signer = f"SDK-HMAC-SHA256 Access={access_key}, SignedHeaders=host;x-sdk-date, Signature="
        self._key = secret_key.encode()

    def headers(self, path: str) -> dict[str, str]:
        """Return the headers that authenticate a GET request."""
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        form = (
            f"GET\n{path}/\n\nhost:{self._host}\nx-sdk-date:{moment}\n\nhost;x-sdk-date\n{NO_BODY}"
        ).encode()
        text = f"SDK-HMAC-SHA256\n{moment}\n{hashlib.sha256(form).hexdigest()}".encode()
        signature = hmac.digest(self._key, text, "sha256").hex()
        return {"Host": self._host, "X-Sdk-Date": moment, "Authorization": self._signer + signature}

    async def status(self, session: aiohttp.ClientSession, image_id: str) -> str | None:
        """Return the status of an image; None if the request was refused."""
        path = self._path + image_id
        async with session.get(f"http://{self._host}{path}", headers=self.headers(path)) as response:
            body = await response.read()
            return str(json.loads(body)["status"]) if response.status == 200 else None

    async def wait(self, session: aiohttp.ClientSession, image_id: str, interval: float) -> None:
        """Poll until the image is ACTIVE, at the times at which a wait of the package polls."""
        random = Random()  # noqa: S311 - for jitter
        pause = random.uniform(0.0, interval)
        while True:
            await asyncio.sleep(pause)
            if await self.status(session, image_id) == "ACTIVE":
                return
            pause = interval * random.uniform(0.9, 1.1)


def open_session() -> aiohttp.ClientSession:
    """Return a session without cookies, for the running loop."""
    import aiohttp  # noqa: PLC0415 - takes long, so it is imported in a thread first

    return aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
