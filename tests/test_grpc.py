"""The gRPC server: real calls over a socket, with policy, errors, streams, health, TLS and an orderly end."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2 as details  # type: ignore[import-untyped]  # it has no types
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # the same
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub
from tests.menagerie import build

from mergepoint import App, Call, Download, Upload
from mergepoint.errors import ConfigError, Failure
from mergepoint.grpc import Tls, server
from mergepoint.grpc.messages import GOOGLES, Messages, file_of
from mergepoint.grpc.server import Server
from mergepoint.grpc.status import DETAILS
from mergepoint.lock import describe, merge

PATIENCE = 20
"""Seconds to wait for what happens at once."""

Headers = tuple[tuple[str, str | bytes], ...]
KEEPER: Headers = (("authorization", "Bearer keeper"),)
GUEST: Headers = (("authorization", "Bearer guest"),)


class Raw:
    """Calls a server with messages, as a client in another language does."""

    def __init__(self, served: Server, channel: grpc.Channel) -> None:
        assert served.schema is not None
        self.schema = served.schema
        self.messages = Messages([*map(file_of, GOOGLES), served.schema.file])
        self.channel = channel

    def call(self, operation: str, headers: Headers = (), timeout: float = PATIENCE, **fields: Any) -> Any:
        """Call an operation with one answer; return the answer and the metadata that came with it."""
        method = self.schema.methods[operation]
        call: Any = self.channel.unary_unary(method.name.path)
        answer, done = call.with_call(self.request(operation, **fields), timeout=timeout, metadata=headers)
        return self.messages.message(method.response).FromString(answer), dict(done.trailing_metadata())

    def open(self, operation: str, headers: Headers = (), timeout: float = PATIENCE, **fields: Any) -> Any:
        """Call an operation with a stream of answers; return the stream of their bytes."""
        call: Any = self.channel.unary_stream(self.schema.methods[operation].name.path)
        return call(self.request(operation, **fields), timeout=timeout, metadata=headers)

    def stream(self, operation: str, headers: Headers = (), timeout: float = PATIENCE, **fields: Any) -> Iterator[Any]:
        """Call an operation and yield its answers."""
        parse = self.messages.message(self.schema.methods[operation].response).FromString
        return map(parse, self.open(operation, headers, timeout, **fields))

    def request(self, operation: str, **fields: Any) -> bytes:
        """Return the bytes of a request."""
        message = self.messages.message(self.schema.methods[operation].request)
        return message(**fields).SerializeToString()  # type: ignore[no-any-return]  # they are bytes


@contextmanager
def serving(app: App, **options: Any) -> Iterator[Raw]:
    """Serve an app on a free port, and call it."""
    with (
        server(app, address="127.0.0.1:0", **options) as running,
        grpc.insecure_channel(f"127.0.0.1:{running.port}") as channel,
    ):
        yield Raw(running, channel)


@pytest.fixture(scope="module")
def roost() -> Iterator[Raw]:
    """Call a server of the menagerie."""
    with serving(build()) as raw:
        yield raw


@contextmanager
def refused(code: grpc.StatusCode) -> Iterator[dict[str, Any]]:
    """Expect a status; give its details by name once it has come."""
    told: dict[str, Any] = {}
    with pytest.raises(grpc.RpcError) as caught:
        yield told
    error = caught.value
    assert error.code() == code, error
    trailing: Any = error.trailing_metadata() or ()
    told |= {"text": error.details(), "metadata": dict(trailing)}
    for packed in Status.FromString(told["metadata"].get(DETAILS, b"")).details:
        name = packed.TypeName().rpartition(".")[2]
        told[name] = getattr(details, name)()
        packed.Unpack(told[name])


# --- answers ---


def test_a_record_is_a_message(roost: Raw) -> None:
    """A record comes as a message with its fields; what is null is absent."""
    answer, _ = roost.call("bat", id=3)
    bat = answer.result
    assert (bat.id, bat.name, bat.diet, list(bat.wings)) == (3, "Bat 3", "insects", [])
    assert not bat.HasField("born")
    assert not bat.HasField("weight")


def test_what_is_left_out_has_its_default(roost: Raw) -> None:
    """An absent field is the parameter's default, and one that is zero or empty is not absent."""
    assert len(roost.call("bats")[0].result.items) == 5
    assert [bat.id for bat in roost.call("bats", limit=2)[0].result.items] == [1, 2]
    assert roost.call("adopt", name="Flap", wings=[{"span": 0.5}])[0].result.wings[0].span == 0.5
    with refused(grpc.StatusCode.INVALID_ARGUMENT) as told:
        roost.call("bats", limit=0)
    assert told["text"] == "$.limit: Expected `int` >= 1"


def test_nothing_is_an_empty_message(roost: Raw) -> None:
    """An operation without a result answers with a message without fields."""
    answer, _ = roost.call("release", KEEPER, id=1)
    assert answer.ByteSize() == 0


def test_an_asynchronous_operation_answers(roost: Raw) -> None:
    """`async def` is served as any other."""
    assert roost.call("echo", text="squeak")[0].result == "squeak"


def test_a_file_is_a_message(roost: Raw) -> None:
    """An upload has its name, its media type and its bytes; without one it is missing."""
    photo = {"name": "a.png", "media_type": "image/png", "content": b"12345"}
    assert roost.call("portrait", photo=photo)[0].result == "untitled: 5 bytes of image/png from a.png"
    with refused(grpc.StatusCode.INVALID_ARGUMENT) as told:
        roost.call("portrait", title="nobody")
    assert told["text"] == "$.photo: Missing: a file"


def test_several_files_are_a_list() -> None:
    """A list of uploads may have none; an optional one may be absent."""
    app = App("files")

    @app.command
    def keep(files: list[Upload], cover: Upload | None = None) -> list[str]:
        """Keep files."""
        return [*(file.name for file in files), cover.name if cover else "none"]

    with serving(app) as raw:
        assert list(raw.call("keep")[0].result) == ["none"]
        answer, _ = raw.call("keep", files=[{"name": "a"}, {"name": "b"}], cover={"name": "c"})
        assert list(answer.result) == ["a", "b", "c"]


def test_a_download_is_a_stream_of_chunks(tmp_path: Path) -> None:
    """The first chunk says what the file is; bytes, paths and iterators arrive whole, and an empty one has a head."""
    app = App("files")
    path = tmp_path / "large"
    path.write_bytes(bytes(range(256)) * 1000)
    contents: dict[str, Any] = {"bytes": b"12345", "path": path, "parts": [b"12", b"", b"345"], "empty": b""}

    @app.query
    def fetch(kind: str) -> Download:
        """Get a file."""
        return Download(contents[kind], "text/plain", "ü.txt", inline=True)

    with serving(app) as raw:
        for kind, whole in (("bytes", b"12345"), ("path", path.read_bytes()), ("parts", b"12345"), ("empty", b"")):
            first, *rest = raw.stream("fetch", kind=kind)
            assert (first.media_type, first.name, first.inline) == ("text/plain", "ü.txt", True)
            assert first.content + b"".join(chunk.content for chunk in rest) == whole
            assert all(len(chunk.content) <= 65_536 and not chunk.HasField("media_type") for chunk in rest)


# --- errors ---


def test_a_declared_error_has_its_details(roost: Raw) -> None:
    """Kind, code, message, domain, public fields and the request's id, all in the standard's own messages."""
    with refused(grpc.StatusCode.NOT_FOUND) as told:
        roost.call("bat", (("x-request-id", "abc-1"),), id=77)
    info = told["ErrorInfo"]
    assert told["text"] == "There is no bat 77."
    assert (info.reason, info.domain, dict(info.metadata)) == ("no_such_bat", "batfriend", {"id": '"77"'})
    assert told["RequestInfo"].request_id == told["metadata"]["x-request-id"] == "abc-1"


def test_everything_wrong_is_told_at_once(roost: Raw) -> None:
    """Each problem is a field violation with its path."""
    with refused(grpc.StatusCode.INVALID_ARGUMENT) as told:
        roost.call("adopt", name="", diet="stones", wings=[{"span": 5}, {}])
    paths = [violation.field for violation in told["BadRequest"].field_violations]
    assert paths == ["name", "diet", "wings[0].span", "wings[1].span"]
    assert told["BadRequest"].field_violations[3].description == "Missing"


def test_a_bug_leaks_nothing(roost: Raw, caplog: pytest.LogCaptureFixture) -> None:
    """Of an undeclared exception only the number of an incident leaves; the rest is in the log under it."""
    with refused(grpc.StatusCode.INTERNAL) as told:
        roost.call("broken")
    incident = told["RequestInfo"].serving_data
    assert told["text"] == f"Something went wrong here. The incident number is {incident}."
    assert b"passwd" not in told["metadata"][DETAILS]
    assert incident in caplog.text
    assert "passwd" in caplog.text


def test_a_result_that_cannot_be_written_is_a_bug() -> None:
    """A result that is not what it was said to be, or a moment without a zone, is an incident."""
    app = App("wrong")

    @app.query
    def count() -> int:
        """Break the promise."""
        return 2**70

    with serving(app) as raw, refused(grpc.StatusCode.INTERNAL) as told:
        raw.call("count")
    assert told["RequestInfo"].serving_data


def test_an_operation_cannot_end_the_server() -> None:
    """An operation that calls `sys.exit` is a bug like any other: its caller is told, and the next one is served."""
    app = App("exit")

    @app.query
    def leave() -> None:
        """Try to end the process."""
        sys.exit(3)

    @app.query
    def leave_slowly() -> Iterator[int]:
        """Try it in the midst of a stream."""
        yield 1
        sys.exit(3)

    with serving(app, threads=1) as raw:
        for _ in range(3):
            with refused(grpc.StatusCode.INTERNAL):
                raw.call("leave")
            with refused(grpc.StatusCode.INTERNAL):
                list(raw.stream("leave_slowly"))


@pytest.mark.parametrize(
    ("operation", "headers", "code"),
    [
        ("whoami", (), grpc.StatusCode.UNAUTHENTICATED),
        ("whoami", (("authorization", "Bearer stranger"),), grpc.StatusCode.UNAUTHENTICATED),
        ("release", (), grpc.StatusCode.UNAUTHENTICATED),
        ("release", GUEST, grpc.StatusCode.PERMISSION_DENIED),
    ],
)
def test_who_may_not_is_refused(operation: str, headers: Headers, code: grpc.StatusCode, roost: Raw) -> None:
    """Nobody, a stranger and the wrong role are refused, before anything is read of what they sent."""
    with refused(code):
        roost.call(operation, headers)


def test_who_may_is_let_in(roost: Raw) -> None:
    """Metadata identifies the caller."""
    assert roost.call("whoami", GUEST)[0].result == "guest"
    assert roost.call("whoami", KEEPER)[0].result == "keeper"


def test_errors_fit_into_headers() -> None:
    """A long message and large fields stay below what clients accept as metadata."""
    app = App("long")

    @app.query
    def fail(text: str) -> str:
        """Fail at length."""
        raise Failure(text, kind="aborted", fields={"small": 1, "large": text})

    with serving(app) as raw:
        for text in ("x" * 50_000, "🦇" * 20_000, "\n" * 5000):
            with refused(grpc.StatusCode.ABORTED) as told:
                raw.call("fail", text=text)
            assert told["ErrorInfo"].metadata["small"] == "1"
            assert sum(len(name) + len(value) for name, value in told["metadata"].items()) < 8000


def test_many_problems_are_cut_not_lost() -> None:
    """Of a hundred problems as many are told as there is room for."""
    app = build()
    with serving(app) as raw, refused(grpc.StatusCode.INVALID_ARGUMENT) as told:
        raw.call("adopt", name="Flap", wings=[{"span": 5}] * 100)
    assert 10 < len(told["BadRequest"].field_violations) < 100
    assert "(and 99 more)" in told["text"]


def test_a_long_request_is_refused() -> None:
    """An operation says how long a request may be; a file may be as long, whatever stands beside it."""
    app = App("limits")

    @app.command(max_body=1000)
    def take(text: str) -> int:
        """Take text."""
        return len(text)

    @app.command(max_body=5_000_000)
    def keep(file: Upload) -> int:
        """Keep a file."""
        return len(file.file.read())

    with serving(app) as raw:
        assert raw.call("take", text="x" * 900)[0].result == 900
        for length in (1001, 3_000_000):
            with refused(grpc.StatusCode.OUT_OF_RANGE) as told:
                raw.call("take", text="x" * length)
            assert told["ErrorInfo"].reason == "body_too_large"
        assert raw.call("keep", file={"name": "a", "content": b"x" * 5_000_000})[0].result == 5_000_000
        with refused(grpc.StatusCode.OUT_OF_RANGE):
            raw.call("keep", file={"name": "a", "content": b"x" * 5_080_000})


def test_an_unknown_method_is_told_what_was_meant(roost: Raw) -> None:
    """A method or service that is not there says which one could have been meant."""
    for path, hint in (("batfriend.v1.Batfriend/Bta", "Batfriend/Bat?"), ("batfriend.v2.Batfriend/Bat", "Batfriend?")):
        call: Any = roost.channel.unary_unary(f"/{path}")
        with pytest.raises(grpc.RpcError) as caught:
            call(b"", timeout=PATIENCE)
        assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
        assert str(caught.value.details()).endswith(hint)


# --- the call ---


def observed() -> tuple[App, list[Call]]:
    """Return an app that keeps the calls it gets."""
    app, calls = App("observed"), list[Call]()

    @app.query
    def look(call: Call) -> str:
        """Look at the call."""
        calls.append(call)
        call.reply.update({"X-Bats": "ü 5", "no good": "x", "grpc-status": "0"})
        return call.protocol

    return app, calls


def test_what_comes_along_is_the_calls_metadata() -> None:
    """Metadata by lower-case name, what came twice joined, without what is binary; the request's id is the caller's."""
    app, calls = observed()
    headers: Headers = (("x-tint", "blue"), ("x-tint", "dark"), ("secret-bin", b"\x00"), ("x-request-id", "mine"))
    with serving(app) as raw:
        answer, trailing = raw.call("look", headers)
    assert answer.result == "grpc"
    assert calls[0].metadata["x-tint"] == "blue, dark"
    assert "secret-bin" not in calls[0].metadata
    assert (calls[0].request_id, trailing["x-request-id"]) == ("mine", "mine")
    assert trailing["x-bats"] == "? 5"
    assert trailing.keys() == {"x-request-id", "x-bats"}


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "a/b", 'a"b'])
def test_a_bad_request_id_is_replaced(given: str) -> None:
    """What is not fit for logs gets another id."""
    app, calls = observed()
    with serving(app) as raw:
        _, trailing = raw.call("look", (("x-request-id", given),))
    assert len(calls[0].request_id) == 16
    assert trailing["x-request-id"] == calls[0].request_id


def test_the_callers_deadline_is_the_calls() -> None:
    """The time that the caller has left is known; without one, and with a longer one, the operation's own counts."""
    app, calls = observed()
    with serving(app) as raw:
        raw.call("look", timeout=3)
        call: Any = raw.channel.unary_unary(raw.schema.methods["look"].name.path)
        call(b"")
        raw.call("look", timeout=1000)
    assert calls[0].seconds is not None
    assert 1 < calls[0].seconds < 3.1  # gRPC rounds up
    assert calls[1].seconds is None
    assert calls[2].expires - calls[2].began == 10


def test_a_call_ends_with_its_deadline() -> None:
    """A late result is none, though the caller would wait longer."""
    app = App("slow")

    @app.query(deadline=0.1)
    def dream() -> str:
        """Take too long."""
        time.sleep(0.2)
        return "awake"

    with serving(app) as raw, refused(grpc.StatusCode.DEADLINE_EXCEEDED) as told:
        raw.call("dream")
    assert told["ErrorInfo"].reason == "deadline_exceeded"


# --- streams ---


def test_a_stream_gives_its_items(roost: Raw) -> None:
    """Items come one by one; a failure ends them with its status."""
    assert [answer.result.id for answer in roost.stream("watch", count=3)] == [0, 1, 2]
    assert list(roost.stream("watch", count=0)) == []
    with refused(grpc.StatusCode.NOT_FOUND) as told:
        for answer in roost.stream("watch", count=7):
            assert answer.result.id < 5
    assert told["ErrorInfo"].reason == "no_such_bat"
    with refused(grpc.StatusCode.INVALID_ARGUMENT):
        list(roost.stream("watch", count=11))


class Endless:
    """Counts until it is closed, and tells of its end."""

    def __init__(self) -> None:
        self.app = App("endless")
        self.closed = threading.Event()
        self.waiting = threading.Event()
        self.stopped = threading.Event()
        self.app.query(self.count, deadline=60)
        self.app.query(self.wait, deadline=60)

    def count(self) -> Iterator[int]:
        """Count."""
        try:
            number = 0
            while True:
                yield number
                number += 1
        finally:
            self.closed.set()

    def wait(self, call: Call) -> Iterator[int]:
        """Give one item, then wait for something that never comes."""
        yield 1
        self.waiting.set()
        while call.remaining() > 0:
            time.sleep(0.01)
        self.stopped.set()
        yield 2


def test_a_caller_who_goes_ends_the_operation() -> None:
    """When a stream is cancelled its clean-up runs at once, also when nobody reads and the line is full."""
    endless = Endless()
    with serving(endless.app) as raw:
        answers = raw.open("count")
        next(answers)
        answers.cancel()
        assert endless.closed.wait(PATIENCE)


def test_a_caller_who_goes_takes_the_time_along() -> None:
    """An operation that looks at the clock in the midst of an item learns that nobody waits any more."""
    endless = Endless()
    with serving(endless.app) as raw:
        answers = raw.open("wait")
        next(answers)
        assert endless.waiting.wait(PATIENCE)
        answers.cancel()
        assert endless.stopped.wait(PATIENCE)


def test_a_stream_ends_with_the_callers_deadline() -> None:
    """The caller's deadline ends a stream and the operation behind it."""
    endless = Endless()
    with serving(endless.app) as raw:
        answers = raw.open("count", timeout=0.3)
        with pytest.raises(grpc.RpcError) as caught:
            for _ in answers:
                pass
        assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert endless.closed.wait(PATIENCE)


# --- health and reflection ---


class Well:
    """A resource that works, or does not."""

    name = "well"

    def __init__(self) -> None:
        self.works = True

    def check(self) -> None:
        """Fail if it does not work."""
        if not self.works:
            raise ConnectionError("dry")

    def close(self) -> None:
        """Do nothing."""


def test_health_asks_the_resources() -> None:
    """The server and each service serve as long as every resource works; an unknown service is not found."""
    app, well = App("healthy"), Well()
    app.query(_nothing, name="nothing")
    app.add(well)
    with serving(app) as raw:
        stub: Any = HealthStub(raw.channel)
        for works, status in ((True, "SERVING"), (False, "NOT_SERVING"), (True, "SERVING")):
            well.works = works
            for service in ("", "healthy.v1.Healthy"):
                answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=PATIENCE)
                assert health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status) == status
        with pytest.raises(grpc.RpcError) as caught:
            stub.Check(health_pb2.HealthCheckRequest(service="other"), timeout=PATIENCE)
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def _nothing() -> None:
    """Do nothing."""


def test_health_can_be_watched() -> None:
    """Who watches is told when the server ends."""
    app = App("watched")
    app.query(_nothing, name="nothing")
    with server(app, address="127.0.0.1:0") as running, grpc.insecure_channel(f"127.0.0.1:{running.port}") as channel:
        stub: Any = HealthStub(channel)
        answers = stub.Watch(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
        assert next(answers).status == health_pb2.HealthCheckResponse.SERVING
        threading.Thread(target=running.stop, args=(1,)).start()
        assert next(answers).status == health_pb2.HealthCheckResponse.NOT_SERVING


def test_reflection_can_be_left_out() -> None:
    """Without reflection nobody learns what is served; calls are answered all the same."""
    with serving(build(), reflection=False) as raw:
        assert raw.call("bat", id=1)[0].result.id == 1
        call: Any = raw.channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
        with pytest.raises(grpc.RpcError) as caught:
            list(call(iter([b""]), timeout=PATIENCE))
        assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


# --- several apps, numbers ---


def test_two_apps_do_not_know_each_other() -> None:
    """Servers of two apps with the same names run in one process, each with its own messages."""
    first, second = App("twin"), App("twin")

    @first.query(name="get")
    def get_text(key: str) -> str:
        """Get text."""
        return key

    @second.query(name="get")
    def get_number(key: int) -> int:
        """Get a number."""
        return key

    with serving(first) as one, serving(second) as other:
        assert one.call("get", key="x")[0].result == "x"
        assert other.call("get", key=5)[0].result == 5


def test_an_included_app_is_a_service_of_its_own() -> None:
    """The operations of an included app stand in a service of its name, in the same package."""
    outer, inner = App("zoo"), App("bats")
    inner.query(_nothing, name="sleep")
    outer.query(_nothing, name="sleep")
    outer.include(inner)
    with serving(outer) as raw:
        assert raw.schema.services == ["zoo.v1.Zoo", "zoo.v1.Bats"]
        assert raw.schema.methods["bats.sleep"].name.path == "/zoo.v1.Bats/Sleep"
        raw.call("sleep")
        raw.call("bats.sleep")


def test_the_lock_gives_the_numbers() -> None:
    """A client that was made before a field was put in front of the others is understood."""
    old, new = App("moved"), App("moved")

    @old.query(name="get")
    def get_old(key: str) -> str:
        """Get text."""
        return key

    @new.query(name="get")
    def get_new(limit: int = 3, key: str = "none") -> str:
        """Get text."""
        return f"{key} {limit}"

    lock = merge(describe(old), describe(new))
    with serving(old) as before:
        request = before.request("get", key="x")
    with serving(new, lock=lock) as after:
        call: Any = after.channel.unary_unary(after.schema.methods["get"].name.path)
        response = after.messages.message(after.schema.methods["get"].response)
        assert response.FromString(call(request, timeout=PATIENCE)).result == "x 3"


# --- addresses, TLS, the end ---


@pytest.mark.parametrize("address", ["127.0.0.1", ":50051", "127.0.0.1:99999", "127.0.0.1:http", "grpc://127.0.0.1"])
def test_an_address_that_is_none_is_told(address: str) -> None:
    """What gRPC would take for another address is refused before anything is served."""
    with pytest.raises(ConfigError, match=r"expected an address such as 127\.0\.0\.1:50051"):
        server(build(), address=address)


def test_a_port_in_use_is_told() -> None:
    """An address that cannot be had says so; with `reuse_port` two servers share one."""
    app = App("ports")
    app.query(_nothing, name="nothing")
    with server(app, address="127.0.0.1:0") as first, pytest.raises(ConfigError) as caught:
        server(app, address=f"127.0.0.1:{first.port}").start()
    assert str(caught.value).startswith(f"gRPC cannot listen at 127.0.0.1:{first.port}: another program has the port")
    with (
        server(app, address="127.0.0.1:0", reuse_port=True) as first,
        server(app, address=f"127.0.0.1:{first.port}", reuse_port=True) as second,
    ):
        assert first.port == second.port


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an authority, and a certificate by it for a server and one for a client."""
    folder = tmp_path_factory.mktemp("certificates")
    key = ["-newkey", "rsa:2048", "-nodes", "-keyout"]
    _openssl(folder, "req", "-x509", *key, "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=ca")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1")
    for name in ("server", "client"):
        _openssl(folder, "req", *key, f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        sign = ["x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"]
        _openssl(folder, *sign, "-out", f"{name}.pem", "-days", "2", "-extfile", "names")
    return folder


def _credentials(folder: Path, client: str | None = None) -> grpc.ChannelCredentials:
    key, chain = ((folder / f"{client}.{end}").read_bytes() for end in ("key", "pem")) if client else (None, None)
    return grpc.ssl_channel_credentials((folder / "ca.pem").read_bytes(), key, chain)


def test_tls_proves_the_server(certificates: Path) -> None:
    """With a certificate calls are encrypted; who does not speak TLS, or trusts somebody else, gets nowhere."""
    tls = Tls(certificates / "server.pem", certificates / "server.key")
    with server(build(), address="127.0.0.1:0", tls=tls) as running:
        address = f"localhost:{running.port}"
        with grpc.secure_channel(address, _credentials(certificates)) as channel:
            assert Raw(running, channel).call("bat", id=1)[0].result.id == 1
        for channel in (grpc.insecure_channel(address), grpc.secure_channel(address, grpc.ssl_channel_credentials())):
            with channel, pytest.raises(grpc.RpcError) as caught:
                Raw(running, channel).call("bat", id=1)
            assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


def test_mutual_tls_proves_the_client(certificates: Path) -> None:
    """With `client_ca` only clients with a certificate of that authority are let in."""
    tls = Tls(certificates / "server.pem", certificates / "server.key", certificates / "ca.pem")
    with server(build(), address="127.0.0.1:0", tls=tls) as running:
        address = f"localhost:{running.port}"
        with grpc.secure_channel(address, _credentials(certificates, "client")) as channel:
            assert Raw(running, channel).call("bat", id=1)[0].result.id == 1
        with (
            grpc.secure_channel(address, _credentials(certificates)) as channel,
            pytest.raises(grpc.RpcError) as caught,
        ):
            Raw(running, channel).call("bat", id=1)
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


def test_a_missing_certificate_is_told(tmp_path: Path) -> None:
    """A file that is not there is named when the server starts."""
    app = App("secure")
    app.query(_nothing, name="nothing")
    with pytest.raises(ConfigError, match=r"TLS: the file for `key`, .*none.key, cannot be read: No such file"):
        server(app, address="127.0.0.1:0", tls=Tls(tmp_path / "none.pem", tmp_path / "none.key")).start()


class Gate:
    """An operation that waits until it is let through."""

    def __init__(self) -> None:
        self.app = App("gate")
        self.entered, self.open = threading.Event(), threading.Event()
        self.app.query(self.enter)

    def enter(self) -> str:
        """Wait at the gate."""
        self.entered.set()
        self.open.wait(PATIENCE)
        return "through"


def test_a_server_ends_in_order() -> None:
    """At the end calls in flight finish within the grace period, new ones are refused, and `wait` returns."""
    gate = Gate()
    running = server(gate.app, address="127.0.0.1:0")
    running.start()
    assert running.wait(0.01) is False
    with grpc.insecure_channel(f"127.0.0.1:{running.port}") as channel:
        raw = Raw(running, channel)
        call: Any = channel.unary_unary(raw.schema.methods["enter"].name.path)
        answer = call.future(b"", timeout=PATIENCE)
        assert gate.entered.wait(PATIENCE)
        ending = threading.Thread(target=running.stop, args=(PATIENCE,))
        ending.start()
        _until_refused(call)
        gate.open.set()
        assert answer.result(PATIENCE).endswith(b"through")
        ending.join(PATIENCE)
        assert not ending.is_alive()
    assert running.wait(PATIENCE) is True
    running.stop()


def _until_refused(call: Any) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            call(b"", timeout=0.1)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.UNAVAILABLE:
                return
    raise AssertionError("new calls are still taken")


def test_calls_that_outlive_the_grace_are_ended() -> None:
    """A call that needs longer than the grace period is cut off; the server does not wait for it."""
    gate = Gate()
    running = server(gate.app, address="127.0.0.1:0")
    running.start()
    with grpc.insecure_channel(f"127.0.0.1:{running.port}") as channel:
        call: Any = channel.unary_unary(Raw(running, channel).schema.methods["enter"].name.path)
        answer = call.future(b"", timeout=PATIENCE)
        assert gate.entered.wait(PATIENCE)
        threading.Timer(0.3, gate.open.set).start()
        running.stop(grace=0.05)
        with pytest.raises(grpc.RpcError):
            answer.result(PATIENCE)


def test_a_call_that_takes_no_notice_does_not_keep_the_server() -> None:
    """An operation that never ends cannot stop the server from ending."""
    gate = Gate()
    running = server(gate.app, address="127.0.0.1:0")
    running.start()
    with pytest.raises(ConfigError, match="listens at port"):
        running.start()
    with grpc.insecure_channel(f"127.0.0.1:{running.port}") as channel:
        call: Any = channel.unary_unary(Raw(running, channel).schema.methods["enter"].name.path)
        answer = call.future(b"", timeout=PATIENCE)
        assert gate.entered.wait(PATIENCE)
        began = time.monotonic()
        running.stop(grace=0.1)
        assert time.monotonic() - began < 5
        with pytest.raises(grpc.RpcError):
            answer.result(PATIENCE)
    gate.open.set()
    with running, grpc.insecure_channel(f"127.0.0.1:{running.port}") as channel:  # and it can be started again
        assert Raw(running, channel).call("enter")[0].result == "through"


def test_many_callers_are_served_at_a_time(roost: Raw) -> None:
    """Calls from many threads do not mix."""
    failures: list[object] = []

    def call(number: int) -> None:
        for _ in range(50):
            answer, _ = roost.call("echo", text=f"bat {number}")
            if answer.result != f"bat {number}":
                failures.append(answer)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not failures
