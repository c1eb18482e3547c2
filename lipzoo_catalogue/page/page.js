"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const slider = document.getElementById("epsilon");
const said = document.getElementById("said");
const marker = document.getElementById("marker");
const rows = () => [...document.querySelectorAll("#examples tbody tr")];

function move() {
  const place = Number(slider.value), epsilon = data.epsilons[place], count = data.counts[place];
  // Rounded downwards: 99.999 % proven are not 100 %.
  const share = (Math.floor(10000 * count / data.examples) / 100).toFixed(2);
  said.textContent = `ε = ${epsilon}: ${count.toLocaleString("en")} of ` +
    `${data.examples.toLocaleString("en")} examples (${share} %) ${data.said}`;
  slider.setAttribute("aria-valuetext", epsilon);
  const left = Number(marker.dataset.left), width = Number(marker.dataset.width);
  const x = left + width * place / (data.epsilons.length - 1);
  marker.setAttribute("x1", x);
  marker.setAttribute("x2", x);
  for (const row of rows()) {
    const state = row.dataset.wrong ? "wrong" : Number(row.dataset.radius) > Number(epsilon) ? "proven" : "open";
    row.dataset.state = state;
    row.cells[row.cells.length - 1].textContent = state;
  }
}

function sort(button) {
  const head = button.closest("th"), body = document.querySelector("#examples tbody");
  const column = head.cellIndex;
  const down = head.getAttribute("aria-sort") === "ascending";
  for (const other of head.parentNode.cells) other.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const key = row => row.cells[column].dataset.value ?? row.cells[column].textContent;
  const compare = head.classList.contains("number")
    ? (a, b) => Number(key(a)) - Number(key(b))
    : (a, b) => key(a).localeCompare(key(b), "en", {numeric: true});
  const sorted = rows().sort(compare);
  body.append(...(down ? sorted.reverse() : sorted));
}

slider.addEventListener("input", move);
for (const button of document.querySelectorAll("#examples th button"))
  button.addEventListener("click", () => sort(button));
move();
