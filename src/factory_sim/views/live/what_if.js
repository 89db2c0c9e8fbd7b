// What-if changes of a simulated feed, with their intervals.
import { ask, byId, make, put, show } from "./dom.js";
import { signed, words } from "./text.js";

const drawResult = (result, { mean, low, high }) => {
  const reach = 1.1 * Math.max(Math.abs(low), Math.abs(high), Math.abs(mean), 1e-9);
  const at = (value) => `${(50 + (50 * value) / reach).toFixed(2)}%`;
  const [span, dot] = [make("i", { className: "span" }), make("i", { className: "dot" })];
  span.style.left = at(low);
  span.style.width = `${((50 * (high - low)) / reach).toFixed(2)}%`;
  dot.style.left = at(mean);
  result.replaceChildren(make("b", {}, signed(mean)), make("span", { className: "unit" }, " parts/shift "), make("span", { className: "range" }, `${signed(low)} to ${signed(high)}`), make("span", { className: "interval", "aria-hidden": "true" }, make("i", { className: "zero" }), span, dot));
};

export const whatIf = (plan) => {
  const root = byId("whatif");
  const list = root.querySelector("ol");
  const note = root.querySelector(".note");
  let limit = null; // the constraint for which changes have been offered
  show(root, plan.simulated);

  const evaluate = async (button, result, change) => {
    button.disabled = true;
    put(result, "is being simulated");
    try {
      const { parts_per_shift: found } = await ask("whatif", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ change }) });
      drawResult(result, found);
    } catch (problem) {
      put(result, problem.message);
    } finally {
      button.disabled = false;
    }
  };
  const rowOf = ({ change, text }) => {
    const button = make("button", { type: "button" }, "Evaluate");
    const result = make("span", { className: "result", role: "status" });
    const row = make("li", {}, make("span", { className: "name" }, words(text)), button, result);
    row.dataset.change = change;
    button.onclick = () => evaluate(button, result, change);
    return row;
  };
  // What is offered follows the constraint; rows that have been evaluated stay below, with their results.
  const offer = async () => {
    try {
      const offered = await ask("whatif");
      const rows = new Map([...list.children].map((row) => [row.dataset.change, row]));
      const shown = offered.map((each) => rows.get(each.change) ?? rowOf(each));
      const evaluated = [...rows.values()].filter((row) => !shown.includes(row) && row.querySelector(".result").textContent);
      list.replaceChildren(...shown, ...evaluated);
      put(note, offered.length ? "" : "No change is offered yet.");
    } catch (problem) {
      put(note, problem.message);
    }
  };
  const update = (top) => {
    const name = top.constraint?.name ?? "";
    if (!plan.simulated || name === limit) return;
    limit = name;
    offer();
  };
  return { update };
};
