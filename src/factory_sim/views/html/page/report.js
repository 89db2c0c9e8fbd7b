"use strict";
// What the page knows, how it is coloured, which scenario is shown, and how it becomes print.
// Charts and the replay register themselves in `report.draw`; each draws what is visible and may be called again.
const report = {
  data: JSON.parse(document.getElementById("data").textContent),
  draw: {},       // name -> function(element, side)
  instances: [],  // ECharts that must go before they are drawn again
  side: 0,
  printing: false,
};
const dark = matchMedia("(prefers-color-scheme: dark)");
const print = matchMedia("print");

report.theme = () => {
  const night = dark.matches && !report.printing;
  const style = getComputedStyle(document.documentElement);
  const value = (name) => style.getPropertyValue(name).trim();
  return {
    night,
    ink: night ? value("--ink") : "#1c2329",
    soft: night ? value("--soft") : "#5a6670",
    line: night ? value("--line") : "#dfe1de",
    card: night ? value("--card") : "#ffffff",
    good: night ? value("--good") : "#1f7a5c",
    bad: night ? value("--bad") : "#b23b2a",
    state: (code) => report.data.states.find((each) => each.code === code)[night ? "dark" : "light"],
    side: (i) => report.data.colours[i % report.data.colours.length][night ? 1 : 0],
  };
};
report.words = (name) => name.replaceAll("_", " ");
report.escape = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
report.number = (value, digits = 3) => {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  return value.toLocaleString("en", { maximumSignificantDigits: digits }).replace("-", "−");
};
report.signed = (value) => (value > 0 ? "+" : value < 0 ? "−" : "") + Math.abs(value).toFixed(1);
// The plant's clock so long after the window began; where it is not known, the time since then.
report.begins = () => Date.parse(`${report.data.begins || "1970-01-01T00:00:00"}Z`);
report.clock = (seconds) => {
  const moment = new Date(report.begins() + 1000 * seconds);
  const day = report.data.begins ? `${["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"][moment.getUTCDay()]} ` : "";
  return day + moment.toISOString().slice(11, 19);
};
// Elements with data-machine: point at one, touch it, or Tab to the container and use the arrow keys.
report.selectable = (container, count, show) => {
  container.tabIndex = 0;
  container.setAttribute("role", "group");
  const select = (i) => {
    container.dataset.selected = i;
    container.querySelectorAll(".selected").forEach((each) => each.classList.remove("selected"));
    container.querySelectorAll(`[data-machine="${i}"]`).forEach((each) => each.classList.add("selected"));
    show(i);
  };
  const point = ({ target }) => { if (target.dataset.machine !== undefined && count()) select(+target.dataset.machine); };
  container.onpointerover = point;
  container.onpointerdown = point;
  container.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step === undefined || !count()) return;
    event.preventDefault();
    const now = container.dataset.selected === undefined ? (step > 0 ? -1 : 0) : +container.dataset.selected;
    select((now + step + count()) % count());
  };
};
report.redraw = () => {
  report.instances.splice(0).forEach((chart) => chart.dispose());
  for (const element of document.querySelectorAll("[data-chart]")) {
    if (!element.offsetWidth) continue;
    const panel = element.closest("[data-side]");
    report.draw[element.dataset.chart](element, panel ? +panel.dataset.side : report.side);
  }
  if (report.replay) report.replay.redraw();
};

report.show = (side) => {
  report.side = side;
  for (const panel of document.querySelectorAll(".panel")) panel.hidden = +panel.dataset.side !== side;
  for (const button of document.querySelectorAll(".switch button"))
    button.setAttribute("aria-pressed", String(+button.dataset.side === side));
  report.redraw();
};

// Paper: light colours, every scenario, every assumption, and the width of the sheet while charts are drawn.
const SHEET_PX = 690;
let opened = [];
report.toPaper = () => {
  if (report.printing) return;
  report.printing = true;
  opened = [...document.querySelectorAll("details.assumed:not([open])")];
  opened.forEach((each) => { each.open = true; });
  document.querySelectorAll(".panel").forEach((panel) => { panel.hidden = false; });
  document.body.style.width = `${SHEET_PX}px`;
  // heights in pixels: the sheet's type is smaller than the screen's
  document.querySelectorAll(".chart").forEach((each) => { each.style.height = each.classList.contains("tall") ? "400px" : "190px"; });
  report.redraw();
};
report.toScreen = () => {
  if (!report.printing) return;
  report.printing = false;
  document.body.style.width = "";
  opened.forEach((each) => { each.open = false; });
  document.querySelectorAll(".chart").forEach((each) => { each.style.height = ""; });
  report.show(report.side);
};
addEventListener("beforeprint", report.toPaper);
addEventListener("afterprint", report.toScreen);
print.addEventListener("change", () => (print.matches ? report.toPaper() : report.toScreen()));
dark.addEventListener("change", report.redraw);

let width = innerWidth;
let waiting = 0;
addEventListener("resize", () => {
  if (innerWidth === width || report.printing) return;
  width = innerWidth;
  clearTimeout(waiting);
  waiting = setTimeout(report.redraw, 120);
});
document.addEventListener("click", (event) => {
  const button = event.target.closest(".switch button");
  if (!button) return;
  const before = button.getBoundingClientRect().top;
  report.show(+button.dataset.side);
  scrollBy({ top: button.getBoundingClientRect().top - before, behavior: "instant" });
});
addEventListener("DOMContentLoaded", () => report.show(report.data.sides.length - 1));
