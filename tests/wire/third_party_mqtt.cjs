// Prints every message below a filter as JSON [topic, payload], with npm's `mqtt`: URL FILTER PROTOCOL_VERSION
const [url, filter, version] = process.argv.slice(2);
const client = require("mqtt").connect(url, { protocolVersion: Number(version), reconnectPeriod: 0 });
client.on("connect", () => client.subscribe(filter, { qos: 1 }));
client.on("message", (topic, payload) => console.log(JSON.stringify([topic, payload.toString()])));
for (const event of ["error", "close"]) client.on(event, (e) => console.log(`refused ${event} ${e || ""}`));
