// The official package `openai` of npm, unchanged, against the server; test_openai_responses.py runs it where both are.
//
//     NODE_PATH=folder/node_modules OPENAI_BASE_URL=http://127.0.0.1:8000/v1 node docs/development/node.js
//
// Each check has a key, and so a mock, of its own. A line for each that passed; exits with 1 when one fails.
const assert = require("node:assert");
const http = require("node:http");
const OpenAI = require("openai");
const { OpenAIRealtimeWS } = require("openai/realtime/ws");

const baseURL = process.env.OPENAI_BASE_URL;
delete process.env.OPENAI_BASE_URL; // Azure's client wants none
const model = "gpt-5.5";
const messages = [{ role: "user", content: "What is the weather in Oslo?" }];
const schema = {
  type: "object",
  properties: { city: { type: "string" }, degrees: { type: "integer" } },
  required: ["city", "degrees"],
  additionalProperties: false,
};
const getWeather = { type: "function", name: "get_weather", strict: true, parameters: schema };

const checks = {
  async "chat, plain"({ client, set }) {
    await set("chat.completions.create", "It is sunny.");
    const completion = await client.chat.completions.create({ model, messages });
    assert.equal(completion.choices[0].message.content, "It is sunny.");
    assert.match(completion._request_id, /^req_/);
  },

  async "chat, streamed"({ client, set }) {
    await set("chat.completions.create", { $streamed: { value: "It is sunny.", chunk: 3 } });
    const pieces = [];
    for await (const chunk of await client.chat.completions.create({ model, messages, stream: true })) {
      pieces.push(chunk.choices[0].delta.content ?? "");
    }
    assert.equal(pieces.join(""), "It is sunny.");
    assert.equal(pieces.filter(Boolean).length, 4);
  },

  async "a client that leaves ends its stream"({ client, set, records }) {
    await set("chat.completions.create", { $streamed: { value: "a ".repeat(1000), delay: 0.01 } });
    for await (const chunk of await client.chat.completions.create({ model, messages, stream: true })) break;
    assert.equal((await records("status=200")).length, 1);
  },

  async "responses with tools"({ client, set }) {
    const call = { name: "get_weather", arguments: { city: "Oslo", degrees: 7 }, id: "call_1" };
    await set("responses.create", [{ $tool_call: call }, "It is 7 degrees."]);
    const first = await client.responses.create({ model, input: "Weather?", tools: [getWeather] });
    const [made] = first.output;
    assert.deepEqual(JSON.parse(made.arguments), call.arguments);
    const output = [{ type: "function_call_output", call_id: made.call_id, output: "7" }];
    const second = await client.responses.create({ model, previous_response_id: first.id, input: output });
    assert.equal(second.output_text, "It is 7 degrees.");
  },

  async "vectors that are set"({ client, set }) {
    await set("embeddings.create", [0.5, 0.25]);
    const { data } = await client.embeddings.create({ model: "text-embedding-3-small", input: ["a", "b"] });
    assert.deepEqual(data.map((each) => each.embedding), [[0.5, 0.25], [0.5, 0.25]]);
  },

  async "structured output"({ client, set }) {
    await set("chat.completions.create", { $as_json: { value: { city: "Oslo", degrees: 7 } } });
    const response_format = { type: "json_schema", json_schema: { name: "weather", strict: true, schema } };
    const completion = await client.chat.completions.parse({ model, messages, response_format });
    assert.deepEqual(completion.choices[0].message.parsed, { city: "Oslo", degrees: 7 });
  },

  async "structured output with nothing set"({ client }) {
    const format = { type: "json_schema", name: "weather", strict: true, schema };
    const response = await client.responses.parse({ model, input: "Weather?", text: { format } });
    assert.deepEqual(Object.keys(response.output_parsed), ["city", "degrees"]);
  },

  async "files"({ client }) {
    const made = await client.files.create({ file: await OpenAI.toFile(Buffer.from("Cats sleep."), "cats.txt"), purpose: "assistants" });
    assert.equal(made.filename, "cats.txt");
    assert.equal(await (await client.files.content(made.id)).text(), "Cats sleep.");
    for await (const each of client.files.list()) assert.equal(each.id, made.id);
    await client.files.delete(made.id);
    await assert.rejects(client.files.retrieve(made.id), OpenAI.NotFoundError);
  },

  async "vector stores"({ client }) {
    const store = await client.vectorStores.create({ name: "Animals" });
    const file = await OpenAI.toFile(Buffer.from("Cats sleep all day."), "cats.txt");
    await client.vectorStores.files.uploadAndPoll(store.id, file);
    const found = await client.vectorStores.search(store.id, { query: "cats" });
    assert.equal(found.data[0].content[0].text, "Cats sleep all day.");
  },

  async "an assistants run"({ client, set }) {
    await set("beta.threads.runs.create", "It is sunny.");
    const assistant = await client.beta.assistants.create({ model });
    const thread = await client.beta.threads.create({ messages });
    const run = await client.beta.threads.runs.createAndPoll(thread.id, { assistant_id: assistant.id });
    assert.equal(run.status, "completed");
    const { data } = await client.beta.threads.messages.list(thread.id);
    assert.equal(data[0].content[0].text.value, "It is sunny.");
  },

  async "errors with retries"({ client, set, records }) {
    await set("chat.completions.create", [{ $error: 429 }, { $error: 503 }, "Here I am.", { $error: 400 }]);
    const completion = await client.chat.completions.create({ model, messages });
    assert.equal(completion.choices[0].message.content, "Here I am.");
    await assert.rejects(client.chat.completions.create({ model, messages }), OpenAI.BadRequestError);
    assert.deepEqual((await records("")).map((record) => [record.status, record.attempt]), [[429, 0], [503, 1], [200, 2], [400, 0]]);
  },

  async "a timeout is the client's own if it is short, else a broken connection that is tried again"({ client, set }) {
    await set("chat.completions.create", [{ $timeout: {} }, { $timeout: {} }, "Here I am."]);
    const once = client.chat.completions.create({ model, messages }, { timeout: 300, maxRetries: 0 });
    await assert.rejects(once, OpenAI.APIConnectionTimeoutError);
    const completion = await client.chat.completions.create({ model, messages });
    assert.equal(completion.choices[0].message.content, "Here I am.");
  },

  async "a mistake is told and not tried again"({ client, set, records }) {
    await set("chat.completions.create", []);
    await assert.rejects(client.chat.completions.create({ model, messages }), /but its .response has 0 steps/);
    assert.equal((await records("")).length, 1);
  },

  async "Azure"({ key, set }) {
    await set("chat.completions.create", "From a deployment.");
    const endpoint = baseURL.replace(/\/v1$/, "");
    const client = new OpenAI.AzureOpenAI({ endpoint, apiKey: key, apiVersion: "2024-10-21", deployment: "mine" });
    const completion = await client.chat.completions.create({ model: "mine", messages });
    assert.equal(completion.choices[0].message.content, "From a deployment.");
    assert.equal(completion.model, "mine");
  },

  async "realtime over a WebSocket"({ client, set }) {
    await set("realtime.connect", "Hello over there.");
    const agent = Object.assign(new http.Agent(), { protocol: "https:" }); // the package asks for wss, whatever the URL
    const socket = await OpenAIRealtimeWS.create(client, { model: "gpt-realtime-2", options: { agent } });
    const done = new Promise((resolve, reject) => {
      socket.on("response.done", resolve);
      socket.on("error", reject);
    });
    await new Promise((resolve) => socket.on("session.created", resolve));
    socket.send({ type: "session.update", session: { type: "realtime", output_modalities: ["text"] } });
    socket.send({ type: "conversation.item.create", item: { type: "message", role: "user", content: [{ type: "input_text", text: "Hi" }] } });
    socket.send({ type: "response.create" });
    const { response } = await done;
    assert.equal(response.output[0].content[0].text, "Hello over there.");
    socket.close();
  },
};

async function run(name, check, number) {
  const key = `sk-node-${number}`;
  const control = (method, path, said) =>
    fetch(`${baseURL.replace(/\/v1$/, "")}/_mock/${path}`, {
      method,
      headers: { Authorization: `Bearer ${key}` },
      body: said === undefined ? undefined : JSON.stringify(said),
    });
  const set = async (endpoint, said) => {
    const answer = await control("PUT", `responses/${endpoint}`, said);
    assert.equal(answer.status, 200, await answer.text());
  };
  const records = async (filter) => (await control("GET", `requests?${filter}`)).json();
  await check({ client: new OpenAI({ apiKey: key, baseURL }), key, set, records });
  console.log(`passed: ${name}`);
}

(async () => {
  for (const [number, [name, check]] of Object.entries(checks).entries()) {
    await run(name, check, number).catch((reason) => {
      console.error(`failed: ${name}\n${reason.stack}`);
      process.exitCode = 1;
    });
  }
})();
