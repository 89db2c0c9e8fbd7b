// What-if changes of a simulated feed, with their intervals.
import { ask, byId, make, put, show } from "./dom.js";
import { signed, words } from "./text.js";

export const whatIf = (plan) => {
  const root = byId("whatif");
  const list = root.querySelector("ol");
  const form = root.querySelector("form");
  show(root, plan.simulated);
  if (!plan.simulated) return;

  const draw = (row, { mean, low, high }) => {
    const reach = 1.1 * Math.max(Math.abs(low), Math.abs(high), Math.abs(mean), 1e-9);
    const at = (value) => `${(50 + (50 * value) / reach).toFixed(2)}%`;
    const [span, dot] = [make("i", { className: "span" }), make("i", { className: "dot" })];
    span.style.left = at(low);
    span.style.width = `${((50 * (high - low)) / reach).toFixed(2)}%`;
    dot.style.left = at(mean);
    row.querySelector(".result").replaceChildren(make("b", {}, signed(mean)), make("span", { className: "unit" }, " parts/shift "), make("span", { className: "range" }, `${signed(low)} to ${signed(high)}`), make("span", { className: "interval", "aria-hidden": "true" }, make("i", { className: "zero" }), span, dot));
  };
  const evaluate = async (row, change) => {
    const button = row.querySelector("button");
    const result = row.querySelector(".result");
    button.disabled = true;
    put(result, "being simulated");
    try {
      const { parts_per_shift: found } = await ask("whatif", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ change }) });
      draw(row, found);
    } catch (problem) {
      put(result, problem.message);
    } finally {
      button.disabled = false;
    }
  };
  const rowOf = ({ change, text }) => {
    const button = make("button", { type: "button" }, "Evaluate");
    const row = make("li", {}, make("span", { className: "name" }, words(text ?? change)), button, make("span", { className: "result", role: "status" }));
    button.onclick = () => evaluate(row, change);
    return row;
  };
  form.onsubmit = (event) => {
    event.preventDefault();
    const change = form.elements.change.value.trim();
    if (!change) return;
    const row = rowOf({ change, text: change });
    list.append(row);
    while (list.children.length > 12) list.firstChild.remove();
    form.reset();
    evaluate(row, change);
  };
  ask("whatif").then((offered) => list.replaceChildren(...offered.map(rowOf)), (problem) => put(list, problem.message));
};
