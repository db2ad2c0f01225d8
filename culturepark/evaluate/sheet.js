"use strict";
// Ratings live in the page and, where the browser lets a file have storage, under the sheet's digest.
const key = "culturepark-sheet-" + document.body.dataset.sheet;
const rater = document.getElementById("rater");
const articles = [...document.querySelectorAll("article")];
const scales = [...new Set([...document.querySelectorAll("fieldset")].map((set) => set.dataset.scale))];

function ratings() {
  return articles.map((article) => {
    const row = { code: article.dataset.code, note: article.querySelector("textarea").value.trim() };
    for (const set of article.querySelectorAll("fieldset"))
      row[set.dataset.scale] = set.querySelector("input:checked")?.value ?? "";
    return row;
  });
}

function show() {
  const sets = [...document.querySelectorAll("fieldset")];
  const done = sets.filter((set) => set.querySelector("input:checked")).length;
  document.getElementById("progress").value = `${done} of ${sets.length} ratings`;
}

function keep() {
  show();
  try { localStorage.setItem(key, JSON.stringify({ rater: rater.value, rows: ratings() })); } catch { /* none here */ }
}

function restore() {
  let kept = null;
  try { kept = JSON.parse(localStorage.getItem(key)); } catch { /* none here */ }
  if (!kept) return;
  rater.value = kept.rater;
  for (const row of kept.rows) {
    const article = articles.find((one) => one.dataset.code === row.code);
    if (!article) continue;
    article.querySelector("textarea").value = row.note;
    for (const set of article.querySelectorAll("fieldset"))
      for (const input of set.querySelectorAll("input")) input.checked = input.value === row[set.dataset.scale];
  }
}

function cell(text) {
  const harmless = /^[=+\-@\t\r]/.test(text) && text !== "-" ? "'" + text : text;
  return `"${harmless.replaceAll('"', '""')}"`;
}

function csv() {
  const lines = [["code", "rater", ...scales, "note"]];
  for (const row of ratings()) lines.push([row.code, rater.value, ...scales.map((name) => row[name] ?? "-"), row.note]);
  return "\ufeff" + lines.map((line) => line.map(cell).join(",")).join("\r\n") + "\r\n";
}

function save() {
  if (!rater.value.trim()) { rater.focus(); document.getElementById("progress").value = "Your name is missing."; return; }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
  const who = rater.value.trim().replace(/[^\p{L}\p{N}]+/gu, "-");
  link.download = `${document.body.dataset.name}-${who}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

document.addEventListener("input", keep);
document.getElementById("save").addEventListener("click", save);
for (const button of document.querySelectorAll(".clear"))
  button.addEventListener("click", () => {
    for (const input of button.closest("fieldset").querySelectorAll("input")) input.checked = false;
    keep();
  });
restore();
show();
