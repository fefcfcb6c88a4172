"use strict";
// Makes tables sortable by their headings and filterable by typing. Without it they are whole.
(() => {
  const order = new Intl.Collator("en", { numeric: true });

  const keyOf = (row, index) => {
    const cell = row.cells[index];
    return cell.dataset.v === undefined ? cell.textContent : Number(cell.dataset.v);
  };

  const compare = (a, b) => {
    if (typeof a === "number" && typeof b === "number") return a - b;
    return order.compare(String(a), String(b));
  };

  const sortable = (table) => {
    const body = table.tBodies[0];
    const heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach((head, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const now = head.getAttribute("aria-sort");
        const numbers = head.dataset.kind === "number" || head.dataset.kind === "bytes";
        const down = now === "none" ? numbers : now === "ascending";
        heads.forEach((other) => other.setAttribute("aria-sort", "none"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = Array.from(body.rows, (row) => [keyOf(row, index), row]);
        rows.sort((a, b) => (down ? compare(b[0], a[0]) : compare(a[0], b[0])));
        body.append(...rows.map((pair) => pair[1]));
      });
    });
  };

  const filterable = (table, number) => {
    const rows = Array.from(table.tBodies[0].rows);
    const texts = rows.map((row) =>
      Array.from(row.cells, (cell) => cell.textContent).join(" ").toLowerCase());
    const box = document.createElement("div");
    box.className = "filter";
    const input = document.createElement("input");
    input.type = "search";
    input.id = `filter-${number}`;
    input.autocomplete = "off";
    input.spellcheck = false;
    input.setAttribute("aria-describedby", table.caption.id);
    const label = document.createElement("label");
    label.htmlFor = input.id;
    label.textContent = "Filter";
    const status = document.createElement("output");
    status.htmlFor = input.id;
    box.append(label, input, status);
    table.parentElement.before(box);
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      rows.forEach((row, index) => {
        row.hidden = !words.every((word) => texts[index].includes(word));
        shown += row.hidden ? 0 : 1;
      });
      status.textContent = words.length ? `${shown} of ${rows.length} rows` : "";
    });
  };

  document.querySelectorAll("table[data-sortable]").forEach((table, number) => {
    const rows = table.tBodies[0].rows.length;
    if (rows > 1) sortable(table);
    if (rows > 5) filterable(table, number);
  });
})();
