"""The style sheet of a page and its only script, which sorts and filters; the page is readable without it."""

from __future__ import annotations

CSS = """
:root{color-scheme:light dark;--ink:#1b1b1f;--page:#fdfdfc;--soft:#f1f1f4;--line:#c8c8d0;--grid:#d4d4dc;--dim:#55555f;
--accent:#00558c;--good:#00664a;--bad:#a63c00;--same:#00558c;--open:#6a5200;--line-0:#0072b2;--line-1:#d55e00;
--line-2:#009e73;--line-3:#cc79a7;--line-4:#e69f00;--line-5:#56b4e9;--line-6:#8c8c8c}
@media(prefers-color-scheme:dark){:root{--ink:#ececf1;--page:#16171b;--soft:#212329;--line:#43464f;--grid:#3a3d46;
--dim:#a9abb6;--accent:#7cc4f5;--good:#4fd1a8;--bad:#ff9c66;--same:#7cc4f5;--open:#e8c55a;--line-0:#4aa8e8;
--line-1:#f5894a;--line-2:#2fc296;--line-3:#e6a3cd;--line-4:#f2b630;--line-5:#9ad6f7;--line-6:#a8a8a8}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:76rem;padding:1rem;background:var(--page);color:var(--ink);
font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;margin:.2rem 0}h2{font-size:1.2rem;margin:2rem 0 .5rem;border-bottom:1px solid var(--line)}
h3{font-size:1rem;margin:1.2rem 0 .3rem}h1,h2,h3,p,li,summary{overflow-wrap:anywhere}th,td{overflow-wrap:break-word}
p{max-width:75ch}header p,figcaption,.controls,.notes{color:var(--dim)}
.notes{font-size:.875rem;max-width:85ch;padding-left:1.2rem}
nav{display:flex;flex-wrap:wrap;gap:.2rem 1rem}a{color:var(--accent)}
.scroll,.chart{overflow-x:auto;border:1px solid var(--line);border-radius:4px}.scroll{width:fit-content;max-width:100%}
.chart{padding:.4rem}.chart svg{display:block;width:100%;min-width:34rem;height:auto;max-width:60rem}
table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums}
th,td{padding:.3rem .6rem;text-align:left;vertical-align:top;border-bottom:1px solid var(--line);min-width:4rem;
max-width:28rem}
.number{text-align:right}.number,.family{white-space:nowrap}thead th{background:var(--soft);white-space:nowrap}
#settings tbody th{position:sticky;left:0;background:var(--page);min-width:7rem;max-width:11rem}td.why{min-width:18rem}
tbody th{font-weight:600}
th button{all:unset;cursor:pointer;font-weight:600}th button::after{content:" \\2195";color:var(--dim)}
th[aria-sort=ascending] button::after{content:" \\2191"}th[aria-sort=descending] button::after{content:" \\2193"}
:focus-visible,th button:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
input{font:inherit;padding:.2rem .5rem;border:1px solid var(--dim);border-radius:4px;background:var(--page);
color:var(--ink)}
.verdicts{list-style:none;padding:0}.verdicts li{margin:.3rem 0}.word{font-weight:600;white-space:nowrap}
.better{color:var(--good)}.worse{color:var(--bad)}.equivalent{color:var(--same)}.undecided{color:var(--open)}
.lead{font-size:1.1rem}.warning{border-left:4px solid var(--bad);padding-left:.6rem}
.side{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(30rem,100%),1fr));gap:0 1.5rem}
.side svg{min-width:0}h4{font-size:.9rem;margin:.8rem 0 .2rem}
figure{margin:0 0 1.5rem;max-width:61rem}figcaption{font-size:.875rem;max-width:75ch}
details{margin:.3rem 0}summary{cursor:pointer}pre{overflow-x:auto;background:var(--soft);padding:.6rem;
white-space:pre-wrap;overflow-wrap:anywhere}
@media print{:root{--ink:#000;--page:#fff;--soft:#eee;--line:#999;--grid:#ccc;--dim:#333;--good:#000;--bad:#000;
--same:#000;--open:#000;--line-0:#0072b2;--line-1:#d55e00;--line-2:#009e73;--line-3:#cc79a7;--line-4:#e69f00;
--line-5:#56b4e9;--line-6:#8c8c8c;color-scheme:light}nav,.controls,th button::after{display:none}
body{max-width:none;font-size:10pt}.chart svg{width:auto;min-width:0;max-width:100%;max-height:7.6cm}
.chart svg.tall{max-height:16cm}.scroll,.chart{overflow:visible;border:0}
table{font-size:8pt}thead th{white-space:normal;overflow-wrap:anywhere}td.why{min-width:12rem}#settings{font-size:6.5pt}
@page{size:landscape}#settings th,#settings td{padding:.1rem .2rem;min-width:0;white-space:normal;position:static}
#settings thead th{writing-mode:vertical-rl;vertical-align:bottom}#settings td.why{min-width:9rem}
figure,tr{break-inside:avoid}}
"""

SCRIPT = """
"use strict";
const table = document.getElementById("settings"), body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
const filter = document.getElementById("filter"), count = document.getElementById("count"), rows = [...body.rows];
const key = (row, column) => row.cells[column].dataset.value;
const compare = column => (a, b) => {
  const x = key(a, column), y = key(b, column);
  if (x !== undefined && y !== undefined) return x - y;
  return a.cells[column].textContent.localeCompare(b.cells[column].textContent, "en", {numeric: true});
};
const empty = (row, column) => key(row, column) === undefined && /^[-\\u2013]?$/.test(row.cells[column].textContent);
heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
  const descending = head.getAttribute("aria-sort") === "ascending";
  heads.forEach(other => other.setAttribute("aria-sort", "none"));
  head.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const last = rows.filter(row => empty(row, column)), full = rows.filter(row => !empty(row, column));
  full.sort(compare(column));
  if (descending) full.reverse();
  body.append(...full, ...last);
}));
const show = () => {
  const words = filter.value.toLowerCase().split(/\\s+/).filter(Boolean);
  let seen = 0;
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every(word => text.includes(word));
    seen += !row.hidden;
  }
  count.textContent = seen + " of " + rows.length + " settings";
};
filter.addEventListener("input", show);
show();
"""
