#!/usr/bin/env node
// A worker for jobs in Redis that needs no Python: Node.js and its standard library. docs/jobs-redis.md has the protocol.
//
//   node worklist.mjs work PREFIX QUEUE                      works off jobs until it gets SIGTERM
//   node worklist.mjs put PREFIX QUEUE OPERATION ARGUMENTS   puts a job in and prints its id
//
// REDIS_URL says where Redis is, WORKLIST_LUA in which folder the scripts of mergepoint.redis are.
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const LUA = process.env.WORKLIST_LUA ?? fileURLToPath(new URL("../../src/mergepoint/redis/lua", import.meta.url));
const WORKER = `${hostname()}:${process.pid}`;
const LEASE = 25; // seconds after its last sign of life until this worker's jobs are given to others
const AT_ONCE = 10;

// --- the jobs that it can run: arguments in, result out; an exception is a failure ---

const JOBS = {
  count_words: ({ text }) => text.split(/\s+/).filter(Boolean).length,
  nap: async ({ seconds }, signal) => void (await sleep(seconds * 1000, undefined, { signal })),
};

// --- Redis: as much of its protocol as this needs ---

class Redis {
  #waiting = [];
  #input = Buffer.alloc(0);

  constructor(url) {
    const { hostname, port, username, password, pathname } = new URL(url);
    this.socket = connect({ host: hostname, port: Number(port || 6379), noDelay: true });
    this.socket.on("data", (chunk) => this.#read(chunk));
    this.socket.on("error", (error) => this.#fail(error));
    this.socket.on("close", () => this.#fail(new Error("Redis hung up.")));
    if (password) this.call("AUTH", username || "default", decodeURIComponent(password)).catch(() => {});
    if (pathname.length > 1) this.call("SELECT", pathname.slice(1)).catch(() => {});
  }

  call(...words) {
    const parts = words.map((word) => Buffer.from(String(word)));
    const packed = parts.flatMap((part) => [`$${part.length}\r\n`, part, "\r\n"]).map((part) => Buffer.from(part));
    return new Promise((resolve, reject) => {
      if (this.socket.destroyed) return reject(new Error("Redis hung up."));
      this.#waiting.push({ resolve, reject });
      this.socket.write(Buffer.concat([Buffer.from(`*${parts.length}\r\n`), ...packed]));
    });
  }

  #read(chunk) {
    this.#input = Buffer.concat([this.#input, chunk]);
    for (let found; (found = parse(this.#input, 0)); ) {
      this.#input = this.#input.subarray(found.end);
      const { resolve, reject } = this.#waiting.shift();
      found.value instanceof Error ? reject(found.value) : resolve(found.value);
    }
  }

  #fail(error) {
    this.#waiting.splice(0).forEach(({ reject }) => reject(error));
  }
}

// Returns a value and where it ends, or undefined while it has not come whole.
function parse(input, at) {
  const line = input.indexOf("\r\n", at);
  if (line < 0) return undefined;
  const text = input.toString("utf8", at + 1, line);
  const end = line + 2;
  switch (String.fromCharCode(input[at])) {
    case "+": return { value: text, end };
    case "-": return { value: new Error(text), end };
    case ":": return { value: Number(text), end };
    case "$": {
      const last = end + Number(text);
      if (Number(text) < 0) return { value: null, end };
      return input.length < last + 2 ? undefined : { value: input.toString("utf8", end, last), end: last + 2 };
    }
    default: {
      const list = { value: Number(text) < 0 ? null : [], end };
      for (let left = Number(text); left > 0; left--) {
        const item = parse(input, list.end);
        if (!item) return undefined;
        list.value.push(item.value);
        list.end = item.end;
      }
      return list;
    }
  }
}

// A script: its text is that of the files, and Redis may forget it at any time.
function script(...parts) {
  const text = parts.map((part) => readFileSync(`${LUA}/${part}.lua`, "utf8")).join("\n");
  const digest = createHash("sha1").update(text).digest("hex");
  return async (redis, prefix, ...words) => {
    try {
      return await redis.call("EVALSHA", digest, 1, prefix, ...words);
    } catch (error) {
      if (!error.message.startsWith("NOSCRIPT")) throw error;
      return redis.call("EVAL", text, 1, prefix, ...words);
    }
  };
}

const scripts = {
  claim: script("common", "claim"),
  extend: script("common", "extend"),
  next: script("common", "next"),
  put: script("common", "putting", "put"),
  recover: script("common", "recover"),
};

// --- working off ---

async function run({ token, attempts, failures, message }, abort) {
  const began = Date.now() / 1000;
  try {
    const job = JOBS[message.operation];
    if (!job) throw new Error(`This worker does not know ${message.operation}.`);
    const result = await job(message.arguments ?? {}, abort.signal);
    return [message.id, token, "done", 0, JSON.stringify(result ?? null), ""];
  } catch (error) {
    if (abort.signal.aborted) return [message.id, token, "cancelled", 0, "", ""];
    const verdict = failures < (message.retries ?? 5) ? "retry" : "dead";
    const seconds = Date.now() / 1000 - began;
    const attempt = { number: attempts, worker: WORKER, began, seconds, outcome: "failed", code: "unknown" };
    return [message.id, token, verdict, 2 ** failures, "", JSON.stringify({ ...attempt, message: error.message })];
  }
}

async function work(url, prefix, queue) {
  const [redis, bell] = [new Redis(url), new Redis(url)]; // the second one waits, and must not hold up the first
  const held = new Map();
  const stop = Promise.withResolvers?.() ?? withResolvers();
  let stopping = false;
  process.on("SIGTERM", () => ((stopping = true), stop.resolve()));
  const beat = setInterval(async () => {
    const claims = [...held.values()];
    if (!claims.length) return;
    const words = claims.flatMap(({ message, token }) => [message.id, token]);
    const [lost, unwanted] = await scripts.extend(redis, prefix, LEASE, ...words).catch(() => [[], []]);
    for (const id of [...lost, ...unwanted]) held.get(id)?.abort.abort();
  }, (LEASE / 3) * 1000);

  const rescue = setInterval(() => scripts.recover(redis, prefix, 5).catch(() => {}), 1000); // the jobs of dead workers

  let outcomes = [];
  while (!stopping || outcomes.length) {
    const words = stopping ? [0, LEASE, 0] : [AT_ONCE, LEASE, 1, queue, "", ""];
    const answer = await scripts.claim(redis, prefix, WORKER, ...words, ...outcomes.flat());
    const claims = [];
    for (let at = 0; at < answer.length; at += 5) {
      const [, token, attempts, failures, message] = answer.slice(at, at + 5);
      claims.push({ token, attempts, failures, message: JSON.parse(message), abort: new AbortController() });
    }
    for (const claim of claims) held.set(claim.message.id, claim);
    outcomes = await Promise.all(claims.map((claim) => run(claim, claim.abort)));
    for (const claim of claims) held.delete(claim.message.id);
    if (!claims.length && !stopping) {
      const due = await scripts.next(redis, prefix, queue);
      const seconds = due < 0 ? 5 : Math.min(5, due / 1e6 + 0.001);
      await Promise.race([bell.call("BLPOP", `${prefix}bell:${queue}`, seconds.toFixed(3)), stop.promise]);
    }
  }
  [beat, rescue].forEach(clearInterval);
  [redis, bell].forEach(({ socket }) => socket.destroy());
}

function withResolvers() {
  let resolve;
  const promise = new Promise((settle) => (resolve = settle));
  return { promise, resolve };
}

// --- putting in ---

async function put(url, prefix, queue, operation, words) {
  const redis = new Redis(url);
  const id = Date.now().toString(16).padStart(11, "0") + randomBytes(7).toString("hex").slice(0, 13);
  const message = { id, operation, arguments: JSON.parse(words), queue, created: Date.now() / 1000 };
  await scripts.put(redis, prefix, JSON.stringify(message));
  redis.socket.destroy();
  console.log(id);
}

const [action, name, ...rest] = process.argv.slice(2);
const actions = { work, put };
if (!actions[action] || rest.length < (action === "put" ? 3 : 1)) {
  console.error("usage: worklist.mjs work PREFIX QUEUE | put PREFIX QUEUE OPERATION ARGUMENTS");
  process.exit(2);
}
try {
  await actions[action](process.env.REDIS_URL ?? "redis://127.0.0.1:6379/0", `{${name}}:`, ...rest);
} catch (error) {
  console.error(error.message);
  process.exit(1); // whoever supervises it starts it again; its jobs come back when their lease is over
}
