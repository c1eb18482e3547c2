// Shows the rows of a table that have all the words that are typed. A row whose first cell is empty
// goes on with what the row above it says there.
"use strict";
const box = document.getElementById("filter");
if (box) {
  const rows = [...document.querySelectorAll("#filtered tbody tr")];
  const carried = [];
  const texts = rows.map(row => {
    [...row.cells].slice(0, 4).forEach((cell, i) => {
      if (cell.textContent.trim() || (i === 0 && row.cells[0].textContent.trim())) carried[i] = cell.textContent;
    });
    return [...carried, ...[...row.cells].map(cell => cell.textContent)].join(" ").toLowerCase();
  });
  box.addEventListener("input", () => {
    const words = box.value.toLowerCase().split(/\s+/);
    rows.forEach((row, i) => { row.hidden = !words.every(word => texts[i].includes(word)); });
  });
}
