"""Make mocked calls and print their results. This script needs no API key and no network."""

import json

import openai

from openai_responses import OpenAIMock, error, tool_call

client = openai.OpenAI(api_key="sk-fake")
question = [{"role": "user", "content": "Hi!"}]
weather_tool = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def chat() -> None:
    """Set one response for a plain call and a streamed call."""
    with OpenAIMock() as openai_mock:
        openai_mock.chat.completions.create.response = "Hello! How can I help?"

        plain = client.chat.completions.create(model="gpt-5.5", messages=question)
        print("plain:", plain.choices[0].message.content)

        stream = client.chat.completions.create(model="gpt-5.5", messages=question, stream=True)
        pieces = [chunk.choices[0].delta.content for chunk in stream]
        print("streamed:", "|".join(piece for piece in pieces if piece))


def tool_loop() -> None:
    """Let the model call a tool, and then answer."""
    with OpenAIMock() as openai_mock:
        openai_mock.responses.create.response = [tool_call("get_weather", city="Tokyo"), "It is sunny in Tokyo."]

        first = client.responses.create(model="gpt-5.5", input="Weather in Tokyo?", tools=[weather_tool])
        call = first.output[0]
        output = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
        second = client.responses.create(model="gpt-5.5", input=[output], previous_response_id=first.id)
        print("tool loop:", f"{call.name}({json.loads(call.arguments)['city']}) -> {second.output_text}")


def files_and_search() -> None:
    """Upload files and search them. No response is set: the mock stores the files and searches their text."""
    with OpenAIMock():
        store = client.vector_stores.create(name="Animals")
        for name, text in (("pets.txt", b"Cats sleep most of the day."), ("farm.txt", b"Cows give milk.")):
            client.vector_stores.files.upload_and_poll(vector_store_id=store.id, file=(name, text))
        best = client.vector_stores.search(store.id, query="Where do cats sleep?").data[0]
        print("search:", f"{best.filename} says: {best.content[0].text}")


def error_and_retry() -> None:
    """Reject the first attempt with a rate limit. The SDK retries without a pause."""
    with OpenAIMock() as openai_mock:
        openai_mock.chat.completions.create.response = [error(429), "Here I am."]

        completion = client.chat.completions.create(model="gpt-5.5", messages=question)
        failed, succeeded = openai_mock.requests
        assert (failed.attempt, succeeded.attempt) == (0, 1)
        print("error:", f"{failed.status}, then: {completion.choices[0].message.content}")


if __name__ == "__main__":
    chat()
    tool_loop()
    files_and_search()
    error_and_retry()
