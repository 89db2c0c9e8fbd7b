// Validates an AsyncAPI document from standard input with the official parser; prints its diagnostics as JSON.
const { Parser } = require("@asyncapi/parser");
const text = require("fs").readFileSync(0, "utf8");
new Parser().parse(text).then(({ document, diagnostics }) => {
  const severe = diagnostics.filter((d) => d.severity === 0).map((d) => `${d.path.join(".")}: ${d.message}`);
  process.stdout.write(JSON.stringify({ parsed: Boolean(document), errors: severe, channels: document ? document.channels().all().length : 0 }));
});
