"""Why a submission stops instead of risking a second bill."""

from __future__ import annotations

from airflow_provider_checknumber.client.errors import CheckNumberPermanentError


class UnknownOutcomeError(CheckNumberPermanentError):
    """Nobody on this side can tell whether a submission was accepted and billed; a person has to look."""

    create_accepted = None


class InstructionError(CheckNumberPermanentError):
    """A person's instruction how to go on cannot be followed; nothing was sent."""


class UnreadableRecordError(CheckNumberPermanentError):
    """What is on record of earlier submissions cannot be read, so nothing was sent."""
