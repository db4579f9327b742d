"""How a report looks, on paper first: A4 or Letter, light, table heads on each page."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light; --ink: #16212b; --soft: #5a6873; --line: #d6dde2; --faint: #f4f7f8;
  --accent: #0b5563; --bad: #a3161f; --bad-faint: #fdf0ef;
  --wait: #8a5a00; --wait-faint: #fdf7e8; }
* { box-sizing: border-box; }
html { background: #fff; color: var(--ink); font: 13px/1.45 "Inter", "Segoe UI", system-ui, "DejaVu Sans", sans-serif;
  font-variant-numeric: tabular-nums; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
body { margin: 0 auto; padding: 40px 32px; max-width: 1240px; }
a { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; }
header { border-top: 6px solid var(--accent); padding-top: 22px; }
.brand { color: var(--accent); font-size: 11px; font-weight: 650; letter-spacing: .12em; text-transform: uppercase; }
h1 { font-size: 30px; font-weight: 650; letter-spacing: -.015em; line-height: 1.15; margin: 6px 0 4px; }
.period { font-size: 16px; color: var(--soft); margin: 0 0 22px; }
h2 { font-size: 17px; font-weight: 650; letter-spacing: -.005em; margin: 0 0 3px; break-after: avoid; }
h2 .no { color: var(--accent); display: inline-block; min-width: 1.9em; }
h3 { font-size: 13px; font-weight: 650; margin: 18px 0 6px; break-after: avoid; }
section { margin-top: 38px; }
.about { color: var(--soft); margin: 0 0 10px; max-width: 88ch;
  break-after: avoid; break-inside: avoid; }
.none { color: var(--soft); border-left: 3px solid var(--line); margin: 8px 0 0; padding: 3px 10px; }
.note { color: var(--soft); font-size: 11.5px; margin: 6px 0 0; }
.numbers { display: grid; grid-template-columns: repeat(8, 1fr); border: 1px solid var(--line); border-radius: 6px;
  margin: 0 0 22px; break-inside: avoid; }
.numbers div { padding: 10px 12px; border-left: 1px solid var(--line); }
.numbers div:first-child { border-left: 0; }
.numbers b { display: block; font-size: 21px; font-weight: 600; line-height: 1.2; }
.numbers span { color: var(--soft); font-size: 11px; }
.stands { border: 1px solid var(--line); border-left: 4px solid var(--accent); border-radius: 4px; padding: 12px 16px;
  break-inside: avoid; }
.stands.bad { border-color: var(--bad); background: var(--bad-faint); }
.stands p { margin: 0 0 8px; }
.stands strong { font-weight: 650; }
.stands.bad strong { color: var(--bad); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; margin: 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
pre { font: 10.5px/1.4 ui-monospace, "DejaVu Sans Mono", monospace; margin: 0; white-space: pre-wrap;
  overflow-wrap: anywhere; }
.points { list-style: none; margin: 0; padding: 0; border-top: 1px solid var(--line); }
.points li { border-bottom: 1px solid var(--line); padding: 5px 2px 5px 20px; position: relative; break-inside: avoid; }
.points li::before { content: ""; position: absolute; left: 4px; top: 12px; width: 7px; height: 7px; border-radius: 50%;
  background: var(--line); }
.points li.grave { font-weight: 600; }
.points li.grave::before { background: var(--bad); }
.points .of { color: var(--soft); font-weight: 400; float: right; }
.contents { columns: 2; column-gap: 40px; margin: 0; padding: 0; list-style: none; }
.contents li { border-bottom: 1px solid var(--line); break-inside: avoid; padding: 3px 0; }
.contents span { float: right; color: var(--soft); }
.contents .no { float: none; color: var(--accent); display: inline-block; min-width: 2em; }
table { border-collapse: collapse; min-width: 60%; font-size: 11.5px; line-height: 1.4; }
thead { display: table-header-group; }
th { border-bottom: 1.5px solid var(--ink); color: var(--soft); font-size: 10.5px; font-weight: 600;
  padding: 4px 10px 4px 0; text-align: left; vertical-align: bottom; }
td { border-bottom: 1px solid var(--line); padding: 5px 10px 5px 0; vertical-align: top; overflow-wrap: break-word; }
tr { break-inside: avoid; }
th:last-child, td:last-child { padding-right: 0; }
th.number, td.number, th.share, td.share { text-align: right; padding-right: 18px; }
th.number:last-child, td.number:last-child { padding-right: 0; }
td.time, td.number, td.duration { white-space: nowrap; overflow-wrap: normal; }
td time { color: var(--soft); }
td time b { color: var(--ink); font-weight: 400; }
td.list > span:not(:last-of-type)::after { content: "\\00a0\\00b7"; color: var(--soft); }
td.quote, td.code { overflow-wrap: anywhere; min-width: 9em; }
td.c-person, td.c-people { overflow-wrap: anywhere; min-width: 10em; }
td.c-held { min-width: 8.5em; }
td.c-approvers, td.c-why { min-width: 10em; }
td.c-request, td.c-key code { white-space: nowrap; min-width: 0; }
.more { color: var(--soft); }
td code { overflow-wrap: anywhere; }
code { font: 10.5px/1.4 ui-monospace, "DejaVu Sans Mono", monospace; }
q { quotes: "\\201c" "\\201d"; }
tr.urgent td { background: var(--bad-faint); }
tr.urgent td:first-child { box-shadow: inset 3px 0 var(--bad); padding-left: 9px; }
tr.urgent td.c-standing { color: var(--bad); font-weight: 650; }
tr.open td { background: var(--wait-faint); }
tr.open td:first-child { box-shadow: inset 3px 0 var(--wait); padding-left: 9px; }
tr.open td.c-standing { color: var(--wait); font-weight: 650; }
@media print {
  html { font-size: 9.5pt; }
  body { max-width: none; padding: 0; }
  a { color: inherit; }
  table, .note { font-size: 7.6pt; }
  th, code, pre { font-size: 7pt; }
  td, th { padding-right: 8px; }
  section.wide { page: wide; margin-top: 0; padding-top: 18px; }
  header { padding-top: 14px; }
  section { margin-top: 20px; }
  .stands, .numbers { margin-bottom: 14px; }
  .points li { padding-top: 3px; padding-bottom: 3px; }
  .points li::before { top: 9px; }
  .contents li { padding: 2px 0; }
  .numbers b { font-size: 15pt; }
}
@page { margin: 17mm 15mm 18mm; @bottom-right { content: counter(page) " of " counter(pages);
  font: 7.5pt system-ui, sans-serif; color: #5a6873; } @bottom-left { content: "FOOT";
  font: 7.5pt system-ui, sans-serif; color: #5a6873; } }
@page wide { size: landscape; }
"""
