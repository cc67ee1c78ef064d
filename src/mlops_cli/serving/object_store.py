"""S3-compatible storage, by obstore; credentials and endpoint are the environment's (AWS_...)."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError
from obstore.store import from_url

from mlops_cli.errors import EnvironmentFault
from mlops_cli.serving.contract import S3_ENDPOINTS

if TYPE_CHECKING:
    from obstore import GetOptions, GetResult, ObjectMeta, SuffixRange
    from obstore.store import ObjectStore as ObjectStoreLike

_SHOWN = 300
_TAIL = 64 * 1024  # bytes: the footer of most Parquet files


class ObjectStore:
    """A bucket, or what is below a prefix of one."""

    def __init__(self, url: str) -> None:
        """Open it; nothing is asked yet. Raises `EnvironmentFault` for what is no such URL."""
        self._url = url
        http = any(os.environ.get(name, "").startswith("http://") for name in S3_ENDPOINTS)
        try:
            self._store = from_url(
                url,
                client_options={"allow_http": http, "timeout": "60s", "connect_timeout": "5s"},
                # Who calls comes again, later and for as long as it takes.
                retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=60)},
            )
        except (BaseError, ValueError) as e:
            raise EnvironmentFault(f"{url} cannot be opened: {_said(e)}") from e

    def put(self, name: str, file: Path) -> None:
        """Store a file whole or not at all, also where it is there already.

        Raises `EnvironmentFault` with the storage's reason.
        """
        try:
            obstore.put(self._store, name, file)
        except (BaseError, OSError) as e:  # a bucket that is not there is a FileNotFoundError
            raise EnvironmentFault(f"{self._url}/{name} cannot be written: {_said(e)}") from e

    def sizes(self) -> dict[str, int]:
        """The names of what is stored, and the bytes of each, in the order of their names.

        Raises `EnvironmentFault` with the storage's reason.
        """
        return {meta["path"]: meta["size"] for meta in self._listed()}

    def stamps(self) -> dict[str, str]:
        """What tells that a file has changed, by its name, in the order of the names.

        Raises `EnvironmentFault` with the storage's reason.
        """
        found = self._listed()
        return {m["path"]: f"{m['size']}-{m['e_tag'] or m['last_modified']}" for m in found}

    def _listed(self) -> list[ObjectMeta]:
        try:
            found = [meta for batch in obstore.list(self._store) for meta in batch]
        except (BaseError, OSError) as e:
            raise EnvironmentFault(f"{self._url} cannot be listed: {_said(e)}") from e
        return sorted(found, key=lambda m: m["path"])

    def opened(self, name: str) -> StoredFile:
        """What is stored, to be read in pieces; raises `EnvironmentFault` as `get` does."""
        return StoredFile(self._store, name, f"{self._url}/{name}")

    def get(self, name: str, file: Path) -> None:
        """Write what is stored to a file; raises `EnvironmentFault` with the storage's reason."""
        try:
            with file.open("wb") as content:
                content.writelines(obstore.get(self._store, name).stream())
        except (BaseError, OSError) as e:
            raise EnvironmentFault(f"{self._url}/{name} cannot be read: {_said(e)}") from e


class StoredFile:
    """A stored object as a file of which only what is read is fetched, its end at once.

    It is one version of the object: raises `EnvironmentFault` where that was replaced meanwhile.
    """

    closed = False

    def __init__(self, store: ObjectStoreLike, name: str, url: str) -> None:
        self._store, self._name, self._url = store, name, url
        self._options: GetOptions = {}
        result = self._got({"suffix": _TAIL})
        self._tail: bytes = result.bytes().to_bytes()
        self._size = result.meta["size"]
        if tag := result.meta["e_tag"]:
            self._options = {"if_match": tag}
        self._at = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As a file's."""
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        """As a file's."""
        return self._at

    def read(self, size: int = -1) -> bytes:
        """As a file's."""
        start = self._at
        end = self._size if size < 0 else min(start + size, self._size)
        if start >= end:
            return b""
        self._at = end
        kept = self._size - len(self._tail)
        if start >= kept:
            return self._tail[start - kept : end - kept]
        found: bytes = self._got((start, end)).bytes().to_bytes()
        return found

    def close(self) -> None:
        """As a file's."""
        self.closed = True

    def _got(self, part: tuple[int, int] | SuffixRange) -> GetResult:
        try:
            return obstore.get(self._store, self._name, options={**self._options, "range": part})
        except (BaseError, OSError) as e:
            raise EnvironmentFault(f"{self._url} cannot be read: {_said(e)}") from e


def _said(e: Exception) -> str:
    return str(e).partition("\n")[0][:_SHOWN]
