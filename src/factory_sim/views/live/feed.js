// The connection: one picture of the line, kept up to date by differences, and restored after a loss.
const PARTS = ["units", "levels", "vehicles", "crews"]; // of a picture, by name: a change holds only what differs
const QUIET_MS = 6000; // without an event: the connection is lost, although it may look open
const CHECK_MS = 1000;
const WAITS_MS = [1000, 2000, 4000, 8000]; // before the next try

export const emptyPicture = () => Object.fromEntries(PARTS.map((part) => [part, {}]));

// A missing thing has the entry null: it leaves the picture, but stays in a change that is still to be drawn.
export const merge = (picture, change, keepsMissing = false) => {
  for (const [key, value] of Object.entries(change)) {
    if (!PARTS.includes(key)) { picture[key] = value; continue; }
    for (const [name, entry] of Object.entries(value)) {
      if (entry === null && !keepsMissing) delete picture[key][name];
      else picture[key][name] = entry;
    }
  }
};

// Vehicles drive on between two events: each entry keeps the time at which it was true.
const stamp = (message) => {
  for (const entry of Object.values(message.vehicles ?? {})) if (entry) entry.t_ms ??= message.t_ms;
  return message;
};

export const connect = (path, { onFull, onChange, onStatus }) => {
  let source = null;
  let heardAt = performance.now();
  let lostSince = null;
  let tries = 0;
  let retry = 0;

  const lose = () => {
    if (lostSince === null) lostSince = Date.now();
    onStatus(lostSince);
  };
  const hear = () => {
    heardAt = performance.now();
    tries = 0;
    lostSince = null;
    onStatus(null);
  };
  const again = () => {
    lose();
    source.close();
    clearTimeout(retry);
    retry = setTimeout(open, WAITS_MS[Math.min(tries, WAITS_MS.length - 1)]);
    tries += 1;
  };
  const open = () => {
    heardAt = performance.now();
    source = new EventSource(path);
    source.addEventListener("full", ({ data }) => { hear(); onFull(stamp(JSON.parse(data))); });
    source.addEventListener("change", ({ data }) => { hear(); onChange(stamp(JSON.parse(data))); });
    source.onerror = again;
  };
  setInterval(() => {
    if (source.readyState !== EventSource.CLOSED && performance.now() - heardAt > QUIET_MS) again();
  }, CHECK_MS);
  addEventListener("offline", () => again());
  open();
};
