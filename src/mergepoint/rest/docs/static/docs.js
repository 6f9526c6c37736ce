// The docs page reads well without this. With it: search, a choice of theme, and "Try it".
"use strict";

const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const one = (selector, within = document) => within.querySelector(selector);

// --- theme

const theme = one("#theme");
const system = matchMedia("(prefers-color-scheme: dark)");
const chosen = () => document.documentElement.dataset.theme || (system.matches ? "dark" : "light");

function show(value) {
  if (value) document.documentElement.dataset.theme = value;
  theme.textContent = chosen() === "dark" ? "Light" : "Dark";
}

function stored(value) {
  try { // A browser may be set to keep nothing.
    if (value) localStorage.setItem("theme", value);
    return localStorage.getItem("theme");
  } catch { return null; }
}

theme.addEventListener("click", () => {
  const other = chosen() === "dark" ? "light" : "dark";
  stored(other);
  show(other);
});
show(stored());

// --- contents: closed on a phone, and showing where the reader is

const narrow = matchMedia("(max-width: 48rem)");
const contents = one("nav details");
const fold = () => { contents.open = !narrow.matches; };
narrow.addEventListener("change", fold);
fold();
all("nav a").forEach((link) => link.addEventListener("click", () => { if (narrow.matches) contents.open = false; }));

const links = new Map(all("nav a").map((link) => [link.hash.slice(1), link]));
const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    all("nav a[aria-current]").forEach((link) => link.removeAttribute("aria-current"));
    links.get(entry.target.id)?.setAttribute("aria-current", "location");
  }
}, { rootMargin: "-15% 0px -75% 0px" });
all("article").forEach((article) => seen.observe(article));

// --- search

const search = one("#search");
const texts = new Map(all("article").map((article) => [article, article.textContent.toLowerCase()]));

function find() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  for (const [article, text] of texts) {
    const fits = words.every((word) => text.includes(word));
    article.hidden = !fits;
    const link = links.get(article.id);
    if (link) link.parentElement.hidden = !fits;
    found += fits;
  }
  for (const group of all(".group, nav section")) {
    group.hidden = all("article, li", group).every((part) => part.hidden);
  }
  one("#nothing").hidden = found > 0;
}

search.addEventListener("input", find);
search.addEventListener("keydown", (event) => { if (event.key === "Escape") { search.value = ""; find(); search.blur(); } });
document.addEventListener("keydown", (event) => {
  const writing = /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName);
  if (event.key === "/" && !writing && !event.ctrlKey && !event.metaKey) { event.preventDefault(); search.focus(); }
});

// --- try it

function request(form) {
  const headers = {};
  const query = new URLSearchParams();
  const parts = new FormData();
  let path = form.dataset.path;
  let body = null;
  for (const field of all("[data-in]", form)) {
    for (const value of values(field)) {
      if (field.dataset.in === "path") path = path.replace(`{${field.name}}`, encodeURIComponent(value));
      if (field.dataset.in === "query") query.append(field.name, value);
      if (field.dataset.in === "form") parts.append(field.name, value);
    }
  }
  if (one("[data-in=form]", form)) body = parts;
  if (form.elements.body) {
    body = form.elements.body.value;
    headers["Content-Type"] = "application/json";
  }
  const token = one("#token")?.value.trim();
  if (token) headers.Authorization = `Bearer ${token}`;
  const url = path + (query.size ? `?${query}` : "");
  return [url, { method: form.dataset.method, headers, body, credentials: "same-origin" }];
}

function values(field) {
  if (field.type === "file") return [...field.files];
  if (field.value === "") return [];
  return field.dataset.list === undefined ? [field.value] : field.value.split(",").map((part) => part.trim());
}

async function send(event) {
  event.preventDefault();
  const form = event.target;
  const [button, status, result] = [one("button", form), one("output", form), one(".result", form)];
  button.disabled = true;
  status.textContent = "";
  result.hidden = true;
  result.textContent = "";
  const start = performance.now();
  try {
    const answer = await fetch(...request(form));
    status.className = `status s${Math.floor(answer.status / 100)}`;
    status.textContent = `${answer.status} ${answer.statusText} · ${Math.round(performance.now() - start)} ms`;
    await tell(answer, result);
  } catch (error) {
    status.className = "status s5";
    status.textContent = `No answer: ${error.message}`;
  } finally {
    button.disabled = false;
  }
}

async function tell(answer, result) {
  const type = answer.headers.get("Content-Type") || "";
  const show = (text) => { result.textContent += text; result.hidden = result.textContent === ""; };
  if (type.includes("ndjson")) {
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) show(part.value);
  } else if (/json$/.test(type.split(";")[0])) {
    const text = await answer.text();
    try { show(JSON.stringify(JSON.parse(text), null, 2)); } catch { show(text); }
  } else if (type.startsWith("text/")) {
    show(await answer.text());
  } else {
    const file = await answer.blob();
    if (!file.size) return;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(file);
    link.download = /filename="([^"]*)"/.exec(answer.headers.get("Content-Disposition") || "")?.[1] || "file";
    link.textContent = `Save ${link.download} (${file.size.toLocaleString()} bytes)`;
    result.replaceChildren(link);
    result.hidden = false;
  }
}

all(".try form").forEach((form) => form.addEventListener("submit", send));

// What needs this script is shown only now.
all(".try, .search, #theme, .token").forEach((part) => { part.hidden = false; });
