"use strict";
// Tables sort by a click on a head; a point of the drawing and its row in the table find each other.

function value(row, column) {
  const text = row.children[column].textContent.trim();
  const number = parseFloat(text.replace(/^[a-z]/, ""));
  return Number.isNaN(number) ? text : number;
}

function sort(table, head, column) {
  const down = head.getAttribute("aria-sort") === "ascending";
  for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const body = table.tBodies[0];
  const rows = [...body.rows].sort((a, b) => {
    const [x, y] = [value(a, column), value(b, column)];
    const order = typeof x === typeof y ? (x < y ? -1 : x > y ? 1 : 0) : typeof x === "number" ? -1 : 1;
    return down ? -order : order;
  });
  body.append(...rows);
}

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    // A real button is not painted where a head is repeated on paper.
    const button = document.createElement("span");
    button.setAttribute("role", "button");
    button.tabIndex = 0;
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(table, head, column));
    button.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      sort(table, head, column);
      event.preventDefault();
    });
    head.append(button);
  });
}

function choose(id) {
  for (const chosen of document.querySelectorAll(".chosen")) chosen.classList.remove("chosen");
  for (const point of document.querySelectorAll(".point")) point.classList.toggle("chosen", point.dataset.id === id);
  const row = rows.get(id);
  if (row) row.classList.add("chosen");
  return row;
}

const rows = new Map();
for (const row of document.querySelector(".points table").tBodies[0].rows) {
  const id = row.cells[0].textContent.split(" ")[0];
  rows.set(id, row);
  row.addEventListener("click", () => choose(id));
}
// One stop for Tab in each drawing; the arrow keys walk from point to point, from the cheapest on.
for (const drawing of document.querySelectorAll("svg[role=group]")) {
  const points = [...drawing.querySelectorAll(".point")];
  const at = (point) => parseFloat(point.querySelector(".bar").getAttribute("d").slice(1));
  points.sort((a, b) => at(a) - at(b));
  const first = points.find((point) => point.querySelector(".ring")) ?? points[0];
  const said = drawing.closest("figure").querySelector(".said");
  points.forEach((point, i) => {
    const go = () => choose(point.dataset.id)?.scrollIntoView({ block: "nearest" });
    const tell = () => said && (said.textContent = point.querySelector("title").textContent);
    point.setAttribute("tabindex", point === first ? "0" : "-1");
    point.addEventListener("click", go);
    point.addEventListener("mouseenter", tell);
    point.addEventListener("focus", tell);
    point.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (step) points[(i + step + points.length) % points.length].focus();
      else if (event.key === "Enter") go();
      else return;
      event.preventDefault();
    });
  });
}

// While the run goes on: served by `senet-search ui`, the page asks how far it is; as a file it loads itself again.
const unfinished = document.querySelector(".unfinished");
if (unfinished && location.protocol === "http:") {
  setInterval(async () => {
    const found = await fetch("status.json").then((answer) => answer.json()).catch(() => null);
    if (!found) return;
    unfinished.querySelector(".live").textContent = found.line;
    if (found.written > Date.parse(document.lastModified) / 1000) location.reload();
  }, 2000);
} else if (unfinished && location.protocol === "file:") {
  setTimeout(() => location.reload(), 30000);
}
