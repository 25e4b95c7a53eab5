"""What can go wrong between a plugin and the hub.

Exception
└── HubError
    ├── ConnectionLost      the socket is gone or the other side does not speak the protocol; the client connects again
    ├── HubRefused          the hub does not accept the plugin's id or secret; trying again does not help
    └── RequestFailed       the hub's HTTP API answered with an error, or not at all
"""

from __future__ import annotations


class HubError(Exception):
    """Anything that is between the plugin and the hub."""


class ConnectionLost(HubError):
    """The connection cannot be used any more."""


class HubRefused(HubError):
    """The hub does not let this plugin in."""


class RequestFailed(HubError):
    """An HTTP request of the SDK failed. `status` is None when no answer came."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status
