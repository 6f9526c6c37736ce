// Sends operations: JSON for an answer as a whole, a form where there are files, events for a subscription.

const EVENTS = "text/event-stream";
const RESPONSE = "application/graphql-response+json";

/** Ask for a query or a mutation: `{status, ok, text}`. */
export async function ask(address, operation, headers, files, signal) {
  const answer = await send(address, RESPONSE, operation, headers, files, signal);
  return { status: line(answer), ok: answer.ok, text: await answer.text() };
}

/** Subscribe; `heard(text)` is told each result. It ends with the stream, or with the signal. */
export async function listen(address, operation, headers, files, signal, heard) {
  const answer = await send(address, EVENTS, operation, headers, files, signal);
  if (!(answer.headers.get("Content-Type") ?? "").startsWith(EVENTS)) {
    heard(await answer.text());
    return { status: line(answer), ok: answer.ok };
  }
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const events = (rest + part.value).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      if (event.startsWith("event: next\n")) heard(event.replace(/^event: next\ndata: ?/, ""));
    }
  }
  return { status: line(answer), ok: answer.ok };
}

function send(address, accept, operation, headers, files, signal) {
  const sent = files.length ? form(operation, files) : json(operation);
  return fetch(address, { method: "POST", body: sent.body, headers: { Accept: accept, ...sent.headers, ...headers }, signal });
}

const line = (answer) => `${answer.status} ${answer.statusText}`.trim();

const json = (operation) => ({ body: JSON.stringify(operation), headers: { "Content-Type": "application/json" } });

/** A GraphQL multipart request: `files` are `{path, file}`, such as `variables.photo`. */
function form(operation, files) {
  const body = new FormData();
  body.append("operations", JSON.stringify(operation));
  body.append("map", JSON.stringify(Object.fromEntries(files.map(({ path }, index) => [index, [path]]))));
  files.forEach(({ file }, index) => body.append(String(index), file));
  return { body, headers: { "GraphQL-Preflight": "1" } };
}
