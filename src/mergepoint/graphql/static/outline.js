// The schema to read: types, their fields and arguments, with a search over all names.

const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.flat().filter((child) => child !== undefined && child !== ""));
  return element;
};

/** Shows a schema in an element; one type at a time, with a way back. */
export class Outline {
  constructor(element, schema) {
    this.schema = schema;
    this.trail = [];
    this.search = make("input", { type: "search", placeholder: "Search the schema", autocomplete: "off" });
    this.search.setAttribute("aria-label", "Search the schema");
    this.search.addEventListener("input", () => this.draw());
    this.body = make("div", { className: "told" });
    element.replaceChildren(make("div", { className: "find" }, this.search), this.body);
    this.draw();
  }

  show(name, back = false) {
    if (!back) this.trail.push(name);
    this.search.value = "";
    this.draw();
    this.body.parentElement.scrollTop = 0;
    this.body.querySelector("h2")?.focus();
  }

  draw() {
    const words = this.search.value.trim().toLowerCase();
    const name = this.trail.at(-1);
    this.body.replaceChildren(...(words ? this.found(words) : name ? this.type(name) : this.front()));
  }

  front() {
    const { roots, types } = this.schema;
    const starts = Object.values(roots).map((name) => this.section(name, this.fields(types[name].fields)));
    const others = Object.keys(types).filter((name) => !Object.values(roots).includes(name)).sort();
    const list = make("ul", { className: "names" }, others.map((name) => make("li", {}, this.link(name))));
    return [...starts, this.section("Types", list)];
  }

  type(name) {
    const told = this.schema.types[name];
    const back = make("button", { type: "button", className: "back", textContent: "← Back" });
    back.addEventListener("click", () => { this.trail.pop(); this.show(this.trail.at(-1), true); });
    const heading = make("h2", { tabIndex: -1 }, name, " ", make("small", { textContent: told.kind.replace("_", " ") }));
    return [
      back,
      heading,
      make("p", { textContent: told.text ?? "" }),
      told.interfaces && make("p", {}, "implements ", this.links(told.interfaces)),
      told.members && make("p", {}, "one of ", this.links(told.members)),
      told.values && this.values(told.values),
      told.fields && this.fields(told.fields),
    ].filter(Boolean);
  }

  found(words) {
    const hits = [];
    for (const [name, { fields = {} }] of Object.entries(this.schema.types)) {
      if (name.toLowerCase().includes(words)) hits.push(make("li", {}, this.link(name)));
      for (const field of Object.keys(fields)) {
        if (field.toLowerCase().includes(words)) hits.push(make("li", {}, this.link(name), ".", make("code", { textContent: field })));
      }
    }
    return hits.length ? [make("ul", { className: "names" }, hits.slice(0, 100))] : [make("p", { className: "note", textContent: "Nothing here matches." })];
  }

  section(title, content) {
    return make("section", {}, make("h2", { textContent: title }), content);
  }

  fields(fields) {
    return make("dl", {}, Object.entries(fields).map(([name, told]) => make("div", {}, this.field(name, told), this.words(told))));
  }

  field(name, { type, args = {}, default: value }) {
    const list = Object.entries(args);
    const inside = list.flatMap(([arg, told], index) => [index ? ", " : "", make("var", { textContent: arg }), ": ", this.typeOf(told.type), told.default ? ` = ${told.default}` : ""]);
    return make("dt", {}, make("code", {}, make("b", { textContent: name }), ...(list.length ? ["(", ...inside, ")"] : []), ": ", this.typeOf(type), value ? ` = ${value}` : ""));
  }

  words({ text = "", args = {}, deprecated }) {
    const said = Object.entries(args).filter(([, told]) => told.text).map(([name, told]) => make("li", {}, make("code", { textContent: name }), ` ${told.text}`));
    return make("dd", {}, text && make("p", { textContent: text }), said.length ? make("ul", {}, said) : "", deprecated ? make("p", { className: "old", textContent: `Deprecated: ${deprecated}` }) : "");
  }

  values(values) {
    return make("dl", {}, Object.entries(values).map(([name, told]) => make("div", {}, make("dt", {}, make("code", {}, make("b", { textContent: name }))), this.words(told))));
  }

  links(names) {
    return names.flatMap((name, index) => [index ? ", " : "", this.link(name)]);
  }

  /** A type as it is written, its name a link. */
  typeOf(type) {
    const [, before, name, after] = /^(\[*)(\w+)(.*)$/.exec(type);
    return make("span", {}, before, this.link(name), after);
  }

  link(name) {
    const button = make("button", { type: "button", className: "link", textContent: name });
    button.addEventListener("click", () => this.show(name));
    return button;
  }
}
