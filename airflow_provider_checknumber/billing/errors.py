"""Why a submission stops instead of risking a second bill."""

from __future__ import annotations

from airflow_provider_checknumber.client.errors import CheckNumberPermanentError, CheckNumberTransientError


class UnknownOutcomeError(CheckNumberPermanentError):
    """Nobody on this side can tell whether a submission was accepted and billed; a person has to look."""

    create_accepted = None


class InstructionError(CheckNumberPermanentError):
    """A person's instruction how to go on cannot be followed; nothing was sent."""


class RecordUnavailableError(CheckNumberTransientError):
    """The place where submissions are on record does not answer, so nothing was sent."""
