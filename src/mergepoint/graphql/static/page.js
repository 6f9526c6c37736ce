// The page: editors, Run and Stop, the response, the schema, and what was run before.

import { ask, listen } from "./client.js";
import { Editor } from "./editor.js";
import { complete, operations, paint } from "./language.js";
import { Outline } from "./outline.js";

const one = (selector) => document.querySelector(selector);
const all = (selector) => [...document.querySelectorAll(selector)];

const address = document.body.dataset.here || "/";
const WELCOME = "# Ctrl+Enter runs this, Ctrl+Space shows what may stand at the cursor.\n\n";
const MOST_REMEMBERED = 30;
const MOST_SHOWN = 200; // results of a subscription; the oldest go first

let schema = { roots: {}, types: {}, directives: {} };

// --- what the browser keeps; it may be set to keep nothing

const kept = {
  read(name) { try { return localStorage.getItem(`graphql.${name}`); } catch { return null; } },
  write(name, value) { try { localStorage.setItem(`graphql.${name}`, value); } catch { /* then it is gone with the page */ } },
};

// --- theme

const system = matchMedia("(prefers-color-scheme: dark)");
const chosen = () => document.documentElement.dataset.theme || (system.matches ? "dark" : "light");

function wear(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  one("#theme").textContent = chosen() === "dark" ? "Light" : "Dark";
}

one("#theme").addEventListener("click", () => {
  const other = chosen() === "dark" ? "light" : "dark";
  kept.write("theme", other);
  wear(other);
});
wear(kept.read("theme"));

// --- editors; headers are not kept, as they hold secrets

const query = new Editor(one("#query"), (text, cursor) => complete(text, cursor, schema));
const variables = new Editor(one("#variables"));
const headers = new Editor(one("#headers"));

const asked = new URLSearchParams(location.search); // a link may bring an operation; it waits for Run
query.value = asked.get("query") ?? kept.read("query") ?? WELCOME;
variables.value = asked.get("variables") ?? (asked.has("query") ? "" : kept.read("variables")) ?? "";

const choice = one("#choice");

function offer() {
  const names = operations(query.value).map(({ name }) => name).filter(Boolean);
  const before = choice.value || asked.get("operationName");
  choice.replaceChildren(...names.map((name) => new Option(name, name, false, name === before)));
  choice.parentElement.hidden = names.length < 2;
  offerFiles();
}

const current = () => {
  const found = operations(query.value);
  return found.find(({ name }) => name && name === choice.value) ?? found[0];
};

query.addEventListener("change", () => { offer(); kept.write("query", query.value); });
variables.addEventListener("change", () => kept.write("variables", variables.value));
choice.addEventListener("change", () => offerFiles());

// --- files: a field for each variable that holds some

function offerFiles() {
  const wanted = current()?.files ?? [];
  const panel = one("#panel-files");
  const before = new Map(all("#panel-files input").map((field) => [field.name, field]));
  panel.replaceChildren(...wanted.map(({ name, list }) => {
    const field = before.get(name) ?? Object.assign(document.createElement("input"), { type: "file", name });
    field.multiple = list;
    const label = document.createElement("label");
    label.append(`$${name}`, field);
    return label;
  }));
  one("#tab-files").hidden = !wanted.length;
  if (!wanted.length && !panel.hidden) pick(one("#tab-variables"));
}

/** The chosen files by path; where each goes there is `null` in the variables. */
function placed(values) {
  return all("#panel-files input").flatMap(({ name, files, multiple }) => {
    if (!files.length) return [];
    values[name] = multiple ? [...files].map(() => null) : null;
    return [...files].map((file, index) => ({ path: `variables.${name}${multiple ? `.${index}` : ""}`, file }));
  });
}

// --- tabs, with the keys that tabs have

const tabs = all("[role=tab]");

function pick(tab) {
  for (const other of tabs) {
    other.setAttribute("aria-selected", String(other === tab));
    other.tabIndex = other === tab ? 0 : -1;
    one(`#${other.getAttribute("aria-controls")}`).hidden = other !== tab;
  }
}

tabs.forEach((tab) => tab.addEventListener("click", () => pick(tab)));
one("[role=tablist]").addEventListener("keydown", (event) => {
  const there = tabs.filter((tab) => !tab.hidden);
  const at = there.indexOf(document.activeElement);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: there.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  const tab = there[(to + there.length) % there.length];
  pick(tab);
  tab.focus();
});

// --- run

const [run, stop, status, response] = ["#run", "#stop", "#status", "#response"].map(one);
let running = null;

/** Read a pane that holds a JSON object; an empty one is an empty object. */
function object(editor, what) {
  if (!editor.value.trim()) return {};
  let value;
  try { value = JSON.parse(editor.value); } catch (error) { throw new Error(`${what}: ${error.message}`); }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error(`${what}: expected a JSON object, such as {"name": "value"}.`);
  return value;
}

function tell(text, good) {
  status.textContent = text;
  status.className = good === undefined ? "" : good ? "good" : "bad";
}

function show(text, note) {
  const body = document.createElement("pre");
  let shown = text;
  try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not ours: shown as it is */ }
  paint(body, shown, "json");
  if (note) {
    const line = document.createElement("p");
    line.className = "note";
    line.textContent = note;
    response.append(line);
  }
  response.append(body);
  while (response.children.length > 2 * MOST_SHOWN) response.firstElementChild.remove();
}

const failed = (text) => { try { return "errors" in JSON.parse(text); } catch { return true; } };

async function send() {
  if (running) return;
  const control = new AbortController();
  const began = performance.now();
  const took = () => `${Math.round(performance.now() - began)} ms`;
  response.replaceChildren();
  try {
    const operation = { query: query.value, variables: object(variables, "Variables") };
    const further = object(headers, "Headers");
    if (choice.value) operation.operationName = choice.value;
    const files = placed(operation.variables);
    running = control;
    run.disabled = true;
    stop.hidden = false;
    remember(operation);
    if (current()?.kind === "subscription") await follow(operation, further, files, control.signal, took);
    else await receive(operation, further, files, control.signal, took);
  } catch (error) {
    if (control.signal.aborted) tell(`Stopped after ${took()}.`);
    else tell(error.message, false);
  } finally {
    running = null;
    run.disabled = false;
    stop.hidden = true;
  }
}

async function receive(operation, further, files, signal, took) {
  tell("Running …");
  const answer = await ask(address, operation, further, files, signal);
  tell(`${answer.status} · ${took()} · ${new Blob([answer.text]).size.toLocaleString()} bytes`, answer.ok && !failed(answer.text));
  show(answer.text);
}

async function follow(operation, further, files, signal, took) {
  let heard = 0;
  let good = true;
  tell("Listening …");
  const answer = await listen(address, operation, further, files, signal, (text) => {
    heard += 1;
    good = good && !failed(text);
    show(text, `${heard} · ${new Date().toLocaleTimeString()}`);
    tell(`Listening … ${heard} received`);
    response.scrollTop = response.scrollHeight;
  });
  tell(`${answer.status} · complete after ${took()} · ${heard} received`, answer.ok && good);
}

run.addEventListener("click", send);
stop.addEventListener("click", () => running?.abort());
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  send();
});

// --- history

const list = one("#history");

function remembered() {
  try {
    const found = JSON.parse(kept.read("history") ?? "[]");
    return Array.isArray(found) ? found : [];
  } catch { return []; }
}

function remember({ query: text, variables: values }) {
  const entry = { query: text, variables: Object.keys(values).length ? JSON.stringify(values, null, 2) : "" };
  const others = remembered().filter((other) => other.query !== entry.query || other.variables !== entry.variables);
  kept.write("history", JSON.stringify([entry, ...others].slice(0, MOST_REMEMBERED)));
  recall();
}

const short = (text) => text.replace(/#.*/g, "").replace(/\s+/g, " ").trim();

function recall() {
  const heading = Object.assign(document.createElement("h2"), { textContent: "History" });
  const rows = remembered().map((entry) => {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: short(entry.query).slice(0, 120) });
    button.append(Object.assign(document.createElement("small"), { textContent: short(entry.variables).slice(0, 120) }));
    button.addEventListener("click", () => {
      query.value = entry.query;
      variables.value = entry.variables;
      offer();
      query.area.focus();
    });
    const row = document.createElement("li");
    row.append(button);
    return row;
  });
  const empty = Object.assign(document.createElement("p"), { className: "note", textContent: "What you run is listed here, in this browser only." });
  const clear = Object.assign(document.createElement("button"), { type: "button", className: "quiet", textContent: "Forget all" });
  clear.addEventListener("click", () => { kept.write("history", "[]"); recall(); });
  const items = document.createElement("ul");
  items.append(...rows);
  list.replaceChildren(heading, ...(rows.length ? [items, clear] : [empty]));
}

// --- side panels

for (const [button, panel] of [[one("#schema-button"), one("#schema")], [one("#history-button"), list]]) {
  const set = (open) => { panel.hidden = !open; button.setAttribute("aria-expanded", String(open)); };
  button.addEventListener("click", () => set(panel.hidden));
  if (panel !== list && matchMedia("(max-width: 70rem)").matches) set(false);
}

// --- begin

recall();
offer();
fetch(`${address}/schema.json`.replace("//", "/")).then(async (answer) => {
  if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
  schema = await answer.json();
  new Outline(one("#schema"), schema);
  document.body.dataset.ready = "true";
}).catch((error) => tell(`The schema could not be loaded: ${error.message}`, false));
