// Verdicts are kept in this browser, under the page's address, until they are saved as CSV.
const key = "flareseg-review " + location.pathname;
let verdicts = {};
try { verdicts = JSON.parse(localStorage.getItem(key)) || {}; } catch { /* the browser keeps nothing */ }
const cards = [...document.querySelectorAll("article")]; // as the page has them: most urgent first
const at = (id) => document.getElementById(id);

function keep() {
  try { localStorage.setItem(key, JSON.stringify(verdicts)); } catch { /* the same */ }
}

function paint(card) {
  const known = verdicts[card.id] || {};
  card.dataset.verdict = known.verdict || "";
  for (const button of card.querySelectorAll("[data-choice]")) {
    const isChosen = button.dataset.choice === known.verdict;
    button.classList.toggle("chosen", isChosen);
    button.setAttribute("aria-pressed", isChosen);
  }
}

function isShown(card) {
  const show = at("show").value, { verdict, comment } = verdicts[card.id] || {};
  const fits = { "": true, open: !verdict, comment: Boolean(comment) }[show] ?? verdict === show;
  const text = [card.id, ...[...card.querySelectorAll("p, li")].map((one) => one.textContent), comment];
  return fits && text.join(" ").toLowerCase().includes(at("filter").value.toLowerCase());
}

function filter() {
  for (const card of cards) card.hidden = !isShown(card);
  at("shown").textContent = `${cards.filter((card) => !card.hidden).length} of ${cards.length} cases`;
}

function ml(card) {
  const figure = card.querySelector(`figure[data-organ="${at("organ").value}"]`);
  return figure ? Number(figure.dataset.ml) : 0;
}

function sort() {
  const orders = {
    name: (a, b) => a.id.localeCompare(b.id, undefined, { numeric: true }),
    small: (a, b) => ml(a) - ml(b),
    large: (a, b) => ml(b) - ml(a),
  };
  for (const part of document.querySelectorAll(".cards")) {
    const own = cards.filter((card) => card.parentNode === part);
    part.append(...own.sort(orders[at("sort").value] || (() => 0)));
  }
}

function choose() {
  const organ = at("organ").value;
  document.body.classList.toggle("one-organ", Boolean(organ));
  for (const details of document.querySelectorAll(".organs")) details.open = Boolean(organ);
  for (const figure of document.querySelectorAll("figure"))
    figure.classList.toggle("chosen", figure.dataset.organ === organ);
  for (const option of at("sort").querySelectorAll('[value="small"], [value="large"]'))
    option.disabled = !organ;
  if (at("sort").selectedOptions[0].disabled) at("sort").value = "";
  sort();
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
  const comment = card.querySelector(".verdict input");
  comment.value = (verdicts[card.id] || {}).comment || "";
  comment.addEventListener("input", () => {
    verdicts[card.id] = { ...verdicts[card.id], comment: comment.value };
    keep();
  });
  for (const button of card.querySelectorAll("[data-choice]")) {
    button.addEventListener("click", () => {
      const known = verdicts[card.id] || {}, chosen = button.dataset.choice;
      verdicts[card.id] = { ...known, verdict: known.verdict === chosen ? "" : chosen };
      keep();
      paint(card);
    });
  }
  paint(card);
}
addEventListener("hashchange", () => { // a dot leads to its case, also where a filter hides it
  const card = at(decodeURIComponent(location.hash.slice(1)));
  if (card?.hidden) { card.hidden = false; card.scrollIntoView(); }
});
at("filter").addEventListener("input", filter);
at("show").addEventListener("change", filter);
at("organ").addEventListener("change", choose);
at("sort").addEventListener("change", sort);
at("save").addEventListener("click", save);
choose();
filter();
