// Keep the pieces of a page that change up to date: an element with data-live is filled with what that address gives.
// Without this script the page shows how things were when it was loaded; all forms work without it, too.
"use strict";

const PAUSE = 1000;

function keyed(root, key) {
  return [...root.querySelectorAll("[data-key]")].find((each) => each.dataset.key === key);
}

function fill(place, html) {
  if (place.dataset.seen === html) return;
  const key = place.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  place.innerHTML = html; // from our own server, which escapes what strangers wrote
  place.dataset.seen = html;
  if (key) keyed(place, key)?.focus();
}

async function refresh(place) {
  const answer = await fetch(place.dataset.live, { headers: { Accept: "text/html" } });
  if (answer.ok) fill(place, await answer.text());
}

function poll(place) {
  const again = () => setTimeout(() => poll(place), PAUSE);
  if (document.hidden) return void again();
  refresh(place).catch(() => {}).then(again); // a server that is away comes back
}

function listen(place) {
  const events = new EventSource(place.dataset.events);
  events.onmessage = (event) => {
    refresh(place).catch(() => {});
    if (["done", "dead", "cancelled"].includes(JSON.parse(event.data).state)) events.close();
  };
  events.addEventListener("problem", () => events.close());
}

async function send(event) {
  const form = event.target;
  const place = form.closest("[data-live]");
  if (!place || form.method !== "post") return;
  event.preventDefault();
  const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
  if (!answer.ok) return void location.reload();
  await refresh(place);
  if (place.dataset.events) listen(place);
}

document.addEventListener("submit", send);
for (const place of document.querySelectorAll("[data-live]")) {
  if (place.dataset.events) listen(place);
  else poll(place);
}
