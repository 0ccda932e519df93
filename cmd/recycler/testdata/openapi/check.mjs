// Checks an OpenAPI document, and answers of a server against it. Standard input is JSON:
// {"doc": …, "answers": [{"method", "path" (as in the document), "status", "type", "body"}]}.
// Prints every mistake; exit code 1 when there is one.
import { readFileSync } from "node:fs";
import { Validator } from "@seriousme/openapi-schema-validator";
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

const { doc, answers } = JSON.parse(readFileSync(0, "utf8"));
const mistakes = [];

const checked = await new Validator().validate(structuredClone(doc));
if (!checked.valid) mistakes.push("the document: " + JSON.stringify(checked.errors));

const ajv = new Ajv2020.default({ strict: false, allErrors: true });
addFormats.default(ajv);
for (const format of ["int64", "int32", "double", "float"]) ajv.addFormat(format, true);
ajv.addSchema({ $id: "doc", ...doc });

const token = (s) => encodeURIComponent(s.replaceAll("~", "~0").replaceAll("/", "~1"));
for (const a of answers) {
  const where = `${a.method} ${a.path} ${a.status}`;
  const op = doc.paths[a.path]?.[a.method.toLowerCase()];
  const status = op?.responses[a.status] ? String(a.status) : "default";
  if (!op?.responses[status]?.content?.[a.type]?.schema) {
    mistakes.push(`${where}: the document knows no ${a.type}`);
    continue;
  }
  const pointer = ["paths", a.path, a.method.toLowerCase(), "responses", status, "content", a.type, "schema"].map(token).join("/");
  const fits = ajv.getSchema("doc#/" + pointer);
  if (!fits(a.body)) mistakes.push(`${where}: ${ajv.errorsText(fits.errors)}`);
}
for (const m of mistakes) console.log(m);
process.exit(mistakes.length ? 1 : 0);
