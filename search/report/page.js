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
    const button = document.createElement("button");
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(table, head, column));
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
for (const row of document.querySelector("table.sortable").tBodies[0].rows) {
  const id = row.cells[0].textContent.split(" ")[0];
  rows.set(id, row);
  row.addEventListener("click", () => choose(id));
}
for (const point of document.querySelectorAll(".point")) {
  const go = () => choose(point.dataset.id)?.scrollIntoView({ block: "nearest" });
  point.addEventListener("click", go);
  point.addEventListener("keydown", (event) => event.key === "Enter" && go());
}
