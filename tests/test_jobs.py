"""Jobs in the core: what apps declare of them, and what a runner makes of a claim. No engine takes part."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
import pytest

from mergepoint import App, Call, Failure, Progress, Upload, signed_in
from mergepoint.errors import Cancelled, InvalidArgument, RegistrationError, Unavailable
from mergepoint.jobs import Backoff, Claim, Job, Lane, Message, Outcome, Runner, new_id
from mergepoint.lock import fingerprint


class NoSuchBat(Exception):
    """A declared error of the application under test."""


@dataclass(frozen=True)
class User:
    id: int
    roles: tuple[str, ...] = ()


def message(operation: str, arguments: str = "{}", **facts: object) -> Message:
    """Make the message of a job that was put in just now."""
    known: dict[str, object] = {"created": time.time(), **facts}
    return Message(id=new_id(), operation=operation, arguments=msgspec.Raw(arguments.encode()), **known)  # type: ignore[arg-type]


def run(app: App, job: Message, *, failures: int = 0, report: Callable[..., bool] | None = None) -> Outcome:
    """Run one claim as a worker does."""
    return Runner(app, "worker", report or (lambda *_: True)).run(Claim(job, 1, 1 + failures, failures))


def reason(outcome: Outcome) -> str:
    """Return the code that goes into the history."""
    assert outcome.attempt is not None
    return outcome.attempt.code


def test_a_job_runs_its_command_and_gives_the_result_as_json() -> None:
    """The arguments are read as the command's own, defaults filled in; the result comes back as JSON."""
    app = App("roost")

    @app.task
    def count(first: int, second: int = 2) -> dict[str, int]:
        return {"sum": first + second}

    outcome = run(app, message("count", '{"first": 1}'))
    assert (outcome.verdict, outcome.result) == ("done", b'{"sum":3}')


def test_no_protocol_offers_a_task() -> None:
    """A task is no operation of the app, but jobs can run it, as they can run commands and no queries."""
    app = App("roost")
    app.task(_nothing, name="sweep")
    app.command(_nothing, name="adopt")
    app.query(_nothing, name="look")
    assert list(app.operations) == ["adopt", "look"]
    assert list(app.jobs) == ["sweep", "adopt"]


def test_a_task_runs_in_the_surroundings_of_the_app() -> None:
    """What the app puts around its operations is around its jobs too, and knows them by their protocol."""
    app, seen = App("roost"), []

    @app.around
    @contextmanager
    def around(call: Call) -> Iterator[None]:
        seen.append((call.protocol, call.operation.name, call.operation.kind))
        yield

    app.task(_nothing, name="sweep")
    assert run(app, message("sweep")).verdict == "done"
    assert seen == [("job", "sweep", "command")]


def test_a_job_runs_in_the_name_of_its_user() -> None:
    """Who may run it was asked when it was put in: the job knows the user, and asks nobody."""
    app, seen = App("roost"), []

    @app.identify
    def identify(call: Call) -> User | None:
        raise AssertionError("nobody asks who calls")

    @app.command(allow=signed_in)
    def adopt(call: Call) -> None:
        seen.append(call.user)

    user = msgspec.Raw(b'{"id": 7, "roles": ["keeper"]}')
    assert run(app, message("adopt", user=user)).verdict == "done"
    assert run(app, message("adopt")).verdict == "done"
    assert seen == [User(7, ("keeper",)), None]


def test_a_failure_that_may_pass_is_tried_again_later() -> None:
    """Something that cannot be reached now: the job waits, longer after each failure, as often as it may."""
    app = App("roost")
    app.task(_raising(Unavailable("not now")), name="fetch")
    early, late = (run(app, message("fetch", retries=3), failures=n) for n in (0, 2))
    assert (early.verdict, late.verdict, reason(late)) == ("retry", "retry", "unavailable")
    assert 0.5 <= early.delay <= 1.5
    assert 2 <= late.delay <= 6
    assert run(app, message("fetch", retries=3), failures=3).verdict == "dead"


@pytest.mark.parametrize(
    "error", [NoSuchBat("which?"), InvalidArgument("no"), Failure("no", kind="failed_precondition")]
)
def test_a_failure_that_would_come_again_is_not_tried_again(error: Exception) -> None:
    """What the application declares as the caller's fault goes to the dead letters at once, with its reason."""
    app = App("roost", errors={NoSuchBat: "not_found"})
    app.task(_raising(error), name="fetch")
    outcome = run(app, message("fetch"))
    assert outcome.verdict == "dead"
    assert outcome.attempt is not None
    assert outcome.attempt.message == str(error)


@pytest.mark.parametrize("bug", [ZeroDivisionError("secret"), SystemExit(3), KeyboardInterrupt()])
def test_a_bug_is_told_by_its_incident_only(bug: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    """The history has the number of the incident, the log has the traceback; the worker lives on."""
    app = App("roost")
    app.task(_raising(bug), name="fetch")
    with caplog.at_level(logging.ERROR):
        outcome = run(app, message("fetch"))
    assert (outcome.verdict, reason(outcome)) == ("retry", "internal")
    assert outcome.attempt is not None
    assert "secret" not in outcome.attempt.message
    number = outcome.attempt.message.rpartition(" ")[2].rstrip(".")
    assert number in caplog.text
    assert type(bug).__name__ in caplog.text


def test_a_job_tells_its_progress() -> None:
    """The first word and the last are kept; outside of a job progress goes nowhere."""
    app, said = App("roost"), []

    def hear(claim: Claim, done: float, note: str) -> bool:
        said.append((done, note))
        return True

    @app.command
    def count(progress: Progress) -> None:
        for done in (0.25, 0.5, 1.5):
            progress(done, f"at {done}")

    assert run(app, message("count"), report=hear).verdict == "done"
    assert said == [(0.25, "at 0.25"), (1.0, "at 1.5")]
    app.operations["count"](Call(app.operations["count"]))


def test_a_job_that_was_cancelled_stops_at_its_next_word() -> None:
    """It ends as cancelled; a `Cancelled` of its own making is a failure like any other."""
    app = App("roost")

    @app.task
    def count(progress: Progress) -> None:
        progress(0.5)
        raise AssertionError("it went on")

    app.task(_raising(Cancelled()), name="give_up")
    assert run(app, message("count"), report=lambda *_: False).verdict == "cancelled"
    assert run(app, message("give_up")).verdict == "retry"


def test_a_job_that_takes_too_long_is_tried_again() -> None:
    """The message says how long one attempt may take; its result does not count after that."""
    app = App("roost")
    app.task(_dawdling(0.05), name="dawdle")
    outcome = run(app, message("dawdle", timeout=0.02))
    assert (outcome.verdict, reason(outcome)) == ("retry", "deadline_exceeded")


def test_a_message_from_before_a_compatible_change_runs() -> None:
    """A parameter with a default was added since: the message of the version before fits."""
    old, new = App("roost"), App("roost")
    old.task(_adopt_by_name, name="adopt")
    new.task(_adopt_by_name_and_age, name="adopt")
    before = fingerprint(old.jobs["adopt"].contract)
    assert before != fingerprint(new.jobs["adopt"].contract)
    assert run(new, message("adopt", '{"name": "Flap"}', version=before)).result == b'"Flap, 1"'


def test_a_message_from_before_an_incompatible_change_is_dead_with_the_reason() -> None:
    """A parameter without a default was added since: the history says which."""
    app = App("roost")
    app.task(_adopt_by_name_and_wing, name="adopt")
    outcome = run(app, message("adopt", '{"name": "Flap"}', version="0123456789ab"))
    assert (outcome.verdict, reason(outcome)) == ("dead", "incompatible_payload")
    assert outcome.attempt is not None
    assert "$.wing" in outcome.attempt.message


@pytest.mark.parametrize(("operation", "code"), [("adopt", "newer_payload"), ("groom", "unknown_operation")])
def test_a_message_for_a_newer_worker_is_left_to_it(operation: str, code: str) -> None:
    """It goes back without an attempt counted; after ten minutes without a newer worker it is dead with the reason."""
    app = App("roost")
    app.task(_adopt_by_name, name="adopt")
    newer = {"arguments": '{"name": "Flap", "age": 3}', "version": "0123456789ab"}
    outcome = run(app, message(operation, **newer))
    assert (outcome.verdict, outcome.attempt) == ("release", None)
    assert outcome.delay > 0
    late = run(app, message(operation, created=time.time() - 700, **newer))
    assert (late.verdict, reason(late)) == ("dead", code)


def test_a_message_that_was_wrong_from_the_start_is_dead_at_once() -> None:
    """An unknown field from the very same version is no newer worker's business."""
    app = App("roost")
    app.task(_adopt_by_name, name="adopt")
    version = fingerprint(app.jobs["adopt"].contract)
    outcome = run(app, message("adopt", '{"name": "Flap", "age": 3}', version=version))
    assert (outcome.verdict, reason(outcome)) == ("dead", "incompatible_payload")


def test_an_operation_with_a_limit_has_a_queue_of_its_own() -> None:
    """Others share the default queue or the one they name."""
    app = App("roost")
    app.task(_nothing, name="plain")
    app.task(_nothing, name="named", queue="bulk")
    app.task(_nothing, name="slow", concurrency=2)
    app.task(_nothing, name="gentle", rate=0.5, queue="mail")
    assert app.lanes == [Lane(), Lane("bulk"), Lane("slow", concurrency=2), Lane("mail", rate=0.5)]


def test_jobs_have_the_same_names_in_every_app() -> None:
    """An app that is included, and has a queue of its own, means the same jobs as the one that includes it."""
    house, roost = App("house"), App("roost")
    roost.task(_nothing, name="sweep")
    house.include(roost)
    assert list(roost.jobs) == list(house.jobs) == ["roost.sweep"]
    assert roost.job_name(_nothing) == house.job_name(_nothing) == "roost.sweep"


def test_limits_of_a_shared_queue_must_agree() -> None:
    """Two operations cannot give one queue two limits; one without joins in."""
    app = App("roost")
    app.task(_nothing, name="one", queue="mail")
    app.task(_nothing, name="two", queue="mail", rate=1)
    assert app.lanes == [Lane(), Lane("mail", rate=1)]
    app = App("roost")
    app.task(_nothing, name="one", queue="mail", rate=1)
    app.task(_nothing, name="two", queue="mail", rate=2)
    with pytest.raises(RegistrationError, match=r"roost\.two: the queue 'mail' has other limits"):
        _ = app.lanes


def test_a_background_command_needs_a_queue() -> None:
    """The message says which command, and what to call."""
    app = App("roost")
    app.command(_nothing, name="census", background=True)
    with pytest.raises(RegistrationError, match=r"`census` shall run in the background.*Queue\(app, db\)"):
        _ = app.operations


def test_a_background_command_answers_with_its_job() -> None:
    """Its callers see the job; jobs see the command."""
    app = App("roost")
    put = Job(id="1", operation="census", state="waiting", created=_moment(), due=_moment())
    app.background(lambda operation, values, call: put)
    app.command(_adopt_by_name, name="census", background=True)
    operation = app.operations["census"]
    assert operation(Call(operation), "Flap") == put
    assert run(app, message("census", '{"name": "Flap"}')).result == b'"Flap"'


@pytest.mark.parametrize(
    ("option", "given"),
    [("retries", -1), ("keep", -1.0), ("timeout", 0.0), ("concurrency", 0), ("rate", 0.0), ("rate", -2.0)],
)
def test_figures_with_which_no_job_could_run_are_refused(option: str, given: float) -> None:
    """A limit of none at all would keep its jobs waiting for ever: the start says which figure it is."""
    options = cast("Any", {option: given})
    with pytest.raises(RegistrationError, match=rf"roost\._nothing: no job can run with {option}={given}"):
        App("roost").task(_nothing, **options)


def test_files_and_streams_cannot_wait() -> None:
    """A file must be stored before, as it cannot be kept in a queue."""
    app = App("roost")
    with pytest.raises(RegistrationError, match="Store a file first"):
        app.task(_upload)
    with pytest.raises(RegistrationError, match="only a command without files and streams"):
        app.command(_stream, background=True)


def test_schedules_are_declared_on_the_app() -> None:
    """Their time is checked as far as the core can, their names are unique."""
    app = App("roost")
    app.every(_nothing, minutes=5)
    app.cron("0 3 * * *", _nothing, name="nightly", timezone="Europe/Berlin")
    assert (app.schedules["_nothing"].seconds, app.schedules["nightly"].cron) == (300, "0 3 * * *")
    with pytest.raises(RegistrationError, match="two schedules"):
        app.every(_nothing, minutes=1)
    with pytest.raises(RegistrationError, match="a time between ticks"):
        app.every(_nothing, name="never")
    with pytest.raises(RegistrationError, match="expected five fields"):
        app.cron("0 3 *", _nothing, name="odd")


def test_delays_grow_up_to_a_limit() -> None:
    """Each is by chance up to half shorter or longer, so that jobs that failed together come back apart."""
    backoff = Backoff(first=2, factor=3, most=100)
    for failures, middle in ((1, 2), (2, 6), (4, 54), (9, 100), (10_000, 100)):
        delays = [backoff.delay(failures) for _ in range(200)]
        assert middle / 2 <= min(delays) < max(delays) <= middle * 1.5


def _nothing() -> None:
    pass


def _adopt_by_name(name: str) -> str:
    return name


def _adopt_by_name_and_age(name: str, age: int = 1) -> str:
    return f"{name}, {age}"


def _adopt_by_name_and_wing(name: str, wing: str) -> str:
    return name + wing


def _upload(file: Upload) -> None:
    raise AssertionError(file)


def _stream() -> Iterator[int]:
    yield 1


def _raising(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def _dawdling(seconds: float) -> Callable[[], None]:
    def dawdle() -> None:
        time.sleep(seconds)

    return dawdle


def _moment() -> datetime:
    return datetime.now(UTC)
