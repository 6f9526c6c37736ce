"""The settings of Celery that suit a host whose jobs are kept elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..jobs import Lane


def queue_name(app: str, queue: str) -> str:
    """Return what Celery calls a queue of jobs: on one broker two apps must not take each other's messages."""
    return f"{app}.{queue}"


def settings(app: str, broker: str, lanes: Iterable[Lane], routes: Mapping[str, str]) -> dict[str, Any]:
    """Return Celery's settings for an app.

    Args:
        app: its name.
        broker: the broker's URL.
        lanes: the queues of its jobs; `celery worker -Q` may choose among them.
        routes: the queue of each of its commands.
    """
    return {
        "broker_url": broker,
        "broker_transport_options": _transport(broker),
        # A worker that comes up before its broker, or outlives a long outage, waits for it as long as it takes.
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "worker_consumer": "mergepoint.celery.consumer:Consumer",
        # What other programs sent is acknowledged when it is in the store, so a death before that leaves it in the
        # broker. A job that the relay sent is acknowledged as it arrives (see `request.py`): its lease protects it, and
        # no broker can send a job of an hour twice because it was not acknowledged in time.
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_cancel_long_running_tasks_on_connection_loss": True,
        # Jobs wait in the store, where they are sorted, seen and cancelled, not in the memory of a worker.
        "worker_prefetch_multiplier": 1,
        # Nothing that a broker brings may become code.
        "accept_content": ["json"],
        "task_serializer": "json",
        # States and results are in the store: without a backend there is no second truth, and no write per task.
        "result_backend": None,
        "task_ignore_result": True,
        # Flower and `celery events` see tasks without further ado.
        "worker_send_task_events": True,
        "task_default_queue": queue_name(app, "default"),
        "task_queues": {queue_name(app, lane.queue): {} for lane in lanes},
        "task_routes": {name: {"queue": queue_name(app, queue)} for name, queue in routes.items()},
    }


def _transport(broker: str) -> dict[str, Any]:
    # Without it RabbitMQ drops what it cannot take, and the sender does not learn of it.
    return {"confirm_publish": True} if broker.startswith(("amqp", "pyamqp")) else {}
