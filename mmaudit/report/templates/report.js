"use strict";
// Without this script every table is complete and stands in the order of the report.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const asReported = Array.from(body.rows);
  const heads = Array.from(table.tHead.rows[0].cells);
  const said = (row, column) => (column < row.cells.length ? row.cells[column].textContent.trim() : "");
  const key = (row, column) => {
    const text = said(row, column);
    const number = parseFloat(text.replace(/^[±≤≥]\s*/, ""));
    return Number.isNaN(number) ? text : number;
  };
  const compare = (a, b) => {
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return typeof a === "number" ? a - b : a.localeCompare(b, "en");
  };
  heads.forEach((head, column) => {
    if (asReported.every((row) => !said(row, column))) return; // pictures have no order
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const next = { ascending: "descending", descending: null }[head.getAttribute("aria-sort")];
      const direction = next === undefined ? "ascending" : next;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      const rows = Array.from(asReported);
      if (direction) {
        const sign = direction === "ascending" ? 1 : -1;
        head.setAttribute("aria-sort", direction);
        rows.sort((a, b) => sign * compare(key(a, column), key(b, column)));
      }
      body.append(...rows);
    });
  });
}
