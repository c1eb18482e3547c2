// Shows the rows of a table that have all the words that are typed. A row whose first cell is empty
// belongs to the one above, and says what that one says where that one is not shown.
"use strict";
const box = document.getElementById("filter");
if (box) {
  let first = null;
  const rows = [...document.querySelectorAll("#filtered tbody tr")].map(row => {
    const own = [...row.cells].map(cell => cell.innerHTML);
    if (row.cells[0].textContent.trim()) first = own;
    const full = own.map((html, i) => html.trim() || i > 3 ? html : first[i]);
    const text = document.createElement("div");
    text.innerHTML = full.join(" ");
    return {row, own, full, first, text: text.textContent.toLowerCase()};
  });
  box.addEventListener("input", () => {
    const words = box.value.toLowerCase().split(/\s+/);
    let shown = null;
    for (const {row, own, full, first, text} of rows) {
      row.hidden = !words.every(word => text.includes(word));
      if (row.hidden) continue;
      const html = first === shown ? own : full;
      [...row.cells].forEach((cell, i) => { cell.innerHTML = html[i]; });
      shown = first;
    }
  });
}
