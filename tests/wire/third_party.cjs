// Decodes Sparkplug B payloads, one in hex a line, with Cirrus Link's npm package `sparkplug-payload`.
const { get } = require("sparkplug-payload");
const sparkplug = get("spBv1.0");
const plain = (x) => (x !== null && typeof x === "object" && "toNumber" in x ? x.toNumber() : x);
const lines = require("fs").readFileSync(0, "utf8").trim().split("\n");
const found = lines.map((line) => {
  const payload = sparkplug.decodePayload(Buffer.from(line, "hex"));
  return {
    seq: plain(payload.seq),
    timestamp: plain(payload.timestamp),
    metrics: (payload.metrics || []).map((m) => ({
      name: m.name, alias: plain(m.alias), timestamp: plain(m.timestamp), value: plain(m.value), historical: m.isHistorical,
      unit: m.properties && m.properties.engUnit ? m.properties.engUnit.value : undefined,
    })),
  };
});
process.stdout.write(JSON.stringify(found));
