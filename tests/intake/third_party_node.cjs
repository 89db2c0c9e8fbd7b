// Publishes changes of a machine as a Sparkplug edge node, with npm's sparkplug-client.
"use strict";
const [port, username, password] = process.argv.slice(2);
const { newClient } = require(`${process.env.FACTORY_SIM_THIRD_PARTY}/node_modules/sparkplug-client`);

const begin = Date.now() - 1000000;

// State and counter at step i, ten seconds after the one before.
const payload = (i) => {
  const timestamp = begin + 10000 * i;
  return {
    timestamp,
    metrics: [
      { name: "State/Current", type: "String", value: i % 10 >= 2 ? "RUN" : "STOP", timestamp },
      { name: "Count", type: "Int32", value: Math.floor(i / 10), timestamp },
    ],
  };
};

const client = newClient({
  serverUrl: `mqtt://127.0.0.1:${port}`,
  username,
  password,
  groupId: "Plant1",
  edgeNode: "edge",
  clientId: "edge",
  version: "spBv1.0",
  publishDeath: true,
});
client.on("birth", () => {
  client.publishNodeBirth({ timestamp: begin, metrics: [] });
  client.publishDeviceBirth("M1", payload(0));
  for (let i = 1; i < 60; i += 1) client.publishDeviceData("M1", payload(i), { compress: i % 2 === 1 });
  setTimeout(() => client.stop(), 1000);
});
