// The stepper: a slider over the steps of a recorded run.
//
// `position` is the number of frames carried out; a frame is a step, or stands for some that are not shown. The state
// there is the start with the changes of the frames before it, so the model holds each change once, and going back costs
// as little as going forward.

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function stateAt(start, frames, position) {
  const state = new Map(start);
  for (let index = 0; index < position; index += 1) {
    for (const [name, , value] of frames[index].changed) state.set(name, value);
  }
  return state;
}

function stackAt(start, frames, position) {
  for (let index = position - 1; index >= 0; index -= 1) {
    if (frames[index].stack) return frames[index].stack;
  }
  return start;
}

function makeButton(label, sign, act) {
  const button = make("button", "execmem-button", sign);
  button.type = "button";
  button.title = label;
  button.setAttribute("aria-label", label);
  button.addEventListener("click", act);
  return button;
}

function fillSource(list, lines, next, last) {
  list.replaceChildren(
    ...lines.map((line, index) => {
      const number = index + 1;
      const row = make("li", "execmem-line");
      const mark = number === next ? "-->" : number === last ? "  *" : "";
      if (number === next) row.setAttribute("aria-current", "step");
      row.append(make("span", "execmem-mark", mark), make("span", "execmem-number", number), make("span", "", line));
      return row;
    }),
  );
}

function fillState(body, state, changed) {
  body.replaceChildren(
    ...[...state].map(([name, value]) => {
      const row = make("tr", changed.has(name) ? "execmem-changed" : "");
      const head = make("th", "", name);
      head.scope = "row";
      row.append(head, make("td", "", value), make("td", "", changed.has(name) ? `changed, was ${changed.get(name)}` : ""));
      return row;
    }),
  );
}

function fillStack(table, rows, before) {
  const old = new Map(before);
  table.hidden = rows.length === 0;
  table.tBodies[0].replaceChildren(
    ...rows.map(([place, value], index) => {
      const changed = old.get(place) !== value;
      const row = make("tr", changed ? "execmem-changed" : "");
      const head = make("th", "", place);
      head.scope = "row";
      row.append(head, make("td", "", value), make("td", "", index === 0 ? "<-- rsp" : ""));
      return row;
    }),
  );
}

function whereIs(frame) {
  const number = (value) => value.toLocaleString("en");
  if (!frame) return "start";
  if (frame.skipped > 1) return `steps ${number(frame.number)} to ${number(frame.number + frame.skipped - 1)}`;
  return `step ${number(frame.number)}`;
}

function sentence(frames, position, ended) {
  const done = frames[position - 1];
  const next = frames[position];
  const about = (frame) => (frame.line ? `line ${frame.line}: ${frame.text}` : frame.text);
  const past = done ? `Done: ${about(done)}.` : "Nothing has run yet.";
  if (next) return `${past} Next: ${about(next)}.`;
  return ended ? `${past} That was the last step.` : `${past} The program went on from here at full speed.`;
}

function render({ model, el }) {
  const frames = model.get("frames");
  const root = make("div", "execmem-stepper");
  const go = (position) => {
    model.set("position", Math.max(0, Math.min(frames.length, position)));
    model.save_changes();
  };
  const now = () => model.get("position");
  const slider = make("input", "execmem-slider");
  slider.type = "range";
  slider.min = "0";
  slider.max = String(frames.length);
  slider.setAttribute("aria-label", "Steps carried out");
  slider.addEventListener("input", () => go(Number(slider.value)));
  const count = make("span", "execmem-count");
  const bar = make("div", "execmem-bar");
  bar.append(
    makeButton("To the start", "|<", () => go(0)),
    makeButton("One step back", "<", () => go(now() - 1)),
    makeButton("One step on", ">", () => go(now() + 1)),
    makeButton("To the end", ">|", () => go(frames.length)),
    slider,
    count,
  );
  // The notebook has arrow keys of its own.
  bar.addEventListener("keydown", (event) => event.stopPropagation());
  const said = make("p", "execmem-said");
  said.setAttribute("aria-live", "polite");
  const source = make("ol", "execmem-source");
  const table = make("table", "execmem-state");
  table.append(make("caption", "", "Registers"));
  const body = make("tbody");
  table.append(body);
  const stack = make("table", "execmem-state");
  stack.append(make("caption", "", "Stack"), make("tbody"));
  const memory = make("ul", "execmem-memory");
  const panes = make("div", "execmem-panes");
  const left = make("div");
  left.append(source, stack);
  panes.append(left, table);
  root.append(make("p", "execmem-note", model.get("note")));
  if (model.get("loops")) root.append(make("p", "execmem-note", `Loops: ${model.get("loops")}.`));
  root.append(bar, said, memory, panes);
  el.append(root);

  const update = () => {
    const position = now();
    const done = frames[position - 1];
    slider.value = String(position);
    count.textContent = whereIs(done);
    slider.setAttribute("aria-valuetext", count.textContent);
    said.textContent = sentence(frames, position, model.get("ended"));
    fillSource(source, model.get("source"), frames[position]?.line, done?.line);
    const changed = new Map((done?.changed ?? []).map(([name, old]) => [name, old]));
    fillState(body, stateAt(model.get("start"), frames, position), changed);
    const start = model.get("stack");
    fillStack(stack, stackAt(start, frames, position), stackAt(start, frames, Math.max(0, position - 1)));
    memory.replaceChildren(...(done?.memory ?? []).map((text) => make("li", "", `memory: ${text}`)));
  };
  model.on("change:position", update);
  update();
  return () => model.off("change:position", update);
}

export default { render };
