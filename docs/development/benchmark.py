"""Measure what a developer waits for: a mocked call and a fresh process, as ratios to the same over a static transport.

    python docs/development/benchmark.py

Each figure is the best of several rounds; a round interleaves what is compared, so that a busy machine slows both.
The bounds are what was reached, with room for a busy machine; the script exits with status 1 when one is missed.
"""

import contextlib
import functools
import gc
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time
import tracemalloc

import httpx
import openai
import respx

import openai_responses
from openai_responses import OpenAIMock

SDK2 = openai.__version__.startswith("2.")
if SDK2:
    family = httpx
else:
    import httpx2 as family

MESSAGES = [{"role": "user", "content": "Hi"}]
ANSWER = {"choices": [{"message": {"content": "Hello! How can I help?"}}]}
client = openai.OpenAI(api_key="sk-fake")


def chat(client):
    client.chat.completions.create(model="gpt-5.5", messages=MESSAGES)


def drain(client):
    for _ in client.chat.completions.create(model="gpt-5.5", messages=MESSAGES, stream=True):
        pass


def recorded(value, **options):
    """The bytes and headers the mock answers with, to be served by a static transport."""
    with OpenAIMock() as openai_mock:
        openai_mock.chat.completions.create.response = value
        raw = client.chat.completions.with_raw_response.create(model="gpt-5.5", messages=MESSAGES, **options)
        return raw.http_response.read(), dict(raw.headers)


def static_client(body, headers):
    transport = family.MockTransport(lambda request: family.Response(200, content=body, headers=headers))
    return openai.OpenAI(api_key="sk-fake", http_client=openai.DefaultHttpxClient(transport=transport))


def seconds(function, *args, calls=200):
    function(*args)
    started = time.process_time()  # of the processor: others may want it too
    for _ in range(calls):
        function(*args)
    return (time.process_time() - started) / calls


def mocked(function, value, calls):
    with OpenAIMock() as openai_mock:
        openai_mock.chat.completions.create.response = value
        return seconds(function, client, calls=calls)


def routed(body, headers, calls):
    with respx.mock(assert_all_called=False) as router:
        answer = httpx.Response(200, content=body, headers=headers)
        router.post("https://api.openai.com/v1/chat/completions").mock(return_value=answer)
        return seconds(chat, client, calls=calls)


def best(rounds, **timers):
    """The best time of each timer over interleaved rounds."""
    times = {name: [] for name in timers}
    for _ in range(rounds):
        for name, timer in timers.items():
            times[name].append(timer())
    return {name: min(some) for name, some in times.items()}


def chat_ratios():
    body, headers = recorded(ANSWER)
    static = static_client(body, headers)
    timers = {"static": lambda: seconds(chat, static, calls=20), "mock": lambda: mocked(chat, ANSWER, 20)}
    if SDK2:
        timers["respx"] = lambda: routed(body, headers, 20)
    times = best(100, **timers)  # of many short ones some are not disturbed
    yield "chat call / static transport", times["mock"] / times["static"], 1.4
    if SDK2:
        yield "chat call / one RESPX route", times["mock"] / times["respx"], 1.10


def stream_ratio():
    answer = "word " * 10_000
    static = static_client(*recorded(answer, stream=True))
    times = best(5, static=lambda: seconds(drain, static, calls=1), mock=lambda: mocked(drain, answer, 1))
    yield "stream of 10,000 chunks / the same bytes", times["mock"] / times["static"], 1.20


def test_costs():
    @openai_responses.mock()
    def decorated(openai_mock):
        pass

    yield "decorated empty test, ms", 1000 * min(seconds(decorated, calls=300) for _ in range(5)), 1.0
    yield "OpenAIMock(), ms", 1000 * min(seconds(OpenAIMock, calls=2000) for _ in range(5)), 0.2


def filled(number):
    """A mock that has so many files stored, and the id of one in the middle."""
    files = {f"file-{i}": {"id": f"file-{i}", "object": "file", "bytes": 1} for i in range(number)}
    items = {("conv_other", f"msg_{i}"): {"id": f"msg_{i}", "type": "message"} for i in range(number)}
    items |= {("conv_1", f"msg_own{i}"): {"id": f"msg_own{i}", "type": "message"} for i in range(20)}
    state = {"files": files, "conversations": {"conv_1": {"id": "conv_1"}}, "conversations.items": items}
    return OpenAIMock(state=state), f"file-{number // 2}"


def state_ratios():
    mocks = {number: filled(number) for number in (10, 100_000)}

    def timer(number, act):
        openai_mock, id = mocks[number]
        with openai_mock:
            return seconds(act, id, calls=50)

    acts = {
        "retrieve": lambda id: client.files.retrieve(id),
        "create": lambda id: client.files.create(file=b"x", purpose="batch"),
        "a page of 20": lambda id: client.files.list(limit=20).data[:0],
        "a page of children, the many another's": lambda id: client.conversations.items.list("conv_1").data[:0],
    }
    for name, act in acts.items():
        few, many = (functools.partial(timer, number, act) for number in mocks)
        times = best(5, few=few, many=many)
        # a page of children passes over those of others
        bound = 4.0 if "children" in name else 1.5 if "page" in name else 1.2
        yield f"{name} with 100,000 objects / with 10", times["many"] / times["few"], bound


COLD = {
    "mock": """
import openai, openai_responses
with openai_responses.OpenAIMock() as openai_mock:
    openai_mock.chat.completions.create.response = "Hi"
    openai.OpenAI(api_key="sk-fake").chat.completions.create(model="m", messages=[])
""",
    "static": """
import openai, FAMILY as family
answer = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": []}
transport = family.MockTransport(lambda request: family.Response(200, json=answer))
client = openai.OpenAI(api_key="sk-fake", http_client=openai.DefaultHttpxClient(transport=transport))
client.chat.completions.create(model="m", messages=[])
""",
    "respx": """
import openai, respx
answer = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": []}
with respx.mock as router:
    router.post("https://api.openai.com/v1/chat/completions").respond(json=answer)
    openai.OpenAI(api_key="sk-fake").chat.completions.create(model="m", messages=[])
""",
    "first uses": """
import gc, time, openai, openai_responses
gc.disable()  # it would fall on one of them by chance
openai_mock, times = openai_responses.OpenAIMock(), [time.process_time()]
openai_mock.chat.completions.create; times.append(time.process_time())
openai_mock.chat.completions.create.response = "Hi"; times.append(time.process_time())
openai_mock.chat.completions.create.when("text").response = "Ho"; times.append(time.process_time())
print(*(after - before for before, after in zip(times, times[1:])))
""",
}


# Fresh processes find their modules compiled, as they do wherever nobody forbids it.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def run(code):
    """Return what a fresh process printed."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=ENVIRONMENT).stdout


def spent(command):
    """Seconds of CPU that a process takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, capture_output=True, check=True, env=ENVIRONMENT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def fresh(name):
    return functools.partial(spent, [sys.executable, "-c", COLD[name].replace("FAMILY", family.__name__)])


def cold_starts():
    seconds_of = best(15, **{name: fresh(name) for name in ("mock", "static", *(["respx"] if SDK2 else []))})
    yield "fresh process / static transport", seconds_of["mock"] / seconds_of["static"], 1.6
    if SDK2:
        yield "fresh process / one RESPX route", seconds_of["mock"] / seconds_of["respx"], 1.10
    looks = zip(("look", "response", "when"), run(COLD["first uses"]).split(), strict=True)
    yield from ((f"first {name} at an endpoint, ms", 1000 * float(took), 50) for name, took in looks)


# A first call of each kind of endpoint, with what it needs in the state.
FIRST_CALLS = {
    "responses.create": "model='gpt-5.5', input='Hi'",
    "embeddings.create": "model='m', input='Hi'",
    "images.generate": "prompt='a cat'",
    "audio.speech.create": "model='m', voice='alloy', input='Hi'",
    "audio.transcriptions.create": "model='gpt-transcribe', file=b'x'",
    "moderations.create": "input='Hi'",
    "files.create": "file=b'x', purpose='batch'",
    "uploads.create": "bytes=1, filename='a', mime_type='text/plain', purpose='batch'",
    "batches.create": "input_file_id='file-1', endpoint='/v1/responses', completion_window='24h'",
    "vector_stores.create": "file_ids=['file-1']",
    "vector_stores.search": "'vs_1', query='x'",
    "conversations.create": "",
    "beta.threads.create": "",
    "beta.threads.runs.create": "'thread_1', assistant_id='asst_1'",
    "fine_tuning.jobs.create": "model='m', training_file='file-1'",
    "evals.create": "data_source_config={'type': 'stored_completions'}, testing_criteria=[]",
    "containers.create": "name='x'",
    "models.list": "",
}
FIRST_STATE = {
    "files": {"file-1": {"id": "file-1", "filename": "a.jsonl", "purpose": "batch"}},
    "vector_stores": {"vs_1": {"id": "vs_1"}},
    "beta.assistants": {"asst_1": {"id": "asst_1", "model": "m"}},
    "beta.threads": {"thread_1": {"id": "thread_1"}},
}
FIRST_MOCKED = """
import gc, time, warnings, openai, openai_responses
gc.disable()
warnings.simplefilter("ignore")
with openai_responses.OpenAIMock(state=STATE) as openai_mock:
    openai.OpenAI(api_key="sk-fake").models.retrieve("gpt-5.5")  # what every first call costs is another figure
    client, started = openai.OpenAI(api_key="sk-fake"), time.process_time()
    client.CALL
    print(time.process_time() - started)
    response = openai_mock.requests[-1].response
print(repr((response.status_code, response.headers["content-type"], response.content)))
"""
FIRST_STATIC = """
import gc, time, warnings, openai, FAMILY as family
gc.disable()
warnings.simplefilter("ignore")
status, kind, body = ANSWER
transport = family.MockTransport(lambda request: family.Response(status, headers={"content-type": kind}, content=body))
client = openai.OpenAI(api_key="sk-fake", http_client=openai.DefaultHttpxClient(transport=transport))
client.with_raw_response.models.retrieve("gpt-5.5")
started = time.process_time()
client.CALL
print(time.process_time() - started)
"""


def first_call(name, rounds=3):
    """Seconds of CPU that the first call of an endpoint takes in a fresh process, over those of the SDK alone."""
    call, extra = f"{name}({FIRST_CALLS[name]})", []
    for _ in range(rounds):
        took, answer = run(FIRST_MOCKED.replace("CALL", call).replace("STATE", repr(FIRST_STATE))).splitlines()
        static = FIRST_STATIC.replace("CALL", call).replace("FAMILY", family.__name__).replace("ANSWER", answer)
        extra.append(float(took) - float(run(static)))
    return min(extra)


def first_calls():
    for name in FIRST_CALLS:
        yield f"first {name} / the SDK's own, ms more", 1000 * first_call(name), 50


def pytest_start():
    """Return the time of a run of one test with the installed plugin, as a ratio to a run that imports RESPX."""
    with tempfile.TemporaryDirectory() as folder:
        test = pathlib.Path(folder, "test_it.py")
        test.write_text("def test_it(): pass")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", folder, str(test)]
        without = [*command, "-p", "no:openai_responses", "-p", "respx"]
        times = best(15, without=lambda: spent(without), plugin=lambda: spent(command))
    yield "pytest's start with the plugin / with RESPX", times["plugin"] / times["without"], 1.25


def own_clients():
    """A test that makes its own client, and one that shares one."""
    with OpenAIMock() as openai_mock:
        openai_mock.chat.completions.create.response = ANSWER
        times = best(
            5,
            shared=lambda: seconds(chat, client, calls=50),
            own=lambda: seconds(lambda: chat(openai.OpenAI(api_key="sk-fake")), calls=50),
        )
    yield "call with an own client / a shared one", times["own"] / times["shared"], 2.0


def memory():
    with OpenAIMock() as openai_mock:
        openai_mock.chat.completions.create.response = ANSWER
        seconds(chat, client, calls=50)
        gc.collect()
        tracemalloc.start()
        seconds(chat, client, calls=1000)
        gc.collect()
        kept = tracemalloc.get_traced_memory()[0] / 1000
        tracemalloc.stop()
    yield "kept of a short chat call, KB", kept / 1000, 6.0


FIGURES = (
    chat_ratios,
    stream_ratio,
    test_costs,
    own_clients,
    state_ratios,
    cold_starts,
    first_calls,
    pytest_start,
    memory,
)


def main():
    missed = False
    print(f"openai {openai.__version__}, httpx {httpx.__version__}, respx {respx.__version__}")
    with contextlib.suppress(KeyboardInterrupt):
        for figures in FIGURES:
            for name, figure, bound in figures():
                missed |= figure > bound
                print(f"{name:<45} {figure:6.2f}   {'within' if figure <= bound else 'MISSES'} {bound}")
    sys.exit(missed)


if __name__ == "__main__":
    main()
