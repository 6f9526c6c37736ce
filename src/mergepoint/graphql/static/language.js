// The words of GraphQL and JSON: their colours, and what may stand at the cursor of a query.

const GRAPHQL = /(?<space>[\s,\ufeff]+)|(?<comment>#[^\n]*)|(?<text>"""(?:\\"""|[^])*?(?:"""|$)|"(?:\\.|[^"\\\n])*"?)|(?<spread>\.\.\.)|(?<variable>\$\w*)|(?<directive>@\w*)|(?<number>-?\d[\d.eE+-]*)|(?<name>[A-Za-z_]\w*)|(?<sign>[^])/g;
const JSON_WORDS = /(?<space>\s+)|(?<key>"(?:\\.|[^"\\\n])*"(?=\s*:))|(?<text>"(?:\\.|[^"\\\n])*"?)|(?<number>-?\d[\d.eE+-]*)|(?<word>true|false|null)|(?<sign>[^])/g;
const KEYWORDS = new Set(["query", "mutation", "subscription", "fragment", "on", "true", "false", "null"]);
const MOST_PAINTED = 200_000; // letters
const OPENS = { "{": "}", "(": ")", "[": "]" };

/** Split a text into tokens: `{kind, text, at}`; together they are the whole text. */
export function tokens(text, language) {
  const found = text.matchAll(language === "json" ? JSON_WORDS : GRAPHQL);
  return [...found].map((match) => ({ kind: kindOf(match.groups), text: match[0], at: match.index }));
}

const kindOf = (groups) => Object.keys(groups).find((kind) => groups[kind] !== undefined);

/** The class that colours a token, or nothing. */
export function colour({ kind, text }) {
  if (kind === "name") return KEYWORDS.has(text) ? "keyword" : "name";
  return { comment: "comment", text: "string", key: "key", number: "number", word: "keyword", variable: "variable", directive: "directive", spread: "keyword" }[kind];
}

/** Fill an element with a text in colours; a very long one stays plain, as a browser would work on it for seconds. */
export function paint(element, text, language) {
  if (text.length > MOST_PAINTED) {
    element.textContent = text;
    return;
  }
  element.replaceChildren(...tokens(text, language).map((token) => {
    const name = colour(token);
    if (!name) return token.text;
    const span = document.createElement("span");
    span.className = name;
    span.textContent = token.text;
    return span;
  }));
}

/** The operations of a document, by a look at its words: `{kind, name, files}`; `files` are variables that hold some. */
export function operations(text) {
  const found = [];
  let depth = 0;
  const words = tokens(text, "graphql").filter(({ kind }) => !["space", "comment"].includes(kind));
  words.forEach(({ kind, text: word }, index) => {
    if (depth === 0 && kind === "name" && ["query", "mutation", "subscription"].includes(word)) {
      const next = words[index + 1];
      found.push({ kind: word, name: next?.kind === "name" ? next.text : "", files: filesAfter(words, index) });
    } else if (depth === 0 && word === "{" && !belongs(words, index)) {
      found.push({ kind: "query", name: "", files: [] });
    }
    if (kind === "sign" && OPENS[word]) depth += 1;
    if (kind === "sign" && Object.values(OPENS).includes(word)) depth -= 1;
  });
  return found;
}

/** Whether a brace at the top opens what an operation or fragment before it announced. */
function belongs(words, index) {
  const before = words[index - 1];
  return before !== undefined && before.text !== "}";
}

function filesAfter(words, index) {
  const files = [];
  for (let at = index; at < words.length && words[at].text !== "{"; at += 1) {
    if (words[at].kind !== "variable" || words[at + 1]?.text !== ":") continue;
    const list = words[at + 2]?.text === "[";
    if (words[at + (list ? 3 : 2)]?.text === "Upload") files.push({ name: words[at].text.slice(1), list });
  }
  return files;
}

// --- what may stand at the cursor

const plain = (type) => type.replace(/[[\]!]/g, "");

/**
 * What may stand at a place in a query: `{from, options: [{label, insert, detail, text}], whole}`; `whole` if what was
 * typed is one of them already.
 *
 * The words before the place are read once, from the left; `places` is the stack of what is open there.
 */
export function complete(text, cursor, schema) {
  const before = tokens(text.slice(0, cursor), "graphql");
  const last = before.at(-1);
  if (last && (last.kind === "comment" || last.kind === "text")) return { from: cursor, options: [] };
  const partial = last && ["name", "variable", "directive"].includes(last.kind) ? last : null;
  const state = read(before.slice(0, partial ? -1 : undefined), schema);
  const typed = (partial?.text ?? "").toLowerCase();
  const starts = ({ label }) => label.toLowerCase().startsWith(typed);
  const all = candidates(state, schema, text, partial?.kind).filter(({ label }) => label.toLowerCase().includes(typed));
  const options = all.filter(({ label }) => label !== partial?.text).sort((a, b) => starts(b) - starts(a));
  return { from: partial?.at ?? cursor, options, whole: options.length < all.length };
}

function read(words, schema) {
  const places = [{ what: "document" }];
  let field = null; // the field, argument or directive that was named last
  let previous = "";
  for (const { kind, text } of words) {
    if (kind === "space" || kind === "comment") continue;
    const place = places.at(-1);
    if (kind === "sign" && OPENS[text]) {
      places.push(opened(text, place, field, previous, schema));
      field = null;
    } else if (kind === "sign" && Object.values(OPENS).includes(text)) {
      if (places.length > 1) field = places.pop().field ?? null;
      if (places.length === 1 && text === "}") places[0] = { what: "document" };
    } else if (kind === "name") {
      field = named(text, place, field, previous, schema);
    } else if (kind === "directive") {
      place.directive = schema.directives[text.slice(1)];
    } else if (kind === "variable" && place.what === "variables") {
      field = null;
    } else if (["variable", "text", "number"].includes(kind) && place.what === "arguments") {
      field = null;
    }
    previous = kind === "spread" ? "..." : text;
  }
  return { place: places.at(-1), field, previous };
}

/** The place that a bracket opens. */
function opened(sign, place, field, previous, schema) {
  if (sign === "(") {
    const { directive } = place;
    place.directive = null;
    if (place.what === "document" && !directive) return { what: "variables" };
    return { what: "arguments", args: (directive ?? field)?.args ?? {}, field };
  }
  if (sign === "[") return { what: place.what === "variables" ? "variables" : "values", type: place.type ?? plain(field?.type ?? ""), field };
  if (place.what === "document") return { what: "selection", type: place.type ?? schema.roots.query };
  if (place.what === "selection") {
    const type = place.on ?? (field ? plain(field.type) : place.type);
    place.on = undefined;
    return { what: "selection", type };
  }
  const type = plain(field?.type ?? place.type ?? "");
  return { what: "arguments", args: schema.types[type]?.fields ?? {} };
}

/** What a name means where it stands; the field or argument it names, if it does. */
function named(name, place, field, previous, schema) {
  if (place.what === "document") {
    if (schema.roots[name] && !place.kind) Object.assign(place, { kind: name, type: schema.roots[name] });
    else if (name === "fragment") place.kind = "fragment";
    else if (previous === "on") place.type = name;
    return null;
  }
  if (place.what === "selection") {
    place.directive = null;
    place.on = place.spread ? name : undefined;
    place.spread = previous === "..." && name === "on";
    return place.on || previous === "..." ? null : schema.types[place.type]?.fields?.[name] ?? null;
  }
  if (place.what === "arguments") return previous === ":" ? null : place.args[name] ?? null;
  return null;
}

function candidates({ place, field, previous }, schema, text, kind) {
  if (kind === "directive" || previous === "@") return entries(schema.directives, (name) => ({ label: `@${name}` }));
  const inputs = () => types(schema, ["scalar", "enum", "input_object"]);
  switch (place.what) {
    case "document":
      if (previous === "on") return types(schema, ["object", "interface", "union"]);
      if (place.kind) return [];
      return [...Object.keys(schema.roots), "fragment"].map((label) => ({ label, insert: `${label} ` }));
    case "variables":
      return previous === ":" || previous === "[" ? inputs() : [];
    case "selection":
      if (previous === "...") return [{ label: "on", insert: "on " }, ...fragments(text)];
      if (place.spread) return possible(schema, place.type);
      return fields(schema, place.type);
    case "values":
      return values(schema, place.type, text);
    default:
      if (previous === ":" && field) return values(schema, plain(field.type), text);
      if (previous === ":") return [];
      return entries(place.args, (name, { type }) => ({ label: name, insert: `${name}: `, detail: type }));
  }
}

const entries = (map, make) => Object.entries(map ?? {}).map(([name, told]) => ({ insert: make(name, told).label, text: told.text, ...make(name, told) }));

function fields(schema, type) {
  const known = entries(schema.types[type]?.fields, (name, told) => ({ label: name, detail: told.type, deprecated: told.deprecated }));
  return [...known, { label: "__typename", insert: "__typename", detail: "String!" }];
}

function types(schema, kinds) {
  const roots = Object.values(schema.roots);
  const fitting = Object.entries(schema.types).filter(([name, { kind }]) => kinds.includes(kind) && !roots.includes(name));
  return entries(Object.fromEntries(fitting), (name) => ({ label: name }));
}

function possible(schema, type) {
  const names = [type, ...(schema.types[type]?.members ?? []), ...(schema.types[type]?.interfaces ?? [])];
  return names.map((label) => ({ label, insert: label, text: schema.types[label]?.text }));
}

const fragments = (text) => [...text.matchAll(/\bfragment\s+(\w+)\s+on\s+(\w+)/g)]
  .filter(([, name]) => name !== "on").map(([, label, detail]) => ({ label, insert: label, detail }));

function values(schema, type, text) {
  const variables = [...new Set(text.match(/\$\w+(?=\s*:)/g))].map((label) => ({ label, insert: label }));
  const known = type === "Boolean" ? ["true", "false"].map((label) => ({ label, insert: label })) : [];
  return [...entries(schema.types[type]?.values, (name) => ({ label: name })), ...known, ...variables];
}
