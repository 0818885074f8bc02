"""How an SFTP server is reached: its key has to be known beforehand, passwords come from the environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import paramiko


class KnownHosts(paramiko.MissingHostKeyPolicy):  # type: ignore[misc, unused-ignore]
    """Only a server whose key stands in the file of known hosts; fsspec's default would trust any at first sight."""

    def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
        path = Path(os.environ.get("SFTP_KNOWN_HOSTS") or "~/.ssh/known_hosts").expanduser()
        if not path.is_file() or not paramiko.HostKeys(str(path)).check(hostname, key):
            raise paramiko.SSHException("the key of this server is not among the known hosts")


def options() -> dict[str, Any]:
    """``SFTP_PASSWORD``, ``SFTP_KEY_FILE`` (with ``SFTP_PASSPHRASE``) or an SSH agent; times in seconds."""
    given = {
        "password": os.environ.get("SFTP_PASSWORD"),
        "key_filename": os.environ.get("SFTP_KEY_FILE"),
        "passphrase": os.environ.get("SFTP_PASSPHRASE"),
    }
    times = dict.fromkeys(("timeout", "banner_timeout", "auth_timeout", "channel_timeout"), 20)
    return {**{name: value for name, value in given.items() if value}, **times, "look_for_keys": False} | {
        "host_key_policy": KnownHosts()
    }
