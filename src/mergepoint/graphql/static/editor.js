// A text field in colours: the field itself is a textarea with invisible letters, over a painted copy of its text.

import { paint } from "./language.js";

const INDENT = "  ";
let count = 0;

/** Insert a text at the cursor as if it were typed, so that it can be undone. */
function type(area, text, from = area.selectionStart) {
  area.setSelectionRange(from, area.selectionEnd);
  if (!document.execCommand("insertText", false, text)) area.setRangeText(text, from, area.selectionEnd, "end");
}

/** An editor in an element; `suggest(text, cursor)` says what may stand at the cursor. */
export class Editor extends EventTarget {
  constructor(element, suggest) {
    super();
    count += 1;
    this.element = element;
    this.language = element.dataset.language;
    this.suggest = suggest;
    this.options = [];
    this.build(element.dataset.label, `options-${count}`);
    this.area.addEventListener("input", () => this.changed());
    this.area.addEventListener("scroll", () => this.follow());
    this.area.addEventListener("keydown", (event) => this.pressed(event));
    this.area.addEventListener("blur", () => this.close());
    this.area.addEventListener("click", () => this.close());
    this.draw();
  }

  build(label, id) {
    this.copy = Object.assign(document.createElement("pre"), { className: "copy" });
    this.copy.setAttribute("aria-hidden", "true");
    this.list = Object.assign(document.createElement("ul"), { id, className: "options", hidden: true });
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-label", "What may stand here");
    this.area = Object.assign(document.createElement("textarea"), { spellcheck: false, autocapitalize: "off", wrap: "off" });
    const told = { "aria-label": label, autocomplete: "off", autocorrect: "off" };
    if (this.suggest) Object.assign(told, { role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": id });
    Object.entries(told).forEach(([name, value]) => this.area.setAttribute(name, value));
    this.element.replaceChildren(this.copy, this.area, this.list);
  }

  get value() { return this.area.value; }

  set value(text) {
    this.area.value = text;
    this.draw();
  }

  draw() {
    paint(this.copy, `${this.value}\n`, this.language); // a pre drops a last line that is empty
    this.follow();
  }

  follow() {
    this.copy.scrollTo(this.area.scrollLeft, this.area.scrollTop);
    this.place();
  }

  changed() {
    this.draw();
    this.dispatchEvent(new Event("change"));
    const typed = this.value[this.area.selectionStart - 1] ?? "";
    if (/[\w$@.]/.test(typed)) this.open();
    else this.close();
  }

  pressed(event) {
    const { key } = event;
    if (event.isComposing) return;
    if (key === " " && (event.ctrlKey || event.altKey)) return this.take(event, () => this.open());
    if (this.options.length && this.choosing(event)) return;
    if (key === "Enter" && !event.ctrlKey && !event.metaKey && !event.shiftKey) this.take(event, () => this.breakLine());
  }

  take(event, act) {
    event.preventDefault();
    act();
  }

  /** Handle a key while there are options; true if it was theirs. */
  choosing(event) {
    const moves = { ArrowDown: 1, ArrowUp: -1 };
    const takes = this.marked !== null && (event.key === "Enter" || event.key === "Tab");
    if (event.key in moves) this.take(event, () => this.mark((this.marked ?? Math.min(0, -moves[event.key])) + moves[event.key]));
    else if (takes && !event.ctrlKey && !event.metaKey) this.take(event, () => this.choose(this.marked));
    else if (event.key === "Escape") this.take(event, () => this.close());
    else return false;
    return true;
  }

  breakLine() {
    const before = this.value.slice(0, this.area.selectionStart);
    const indent = /[^\n]*$/.exec(before)[0].match(/^\s*/)[0];
    const opened = /[{[(]\s*$/.test(before);
    const closed = opened && /^\s*[}\])]/.test(this.value.slice(this.area.selectionEnd));
    type(this.area, `\n${indent}${opened ? INDENT : ""}`);
    if (!closed) return;
    const cursor = this.area.selectionStart;
    type(this.area, `\n${indent}`);
    this.area.setSelectionRange(cursor, cursor);
  }

  // --- options

  open() {
    if (!this.suggest) return;
    const { from, options, whole } = this.suggest(this.value, this.area.selectionStart);
    this.from = from;
    this.options = options.slice(0, 50);
    this.list.replaceChildren(...this.options.map((option, index) => this.row(option, index)));
    this.list.hidden = !this.options.length;
    this.area.setAttribute("aria-expanded", String(!this.list.hidden));
    this.mark(whole ? null : 0); // a word that is whole needs no choice: Enter breaks the line
    this.place();
  }

  close() {
    if (!this.options.length) return;
    this.options = [];
    this.list.hidden = true;
    this.area.setAttribute("aria-expanded", "false");
    this.area.removeAttribute("aria-activedescendant");
  }

  row({ label, detail, text, deprecated }, index) {
    const row = Object.assign(document.createElement("li"), { id: `${this.list.id}-${index}`, title: text ?? "" });
    row.setAttribute("role", "option");
    const name = Object.assign(document.createElement(deprecated ? "s" : "span"), { textContent: label });
    row.append(name, Object.assign(document.createElement("small"), { textContent: detail ?? "" }));
    row.addEventListener("mousedown", (event) => this.take(event, () => this.choose(index))); // before the blur
    return row;
  }

  mark(index) {
    const { length } = this.options;
    this.marked = index === null || !length ? null : (index + length) % length;
    [...this.list.children].forEach((row, at) => row.setAttribute("aria-selected", String(at === this.marked)));
    this.area.removeAttribute("aria-activedescendant");
    if (this.marked === null) return;
    const row = this.list.children[this.marked];
    row.scrollIntoView({ block: "nearest" });
    this.area.setAttribute("aria-activedescendant", row.id);
  }

  choose(index) {
    const { insert } = this.options[index];
    this.close();
    type(this.area, insert, this.from);
    this.close();
  }

  /** Put the list below the letter it belongs to; all letters are equally wide. */
  place() {
    if (this.list.hidden) return;
    const lines = this.value.slice(0, this.from).split("\n");
    const style = getComputedStyle(this.area);
    const height = parseFloat(style.lineHeight);
    const left = parseFloat(style.paddingLeft) + lines.at(-1).length * this.width() - this.area.scrollLeft;
    const top = parseFloat(style.paddingTop) + lines.length * height - this.area.scrollTop;
    this.list.style.left = `${Math.max(0, Math.min(left, this.element.clientWidth - this.list.offsetWidth))}px`;
    const below = top + this.list.offsetHeight <= this.element.clientHeight || top < this.list.offsetHeight + height;
    this.list.style.top = `${below ? top : top - height - this.list.offsetHeight}px`;
  }

  width() {
    const context = document.createElement("canvas").getContext("2d");
    context.font = getComputedStyle(this.area).font;
    return context.measureText("0").width;
  }
}
