"""Measure calls to the server next to `@copilotkit/aimock` (npm) and a bare ASGI application, and its limits.

    python docs/development/benchmark_server.py [folder that holds node_modules/@copilotkit/aimock]

Needs `uvicorn`. Servers run in processes of their own, one after the other in each round; a figure is the best of the
rounds. The bare application sends the bytes that the server answers with, so its rate is the most that any application
reaches in this process: the floor. Exits with status 1 when a bound is missed. On a machine with other load, rates and
percentiles say little; the processor time of a call, and its share that the bare application needs too, say more.
"""

import asyncio
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

CONNECTIONS, CALLS, ROUNDS, STARTS = 16, 1500, 3, 7
MODULE = pathlib.Path(__file__).parents[2]
CHAT = {"model": "gpt-5.5", "messages": [{"role": "user", "content": "Hi"}]}
STREAMED_CHAT = CHAT | {"stream": True}
MAX_STREAM_P99 = 0.02  # seconds
BARE = """
import sys

bodies = [open(path, "rb").read() for path in sys.argv[1:]]
TYPES = [b"application/json", b"text/event-stream; charset=utf-8"]

async def app(scope, receive, send):
    message = await receive()
    streams = b'"stream": true' in message["body"]
    body = bodies[streams]
    headers = [(b"content-type", TYPES[streams])]
    if not streams:
        headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
"""
EMPTY = """
async def app(scope, receive, send):
    raise RuntimeError
"""
SERVE = """
import socket, uvicorn

listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
startup = server.startup

async def started(sockets):
    await startup(sockets)
    print(f"http://127.0.0.1:{listening.getsockname()[1]}/v1", flush=True)

server.startup = started
server.run([listening])
"""
missed = []


@contextlib.contextmanager
def running(*command, url=None):
    """A server, its URL, and how long it took to be ready."""
    begun = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(MODULE)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
    line = next((line for line in process.stdout if url is None or "listening" in line), "")
    ready = time.perf_counter() - begun
    try:
        yield Running(process, url or line.strip(), ready)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


class Running:
    """A running server."""

    def __init__(self, process, url, ready):
        self.process, self.url, self.ready = process, url, ready
        self.host, port = re.fullmatch(r"http://([\d.]+):(\d+)/v1", url).groups()
        self.port = int(port)

    @property
    def memory(self):
        """Megabytes it has."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024

    @property
    def cpu_seconds(self):
        """Seconds of the processor that it has used."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def mock(*options):
    return running(sys.executable, "-m", "openai_responses", *options)


def message(body, method="POST", path="/v1/chat/completions"):
    content = json.dumps(body).encode()
    headers = f"host: localhost\r\nauthorization: Bearer sk-a\r\ncontent-length: {len(content)}\r\n"
    head = f"{method} {path} HTTP/1.1\r\n{headers}content-type: application/json\r\n\r\n"
    return head.encode() + content


async def read_answer(reader):
    """Status and body of an answer with a length, or in chunks."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if length := re.search(rb"content-length: (\d+)", head):
        return int(head[9:12]), await reader.readexactly(int(length[1]))
    body = b""
    while size := int(await reader.readline(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return int(head[9:12]), body


async def ask(server, sent):
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(sent)
    answer = await asyncio.wait_for(read_answer(reader), 60)
    writer.close()
    return answer


async def load(server, calls, body=CHAT):
    """Return the calls for a second, over connections that stay open, and the 99th percentile of their seconds."""
    sent, statuses, durations = message(body), [], []

    async def connection():
        reader, writer = await asyncio.open_connection(server.host, server.port)
        for _ in range(calls // CONNECTIONS):
            started = time.perf_counter()
            writer.write(sent)
            statuses.append((await read_answer(reader))[0])
            durations.append(time.perf_counter() - started)
        writer.close()

    begun = time.perf_counter()
    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
    rate = len(statuses) / (time.perf_counter() - begun)
    assert set(statuses) == {200}, set(statuses)
    return rate, sorted(durations)[len(durations) * 99 // 100]


def report(name, figure, bound="", holds=True):
    print(f"{name:48} {figure:>14}  {bound}{'' if holds else '  MISSED'}", flush=True)
    if not holds:
        missed.append(name)


def rates(folder):
    kinds = {"plain answers": CHAT, "streams": STREAMED_CHAT}
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        (place / "bare.py").write_text(BARE + SERVE)
        answers = [str(place / "answer.json"), str(place / "stream.txt")]
        with mock() as server:
            for path, body in zip(answers, kinds.values(), strict=True):
                pathlib.Path(path).write_bytes(asyncio.run(ask(server, message(body)))[1])
        servers = {
            "openai_responses": mock,
            "a bare application": lambda: running(sys.executable, str(place / "bare.py"), *answers),
        }
        if folder:
            fixture = {"match": {"userMessage": "Hi"}, "response": {"content": "This is a mock response."}}
            (place / "fixtures.json").write_text(json.dumps({"fixtures": [fixture]}))
            tool = str(pathlib.Path(folder, "node_modules/@copilotkit/aimock/dist/cli.js"))
            options = ("-p", "4010", "-f", str(place / "fixtures.json"))
            servers["aimock"] = lambda: running("node", tool, *options, url="http://127.0.0.1:4010/v1")
        best = {(name, kind): (0.0, float("inf"), float("inf")) for name in servers for kind in kinds}
        for _ in range(ROUNDS):
            for name, start in servers.items():
                with start() as server:
                    for kind, body in kinds.items():
                        asyncio.run(load(server, 200, body))
                        used = server.cpu_seconds
                        rate, p99 = asyncio.run(load(server, CALLS, body))
                        cpu = (server.cpu_seconds - used) / CALLS
                        best_rate, best_p99, best_cpu = best[name, kind]
                        best[name, kind] = (max(best_rate, rate), min(best_p99, p99), min(best_cpu, cpu))
    for (name, kind), (rate, p99, cpu) in best.items():
        report(f"{kind} a second, {CONNECTIONS} connections: {name}", f"{rate:.0f}")
        report("... processor time of a call, microseconds", f"{1e6 * cpu:.0f}")
        is_bounded = name == "openai_responses" and kind == "streams"
        bound = f"<= {1000 * MAX_STREAM_P99:.0f}" if is_bounded else ""
        report("... 99 of 100 take at most, ms", f"{1000 * p99:.1f}", bound, not is_bounded or p99 <= MAX_STREAM_P99)
    for kind in kinds:
        own, _p99, own_cpu = best["openai_responses", kind]
        bare, _p99, bare_cpu = best["a bare application", kind]
        report(f"{kind}: share of the bare application's rate", f"{own / bare:.2f}")
        report(f"{kind}: its processor time in ours", f"{bare_cpu / own_cpu:.2f}")
        if folder:
            report(f"{kind}: ratio to aimock's rate", f"{own / best['aimock', kind][0]:.2f}")


def seconds_to_import():
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import openai"], check=True)
    return time.perf_counter() - begun


def start():
    """Return the times that a start is compared with, measured in turn on the same machine."""
    with tempfile.TemporaryDirectory() as place:
        empty = pathlib.Path(place, "empty.py")
        empty.write_text(EMPTY + SERVE)
        rounds = []
        for _ in range(STARTS):
            with running(sys.executable, str(empty)) as bare, mock() as own:
                rounds.append((seconds_to_import(), bare.ready, own.ready))
    imports, bare, own = map(min, zip(*rounds, strict=True))
    bound = 1.3 * imports + bare
    told = f"<= {bound:.2f}: 1.3 x {imports:.2f} for openai + {bare:.2f} for uvicorn"
    report("start to ready, seconds", f"{own:.2f}", told, own <= bound)


async def many_streams(server, number=1000):
    """Streams at once; how many came whole."""
    said = {"$streamed": {"value": "one two three four five six seven eight nine ten", "delay": 0.2}}
    await ask(server, message(said, "PUT", "/_mock/responses/chat.completions.create"))
    begun = time.perf_counter()
    answers = await asyncio.gather(*(ask(server, message(CHAT | {"stream": True})) for _ in range(number)))
    whole = sum(body.count(b"chat.completion.chunk") == 12 and b"[DONE]" in body for _, body in answers)
    report("concurrent streams that came whole", whole, f"= {number}", whole == number)
    report("... seconds for all, where one takes 2.6", f"{time.perf_counter() - begun:.1f}")


async def never_reading(server):
    """A client that asks for a long stream and reads the first byte of it."""
    said = {"$streamed": {"value": "word " * 200_000, "chunk": 5}}
    await ask(server, message(said, "PUT", "/_mock/responses/responses.create"))
    body = {"model": "m", "input": "Hi", "stream": True}
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(message(body, path="/v1/responses"))
    await reader.readexactly(1)
    for _ in range(20):  # seconds, at most, until what lies between the two is full
        held = server.memory
        await asyncio.sleep(1)
        if server.memory - held < 1:
            break
    before, begun = server.memory, time.perf_counter()
    status, _ = await ask(server, message(CHAT | {"stream": False}))
    report(
        "beside a client that never reads: a call, ms",
        f"{1000 * (time.perf_counter() - begun):.0f}",
        "200",
        status == 200,
    )
    await asyncio.sleep(2)
    report("... megabytes more after two seconds", f"{server.memory - before:.1f}", "< 5", server.memory - before < 5)
    writer.close()


async def many_calls(server, number=10_000):
    await load(server, 2000)
    before = server.memory
    rate, _p99 = await load(server, number)
    _status, request_log = await ask(server, message({}, "GET", "/_mock/requests"))
    report(f"{number} calls, a second", f"{rate:.0f}")
    report("... megabytes more", f"{server.memory - before:.1f}", "< 20", server.memory - before < 20)
    logged = len(json.loads(request_log))
    report("... requests in the request log", logged, "950 to 1000", 950 <= logged <= 1000)


async def large_chats(server, number=300):
    """Chats of a megabyte, of which the request log holds 64 at most."""
    before = server.memory
    large = message(CHAT | {"messages": [{"role": "user", "content": "x" * 2**20}]})
    statuses = {(await ask(server, large))[0] for _ in range(number)}
    grown = server.memory - before
    report(f"{number} chats of 1 MB: megabytes more", f"{grown:.0f}", "< 200", grown < 200 and statuses == {200})


async def many_responses(server, number=20_000):
    """Stored responses, of which the server drops the oldest."""
    sent = message({"model": "gpt-5.5", "input": "Hi"}, path="/v1/responses")
    before = server.memory

    async def connection():
        reader, writer = await asyncio.open_connection(server.host, server.port)
        for _ in range(number // CONNECTIONS):
            writer.write(sent)
            assert (await read_answer(reader))[0] == 200
        writer.close()

    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
    grown = server.memory - before
    report(f"{number} stored responses: megabytes more", f"{grown:.0f}", "< 150", grown < 150)


def ends():
    """kill -9, the same port again, a port that is taken, two servers, SIGTERM while a stream is on its way."""
    with mock() as first, mock() as second:
        taken = subprocess.run(
            [sys.executable, "-m", "openai_responses", "--port", str(first.port)],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(MODULE)},
        )
        said = f"cannot listen on 127.0.0.1:{first.port}" in taken.stderr and "Traceback" not in taken.stderr
        report("a port that is taken is told", said, "True", said and taken.returncode == 1)
        both = [asyncio.run(ask(server, message(CHAT)))[0] for server in (first, second)]
        report("two servers", str(both), "[200, 200]", both == [200, 200])
        port = first.port
        asyncio.run(left_open(first, signal.SIGKILL, "after kill -9"))
    with mock("--port", str(port)) as again:
        status, _ = asyncio.run(ask(again, message(CHAT)))
        report("the same port again", status, "200", status == 200)
        asyncio.run(left_open(again, signal.SIGTERM, "after SIGTERM"))


async def left_open(server, ending, name):
    """A server that ends while a stream is on its way."""
    said = {"$streamed": {"value": "a b c d e f", "delay": 10}}
    await ask(server, message(said, "PUT", "/_mock/responses/chat.completions.create"))
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(message(CHAT | {"stream": True}))
    await reader.readuntil(b"\r\n\r\n")
    begun = time.perf_counter()
    server.process.send_signal(ending)
    server.process.wait()
    with contextlib.suppress(ConnectionError):
        await asyncio.wait_for(reader.read(), 5)
    writer.close()
    seconds = time.perf_counter() - begun
    report(f"... {name} the stream is broken after, ms", f"{1000 * seconds:.0f}", "< 500", seconds < 0.5)


def main():
    start()
    rates(sys.argv[1] if len(sys.argv) > 1 else None)
    with mock() as server:
        asyncio.run(many_calls(server))
        asyncio.run(large_chats(server))
        asyncio.run(many_responses(server))
        asyncio.run(many_streams(server))
        asyncio.run(never_reading(server))
    ends()
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
