"""Errors with an HTTP status, as plugins catch and raise them.

APIError 500
├── ResourceNotFoundError 404 ── UserNotFoundError 404
├── BadRequestError 400 · MethodNotAllowedError 405 · NonUniqueValue 422
├── NotAuthorizedError 403 · InvalidCredentialsError 403 · InactiveUserError 403 · InvalidJWTError 403
└── ServiceDrainingError 503 · DatabaseConnectionError 500
"""

from __future__ import annotations

from typing import Any, ClassVar

__all__ = [
    "APIError",
    "APIErrorModel",
    "BadRequestError",
    "DatabaseConnectionError",
    "InactiveUserError",
    "InvalidCredentialsError",
    "InvalidJWTError",
    "MethodNotAllowedError",
    "NonUniqueValue",
    "NotAuthorizedError",
    "ResourceNotFoundError",
    "ServiceDrainingError",
    "UserNotFoundError",
]


class APIError(Exception):
    """An HTTP status and what to say with it."""

    default_status: ClassVar[int] = 500
    default_detail: ClassVar[str] = "Internal server error"

    def __init__(self, detail: Any = None, status_code: int | None = None, headers: dict[str, str] | None = None) -> None:
        self.status_code = self.default_status if status_code is None else status_code
        self.detail = self.default_detail if detail is None else detail
        self.headers = headers
        super().__init__(self.detail)

    def __str__(self) -> str:
        return str(self.detail)

    def __reduce__(self) -> tuple[type[APIError], tuple[Any, int, dict[str, str] | None]]:
        return type(self), (self.detail, self.status_code, self.headers)


class ResourceNotFoundError(APIError):
    default_status = 404
    default_detail = "Resource not found"


class UserNotFoundError(ResourceNotFoundError):
    default_detail = "User not found"


class BadRequestError(APIError):
    default_status = 400
    default_detail = "Bad request"


class MethodNotAllowedError(APIError):
    default_status = 405
    default_detail = "Method not allowed"


class NotAuthorizedError(APIError):
    default_status = 403
    default_detail = "Not authorized"


class InvalidCredentialsError(APIError):
    default_status = 403
    default_detail = "Invalid credentials"


class InactiveUserError(APIError):
    default_status = 403
    default_detail = "Inactive user"


class InvalidJWTError(APIError):
    default_status = 403
    default_detail = "Invalid token"


class NonUniqueValue(APIError):
    default_status = 422
    default_detail = "Value is not unique"


class ServiceDrainingError(APIError):
    default_status = 503
    default_detail = "Service is draining"


class DatabaseConnectionError(APIError):
    default_detail = "No connection to the database"


class APIErrorModel:
    """How an error is told in an answer."""

    def __init__(self, detail: Any = "", **fields: Any) -> None:
        self.detail = detail
        for name, value in fields.items():
            setattr(self, name, value)

    def model_dump(self) -> dict[str, Any]:
        return dict(vars(self))
