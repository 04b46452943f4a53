"""
What can go wrong between this package and the service, as one tree.

::

    CheckNumberError
    ├── CheckNumberPermanentError            the same call will never work
    │   ├── BadRequestError                  400
    │   │   └── BatchSizeError               400, "invalid_batch_size": too few or too many numbers
    │   ├── AuthenticationError              401, 403
    │   ├── InsufficientBalanceError         402
    │   ├── TaskNotFoundError                404
    │   ├── FileTooLargeError                413
    │   ├── RequestRefusedError              any other 4xx, and every redirect
    │   ├── InvalidConnectionError           the connection is not usable: no key, plain http, no host
    │   └── TaskFailedError                  the service ended the task as ``failed``
    └── CheckNumberTransientError            the same call may work later
        ├── ServiceUnreachableError          no connection: refused, name not resolved, TLS, connect timeout
        ├── ConnectionLostError              connected, then the answer did not arrive
        ├── RateLimitedError                 429
        ├── InternalServerError              500
        ├── GatewayError                     502, 503, 504 and any other 5xx
        └── UnreadableAnswerError            2xx whose body is not what the service documents

Number lists, result archives and warehouses have branches of their own below the first two.

A message never holds a key, a result link or a phone number: the service's own error text is
quoted only after digits long enough to be a number have been taken out of it.
"""

from __future__ import annotations

from typing import ClassVar


class CheckNumberError(Exception):
    """Any error that this provider raises on its own account."""

    #: What the error means for a create, which is billed when it is accepted. ``False``: the service
    #: certainly did not accept it. ``None``: nobody on this side of the wire can know.
    create_accepted: ClassVar[bool | None] = False


class CheckNumberPermanentError(CheckNumberError):
    """The same call will never work: something has to be changed first."""


class CheckNumberTransientError(CheckNumberError):
    """
    The same call may work later.

    :param message: the sentence to show.
    :param retry_after: seconds that the service asks to wait, or None where it does not say.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class BadRequestError(CheckNumberPermanentError):
    """The service refused the parameters or the file (HTTP 400, not billed)."""


class BatchSizeError(BadRequestError):
    """The list is smaller or larger than this task type takes (HTTP 400, not billed)."""


class AuthenticationError(CheckNumberPermanentError):
    """The service refused the API key (HTTP 401 or 403)."""


class InsufficientBalanceError(CheckNumberPermanentError):
    """
    The account's balance does not cover the list (HTTP 402): nothing was billed, there is no task.

    Permanent although topping up mends it: until a person has done that every further call gets the
    same answer, so failing at once tells them soonest. Running the task again afterwards is safe.
    """


class TaskNotFoundError(CheckNumberPermanentError):
    """The service knows no task of this id for this key (HTTP 404)."""


class FileTooLargeError(CheckNumberPermanentError):
    """The service refused the file for its size (HTTP 413, not billed)."""


class RequestRefusedError(CheckNumberPermanentError):
    """The service answered with a redirect, or with a 4xx status that has no class of its own."""


class InvalidConnectionError(CheckNumberPermanentError):
    """The connection cannot be used as it is: no key, no usable host, or plain http to a real host."""


class TaskFailedError(CheckNumberPermanentError):
    """
    The service gave the task the status ``failed``; it will not export a result.

    :param checknumber_task_id: the service's id of the task.
    """

    def __init__(self, checknumber_task_id: str) -> None:
        super().__init__(checknumber_task_id)
        self.checknumber_task_id = checknumber_task_id

    def __str__(self) -> str:
        """Return the sentence to show."""
        return (
            f"CheckNumber task {self.checknumber_task_id} has failed at the service and has no result: clear the "
            "submission to submit the numbers anew, or ask the service's support about this id."
        )


class ServiceUnreachableError(CheckNumberTransientError):
    """No connection came about (refused, name not resolved, TLS, connect timeout): nothing was sent."""


class ConnectionLostError(CheckNumberTransientError):
    """The connection broke, or the answer took too long, after the request may have been sent."""

    # The body may have been read, the task made and the account charged before the wire went dead.
    create_accepted = None


class RateLimitedError(CheckNumberTransientError):
    """The service asks for fewer requests (HTTP 429, not billed), often saying for how long."""


class InternalServerError(CheckNumberTransientError):
    """The service failed (HTTP 500). Its own documentation calls that free and asks to retry."""


class GatewayError(CheckNumberTransientError):
    """A gateway in front of the service answered for it (HTTP 502, 503, 504 and other 5xx)."""

    # A gateway gives up on an answer, not on the request: the service behind it may have taken it.
    create_accepted = None


class UnreadableAnswerError(CheckNumberTransientError):
    """The service answered 2xx with a body that is not what it documents."""

    # The status says that the request was taken; only the task id is missing.
    create_accepted = None
