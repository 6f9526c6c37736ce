"""The part of a Celery worker that is connected to its broker."""

from __future__ import annotations

import logging

from celery.worker.consumer import Consumer as CeleryConsumer

logger = logging.getLogger("mergepoint")


class Consumer(CeleryConsumer):  # type: ignore[misc]  # Celery brings no types
    """Connects again after every loss of the broker."""

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Put a lost connection away."""
        try:
            super().on_connection_error_after_connected(exc)
        except Exception as error:  # noqa: BLE001 - kombu's transports fail with whatever they meet
            # Kombu 5.7 wants to give back to Redis what came over the connection and was not acknowledged, and dies of
            # the connection that it has just closed; the worker would with it. The relay gives all of that back.
            logger.warning("The lost connection to the broker could not be closed in order: %r", error)
