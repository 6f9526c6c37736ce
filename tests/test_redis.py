"""Worklists in Redis: what is special about them. What holds of every engine is in test_engines.py."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import msgspec
import pytest
import redis
from tests.redises import REDIS, free_port, prefixed, redis_server

from mergepoint.errors import ConfigError, Unavailable
from mergepoint.jobs import Claim, Lane, Message, Outcome, new_id
from mergepoint.redis import RedisUnavailable, Server, Worklist

CONSUMERS = Path(__file__).parent.parent / "examples" / "consumers"
PATIENCE = 20.0


@pytest.fixture
def place() -> Iterator[tuple[str, str]]:
    """Return the URL of a Redis server and a prefix of this test's own."""
    with prefixed() as found:
        yield found


@pytest.fixture
def worklist(place: tuple[str, str]) -> Iterator[Worklist]:
    """Return an empty worklist."""
    url, prefix = place
    with closing(Worklist(url, prefix=prefix)) as engine:
        yield engine


@pytest.fixture
def client(place: tuple[str, str]) -> Iterator[redis.Redis]:
    """Return a plain client of the server that the worklist is on."""
    with closing(redis.Redis.from_url(place[0])) as found:
        yield found


def message(operation: str = "work", **fields: Any) -> Message:
    """Return the message of a job."""
    return Message(id=new_id(), operation=operation, created=time.time(), **fields)


def arguments(**values: Any) -> msgspec.Raw:
    """Return the arguments of a job."""
    return msgspec.Raw(msgspec.json.encode(values))


def claim(worklist: Worklist, *, limit: int = 10, lease: float = 30.0, lane: Lane | None = None) -> list[Claim]:
    """Claim jobs of one queue."""
    return worklist.claim("tester", [lane or Lane()], limit, lease)


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds."""
    ends = monotonic() + PATIENCE
    while not holds():
        assert monotonic() < ends, f"after {PATIENCE:.0f} s still not so: {what}"
        sleep(0.01)


def state(worklist: Worklist, id: str) -> str | None:
    """Return the state of a job."""
    entry = worklist.get(id)
    return None if entry is None else entry.state


def in_children(count: int, work: Callable[[int], None]) -> None:
    """Run something in forked processes at the same time; fail if it fails in one."""
    children = []
    for number in range(count):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                work(number)
                code = 0
            except BaseException:  # noqa: BLE001 - a child must never go on as the test run
                traceback.print_exc()
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * count


# --- scripts ---


def test_scripts_that_redis_forgot_are_loaded_again(worklist: Worklist, client: redis.Redis) -> None:
    """After SCRIPT FLUSH every call works as before."""
    worklist.put([message()])
    client.script_flush()
    (claimed,) = claim(worklist)
    client.script_flush()
    worklist.settle([Outcome(claimed, "done", b"1")])
    assert state(worklist, claimed.message.id) == "done"


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        "never",
        '{"id": "short", "operation": "work"}',
        '{"id": "%(id)s"}',
        '{"id": "%(id)s", "operation": "work", "priority": "urgent"}',
        '{"id": "%(id)s", "operation": "work", "needs": 1.5}',
        '{"id": "%(id)s", "operation": "work", "then": 7}',
    ],
)
def test_a_message_that_is_none_is_refused(worklist: Worklist, text: str) -> None:
    """The script that keeps messages keeps none of a batch in which one has no id, or a field of the wrong type."""
    put, good = worklist._put, message()
    with pytest.raises(redis.ResponseError, match="INVALID message"):
        put(msgspec.json.encode(good), text % {"id": new_id()})
    assert worklist.get(good.id) is None
    assert (worklist.counts(), worklist.entries()) == ({}, [])


def test_a_message_of_another_maker(worklist: Worklist) -> None:
    """A message may have fields nobody knows, and nulls for those that are not given."""
    id = new_id()
    text = f'{{"id": "{id}", "operation": "work", "at": null, "unique": null, "then": null, "colour": "blue"}}'
    worklist._put(text)
    (claimed,) = claim(worklist)
    assert (claimed.message.id, claimed.message.operation, claimed.message.unique) == (id, "work", None)


def test_a_message_that_no_worker_can_read_goes_to_the_dead_letters(worklist: Worklist) -> None:
    """What a script takes for a message, and this library not, ends nobody's claim; it is dead, and people see it."""
    good, bad = message(), new_id()
    worklist._put(f'{{"id": "{bad}", "operation": "work", "timeout": "long"}}', msgspec.json.encode(good))
    assert [claimed.message.id for claimed in claim(worklist)] == [good.id]
    entry = worklist.get(bad)
    assert entry
    assert (entry.state, entry.message.operation, entry.history[0].code) == (
        "dead",
        "(unreadable)",
        "unreadable_message",
    )
    assert worklist.entries(states=["dead"]) == [entry]


# --- keys ---


@pytest.mark.parametrize("prefix", ["batfriend", "batfriend:", "{batfriend}", "{batfriend}:"])
def test_a_prefix_becomes_a_hash_tag(prefix: str) -> None:
    """However a prefix is written, its keys begin with the same hash tag."""
    assert Worklist(REDIS, prefix=prefix).prefix == "{batfriend}:"


@pytest.mark.parametrize("prefix", ["", "{}:", "a{b}c"])
def test_a_prefix_that_is_no_tag_is_refused(prefix: str) -> None:
    """A prefix that Redis Cluster could not take for a tag is refused, with one that it can."""
    with pytest.raises(ValueError, match="a name such as 'batfriend'"):
        Worklist(REDIS, prefix=prefix)


def whole_life(worklist: Worklist) -> None:
    """Let a worklist do all that it can."""
    last = message(needs=1, queue="other")
    jobs = [message(unique="key", then=last.id, priority="high"), message(delay=60.0), last, message(keep=0.0)]
    worklist.put(jobs)
    worklist.fire("daily", 1.0, [message()])
    worklist.save("sweep", b"7")
    worklist.expedite([jobs[1].id])
    lane = Lane(concurrency=3, rate=100.0)
    for verdict in ("retry", "done", "dead", "release", "cancelled"):
        claims = claim(worklist, lane=lane)
        for claimed in claims:
            worklist.report(claimed, 0.5, "half")
        worklist.extend("tester", claims, 30.0)
        worklist.settle([Outcome(claimed, verdict) for claimed in claims])
    worklist.recover()
    worklist.cancel([job.id for job in jobs])
    worklist.retry([job.id for job in jobs])
    worklist.wait(["default", "other"], 0.01)
    assert worklist.entries()
    assert worklist.entries(states=["waiting"], queue="default") is not None
    assert worklist.counts()


def test_every_key_has_the_tag(tmp_path: Path) -> None:
    """No key lies outside of the prefix, so that worklists, and what else is on the server, do not meet."""
    with redis_server(tmp_path) as server, closing(Worklist(server.url, prefix="batfriend")) as worklist:
        whole_life(worklist)
        keys = worklist._server.call("KEYS", "*")
    assert keys
    assert [key for key in keys if not key.startswith(b"{batfriend}:")] == []


def test_it_works_on_a_node_of_a_cluster(tmp_path: Path) -> None:
    """Redis Cluster, which refuses scripts that touch keys of several slots, accepts all of them."""
    options = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    with redis_server(tmp_path, *options) as server, closing(Worklist(server.url, prefix="batfriend")) as worklist:
        node = worklist._server
        node.call("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        until(lambda: b"cluster_state:ok" in node.call("CLUSTER", "INFO"), "the cluster is ready")
        whole_life(worklist)
        worklist.check()


def test_purged_worklists_leave_next_to_nothing(tmp_path: Path) -> None:
    """When all jobs are gone, so are their keys and those of their queues; a counter stays."""
    with redis_server(tmp_path) as server, closing(Worklist(server.url, prefix="batfriend")) as worklist:
        worklist.put([message(queue=f"queue-{number}", unique=str(number)) for number in range(5)])
        for number in range(5):
            claims = claim(worklist, lane=Lane(f"queue-{number}"))
            worklist.settle([Outcome(claimed, "dead") for claimed in claims])
        assert worklist.purge(["dead"]) == 5
        worklist.recover()
        assert worklist._server.call("KEYS", "*") == [b"{batfriend}:token"]


# --- the server ---


def test_a_server_that_is_not_there() -> None:
    """What callers see names no host; the log does, without the password."""
    with closing(Worklist("redis://:sesame@127.0.0.1:1/3", prefix="batfriend", name="jobs")) as worklist:
        with pytest.raises(RedisUnavailable) as caught:
            worklist.put([message()])
        assert isinstance(caught.value, Unavailable)
        assert caught.value.message == "The store cannot be reached now: try again later."
        assert str(caught.value).startswith("jobs (redis://127.0.0.1:1/3) cannot be used: ")
        assert "sesame" not in f"{caught.value} {worklist!r}"
        with pytest.raises(RedisUnavailable):
            worklist.wait(["default"], 5.0)


def test_a_server_that_is_killed_and_comes_back(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """While Redis is gone calls say so; when it is back, all work by themselves, and every job is there."""
    with redis_server(tmp_path) as server, closing(Worklist(server.url, prefix="batfriend")) as worklist:
        jobs = worklist.put([message() for _ in range(100)])
        running = claim(worklist, limit=10, lease=0.5)
        threads = [threading.Thread(target=worklist.wait, args=(["nobody"], 0.5)) for _ in range(4)]
        for thread in threads:  # they leave connections open
            thread.start()
        for thread in threads:
            thread.join()
        for _ in range(2):
            server.kill()
            with pytest.raises(RedisUnavailable):
                worklist.put([message()])
            server.start()
            began = monotonic()
            assert worklist.put([message(keep=0.0)])
            record_property("seconds_until_it_works_again", monotonic() - began)
        worklist.settle([Outcome(running[0], "done")])
        until(lambda: not worklist.recover() and worklist.counts().get(("default", "running"), 0) == 0, "9 come back")
        claims = claim(worklist, limit=200)
        assert {claimed.message.id for claimed in claims} >= set(jobs) - {running[0].message.id}
        assert len(claims) == 101


def test_waits_end_when_the_server_goes(tmp_path: Path) -> None:
    """Who waits is not left behind when Redis is killed: the wait ends, and the next one says why."""
    with redis_server(tmp_path) as server, closing(Worklist(server.url, prefix="batfriend")) as worklist:
        waiting = threading.Thread(target=worklist.wait, args=(["default"], 60.0))
        waiting.start()
        with closing(redis.Redis.from_url(server.url)) as client:
            until(lambda: client.info("clients")["blocked_clients"] == 1, "it waits")
        server.kill()
        waiting.join(2.5)
        assert not waiting.is_alive()
        with pytest.raises(RedisUnavailable):
            worklist.wait(["default"], 60.0)


def test_a_full_server_takes_no_jobs_and_loses_none(tmp_path: Path) -> None:
    """Redis without memory refuses new jobs as unavailable, and those it has can be worked off."""
    with redis_server(tmp_path) as server, closing(Worklist(server.url, prefix="batfriend")) as worklist:
        worklist.put([message(keep=0.0) for _ in range(100)])
        with closing(redis.Redis.from_url(server.url)) as client:
            client.config_set("maxmemory", "1mb")
            with pytest.raises(RedisUnavailable, match="maxmemory"):
                worklist.put([message()])
            client.config_set("maxmemory", "0")
        assert worklist.counts() == {("default", "waiting"): 100}


def test_a_server_that_throws_keys_away_is_no_store(tmp_path: Path) -> None:
    """A server that may evict jobs fails the check, with the setting and the remedy."""
    options = ("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    with redis_server(tmp_path, *options) as server, closing(Worklist(server.url, prefix="batfriend")) as worklist:
        with pytest.raises(ConfigError, match=r"its maxmemory-policy is allkeys-lru\. Set it to noeviction"):
            worklist.check()
        with closing(redis.Redis.from_url(server.url)) as client:
            client.config_set("maxmemory-policy", "noeviction")
        worklist.check()


def test_connections_are_used_again(worklist: Worklist, client: redis.Redis) -> None:
    """One thread needs one connection, however many calls it makes, and after close none."""
    name = f"mp-{os.getpid()}"
    with closing(Server(f"{REDIS}?client_name={name}")) as server:
        for _ in range(50):
            server.call("PING")
        assert len([one for one in client.client_list() if one["name"] == name]) == 1
    until(lambda: not [one for one in client.client_list() if one["name"] == name], "they are closed")


# --- processes and clocks ---


def test_parent_and_children_use_a_worklist(worklist: Worklist) -> None:
    """A worklist that was used before a fork works in parent and children at once, without mixing answers."""
    worklist.put([message(queue="before")])

    def work(number: int) -> None:
        jobs = worklist.put([message(queue=f"child-{number}") for _ in range(20)])
        claims = claim(worklist, limit=100, lane=Lane(f"child-{number}"))
        assert sorted(claimed.message.id for claimed in claims) == sorted(jobs)
        worklist.wait([f"child-{number}"], 0.05)
        worklist.wake()

    in_children(4, work)
    assert len(claim(worklist, lane=Lane("before"))) == 1


def test_one_job_for_a_key_of_fifty_processes(worklist: Worklist) -> None:
    """Fifty processes that put in a job with the same unique key make one job, and all are told its id."""
    worklist.save("warm", b"1")

    def work(number: int) -> None:
        (id,) = worklist.put([message(unique="census")])
        worklist.save(f"child-{number}", id.encode())

    in_children(50, work)
    (claimed,) = claim(worklist, limit=100)
    assert {worklist.load(f"child-{number}") for number in range(50)} == {claimed.message.id.encode()}


@pytest.mark.parametrize("step", [-3600.0, 3600.0])
def test_a_clock_that_steps(worklist: Worklist, monkeypatch: pytest.MonkeyPatch, step: float) -> None:
    """A worker whose clock steps an hour neither loses its claims nor steals others', and sees due times as before."""
    right = time.time
    worklist.put([message(), message(delay=600.0), message(delay=0.2)])
    (held,) = claim(worklist, lease=30.0)
    monkeypatch.setattr(time, "time", lambda: right() + step)
    assert worklist.recover() == 0
    assert worklist.extend("tester", [held], 30.0).lost == frozenset()
    until(lambda: len(claim(worklist)) == 1, "the job is due")
    assert worklist.recover() == 0
    assert claim(worklist) == []


# --- waiting ---


@contextmanager
def timed_wait(worklist: Worklist, client: redis.Redis, queue: str = "default") -> Iterator[list[float]]:
    """Wait in another thread while the block runs; afterwards the list has the moment at which the wait ended."""
    ended: list[float] = []

    def wait() -> None:
        worklist.wait([queue], 2.0)
        ended.append(monotonic())

    before = client.info("clients")["blocked_clients"]
    thread = threading.Thread(target=wait)
    thread.start()
    until(lambda: client.info("clients")["blocked_clients"] > before, "it waits")
    yield ended
    thread.join()


def test_latency(
    worklist: Worklist, client: redis.Redis, place: tuple[str, str], record_property: Callable[[str, object], None]
) -> None:
    """Who waits is told of a job that another process puts in."""
    figures = []
    with closing(Worklist(place[0], prefix=place[1])) as other:
        for _ in range(20):
            with timed_wait(worklist, client) as ended:
                began = monotonic()
                other.put([message(keep=0.0)])
            figures.append(1000 * (ended[0] - began))
            worklist.settle([Outcome(claimed, "done") for claimed in claim(worklist)])
    record_property("wake_up_milliseconds", [round(figure, 2) for figure in sorted(figures)])
    assert min(figures) < 1000  # it was told, and did not only look again


def test_one_job_after_the_other_wakes_one_worker_after_the_other(worklist: Worklist, client: redis.Redis) -> None:
    """When a worker takes less than there is, the next one is told."""
    before = client.info("clients")["blocked_clients"]
    done: list[str] = []

    def work() -> None:
        while len(done) < 4:
            claims = claim(worklist, limit=1)
            if claims:
                done.append(claims[0].message.id)
                sleep(0.3)  # others have to take the rest
            else:
                worklist.wait(["default"], 3.0)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    until(lambda: client.info("clients")["blocked_clients"] == before + 4, "all wait")
    worklist.put([message() for _ in range(4)])
    until(lambda: len(done) == 4, "all jobs are taken")
    worklist.wake()
    for thread in threads:
        thread.join()
    assert len(set(done)) == 4


def test_the_bell_holds_one_token(worklist: Worklist, client: redis.Redis) -> None:
    """However many jobs are put in while nobody waits, one token lies on the bell."""
    for _ in range(20):
        worklist.put([message()])
    assert client.llen(f"{worklist.prefix}bell:default") == 1


@pytest.mark.parametrize("lane", [Lane(concurrency=1), Lane(rate=0.2)], ids=["concurrency", "rate"])
def test_a_queue_at_its_limit_is_worth_waiting_for(worklist: Worklist, client: redis.Redis, lane: Lane) -> None:
    """While what is due may not begin, a wait does not end at once, or workers would spin."""
    worklist.put([message() for _ in range(3)])
    assert len(claim(worklist, lane=lane)) == 1
    assert claim(worklist, lane=lane) == []
    worklist.wait(["default"], 0.5)  # takes the token of the put
    began = monotonic()
    worklist.wait(["default"], 0.5)
    assert monotonic() - began > 0.4


def test_a_limit_that_is_over_is_forgotten(worklist: Worklist) -> None:
    """A queue that was at its limit and is empty is as quiet as any other."""
    lane = Lane(rate=10.0)
    worklist.put([message() for _ in range(10)])
    assert len(claim(worklist, limit=100, lane=lane)) == 10
    worklist.wait(["default"], 0.0)
    sleep(0.2)  # until the next one might begin
    worklist.wait(["default"], 0.5)  # takes the token of the put
    began = monotonic()
    worklist.wait(["default"], 0.5)
    assert monotonic() - began > 0.4


def test_room_in_a_full_queue_ends_a_wait(worklist: Worklist, client: redis.Redis) -> None:
    """Who waits because a queue is full is told when a job of it has ended."""
    lane = Lane(concurrency=1)
    worklist.put([message() for _ in range(2)])
    (held,) = claim(worklist, lane=lane)
    assert claim(worklist, lane=lane) == []
    worklist.wait(["default"], 0.5)  # takes the token of the put
    with timed_wait(worklist, client) as ended:
        began = monotonic()
        worklist.settle([Outcome(held, "done")])
    assert ended[0] - began < 1.0
    assert len(claim(worklist, lane=lane)) == 1


# --- other languages ---


@pytest.fixture(params=["bash", "node"])
def consumer(request: pytest.FixtureRequest, place: tuple[str, str]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Return a function that starts one of the example consumers with some arguments."""
    programs = {"bash": ["bash", "redis-cli"], "node": ["node"]}[request.param]
    if lacking := [program for program in programs if not shutil.which(program)]:
        pytest.skip(f"not installed: {', '.join(lacking)}")
    command = [request.param, str(CONSUMERS / {"bash": "worklist.sh", "node": "worklist.mjs"}[request.param])]
    started: list[subprocess.Popen[str]] = []

    def start(action: str, queue: str, *words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*command, action, place[1], queue, *words],
            env={**os.environ, "REDIS_URL": place[0]},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with process:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def test_a_consumer_works_off_jobs(worklist: Worklist, consumer: Callable[..., subprocess.Popen[str]]) -> None:
    """A program in another language works off jobs of Python, failures included, and ends in peace on SIGTERM."""
    words = message("count_words", queue="words", arguments=arguments(text='one  two\nthree “four” \\ "five"'))
    unknown = message("fly", queue="words", retries=0)
    again = message("fly", queue="words", retries=1)
    later = message("nap", queue="words", arguments=arguments(seconds=0.1), delay=0.3)
    worklist.put([words, unknown, again, later])
    process = consumer("work", "words")
    until(lambda: state(worklist, words.id) == state(worklist, later.id) == "done", "it did its work")
    until(lambda: state(worklist, unknown.id) == state(worklist, again.id) == "dead", "it told its failures")
    done, dead, tried = worklist.get(words.id), worklist.get(unknown.id), worklist.get(again.id)
    assert done
    assert dead
    assert tried
    assert (done.result, done.attempts) == (b"6", 1)
    assert [attempt.message for attempt in dead.history] == ["This worker does not know fly."]
    assert [attempt.number for attempt in tried.history] == [1, 2]
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0


def test_a_consumer_puts_jobs_in(worklist: Worklist, consumer: Callable[..., subprocess.Popen[str]]) -> None:
    """A program in another language puts in a job, and Python runs it."""
    process = consumer("put", "words", "count_words", '{"text": "ünï “four”"}')
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    (claimed,) = claim(worklist, lane=Lane("words"))
    assert (claimed.message.id, claimed.message.operation) == (output.strip(), "count_words")
    assert msgspec.json.decode(claimed.message.arguments) == {"text": "ünï “four”"}
    assert abs(claimed.message.created - time.time()) < 60
    worklist.settle([Outcome(claimed, "done", b"2")])
    assert state(worklist, claimed.message.id) == "done"


def test_a_consumer_that_is_killed_gives_its_job_back(
    worklist: Worklist, client: redis.Redis, consumer: Callable[..., subprocess.Popen[str]]
) -> None:
    """The job of a killed consumer is another worker's when its lease is over, with the loss in its history."""
    job = message("nap", queue="words", arguments=arguments(seconds=60))
    worklist.put([job])
    process = consumer("work", "words")
    until(lambda: state(worklist, job.id) == "running", "it works")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    lease = float(worklist._server.call("ZSCORE", f"{worklist.prefix}running:words", job.id))
    assert 0 < lease / 1e6 - time.time() <= 25
    client.zadd(f"{worklist.prefix}running:words", {job.id: 1})  # as if that time had passed
    assert worklist.recover() == 1
    (claimed,) = claim(worklist, lane=Lane("words"))
    entry = worklist.get(job.id)
    assert entry
    assert (claimed.message.id, claimed.attempts, entry.history[0].code) == (job.id, 2, "worker_lost")


def test_a_consumer_survives_a_restart_of_redis(tmp_path: Path) -> None:
    """The scripts that Redis forgot when it was started again are loaded by the consumer, too."""
    if not shutil.which("redis-cli"):
        pytest.skip("redis-cli is not installed")
    with redis_server(tmp_path) as server, closing(Worklist(server.url, prefix="batfriend")) as worklist:
        command = ["bash", str(CONSUMERS / "worklist.sh"), "work", "batfriend", "words"]
        process = subprocess.Popen(command, env={**os.environ, "REDIS_URL": server.url}, stderr=subprocess.DEVNULL)
        try:
            for _ in range(2):
                (id,) = worklist.put([message("count_words", queue="words", arguments=arguments(text="one two"))])
                until(lambda job=id: state(worklist, job) == "done", "it did its work")  # type: ignore[misc]
                server.kill()
                server.start()
        finally:
            process.kill()
            process.wait()
