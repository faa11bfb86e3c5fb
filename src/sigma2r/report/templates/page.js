"use strict";

// A cell as a number: "0.8666 ± 0.0012", "+0.0013", "1,234", "> 10,000", "12 %"; nothing comes last.
function sortKey(text) {
  const match = text.replace(/,/g, "").replace(/[−–](?=\d)/g, "-").match(/^[<>~ ]*([+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)/i);
  return match ? Number(match[1]) : null;
}

function compareCells(a, b, direction) {
  const x = sortKey(a), y = sortKey(b), none = (text) => /^[–-]?$/.test(text);
  if (none(a) || none(b)) return none(a) - none(b);
  if (x !== null && y !== null) return direction * (x - y);
  if ((x === null) !== (y === null)) return x === null ? 1 : -1;
  return direction * a.localeCompare(b, "en");
}

for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0], original = [...body.rows], heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const next = { none: "ascending", ascending: "descending", descending: "none" }[head.getAttribute("aria-sort")];
      heads.forEach((other) => other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", next);
      const direction = next === "ascending" ? 1 : -1;
      const text = (row) => row.cells[column].textContent.trim();
      const rows = next === "none" ? original : [...original].sort((a, b) => compareCells(text(a), text(b), direction));
      body.append(...rows);
    });
  });
}

// What a column means, shown while its head is under the pointer or has the focus.
const tip = document.createElement("div");
tip.className = "tip";
tip.hidden = true;
document.body.append(tip);
function showTip(button) {
  tip.textContent = document.getElementById(button.getAttribute("aria-describedby")).textContent;
  tip.hidden = false;
  const box = button.getBoundingClientRect();
  tip.style.left = Math.max(4, Math.min(box.left, innerWidth - tip.offsetWidth - 4)) + "px";
  tip.style.top = Math.max(4, box.top - tip.offsetHeight - 4) + "px";
}
for (const button of document.querySelectorAll("button[aria-describedby]")) {
  for (const event of ["mouseenter", "focus"]) button.addEventListener(event, () => showTip(button));
  for (const event of ["mouseleave", "blur"]) button.addEventListener(event, () => { tip.hidden = true; });
}
addEventListener("keydown", (event) => { if (event.key === "Escape") tip.hidden = true; });

// Figures, enlarged.
const dialog = document.querySelector("dialog"), view = dialog.querySelector(".view"), large = dialog.querySelector("img");
const told = dialog.querySelector("output");
let scale = 1, x = 0, y = 0, opener = null;
function place() {
  scale = Math.min(20, Math.max(1, scale));
  const room = { x: view.clientWidth * (scale - 1), y: view.clientHeight * (scale - 1) };
  x = Math.min(0, Math.max(-room.x, x));
  y = Math.min(0, Math.max(-room.y, y));
  large.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
  told.textContent = `${Math.round(100 * scale)} %`;
}
function zoom(factor, atX = view.clientWidth / 2, atY = view.clientHeight / 2) {
  const before = scale;
  scale = Math.min(20, Math.max(1, scale * factor));
  x = atX - (atX - x) * (scale / before);
  y = atY - (atY - y) * (scale / before);
  place();
}
for (const button of document.querySelectorAll("figure > button")) {
  button.addEventListener("click", () => {
    const image = button.querySelector("img");
    opener = button;
    large.src = image.src;
    large.alt = image.alt;
    [scale, x, y] = [1, 0, 0];
    dialog.showModal();
    place();
  });
}
dialog.addEventListener("close", () => opener.focus());
dialog.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[event.key];
  if (event.key === "+" || event.key === "=") zoom(1.25);
  else if (event.key === "-") zoom(0.8);
  else if (event.key === "0") zoom(0);
  else if (step) { x += step[0]; y += step[1]; place(); } else return;
  event.preventDefault();
});
view.addEventListener("wheel", (event) => {
  event.preventDefault();
  const box = view.getBoundingClientRect();
  zoom(Math.exp(-event.deltaY / 400), event.clientX - box.left, event.clientY - box.top);
}, { passive: false });
view.addEventListener("pointerdown", (event) => view.setPointerCapture(event.pointerId));
view.addEventListener("pointermove", (event) => {
  if (!view.hasPointerCapture(event.pointerId)) return;
  x += event.movementX;
  y += event.movementY;
  place();
});
for (const [name, action] of [["in", () => zoom(1.25)], ["out", () => zoom(0.8)], ["close", () => dialog.close()]]) {
  dialog.querySelector(`[data-action="${name}"]`).addEventListener("click", action);
}

const theme = document.getElementById("theme");
theme.addEventListener("click", () => {
  const dark = getComputedStyle(document.documentElement).colorScheme === "dark";
  document.documentElement.dataset.theme = dark ? "light" : "dark";
});
