
"use strict";
for (const table of document.querySelectorAll("table[data-sortable]")) {
  const body = table.tBodies[0];
  table.tHead.rows[0].querySelectorAll("th").forEach((head, column) => {
    const value = (row) => {
      const cell = row.cells[column];
      if (!("number" in cell.dataset)) return cell.dataset.key ?? "";
      return cell.dataset.number === "" ? null : Number(cell.dataset.number);
    };
    const compare = (a, b) => {
      if (a === null || b === null) return 0;
      return typeof a === "number" ? a - b : a.localeCompare(b);
    };
    const sort = () => {
      const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      const rows = [...body.rows].map((row) => [value(row), row]);
      rows.sort(([a], [b]) => (a === null) - (b === null) || sign * compare(a, b));
      body.append(...rows.map(([, row]) => row));
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    };
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", sort);
    head.append(button);
  });
}
