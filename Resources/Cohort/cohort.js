// Verdicts are kept in this browser, under the page's address, until they are saved as CSV.
const key = "flareseg-review " + location.pathname;
let verdicts = {};
try { verdicts = JSON.parse(localStorage.getItem(key)) || {}; } catch { /* the browser keeps nothing */ }
const cards = [...document.querySelectorAll("article")];
const at = (id) => document.getElementById(id);

function keep() {
  try { localStorage.setItem(key, JSON.stringify(verdicts)); } catch { /* the same */ }
}

function paint(card) {
  const known = verdicts[card.id] || {};
  card.dataset.verdict = known.verdict || "";
  for (const button of card.querySelectorAll("[data-verdict]"))
    button.classList.toggle("chosen", button.dataset.verdict === known.verdict);
  card.querySelector(".verdict input").value = known.comment || "";
}

function filter() {
  const wanted = at("filter").value.toLowerCase(), show = at("show").value;
  for (const card of cards) {
    const verdict = card.dataset.verdict;
    const fits = !show || (show === "open" ? !verdict : verdict === show);
    card.hidden = !fits || !card.textContent.toLowerCase().includes(wanted);
  }
}

function sort() {
  const byName = at("sort").value === "name";
  for (const part of document.querySelectorAll(".cards")) {
    const own = cards.filter((card) => card.parentNode === part);
    if (byName) own.sort((a, b) => a.id.localeCompare(b.id, undefined, { numeric: true }));
    part.append(...own);
  }
}

function save() {
  const quoted = (text) => '"' + String(text || "").replaceAll('"', '""') + '"';
  const lines = ["case,verdict,comment"];
  for (const card of cards) {
    const known = verdicts[card.id] || {};
    lines.push([card.id, known.verdict, known.comment].map(quoted).join(","));
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
  link.download = "review.csv";
  link.click();
}

for (const card of cards) {
  paint(card);
  card.addEventListener("click", (event) => {
    const chosen = event.target.dataset.verdict;
    if (event.target.tagName !== "BUTTON" || !chosen) return;
    const known = verdicts[card.id] || {};
    verdicts[card.id] = { ...known, verdict: known.verdict === chosen ? "" : chosen };
    keep();
    paint(card);
  });
  card.querySelector(".verdict input").addEventListener("input", (event) => {
    verdicts[card.id] = { ...verdicts[card.id], comment: event.target.value };
    keep();
  });
}
at("filter").addEventListener("input", filter);
at("show").addEventListener("change", filter);
at("sort").addEventListener("change", sort);
at("save").addEventListener("click", save);
