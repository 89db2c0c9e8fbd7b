// States over time in stretches: those of one machine, or of all. Memory does not grow with time.
export const EMPTY = 255; // no state is known

// One byte per machine and column: the state that lasted longest in the column's time.
export class Carpet {
  constructor(rows, columns, fromMs, toMs) {
    this.rows = rows;
    this.columns = columns;
    this.fromMs = fromMs;
    this.toMs = toMs;
    this.cells = new Uint8Array(rows * columns).fill(EMPTY);
  }

  get stepMs() { return (this.toMs - this.fromMs) / this.columns; }

  columnAt(ms) { return Math.floor((ms - this.fromMs) / this.stepMs); }

  at(row, column) { return this.cells[row * this.columns + column]; }

  // strip: [[from_ms, to_ms, state], ...] in order
  fill(row, strip) {
    const longest = new Float64Array(this.columns);
    for (const [from, to, state] of strip) {
      const first = Math.max(0, this.columnAt(from)), last = Math.min(this.columns - 1, this.columnAt(to));
      for (let k = first; k <= last; k += 1) {
        const start = this.fromMs + k * this.stepMs;
        const length = Math.min(to, start + this.stepMs) - Math.max(from, start);
        if (length > longest[k]) { longest[k] = length; this.cells[row * this.columns + k] = state; }
      }
    }
  }

  // Continue a machine's present state from one time to another.
  extend(row, state, fromMs, toMs) {
    const first = Math.max(0, this.columnAt(fromMs)), last = Math.min(this.columns - 1, this.columnAt(toMs));
    for (let k = first; k <= last; k += 1) if (k > first || this.at(row, k) === EMPTY) this.cells[row * this.columns + k] = state;
  }

  // Call `take(row, from column, to column)` for each run of one state.
  runs(state, take) {
    for (let row = 0; row < this.rows; row += 1) {
      const first = row * this.columns;
      for (let k = 0; k < this.columns; k += 1) {
        if (this.cells[first + k] !== state) continue;
        const from = k;
        while (k < this.columns && this.cells[first + k] === state) k += 1;
        take(row, from, k);
      }
    }
  }
}

// Round times for the marks of an axis.
export const hourMarks = (fromMs, toMs, most) => {
  const long = toMs - fromMs;
  const beat = [300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400].map((s) => 1000 * s).find((ms) => long / ms <= most) ?? 86_400_000;
  const first = Math.ceil(fromMs / beat) * beat;
  const marks = Array.from({ length: Math.max(0, Math.floor((toMs - first) / beat) + 1) }, (_, i) => first + i * beat);
  return marks.filter((ms) => ms - fromMs < 0.94 * long); // the text stands to the right of its mark
};
