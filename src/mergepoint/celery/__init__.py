"""Celery as the host of workers: jobs stay in their engine, Celery's pools run them, its tools see them as tasks."""

from mergepoint.errors import missing

try:
    from mergepoint.celery.application import Application, application
except ModuleNotFoundError as error:
    raise missing("mergepoint.celery", error, extra="celery") from None

__all__ = ["Application", "application"]
