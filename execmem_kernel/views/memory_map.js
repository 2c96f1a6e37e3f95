// The live memory map: one row for each region of executable memory, and a strip in which each has its share.
//
// Everything shown comes from the model's traits `regions` and `totals`, so a saved notebook can draw it again.
// The strip only repeats the table and is hidden from screen readers.

const COLUMNS = [
  ["name", "name"],
  ["size", "size"],
  ["protection", "protection"],
  ["owner", "owner"],
  ["made", "made in"],
  ["state", "state"],
];
const QUIET_MS = 1000; // a screen reader is told the totals at most this often

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function makeRow(region) {
  const row = make("tr");
  row.tabIndex = -1;
  for (const [key] of COLUMNS) {
    const cell = make(key === "name" ? "th" : "td", `execmem-${key}`);
    if (key === "name") cell.scope = "row";
    row.append(cell);
  }
  fillRow(row, region);
  return row;
}

function fillRow(row, region) {
  row.className = `execmem-row execmem-is-${region.kind}`;
  COLUMNS.forEach(([key], index) => {
    const text = key === "size" ? `${region.size.toLocaleString("en")} bytes` : region[key];
    if (row.cells[index].textContent !== text) row.cells[index].textContent = text;
  });
}

// Rows keep their elements from one update to the next, so that a released row can fade and the focus stays.
function updateRows(body, rows, regions) {
  const seen = new Set();
  regions.forEach((region, index) => {
    seen.add(region.key);
    let row = rows.get(region.key);
    if (row) {
      fillRow(row, region);
    } else {
      row = makeRow(region);
      rows.set(region.key, row);
    }
    if (body.children[index] !== row) body.insertBefore(row, body.children[index] ?? null);
  });
  for (const [key, row] of rows) {
    if (!seen.has(key)) {
      row.remove();
      rows.delete(key);
    }
  }
  const focused = [...rows.values()].some((row) => row.tabIndex === 0);
  if (!focused && body.firstElementChild) body.firstElementChild.tabIndex = 0;
}

function updateStrip(strip, regions) {
  strip.replaceChildren(
    ...regions
      .filter((region) => region.kind !== "released")
      .map((region) => {
        const piece = make("div", `execmem-piece execmem-is-${region.kind}`, region.name);
        piece.style.flexGrow = String(region.size);
        piece.title = `${region.name}: ${region.size.toLocaleString("en")} bytes, ${region.state}`;
        return piece;
      }),
  );
}

// Arrow keys walk from row to row; Tab leaves the table.
function walk(event) {
  const row = event.target.closest(".execmem-row");
  const next = { ArrowDown: row?.nextElementSibling, ArrowUp: row?.previousElementSibling }[event.key];
  if (!next) return;
  row.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
  event.preventDefault();
  event.stopPropagation(); // the notebook's own arrow keys would move to another cell
}

function makeAnnouncer(node) {
  let timer;
  return (text) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (node.textContent !== text) node.textContent = text;
    }, QUIET_MS);
    return () => clearTimeout(timer);
  };
}

function render({ model, el }) {
  const root = make("div", "execmem-map");
  const totals = make("p", "execmem-totals");
  const strip = make("div", "execmem-strip");
  strip.setAttribute("aria-hidden", "true");
  const table = make("table");
  table.append(make("caption", "", "Executable memory, live"));
  const head = make("tr");
  for (const [, title] of COLUMNS) {
    const cell = make("th", "", title);
    cell.scope = "col";
    head.append(cell);
  }
  const body = make("tbody");
  body.addEventListener("keydown", walk);
  table.createTHead().append(head);
  table.append(body);
  const nothing = make("p", "execmem-nothing", "No region is live.");
  const voice = make("p", "execmem-voice");
  voice.setAttribute("aria-live", "polite");
  root.append(totals, strip, table, nothing, voice);
  el.append(root);

  const rows = new Map();
  const announce = makeAnnouncer(voice);
  let cancel = () => {};
  const update = () => {
    const regions = model.get("regions");
    totals.textContent = model.get("totals");
    nothing.hidden = regions.length > 0;
    table.hidden = regions.length === 0;
    updateStrip(strip, regions);
    updateRows(body, rows, regions);
    cancel = announce(model.get("totals"));
  };
  model.on("change:regions change:totals", update);
  update();
  return () => {
    cancel();
    model.off("change:regions change:totals", update);
  };
}

export default { render };
