// Makes every call that the resources of npm's `openai` have against the server, and reports which of them fail.
//
//     python -m openai_responses --port 8000 &
//     NODE_PATH=folder/node_modules OPENAI_BASE_URL=http://127.0.0.1:8000/v1 node docs/development/node_calls.js
//
// The calls are found in the package's source: each method that sends one request itself. A first call, without any
// field in its body, shows which endpoint the server takes it for. For the second one an empty response is set, so that
// the endpoint answers whatever is missing. Exits with 1 if a call is unknown to the server, or not answered.
const OpenAI = require("openai");

const apiKey = "sk-node-calls";
const baseURL = process.env.OPENAI_BASE_URL;
const client = new OpenAI({ apiKey, adminAPIKey: apiKey, baseURL, maxRetries: 0, timeout: 20_000 });
const SENDS = /this\._client\s*\.(get|post|put|patch|delete|getAPIList)\(/;

// Returns the methods that send a request, as [dotted name, resource, method name].
function methodsBelow(resource, prefix = "", seen = new Set()) {
  const found = [];
  if (seen.has(resource)) return found;
  seen.add(resource);
  for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(resource))) {
    if (name !== "constructor" && prefix && SENDS.test(String(resource[name]))) found.push([prefix + name, resource, name]);
  }
  for (const [name, value] of Object.entries(resource)) {
    if (name.startsWith("_") || !value || typeof value !== "object" || !value._client) continue;
    found.push(...methodsBelow(value, `${prefix}${name}.`, seen));
  }
  return found;
}

// Parameters of a call: any name that the method takes out for its path has a value, and the body is empty.
const params = () =>
  new Proxy({}, {
    get: (target, name) => (typeof name === "string" && /_id$|^id$|_key$|_checkpoint$|^name$|^type$/.test(name) ? "x-1" : undefined),
  });

const isParams = (name) => ["body", "params", "query"].includes(name);

function argumentsOf(method) {
  const names = /^(?:async )?\w+\(([^)]*)\)/.exec(String(method))[1].split(",").map((name) => name.split("=")[0].trim());
  return names.filter((name) => name && name !== "options").map((name) => (isParams(name) ? params() : "x-1"));
}

async function control(method, path, value) {
  const body = value === undefined ? undefined : JSON.stringify(value);
  const headers = { Authorization: `Bearer ${apiKey}` };
  return fetch(`${baseURL.replace(/\/v1$/, "")}/_mock/${path}`, { method, headers, body });
}

// Makes a call, and returns the record of its request and the error, if there is one.
async function call(resource, name) {
  await control("DELETE", "requests");
  let error;
  try {
    await resource[name](...argumentsOf(resource[name]));
  } catch (reason) {
    error = reason;
  }
  const [record] = await (await control("GET", "requests?limit=1")).json();
  return { record, error };
}

// Returns what is wrong with a method, or "" if the server answers it.
async function check([, resource, name]) {
  await control("POST", "reset");
  const first = await call(resource, name);
  if (!first.record) return `sent nothing: ${first.error}`;
  if (first.error?.type === "mock_error") return first.error.message;
  const set = await control("PUT", `responses/${first.record.endpoint}`, {});
  if (set.status !== 200) return ""; // it answers with bytes or with nothing, and the first call reached it
  const { error } = await call(resource, name);
  return error ? `${first.record.endpoint} failed: ${error.message}` : "";
}

(async () => {
  const methods = methodsBelow(client);
  const failures = [];
  for (const method of methods) {
    const failure = await check(method);
    if (failure) failures.push(`${method[0]}: ${failure}`);
  }
  console.log(`${methods.length - failures.length} of ${methods.length} calls are answered`);
  for (const failure of failures) console.log(`failed: ${failure}`);
  process.exitCode = failures.length || !methods.length ? 1 : 0;
})();
